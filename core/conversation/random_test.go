package conversation_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
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

// traffic plays a random life of one conversation.
type traffic struct {
	*world
	r       *rand.Rand
	asked   int            // customer's messages so far
	heard   int            // the last one that the desk took
	closed  map[uint32]int // terminal events by chat
	spoken  [2]int         // words of the bot that were delivered, and that were silenced
	changes int            // of who has the conversation
	again   int            // chats that the vendor opened again
	late    int            // messages that came after the reply window
	marks   int            // messages that were delivered or read until some time
	told    int            // transcripts that agents were shown
	letters []*state.Command
	seen    *conversation.Decision
}

// A conversation of thousands of events: every decision has the properties that
// world.decide checks; the document stays small; the desk hears the customer in
// order; a chat ends once; in the end every command has ended.
func TestRandomTraffic(t *testing.T) {
	for seed, steps := range []int{10_000, 2000, 2000} {
		if testing.Short() {
			steps = 1000
		}
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			tr := &traffic{world: newWorld(t), r: rand.New(rand.NewPCG(uint64(seed), 1)), closed: map[uint32]int{}}
			tr.configure()
			tr.some = 16
			for i := range steps {
				tr.step()
				if n := tr.doc.SizeVT(); n > 64<<10 {
					t.Fatalf("seed %d, step %d: the document has %d bytes", seed, i, n)
				}
			}
			tr.snap.Probe, tr.snap.Rules = nil, nil
			for n := 0; len(tr.pending) > 0; n++ {
				if n > 1000 {
					t.Fatalf("seed %d: never done: %v", seed, tr.show())
				}
				tr.finish(tr.head())
			}
			if len(tr.doc.Open) != 0 || tr.doc.Chat.GetPending() != 0 {
				t.Errorf("seed %d: open records %v, chat %v", seed, tr.doc.Open, tr.doc.Chat)
			}
			if tr.heard == 0 || len(tr.closed) < 3 || tr.spoken[0] == 0 || tr.spoken[1] == 0 || tr.changes < 3 {
				t.Errorf("seed %d: a dull life: message %d heard, %d chats, the bot %d, %d changes",
					seed, tr.heard, len(tr.closed), tr.spoken, tr.changes)
			}
			if w := tr.doc.Windows.GetOpen(); len(w) == 0 || slices.ContainsFunc(w, func(w *state.Window) bool { return w.Waiting != 0 }) {
				t.Errorf("seed %d: windows %v, and nothing waits", seed, w)
			}
			if tr.late == 0 || tr.marks == 0 {
				t.Errorf("seed %d: a dull life: %d messages were too late, %d were delivered until some time", seed, tr.late, tr.marks)
			}
			if tr.again == 0 || tr.told == 0 {
				t.Errorf("seed %d: a dull life: %d chats opened again, %d transcripts", seed, tr.again, tr.told)
			}
		})
	}
}

func (tr *traffic) configure() {
	svc := tr.snap.Services["retail"]
	svc.IdleAfter, svc.CloseAfter, svc.UnattendedAfter = 10*time.Minute, time.Hour, []time.Duration{5 * time.Minute, 15 * time.Minute}
	svc.Forward, svc.BotResumes, svc.Copies = both, true, both
	tr.snap.Instances["bot"].Abilities = []string{pluginv1.AbilitySendEvent}
	tr.snap.Flows = flows{takes: "never"}
	svc.Transcript, svc.ReopenWithin = 20, 10*time.Minute
	tr.snap.Instances["desk"].Abilities = []string{
		pluginv1.AbilityReceipt, pluginv1.AbilityTransfer, pluginv1.AbilitySendEvent, pluginv1.AbilityReopen,
	}
	tr.snap.Services["sales"] = &conversation.Service{Name: "sales", Integration: "desk2"}
	tr.snap.Instances["desk2"] = &conversation.Instance{Name: "desk2", Caps: &pluginv1.Capabilities{}}
	svc.Channels = append(svc.Channels, "phone")
	tr.snap.Instances["phone"] = &conversation.Instance{Name: "phone", Channel: true, Abilities: []string{pluginv1.AbilityCall},
		Caps: &pluginv1.Capabilities{ChannelType: "voice"}}
	tr.snap.Instances["web"].Caps.ToOutside = &pluginv1.TextLimit{Limit: 40, Unit: pluginv1.TextUnit_RUNE}
	tr.snap.Instances["web"].Caps.ReplyWindow = &pluginv1.ReplyWindow{OpenMs: 3 * minute, AgentMs: 20 * minute, Messages: 6}
	tr.snap.Instances["web"].Caps.QuickReplies, tr.snap.Instances["web"].Caps.MaxQuickReplies = true, 2
	svc.Channels = append(svc.Channels, "app")
	tr.snap.Instances["app"] = &conversation.Instance{Name: "app", Channel: true, Abilities: []string{pluginv1.AbilityRegister},
		Caps: &pluginv1.Capabilities{ChannelType: "push"}}
	tr.snap.Rules = busy(func(v *state.View) []core.Action {
		// Pure: what is done depends on the view alone.
		switch n := v.AtMs / 7 % 40; {
		case n == 0:
			return []core.Action{{Kind: core.Close, Reason: "rule"}}
		case n < 4:
			return []core.Action{{Kind: core.Send, Text: "automatic"}, {Kind: core.Notify, Endpoint: "ops"}}
		case n < 6:
			return []core.Action{{Kind: core.Emit, Key: "e"}, {Kind: core.Tag, Key: fmt.Sprint("t", v.AtMs)}}
		case n == 6:
			return []core.Action{{Kind: core.Set, Key: fmt.Sprint("k", v.AtMs), Value: strings.Repeat("v", 100)}}
		case n == 7:
			return []core.Action{{Kind: core.Flow, Key: "survey"}, {Kind: core.Send, Channel: "sms", To: "+1", Text: "x"}}
		case n == 8:
			return []core.Action{forward(both)}
		case n == 10:
			return []core.Action{{Kind: core.Call, Text: "Hello", To: "+1"}, {Kind: core.Transfer, To: "2"}}
		case n == 11:
			return []core.Action{{Kind: core.Emit, Key: "e", Vendor: true}, {Kind: core.Transfer, Service: "sales"}}
		case n == 9:
			panic("a broken rule")
		case n == 12:
			return []core.Action{{Kind: core.Control, Key: []string{"offer", "pass", "accept"}[v.AtMs%3], Owner: []state.Owner{ccsp, bot}[v.AtMs/3%2]}}
		case n == 13:
			return []core.Action{{Kind: core.Control, Key: "release"}}
		}
		return nil
	})
	tr.snap.Probe = func(stage int, _ string) {
		if stage == 1 && tr.now.UnixMilli()%211 == 0 {
			panic("poison")
		}
	}
}

// busy are rules that also wait, and count their matches.
type busy func(v *state.View) []core.Action

func (b busy) Evaluate(v *state.View) core.Evaluation {
	e := rules(b).Evaluate(v)
	n := v.AtMs % 200
	if v.Waited == "" && n%3 == 0 {
		e.Waits = []core.Wait{{Rule: fmt.Sprint("w", n), After: time.Duration(n) * time.Minute, Hash: "h"}}
	}
	e.Counts = []core.Count{{Rule: fmt.Sprint("c", n), Keep: int(n%5) + 1, For: time.Duration(n) * time.Hour}}
	return e
}

func (tr *traffic) step() {
	tr.now = tr.now.Add(time.Duration(tr.r.IntN(30_000)) * time.Millisecond)
	tr.fixSnap()
	if len(tr.pending) > 0 && (len(tr.pending) > 40 || tr.r.IntN(2) == 0) {
		tr.finish(tr.head())
		return
	}
	ref := ""
	if n := tr.doc.Chat.GetNumber(); n > 0 {
		ref = fmt.Sprint("chat-", n-uint32(tr.r.IntN(2)))
	}
	life := []string{sdk.ChatClosed, sdk.ChatReopened, sdk.ChatHeld, sdk.AgentLeft, sdk.ChatQueued, sdk.ChatRejected, sdk.ChatOpened}
	before := tr.doc
	switch tr.r.IntN(22) {
	case 0, 1, 2, 3:
		tr.asked++
		tr.customer(strings.TrimSpace(fmt.Sprintf("#%d# %s", tr.asked, strings.Repeat("word ", tr.r.IntN(30)))))
	case 4, 5:
		tr.agent(strings.Repeat("answer ", tr.r.IntN(12)))
	case 6:
		tr.event("desk", &pluginv1.Event{Type: life[tr.r.IntN(len(life))], Ref: ref})
	case 7:
		tr.polled(&state.Polled{Chat: tr.doc.Chat.GetNumber(), Cursor: []byte("c"), Lost: tr.r.IntN(10) == 0,
			Events: []*pluginv1.Event{{Type: sdk.IncomingMessage, Text: "polled"}, {Type: sdk.IncomingMessage, Text: note, Private: true}, {Type: "odd"}}})
	case 18:
		tr.event("desk", &pluginv1.Event{Type: sdk.IncomingMessage, Ref: ref, Text: note, Private: true,
			QuickReplies: []*pluginv1.QuickReply{{Title: note}}, Attachments: []*pluginv1.Attachment{{Url: note}}})
	case 8, 9:
		if tr.doc.TimerMs != 0 {
			tr.now = time.UnixMilli(max(tr.doc.TimerMs, tr.now.UnixMilli()))
			tr.fire()
		}
	case 10:
		if tr.r.IntN(4) == 0 {
			tr.close("ops")
		}
	case 11, 12:
		if n := len(tr.doc.Sent); n > 0 {
			types := []string{sdk.MessageDelivered, sdk.MessageRead, sdk.MessageFailed}
			tr.receipt(types[tr.r.IntN(3)], tr.doc.Sent[tr.r.IntN(n)].MessageId)
		}
	case 19:
		tr.event("web", &pluginv1.Event{Type: sdk.FlowTriggered, Customer: &pluginv1.Customer{Address: "ada"}, ReplyWindow: click})
	case 20:
		tr.until([]string{sdk.MessageDelivered, sdk.MessageRead}[tr.r.IntN(2)], tr.now.Add(-time.Duration(tr.r.IntN(60))*time.Second))
	case 21:
		if tr.r.IntN(3) == 0 {
			tr.token("web", "fcm", note)
		}
	case 14, 15:
		tr.controls()
	case 16, 17:
		tr.move("bot speaks")
		tr.heed(before)
	case 13:
		if len(tr.letters) > 0 {
			tr.mail(&state.Mail{Source: "api", Body: &state.Mail_Replay{Replay: &state.Replay{Commands: tr.letters[:1]}}})
			tr.letters = tr.letters[1:]
		}
	}
	tr.watch()
}

// controls changes who has the conversation, from any side.
func (tr *traffic) controls() {
	pick := func(list ...string) string { return list[tr.r.IntN(len(list))] }
	switch by := pick("bot", "desk", "desk", "operator"); {
	case by == "desk" && tr.r.IntN(3) == 0:
		tr.begins(fmt.Sprint("own-", tr.r.IntN(5)))
	case tr.r.IntN(6) == 0:
		tr.move(by + " releases")
	default:
		tr.move(by + " " + pick("offers", "offers", "accepts", "passes") + " to " + pick("ccsp", "bot"))
	}
}

// heed checks what became of a word of the bot: it was delivered if and only if
// no agent had the chat, or the bot was offered it.
func (tr *traffic) heed(before *state.Document) {
	open := before.GetChat().GetState() == state.ChatState_CHAT_OPEN || before.GetChat().GetState() == state.ChatState_CHAT_OPENING
	agents := before.Owner == ccsp || before.Owner == both && open && (before.Chat.Assigned || before.Chat.AgentMessages > 0)
	for _, r := range tr.records() {
		if r.Dead != "" && r.View.Type == sdk.IncomingMessage {
			return
		}
	}
	if slices.Contains(tr.ended(), "DELIVER dropped no_bot") { // the chat is in a service without it
		return
	}
	silent := slices.Contains(tr.ended(), "DELIVER dropped agent_has_chat")
	if want := agents && before.Offered != bot; silent != want {
		tr.t.Fatalf("silenced %v, want %v: before %v, %v; after %v, %q", silent, want, before.Owner, before.Chat, tr.doc.Owner, tr.ended())
	}
	if silent {
		tr.spoken[1]++
	} else {
		tr.spoken[0]++
	}
}

// fixSnap lets the integration be missing at times.
func (tr *traffic) fixSnap() {
	tr.snap.Instances["desk"].Removed = tr.now.Minute() == 13
	tr.snap.Instances["desk"].Caps.Transcript = tr.now.Minute()%2 == 0
}

// head returns the first command of a random lane.
func (tr *traffic) head() *state.Command {
	lane := tr.pending[tr.r.IntN(len(tr.pending))].Lane
	for _, c := range tr.pending {
		if c.Lane == lane {
			return c
		}
	}
	return nil
}

// finish ends a command as the engine would: it knows what has become of the
// chat before it asks a vendor.
func (tr *traffic) finish(c *state.Command) {
	if r, ok := tr.local(c); ok {
		tr.end(c, r)
		tr.watch()
		return
	}
	switch n := tr.r.IntN(40); {
	case n == 0 && c.Chat != 0 || n < 10 && c.Kind == state.CommandKind_CHAT_REOPEN:
		tr.gone(c, "chat_gone")
	case n == 1:
		tr.dead(c, "rejected")
	case n == 2:
		tr.end(c, conversation.Result{End: conversation.Dropped, Reason: "unsupported"})
	default:
		tr.hear(c)
		tr.shows(c)
		tr.sent(c)
	}
	tr.watch()
}

func (tr *traffic) local(c *state.Command) (conversation.Result, bool) {
	if conversation.WindowClosed(tr.doc, c, tr.snap.Instances["web"].Caps, tr.now) {
		return conversation.Result{End: conversation.Dropped, Reason: conversation.WindowIsClosed}, true
	}
	chat := tr.doc.GetChat()
	over := chat.GetNumber() != c.Chat || chat.GetState() == state.ChatState_CHAT_CLOSED
	switch c.Kind {
	case state.CommandKind_CHAT_OPEN_CMD, state.CommandKind_CHAT_SEND:
		if over && chat.Number == c.Chat && chat.Status == "rejected" {
			return conversation.Result{End: conversation.Dead, Reason: "chat_rejected"}, true
		}
		return conversation.Result{End: conversation.Gone, Reason: "chat_closed"}, over
	case state.CommandKind_CHAT_CLOSE:
		return conversation.Result{End: conversation.Dropped, Reason: "no_chat"}, chat.GetRef() == "" || chat.GetNumber() != c.Chat
	case state.CommandKind_CHAT_RECEIPT, state.CommandKind_CHAT_TRANSFER, state.CommandKind_CHAT_EVENT, state.CommandKind_CHAT_REOPEN:
		return conversation.Result{End: conversation.Dropped, Reason: "chat_closed"}, over
	}
	return conversation.Result{}, false
}

// hear notes that the desk takes a customer's message.
func (tr *traffic) hear(c *state.Command) {
	var n int
	if c.Chat == 0 || c.Late || c.Message.GetAuthor() != pluginv1.AuthorKind_AUTHOR_CUSTOMER {
		return
	}
	if _, err := fmt.Sscanf(c.Message.Text, "#%d#", &n); err != nil {
		return // a later part
	}
	if n <= tr.heard {
		tr.t.Fatalf("the desk hears message %d after %d", n, tr.heard)
	}
	tr.heard = n
}

// shows notes what an agent is shown when a chat opens: nothing that follows as
// a message.
func (tr *traffic) shows(c *state.Command) {
	if c.Kind == state.CommandKind_CHAT_REOPEN {
		tr.again++
	}
	if c.Kind != state.CommandKind_CHAT_OPEN_CMD {
		return
	}
	said := tr.doc.Chat.Transcript
	if len(said) > 0 {
		tr.told++
	}
	for _, p := range tr.pending {
		for _, l := range said {
			theirs := p.Message.GetAuthor() == customerAuthor && l.Line.Author == customerAuthor
			if theirs && p.Lane == c.Lane && p.Record != 0 && p.Record == l.Record {
				tr.t.Fatalf("%v is shown, and follows", l)
			}
		}
	}
}

const customerAuthor = pluginv1.AuthorKind_AUTHOR_CUSTOMER

// note is what only agents may read.
const note = "what a difficult customer"

// keeps checks that no note among agents has gone into a command, or into what
// later commands are made of.
func (tr *traffic) keeps() {
	leaks := func(m interface{ MarshalVT() ([]byte, error) }) bool {
		b, err := m.MarshalVT()
		return err != nil || bytes.Contains(b, []byte(note))
	}
	written := func(c *state.Command) bool { return c.Kind != state.CommandKind_REGISTER && leaks(c) } // that one is for the push channel
	if leaks(tr.doc) || slices.ContainsFunc(tr.last.Commands, written) {
		tr.t.Fatalf("a note among agents has left the desk: %v\n%v", tr.last.Commands, tr.doc)
	}
}

// windows checks that the places in a window are those of the messages that wait
// and of those that may still go.
func (tr *traffic) windows() {
	waits := map[uint64]uint32{}
	for _, c := range tr.pending {
		if c.Kind == state.CommandKind_DELIVER {
			waits[c.Window]++
		}
	}
	for _, w := range tr.doc.Windows.GetOpen() {
		if w.Waiting != waits[w.Number] || w.Left+w.Waiting > w.Of.Messages && w.Of.Messages >= w.Waiting {
			tr.t.Fatalf("window %v, and %d messages wait in it", w, waits[w.Number])
		}
	}
	for _, e := range tr.ended() {
		if e == "DELIVER dropped "+conversation.WindowIsClosed {
			tr.late++
		}
	}
	for _, r := range tr.records() {
		if r.View.Event.GetAtMs() != 0 && strings.HasPrefix(r.View.Type, "message_") && r.DuplicateOf == "" {
			tr.marks++
		}
	}
}

// watch checks the last decision's history.
func (tr *traffic) watch() {
	if tr.seen == tr.last {
		return
	}
	tr.seen = tr.last
	tr.keeps()
	tr.windows()
	for _, l := range tr.last.Dead {
		tr.letters = append(tr.letters, l.Command)
	}
	for _, r := range tr.records() {
		if r.Dead != "" && r.View.Type == sdk.ChatReopened && r.View.Instance == "" {
			tr.closed[tr.doc.Chat.GetNumber()]-- // the answer to our call had said so
		}
		if r.DuplicateOf != "" || r.Dead != "" || r.View.Waited != "" {
			continue
		}
		if conversation.IsControl(r.View.Type) {
			tr.changes++
		}
		switch n := r.View.Chat.GetNumber(); r.View.Type {
		case sdk.ChatReopened:
			tr.closed[n]--
		case sdk.ChatClosed, sdk.ChatRejected:
			if tr.closed[n]++; tr.closed[n] > 1 {
				tr.t.Fatalf("chat %d ended twice", n)
			}
		}
	}
}
