package flow_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/flow"
	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

var world = rules.World{
	Services: []string{"shop"}, Channels: map[string]rules.Channel{"web": {Type: "rtm", Service: "shop"}},
	Integrations: []string{"desk"}, Endpoints: []string{"crm"},
}

// compile compiles a rule file.
func compile(t testing.TB, text string) *rules.Set {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	set, problems := rules.Load(dir, world)
	if len(problems) > 0 {
		t.Fatalf("%s\n%s", text, problems)
	}
	return set
}

// life is a conversation that is decided by rules and flows of a file. It
// writes down what comes of it.
type life struct {
	t    *testing.T
	snap *conversation.Snap
	doc  *state.Document
	now  time.Time
	log  []string
	asks []*state.Command // notifications whose answer is awaited

	out []*state.Command // all others that have not ended

	records  []*state.Record // of the last decision
	commands []*state.Command
}

var begin = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC) // a Monday

func newLife(t *testing.T, set *rules.Set, kept ...*core.FlowDef) *life {
	return &life{t: t, now: begin, doc: conversation.New(core.NewConversationID("web", "ada"), 7, begin), snap: &conversation.Snap{
		Hash: "snap", Rules: set, Flows: flow.New(set.Flows(), kept),
		Services: map[string]*conversation.Service{"shop": {
			Name: "shop", Integration: "desk", Channels: []string{"web"}, Forward: state.Owner_OWNER_CCSP, Timezone: "UTC",
		}},
		Instances: map[string]*conversation.Instance{
			"web":  {Name: "web", Channel: true, Service: "shop", Caps: &pluginv1.Capabilities{ChannelType: "rtm"}},
			"desk": {Name: "desk", MessageRouting: true, Caps: &pluginv1.Capabilities{}},
		},
	}}
}

// decide decides in, twice: a decision is pure.
func (l *life) decide(in conversation.Input) {
	l.t.Helper()
	before := hash(l.doc)
	d := conversation.Decide(l.doc, in, l.snap, l.now)
	again := conversation.Decide(l.doc, in, l.snap, l.now)
	if hash(l.doc) != before || hash(d.Doc) != hash(again.Doc) || len(d.Entries) != len(again.Entries) {
		l.t.Fatalf("a decision is not pure:\n%v\n%v", d.Doc, again.Doc)
	}
	for i := range d.Entries {
		if a, b := decodeEntry(l.t, d.Entries[i]), decodeEntry(l.t, again.Entries[i]); hash(a) != hash(b) {
			l.t.Fatalf("a decision is not pure:\n%v\n%v", a, b)
		}
	}
	l.doc, l.records, l.commands = d.Doc, nil, d.Commands
	for _, e := range d.Entries {
		l.entry(decodeEntry(l.t, e))
	}
	for _, c := range d.Commands {
		l.command(c)
	}
}

func (l *life) entry(e *state.Entry) {
	if x := e.GetEnded(); x != nil && x.End != "sent" {
		l.write("%s %s", x.End, x.Reason)
	}
	r := e.GetRecord()
	if r != nil {
		l.records = append(l.records, r)
	}
	for _, v := range r.GetVerdicts() {
		if v.Verdict == state.Verdict_ERROR {
			l.write("error %s: %s", v.Rule, v.Error)
		}
	}
	for _, f := range r.GetFlows() {
		place := strings.TrimPrefix(f.Place, filepath.Dir(f.Place)+"/")
		l.write("%s: %s", strings.TrimSpace(place+" "+f.Step), f.What)
	}
	if r.GetView().GetType() == sdk.CustomerMessage {
		l.write("-> %s", r.Route)
	}
}

func (l *life) command(c *state.Command) {
	if !c.Answer {
		l.out = append(l.out, c)
	}
	switch c.Kind {
	case state.CommandKind_DELIVER:
		l.write("customer gets %s", c.Message.Text)
	case state.CommandKind_NOTIFY:
		_, data, _ := bytes.Cut(c.Body, []byte(`"data":`))
		l.write("%s gets %s", c.Endpoint, bytes.TrimSuffix(data, []byte("}")))
		if c.Answer {
			l.asks = append(l.asks, c)
		}
	}
}

func (l *life) write(format string, args ...any) { l.log = append(l.log, fmt.Sprintf(format, args...)) }

func (l *life) event(instance string, ev *pluginv1.Event) {
	l.t.Helper()
	l.decide(conversation.Input{Mail: &state.Mail{Instance: instance, Source: "test", Body: &state.Mail_Event{Event: ev}}})
}

// says has the customer write.
func (l *life) says(text string) {
	l.t.Helper()
	l.event("web", &pluginv1.Event{Type: sdk.CustomerMessage, Text: text, Customer: &pluginv1.Customer{Address: "ada"}})
}

// starts begins a flow as a vendor does.
func (l *life) starts(params map[string]string) {
	l.t.Helper()
	l.event("web", &pluginv1.Event{Type: sdk.FlowTriggered, Params: params, Customer: &pluginv1.Customer{Address: "ada"}})
}

// waits lets time pass; the timers ring.
func (l *life) waits(d time.Duration) {
	l.t.Helper()
	until := l.now.Add(d)
	for l.doc.TimerMs != 0 && l.doc.TimerMs <= until.UnixMilli() {
		l.now = time.UnixMilli(l.doc.TimerMs).UTC()
		l.decide(conversation.Input{Mail: &state.Mail{Source: "timer", Body: &state.Mail_Fired{Fired: &state.Fired{DueMs: l.doc.TimerMs}}}})
	}
	l.now = until
}

// answers ends the oldest notification that a flow waits for.
func (l *life) answers(end conversation.End, said string) {
	l.t.Helper()
	c := l.asks[0]
	l.asks = l.asks[1:]
	r := &conversation.Result{Command: c, Attempts: &state.Attempts{Count: 1}, End: end, Answer: []byte(said)}
	if end != conversation.Sent {
		r.Reason = "rejected: 400"
	}
	l.decide(conversation.Input{Result: r})
}

// settles has all that is on its way arrive.
func (l *life) settles() {
	l.t.Helper()
	for len(l.out) > 0 {
		c := l.out[0]
		l.out = l.out[1:]
		r := &conversation.Result{Command: c, Attempts: &state.Attempts{Count: 1}, End: conversation.Sent}
		if c.Kind == state.CommandKind_CHAT_OPEN_CMD {
			r.ChatRef = fmt.Sprint("chat", c.Chat)
		}
		l.decide(conversation.Input{Result: r})
	}
}

// wants compares what was written down since the last time.
func (l *life) wants(lines ...string) {
	l.t.Helper()
	if diff := cmp.Diff(lines, l.log); diff != "" {
		l.t.Errorf("-want +got:\n%s", diff)
	}
	l.log = nil
}

func decodeEntry(t *testing.T, e conversation.Entry) *state.Entry {
	t.Helper()
	line := &state.Entry{}
	if err := line.UnmarshalVT(e.Body); err != nil {
		t.Fatal(err)
	}
	return line
}
