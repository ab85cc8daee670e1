package conversation_test

import (
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

const (
	hour   = uint64(time.Hour / time.Millisecond)
	minute = uint64(time.Minute / time.Millisecond)
)

var (
	day     = &pluginv1.ReplyWindow{OpenMs: 24 * hour, AgentMs: 168 * hour} // as Messenger's
	five    = &pluginv1.ReplyWindow{OpenMs: 48 * hour, Messages: 5}         // as WeChat's
	click   = &pluginv1.ReplyWindow{OpenMs: minute, Messages: 3}
	tooLate = []string{"DELIVER dropped window_closed"}
)

// windowed is a world whose channel has a reply window.
func windowed(t *testing.T, of *pluginv1.ReplyWindow) *world {
	t.Helper()
	w := newWorld(t)
	w.snap.Instances["web"].Caps.ReplyWindow = of
	w.snap.Instances["desk"].Caps.ToOutside = nil
	return w
}

// rule has a rule write to the customer, and says whether it could.
func (w *world) rule(text string) bool {
	w.t.Helper()
	w.snap.Rules = on(sdk.CustomEvent, core.Action{Kind: core.Send, Text: text})
	w.event("", &pluginv1.Event{Type: sdk.CustomEvent, EventName: "e"})
	return w.written()
}

// written says whether the last decision has made a message to the customer; one
// that was not made must have been dropped for its window.
func (w *world) written() bool {
	w.t.Helper()
	made := slices.ContainsFunc(w.last.Commands, func(c *state.Command) bool { return c.Kind == state.CommandKind_DELIVER })
	if !made && !slices.Equal(w.ended(), tooLate) {
		w.t.Fatalf("neither written nor closed: %v, %v", w.show(), w.ended())
	}
	return made
}

func (w *world) pass(d time.Duration) { w.now = w.now.Add(d) }

// clicks is an act of the customer that is no message.
func (w *world) clicks(of *pluginv1.ReplyWindow) {
	w.t.Helper()
	w.event("web", &pluginv1.Event{
		Type: sdk.FlowTriggered, Customer: &pluginv1.Customer{Address: "ada"}, ReplyWindow: of,
	})
}

// What a person wrote may go for longer than what a rule or the bot wrote.
func TestReplyWindow(t *testing.T) {
	w := windowed(t, day)
	w.chat()
	w.pass(24*time.Hour - time.Second)
	if !w.rule("in time") {
		t.Error("a rule could not write within the window")
	}
	w.pass(time.Second)
	if w.rule("late") {
		t.Error("a rule wrote after the window")
	}
	w.agent("a person's")
	if !w.written() {
		t.Error("the agent could not write within the agents' window")
	}
	w.pass(144 * time.Hour)
	w.agent("late")
	if w.written() {
		t.Error("the agent wrote after the agents' window")
	}
	told := w.pending[len(w.pending)-1].Message.GetText()
	if want := "Your message was not delivered (this channel takes nothing later than 168 hours after the customer's last message, " +
		"until the customer writes again): late"; told != want {
		t.Errorf("the agent is told %q, want %q", told, want)
	}
	w.customer("I am back")
	if !w.rule("again") {
		t.Error("the customer's message has not opened the window again")
	}
}

func TestBotHasNoAgentsWindow(t *testing.T) {
	w := windowed(t, day)
	w.snap.Services["retail"].Forward = bot
	w.customer("hello")
	w.pass(25 * time.Hour)
	w.event("bot", &pluginv1.Event{Type: sdk.IncomingMessage, Text: "late"})
	if w.written() {
		t.Error("the bot wrote in the agents' window")
	}
}

// Who has never written cannot be written to; the agent who begins is told.
func TestNobodyIsWrittenToFirst(t *testing.T) {
	w := windowed(t, day)
	w.mail(&state.Mail{Source: "rule", Body: &state.Mail_Outbound{Outbound: &state.OutboundRequested{
		Channel: "web", Address: "ada", Message: &pluginv1.Message{Text: "hi"}, Rule: "r",
	}}})
	w.wantEnded(tooLate...)
	w.event("desk", &pluginv1.Event{Type: sdk.ChatOpened, Ref: "own-1", By: "agent", Channel: "web",
		Customer: &pluginv1.Customer{Address: "ada"}, Agent: &pluginv1.Agent{Name: "Bob"}})
	w.event("desk", &pluginv1.Event{Type: sdk.IncomingMessage, Ref: "own-1", Text: "Good morning"})
	w.wantEnded(tooLate...)
	if told := w.pending[len(w.pending)-1].Message.GetText(); !strings.Contains(told, "has not written first") {
		t.Errorf("the agent is told %q", told)
	}
}

// So many messages go, each part is one, and one that was dropped leaves its place.
func TestMessagesOfAWindow(t *testing.T) {
	w := windowed(t, five)
	w.snap.Instances["web"].Caps.ToOutside = &pluginv1.TextLimit{Limit: 4}
	w.customer("hello")
	w.sent(w.one(state.CommandKind_CHAT_OPEN_CMD))
	w.agent("aaaabbbb")
	if !w.rule("3") || !w.rule("4") {
		t.Fatal("there were five")
	}
	if w.rule("55556666") {
		t.Error("two parts went where there was place for one")
	}
	if !w.rule("5") || w.rule("6") {
		t.Error("not five")
	}
	all := w.all(state.CommandKind_DELIVER)
	for _, c := range all[:3] {
		w.sent(c)
	}
	w.end(all[3], conversation.Result{End: conversation.Dropped, Reason: "unsupported"})
	if !w.rule("5") || w.rule("7") {
		t.Error("a dropped message has not left its place, or left two")
	}
	w.end(all[4], conversation.Result{End: conversation.Dead, Reason: "ambiguous"})
	if w.rule("8") {
		t.Error("one that may have arrived left its place")
	}
	w.agent("9")
	if told := w.pending[len(w.pending)-1].Message.GetText(); !strings.Contains(told, "takes 5 messages after one of the customer's, and has 0 left") {
		t.Errorf("the agent is told %q", told)
	}
}

// Each message of the customer renews the count, but for what still waits.
func TestCountIsRenewed(t *testing.T) {
	w := windowed(t, five)
	w.customer("one")
	for range 4 {
		w.rule("x")
	}
	waits := w.all(state.CommandKind_DELIVER)
	for _, c := range waits[:2] {
		w.sent(c)
	}
	w.customer("two")
	n := 0
	for w.rule("y") {
		n++
	}
	if n != 3 {
		t.Errorf("%d messages beside the two that wait, want 3", n)
	}
	if got := w.doc.Windows.Open; len(got) != 1 || got[0].Waiting != 5 || got[0].Left != 0 {
		t.Errorf("windows %v", got)
	}
}

// A short window beside a long one: neither shortens the other, and the short
// one is used up first.
func TestWindowsOfOtherActs(t *testing.T) {
	w := windowed(t, five)
	w.clicks(click)
	if !w.rule("1") || !w.rule("2") || !w.rule("3") || w.rule("4") {
		t.Error("a click does not allow three messages")
	}
	for _, c := range w.all(state.CommandKind_DELIVER) {
		w.sent(c)
	}
	w.pass(2 * time.Minute)
	w.customer("hello")
	w.clicks(click)
	w.pass(30 * time.Second)
	w.rule("of the click")
	if got := w.doc.Windows.Open; len(got) != 2 || got[0].Left != 5 {
		t.Fatalf("windows %v", got)
	}
	w.pass(time.Minute)
	n := 0
	for w.rule("x") {
		n++
	}
	if n != 5 {
		t.Errorf("%d messages after the click's window, want the 5 of the message", n)
	}
	w.clicks(&pluginv1.ReplyWindow{})
	if w.rule("y") {
		t.Error("an act that allows nothing allowed a message")
	}
}

// Of more windows than a document remembers, one without end goes last.
func TestEndlessWindowStays(t *testing.T) {
	w := windowed(t, &pluginv1.ReplyWindow{Messages: 5})
	w.chat()
	for n := range uint32(4) {
		w.clicks(&pluginv1.ReplyWindow{OpenMs: minute, Messages: n + 1})
	}
	w.pass(2 * time.Minute)
	if !w.rule("later") {
		t.Error("windows that close took the place of one that does not")
	}
}

// The far side counts from when the customer wrote, and what comes late opens
// nothing again.
func TestWindowOfALateMessage(t *testing.T) {
	w := windowed(t, day)
	wrote := func(ago time.Duration) {
		w.event("web", &pluginv1.Event{Type: sdk.CustomerMessage, Text: "hi", AtMs: w.now.Add(-ago).UnixMilli(),
			Customer: &pluginv1.Customer{Address: "ada"}})
	}
	wrote(25 * time.Hour)
	if w.rule("x") {
		t.Error("a message of yesterday opened the window")
	}
	wrote(time.Hour)
	wrote(23 * time.Hour)
	w.pass(2 * time.Hour)
	if !w.rule("y") {
		t.Error("a message that came late shortened the window")
	}
}

// A channel that has windows from now on counts from the last message; one that
// has none any more takes everything.
func TestWindowsComeAndGo(t *testing.T) {
	w := newWorld(t)
	w.chat()
	w.pass(20 * time.Hour)
	w.snap.Instances["web"].Caps.ReplyWindow = day
	if !w.rule("x") {
		t.Error("the last message does not count")
	}
	w.pass(5 * time.Hour)
	if w.rule("y") {
		t.Error("the last message counts for ever")
	}
	w.customer("hello again")
	w.snap.Instances["web"].Caps.ReplyWindow = five // the settings have changed
	w.customer("and again")
	if got := w.doc.Windows.Open; len(got) != 1 || got[0].Left != 5 {
		t.Errorf("windows %v, want that of the channel as it is now", got)
	}
	w.snap.Instances["web"].Caps.ReplyWindow = nil
	if !w.rule("z") || w.doc.Windows != nil {
		t.Errorf("closed without a window: %v", w.doc.Windows)
	}
}

func TestReplayInAClosedWindow(t *testing.T) {
	w := windowed(t, day)
	w.chat()
	w.rule("x")
	c := w.one(state.CommandKind_DELIVER)
	w.dead(c, "expired")
	w.pass(25 * time.Hour)
	w.mail(&state.Mail{Source: "api", Body: &state.Mail_Replay{Replay: &state.Replay{Commands: []*state.Command{c}}}})
	w.wantEnded(tooLate...)
}

// Rules see until when they can write.
func TestRulesSeeTheWindow(t *testing.T) {
	tests := []struct {
		name   string
		of     *pluginv1.ReplyWindow
		wrote  bool
		after  time.Duration
		until  time.Duration // from the start; 0: without end, or closed
		closed bool
	}{
		{"no windows", nil, true, time.Hour, 0, false},
		{"open", day, true, time.Hour, 24 * time.Hour, false},
		{"closed", day, true, 24 * time.Hour, 0, true},
		{"never wrote", day, false, 0, 0, true},
		{"so many without end", &pluginv1.ReplyWindow{Messages: 1}, true, time.Hour, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := windowed(t, tt.of)
			if tt.wrote {
				w.customer("hello")
			}
			w.pass(tt.after)
			w.event("web", &pluginv1.Event{Type: sdk.CustomEvent, EventName: "e", Customer: &pluginv1.Customer{Address: "ada"}})
			v := w.records()[0].View
			until := int64(0)
			if tt.until > 0 {
				until = start.Add(tt.until).UnixMilli()
			}
			if v.ReplyUntilMs != until || v.WindowClosed != tt.closed {
				t.Errorf("until %d, closed %v; want %d, %v", v.ReplyUntilMs, v.WindowClosed, until, tt.closed)
			}
		})
	}
}

// What waited is looked at again before the driver is asked.
func TestWindowAtDispatch(t *testing.T) {
	caps := &pluginv1.Capabilities{ReplyWindow: day}
	deliver := &state.Command{Kind: state.CommandKind_DELIVER, Message: &pluginv1.Message{Author: pluginv1.AuthorKind_AUTHOR_RULE}}
	agents := &state.Command{Kind: state.CommandKind_DELIVER, Message: &pluginv1.Message{Author: pluginv1.AuthorKind_AUTHOR_AGENT}}
	counted := &state.Command{Kind: state.CommandKind_DELIVER, Window: 1}
	of := func(w *pluginv1.ReplyWindow, used uint32) *state.Document {
		doc := conversation.New(core.NewConversationID("web", "ada"), epoch, start)
		conversation.OpenWindow(doc, w, start)
		doc.Windows.Open[0].Left -= used
		return doc
	}
	tests := []struct {
		name  string
		doc   *state.Document
		c     *state.Command
		caps  *pluginv1.Capabilities
		after time.Duration
		want  bool
	}{
		{"open", of(day, 0), deliver, caps, time.Hour, false},
		{"closed", of(day, 0), deliver, caps, 24 * time.Hour, true},
		{"closed for others than agents", of(day, 0), agents, caps, 24 * time.Hour, false},
		{"closed for agents", of(day, 0), agents, caps, 169 * time.Hour, true},
		{"its place is its own", of(five, 5), counted, caps, time.Hour, false},
		{"no place", of(five, 5), deliver, caps, time.Hour, true},
		{"not to the customer", of(day, 0), &state.Command{Kind: state.CommandKind_CHAT_SEND}, caps, 24 * time.Hour, false},
		{"the channel has no windows now", of(day, 0), deliver, &pluginv1.Capabilities{}, 24 * time.Hour, false},
		{"nothing is known of windows", conversation.New(core.NewConversationID("web", "ada"), epoch, start), deliver, caps, 0, false},
	}
	for _, tt := range tests {
		if got := conversation.WindowClosed(tt.doc, tt.c, tt.caps, start.Add(tt.after)); got != tt.want {
			t.Errorf("%s: closed %v, want %v", tt.name, got, tt.want)
		}
	}
}

// A customer's message may be decided before the driver has said what its settings
// mean, such as after a restart: agents have their longer window all the same.
func TestWindowIsWidened(t *testing.T) {
	w := windowed(t, &pluginv1.ReplyWindow{OpenMs: day.OpenMs})
	w.chat()
	w.snap.Instances["web"].Caps.ReplyWindow = day
	w.pass(30 * time.Hour)
	if w.rule("late") {
		t.Error("a rule wrote after the window")
	}
	w.event("desk", &pluginv1.Event{Type: sdk.IncomingMessage, Ref: "chat-1", Text: "in time"})
	if !w.written() {
		t.Error("an agent could not write in the longer window")
	}
	w.snap.Instances["web"].Caps.ReplyWindow = &pluginv1.ReplyWindow{OpenMs: day.OpenMs}
	w.event("desk", &pluginv1.Event{Type: sdk.IncomingMessage, Ref: "chat-1", Text: "still in time"})
	if !w.written() {
		t.Error("the window was shortened while the driver was away")
	}
}
