package conversation_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// start is when every test begins.
var start = time.UnixMilli(1_700_000_000_000)

const epoch = 0x1122334455667788

// rules are a RuleSet of one function.
type rules func(v *state.View) []core.Action

func (r rules) Evaluate(v *state.View) core.Evaluation {
	var e core.Evaluation
	for _, a := range r(v) {
		if a.Rule == "" {
			a.Rule = "r"
		}
		e.Actions = append(e.Actions, a)
		e.Verdicts = append(e.Verdicts, &state.RuleVerdict{Rule: a.Rule, Verdict: state.Verdict_MATCHED})
	}
	return e
}

// on returns rules that do actions at every event of a type.
func on(typ string, actions ...core.Action) rules {
	return func(v *state.View) []core.Action {
		if v.Type == typ {
			return actions
		}
		return nil
	}
}

// newSnap is a service with two channels, a desk and a bot.
func newSnap() *conversation.Snap {
	return &conversation.Snap{
		Hash: "snap", Engine: "1.0",
		Services: map[string]*conversation.Service{"retail": {
			Name: "retail", Integration: "desk", Bot: "bot", Channels: []string{"web", "sms"},
			Forward: state.Owner_OWNER_CCSP, Timezone: "Europe/Zurich",
		}},
		Instances: map[string]*conversation.Instance{
			"web": {Name: "web", Channel: true, Service: "retail", Caps: &pluginv1.Capabilities{
				ChannelType: "rtm", Receipts: true, UndeliveredForMs: 1000,
			}},
			"sms": {Name: "sms", Channel: true, Service: "retail", Caps: &pluginv1.Capabilities{
				ChannelType: "sms", Receipts: true, ReceiptsByRef: true,
			}},
			"desk": {Name: "desk", MessageRouting: true, Caps: &pluginv1.Capabilities{
				ToOutside: &pluginv1.TextLimit{Limit: 100},
			}},
			"bot": {Name: "bot", MessageRouting: true, Caps: &pluginv1.Capabilities{}},
		},
	}
}

// world is a conversation and what is on its way outside.
type world struct {
	t       *testing.T
	snap    *conversation.Snap
	doc     *state.Document
	now     time.Time
	pending []*state.Command
	ends    map[uint64]int
	last    *conversation.Decision
	noticed []string // what the customer's app was told
	some    int      // of so many decisions one is checked for purity; 0: all
	decided int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldOf(t, core.NewConversationID("web", "ada"))
}

func newWorldOf(t *testing.T, id core.ConversationID) *world {
	t.Helper()
	return &world{t: t, snap: newSnap(), doc: conversation.New(id, epoch, start), now: start, ends: map[uint64]int{}}
}

// decide decides in and checks what holds of every decision: document and input
// are as they were, a second decision is the same, numbers grow, and a command
// ends once.
func (w *world) decide(in conversation.Input) *conversation.Decision {
	w.t.Helper()
	var d *conversation.Decision
	if w.decided++; w.some == 0 || w.decided%w.some == 0 {
		d = w.decidePurely(in)
	} else {
		d = conversation.Decide(w.doc, in, w.snap, w.now)
	}
	w.check(d)
	w.doc, w.last = d.Doc, d
	for _, n := range d.Notices {
		w.noticed = append(w.noticed, strings.TrimSpace(n.Status+n.Event+" "+n.MessageID+n.Params["name"]))
	}
	return d
}

// The events of a test.

func (w *world) mail(m *state.Mail) *conversation.Decision {
	w.t.Helper()
	return w.decide(conversation.Input{Mail: m})
}

func (w *world) event(instance string, ev *pluginv1.Event) *conversation.Decision {
	w.t.Helper()
	return w.mail(&state.Mail{Instance: instance, Source: "test", Body: &state.Mail_Event{Event: ev}})
}

func (w *world) customer(text string) *conversation.Decision {
	w.t.Helper()
	return w.event("web", &pluginv1.Event{
		Type: sdk.CustomerMessage, Text: text, Customer: &pluginv1.Customer{Address: "ada", FirstName: "Ada"},
	})
}

func (w *world) agent(text string) *conversation.Decision {
	w.t.Helper()
	return w.event("desk", &pluginv1.Event{
		Type: sdk.IncomingMessage, Text: text, Ref: w.doc.GetChat().GetRef(), MessageId: "desk-" + text, Agent: &pluginv1.Agent{Name: "Bob"},
	})
}

func (w *world) desk(typ string) *conversation.Decision {
	w.t.Helper()
	return w.event("desk", &pluginv1.Event{Type: typ, Ref: w.doc.GetChat().GetRef()})
}

func (w *world) fire() *conversation.Decision {
	w.t.Helper()
	return w.mail(&state.Mail{Source: "timer", Body: &state.Mail_Fired{Fired: &state.Fired{DueMs: w.doc.TimerMs}}})
}

func (w *world) close(by string) *conversation.Decision {
	w.t.Helper()
	return w.mail(&state.Mail{Source: "api", Body: &state.Mail_Close{Close: &state.CloseRequested{By: by, Reason: "done"}}})
}

func (w *world) polled(p *state.Polled) *conversation.Decision {
	w.t.Helper()
	return w.mail(&state.Mail{Instance: "desk", Source: "integration", Body: &state.Mail_Polled{Polled: p}})
}

// end ends a pending command, with what waits behind it.
func (w *world) end(c *state.Command, r conversation.Result) *conversation.Decision {
	w.t.Helper()
	r.Command = c
	if r.Attempts == nil {
		r.Attempts = &state.Attempts{Count: 1}
	}
	if conversation.NeedsRest(c, r.End) {
		for _, p := range w.pending {
			if p.Lane == c.Lane && p.Number > c.Number {
				r.Rest = append(r.Rest, p)
			}
		}
	}
	return w.decide(conversation.Input{Result: &r})
}

func (w *world) sent(c *state.Command) *conversation.Decision {
	w.t.Helper()
	r := conversation.Result{End: conversation.Sent, MessageID: fmt.Sprint("m", c.Number)}
	if c.Kind == state.CommandKind_CHAT_OPEN_CMD {
		r.ChatRef = fmt.Sprint("chat-", c.Chat)
	}
	return w.end(c, r)
}

func (w *world) dead(c *state.Command, reason string) *conversation.Decision {
	w.t.Helper()
	return w.end(c, conversation.Result{End: conversation.Dead, Reason: reason})
}

func (w *world) gone(c *state.Command, reason string) *conversation.Decision {
	w.t.Helper()
	return w.end(c, conversation.Result{End: conversation.Gone, Reason: reason})
}

// chat brings the conversation into an open chat, with nothing pending.
func (w *world) chat() {
	w.t.Helper()
	w.customer("hello")
	w.sent(w.one(state.CommandKind_CHAT_OPEN_CMD))
	if w.doc.Chat.State != state.ChatState_CHAT_OPEN || len(w.pending) != 0 {
		w.t.Fatalf("chat is %v, %d commands wait", w.doc.Chat.State, len(w.pending))
	}
}

// What came of it.

// one returns the only pending command of a kind.
func (w *world) one(kind state.CommandKind) *state.Command {
	w.t.Helper()
	all := w.all(kind)
	if len(all) != 1 {
		w.t.Fatalf("%d commands of kind %v wait, want 1: %v", len(all), kind, w.show())
	}
	return all[0]
}

func (w *world) all(kind state.CommandKind) (all []*state.Command) {
	for _, c := range w.pending {
		if c.Kind == kind {
			all = append(all, c)
		}
	}
	return all
}

// show writes the pending commands as "lane kind text".
func (w *world) show() (all []string) {
	for _, c := range w.pending {
		all = append(all, strings.TrimSpace(fmt.Sprintf("%s %v %s", c.Lane, c.Kind, c.Message.GetText())))
	}
	return all
}

// want compares the pending commands.
func (w *world) want(lines ...string) {
	w.t.Helper()
	if got := w.show(); !slices.Equal(got, lines) {
		w.t.Fatalf("pending\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(lines, "\n  "))
	}
}

// entries decodes the last decision's history.
func (w *world) entries() (all []*state.Entry) {
	for _, e := range w.last.Entries {
		all = append(all, decodeEntry(w.t, e.Body))
	}
	return all
}

func (w *world) records() (all []*state.Record) {
	for _, e := range w.entries() {
		if r := e.GetRecord(); r != nil {
			all = append(all, r)
		}
	}
	return all
}

// types are the events that the last decision decided.
func (w *world) types() (all []string) {
	for _, r := range w.records() {
		all = append(all, r.View.Type)
	}
	return all
}

// ended writes the ends in the last decision as "kind end reason".
func (w *world) ended() (all []string) {
	for _, e := range w.entries() {
		if x := e.GetEnded(); x != nil {
			all = append(all, fmt.Sprintf("%v %s %s", x.Command.Kind, x.End, x.Reason))
		}
	}
	return all
}

func (w *world) wantEnded(lines ...string) {
	w.t.Helper()
	if got := w.ended(); !slices.Equal(got, lines) {
		w.t.Fatalf("ended %q, want %q", got, lines)
	}
}

func (w *world) wantTypes(types ...string) {
	w.t.Helper()
	if got := w.types(); !slices.Equal(got, types) {
		w.t.Fatalf("decided %q, want %q", got, types)
	}
}
