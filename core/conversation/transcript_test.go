package conversation_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// talking is a world whose bot has the customer, and whose service keeps n
// lines. What a customer says with "agent" in it goes to the contact center.
func talking(t *testing.T, n int) *world {
	t.Helper()
	w := newWorld(t)
	svc := w.snap.Services["retail"]
	svc.Forward, svc.Transcript = bot, n
	w.snap.Rules = rules(func(v *state.View) []core.Action {
		if v.Type == sdk.CustomerMessage && strings.Contains(v.Event.Text, "agent") {
			return []core.Action{forward(ccsp)}
		}
		return nil
	})
	return w
}

// says is a message of the customer, which the bot takes.
func (w *world) says(text string) {
	w.t.Helper()
	w.customer(text)
	w.sentAll()
}

// bots is a message of the bot, which reaches the customer.
func (w *world) bots(text string) {
	w.t.Helper()
	w.event("bot", &pluginv1.Event{Type: sdk.IncomingMessage, Ref: core.ConversationID(w.doc.Id).String(), Text: text, Agent: &pluginv1.Agent{Name: "Helper"}})
	w.sentAll()
}

func (w *world) sentAll() {
	w.t.Helper()
	for len(w.pending) > 0 {
		w.sent(w.pending[0])
	}
}

// lines writes kept lines as "author name: text".
func lines(said []*state.Said) (all []string) {
	for _, l := range said {
		all = append(all, strings.TrimPrefix(fmt.Sprintf("%v %s: %s", l.Line.Author, l.Line.Name, l.Line.Text), "AUTHOR_"))
	}
	return all
}

func wantLines(t *testing.T, said []*state.Said, want ...string) {
	t.Helper()
	if got := lines(said); !slices.Equal(got, want) {
		t.Fatalf("lines %q, want %q", got, want)
	}
}

func TestTranscriptInTheOpen(t *testing.T) {
	w := talking(t, 20)
	w.snap.Instances["desk"].Caps.Transcript = true
	w.says("hi")
	w.bots("How can I help?")
	w.ask(core.Action{Kind: core.Send, Text: "We have a sale."})
	w.sentAll()
	w.customer("an agent please")
	w.want("chat:1 CHAT_OPEN_CMD an agent please")
	wantLines(t, w.doc.Chat.Transcript, "CUSTOMER : hi", "BOT Helper: How can I help?", "RULE : We have a sale.")
	wantLines(t, w.doc.Transcript, "CUSTOMER : an agent please")
	w.sent(w.pending[0])
	wantLines(t, w.doc.Chat.Transcript)
	for _, r := range w.records() {
		if r.View.Chat.GetTranscript() != nil {
			t.Errorf("rules see %v", r.View.Chat.Transcript)
		}
	}
}

func TestTranscriptAsText(t *testing.T) {
	w := talking(t, 20)
	w.snap.Instances["desk"].Caps.ToOutside.Limit = 1000
	w.says("hi")
	w.bots("How can I help?")
	w.customer("an agent please")
	w.want("chat:1 CHAT_OPEN_CMD What was said before:\nCustomer: hi\nBot Helper: How can I help?", "chat:1 CHAT_SEND an agent please")
	if c := w.pending[0]; c.Message.Author != pluginv1.AuthorKind_AUTHOR_SYSTEM || c.Rule != "" {
		t.Errorf("command %v", c)
	}
	w.sent(w.pending[0])
	wantLines(t, w.doc.Chat.Transcript)
	w.sent(w.pending[0])
	w.customer("hello?")
	w.want("chat:1 CHAT_SEND hello?")
}

// TestTranscriptInParts: a chat has got it with the last part, and what is too
// long for the desk goes without its oldest lines.
func TestTranscriptInParts(t *testing.T) {
	w := talking(t, 20)
	for i := range 4 {
		w.says(fmt.Sprintf("%d %s", i, strings.Repeat("x", 60)))
	}
	w.snap.Instances["desk"].MaxParts = 2
	w.customer("agent")
	if len(w.pending) != 3 || w.pending[0].Group == 0 || w.pending[1].Group != w.pending[0].Group || w.pending[2].Group != 0 {
		t.Fatalf("pending %v", w.show())
	}
	if all := w.pending[0].Message.Text + w.pending[1].Message.Text; strings.Contains(all, "Customer: 1") || !strings.Contains(all, "Customer: 2") {
		t.Errorf("the agent sees %q", all)
	}
	w.sent(w.pending[0])
	if len(w.doc.Chat.Transcript) != 4 {
		t.Fatalf("after one part: %v", lines(w.doc.Chat.Transcript))
	}
	w.sent(w.pending[0])
	wantLines(t, w.doc.Chat.Transcript)
}

// TestTranscriptMoves: a chat that ends before it has got it leaves it to the
// next one.
func TestTranscriptMoves(t *testing.T) {
	for _, structured := range []bool{true, false} {
		t.Run(fmt.Sprint("structured ", structured), func(t *testing.T) {
			w := talking(t, 20)
			caps := w.snap.Instances["desk"].Caps
			caps.Transcript, caps.ToOutside.Limit = structured, 1000
			w.says("hi")
			w.bots("How can I help?")
			w.customer("an agent please")
			w.customer("quick")
			first := w.show()
			w.close("ops")
			w.customer("agent, hello?")
			for w.doc.Chat.Number == 1 {
				if c := w.pending[0]; c.Kind == state.CommandKind_CHAT_CLOSE {
					w.end(c, conversation.Result{End: conversation.Dropped, Reason: "no_chat"})
				} else {
					w.gone(c, "chat_closed")
				}
			}
			for i, line := range first {
				first[i] = strings.Replace(line, "chat:1", "chat:2", 1)
			}
			w.want(append(first, "chat:2 CHAT_SEND agent, hello?")...)
			wantLines(t, w.doc.Chat.Transcript, "CUSTOMER : hi", "BOT Helper: How can I help?")
			w.sentAll()
			wantLines(t, w.doc.Chat.Transcript)
		})
	}
}

// A vendor that refuses to open a chat may do so for what it was to show.
func TestTranscriptOfARefusedOpen(t *testing.T) {
	w := talking(t, 20)
	w.says("hi")
	w.customer("agent")
	w.dead(w.pending[0], "rejected: 400")
	w.want()
	wantLines(t, w.doc.Transcript)
	dead := w.last.Dead
	if len(dead) != 2 || !dead[0].Command.Transcript {
		t.Fatalf("dead %v", dead)
	}
	w.says("hm")
	w.mail(&state.Mail{Source: "api", Body: &state.Mail_Replay{Replay: &state.Replay{Commands: []*state.Command{dead[0].Command, dead[1].Command}}}})
	w.want("chat:2 CHAT_OPEN_CMD What was said before:\nCustomer: hm", "chat:2 CHAT_SEND agent")
}

// One that has expired was not refused: the next one shows what this one was to
// show, and what is replayed is no part of that.
func TestTranscriptOfAnOpenThatExpired(t *testing.T) {
	w := talking(t, 20)
	w.says("hi")
	w.customer("agent")
	w.dead(w.pending[0], "expired")
	wantLines(t, w.doc.Transcript, "CUSTOMER : hi", "CUSTOMER : agent")
	w.mail(&state.Mail{Source: "api", Body: &state.Mail_Replay{Replay: &state.Replay{Commands: []*state.Command{w.last.Dead[1].Command}}}})
	w.want("chat:2 CHAT_OPEN_CMD What was said before:\nCustomer: hi", "chat:2 CHAT_SEND agent")
}

func TestWhatATranscriptHasNot(t *testing.T) {
	w := talking(t, 20)
	w.snap.Instances["desk"].Caps.Transcript = true
	w.customer("agent")
	w.sentAll()
	w.agent("hello")
	w.event("desk", &pluginv1.Event{Type: sdk.IncomingMessage, Ref: "chat-1", Text: "a note", Private: true})
	w.sentAll()
	w.snap.Rules = on(sdk.CustomerMessage, forward(none))
	w.customer("AD: kept from both")
	w.event("web", &pluginv1.Event{Type: sdk.CustomerMessage, Customer: &pluginv1.Customer{Address: "ada"}}) // says nothing
	wantLines(t, w.doc.Transcript, "CUSTOMER : agent", "AGENT Bob: hello")
}

func TestTranscriptIsBounded(t *testing.T) {
	w := talking(t, 3)
	w.snap.Flows = flows{takes: "5"}
	for i := range 5 {
		w.says(fmt.Sprint(i))
	}
	wantLines(t, w.doc.Transcript, "CUSTOMER : 2", "CUSTOMER : 3", "CUSTOMER : 4")
	w.says(strings.Repeat("é", 501))
	if got := w.doc.Transcript[2].Line.Text; got != strings.Repeat("é", 500)+"…" {
		t.Errorf("%d bytes: %s", len(got), got)
	}
	w.snap.Services["retail"].Transcript = 100
	for range 40 {
		w.says(strings.Repeat("x", 400))
	}
	size := 0
	for _, l := range w.doc.Transcript {
		size += l.SizeVT()
	}
	if size > 8<<10 || size < 7<<10 {
		t.Errorf("%d lines of %d bytes", len(w.doc.Transcript), size)
	}
}

func TestNoTranscript(t *testing.T) {
	w := talking(t, 0)
	w.says("hi")
	w.bots("How can I help?")
	w.customer("agent")
	w.want("chat:1 CHAT_OPEN_CMD agent")
	wantLines(t, w.doc.Transcript)
}

func TestTranscriptOfFiles(t *testing.T) {
	w := talking(t, 20)
	w.snap.Instances["desk"].Caps.ToOutside.Limit = 1000
	w.event("web", &pluginv1.Event{Type: sdk.CustomerMessage, Text: "see", Customer: &pluginv1.Customer{Address: "ada", Name: "Ada L"},
		Attachments: []*pluginv1.Attachment{{Url: "https://x/a.png", Mime: "image/png", Name: "a.png"}, {Url: "https://x/b", Mime: "image/gif"}}})
	w.sentAll()
	w.event("web", &pluginv1.Event{Type: sdk.CustomerMessage, QuickReply: &pluginv1.QuickReply{Title: "Yes", Payload: "y"},
		Customer: &pluginv1.Customer{Address: "ada"}})
	w.sentAll()
	w.customer("agent")
	w.want("chat:1 CHAT_OPEN_CMD What was said before:\nCustomer Ada L: see [a.png] [image/gif]\nCustomer Ada L: Yes", "chat:1 CHAT_SEND agent")
}

// A chat that goes to another service brings what was said in it.
func TestTransferWithTranscript(t *testing.T) {
	w := able(t)
	w.snap.Services["retail"].Transcript = 20
	w.snap.Instances["desk2"].Caps.Transcript = true
	w.chat()
	w.agent("Hello, Ada")
	w.sentAll()
	w.snap.Rules = on(sdk.CustomerMessage, core.Action{Kind: core.Transfer, Service: "sales"})
	w.customer("I want to buy")
	w.sent(w.pending[0]) // the old chat has got it
	w.snap.Rules = nil
	w.sent(w.pending[0])
	w.gone(w.pending[0], "chat_closed")
	w.want("chat:2 CHAT_OPEN_CMD Transferred from retail.")
	wantLines(t, w.doc.Chat.Transcript, "CUSTOMER : hello", "AGENT Bob: Hello, Ada", "CUSTOMER : I want to buy")
}

// What the old chat has not got is no part of what was said before it.
func TestTransferWithWhatWaits(t *testing.T) {
	w := able(t)
	w.snap.Services["retail"].Transcript = 20
	w.chat()
	w.agent("Hello, Ada")
	w.sentAll()
	w.snap.Rules = on(sdk.CustomerMessage, core.Action{Kind: core.Transfer, Service: "sales"})
	w.customer("I want to buy")
	w.snap.Rules = nil
	w.customer("now")
	w.gone(w.pending[0], "chat_closed")
	w.sent(w.pending[0])
	w.gone(w.pending[0], "chat_closed")
	w.want("chat:2 CHAT_OPEN_CMD What was said before:\nCustomer: hello\nAgent Bob: Hello, Ada", "chat:2 CHAT_SEND I want to buy",
		"chat:2 CHAT_SEND Transferred from retail.", "chat:2 CHAT_SEND now")
}

func TestTwoTransfersHandOverOnce(t *testing.T) {
	w := able(t)
	w.snap.Services["third"] = &conversation.Service{Name: "third", Integration: "desk", Timezone: "UTC"}
	w.chat()
	to := func(service string) core.Action { return core.Action{Kind: core.Transfer, Service: service} }
	w.ask(to("sales"), to("sales"), to("third"), core.Action{Kind: core.Close, Reason: "done"})
	w.want("chat:1 CHAT_CLOSE", "chat:1 CHAT_SEND Transferred from retail.")
	w.wantEnded("CHAT_TRANSFER dropped already_transferred", "CHAT_TRANSFER dropped already_transferred")
	w.sent(w.pending[0])
	w.gone(w.pending[0], "chat_closed")
	w.want("chat:2 CHAT_OPEN_CMD Transferred from retail.")
	if w.doc.Service != "sales" || w.doc.Chat.Integration != "desk2" {
		t.Errorf("service %s, chat %v", w.doc.Service, w.doc.Chat)
	}
}

// A vendor that has vanished need not be told of the end: the next chat opens
// in the same turn, and the other closes on the event do not end it.
func TestTransferThatNeedsNoClose(t *testing.T) {
	w := able(t)
	w.chat()
	delete(w.snap.Instances, "desk")
	w.ask(core.Action{Kind: core.Transfer, Service: "sales"}, core.Action{Kind: core.Close, Reason: "done"})
	w.want("chat:2 CHAT_OPEN_CMD Transferred from retail.")
	if w.doc.Chat.State != state.ChatState_CHAT_OPENING {
		t.Errorf("chat %v", w.doc.Chat)
	}
}

func TestTheOpenAfterOneWithoutAnAnswer(t *testing.T) {
	w := newWorld(t)
	w.customer("hello")
	w.end(w.pending[0], conversation.Result{End: conversation.Sent, ChatRef: "chat-1", Attempts: &state.Attempts{Count: 1, Resent: true}})
	w.wantTypes(sdk.ChatOpened)
	w.wantEnded("CHAT_OPEN_CMD sent possible_ghost_chat")
	w.want("chat:1 CHAT_SEND The first try to open this chat had no answer: it may be there twice. The other one can be closed.")
	if c := w.pending[0]; c.Message.Author != pluginv1.AuthorKind_AUTHOR_SYSTEM {
		t.Errorf("command %v", c)
	}
	if g := w.last.Ghosts; len(g) != 1 || g[0].Kind != state.CommandKind_CHAT_OPEN_CMD {
		t.Errorf("ghosts %v", g)
	}
}

func TestNoGhostOfOtherRepeats(t *testing.T) {
	w := newWorld(t)
	w.chat()
	w.customer("more")
	w.end(w.pending[0], conversation.Result{End: conversation.Sent, Attempts: &state.Attempts{Count: 1, Resent: true}})
	w.want()
	w.wantEnded("CHAT_SEND sent ")
	if len(w.last.Ghosts) != 0 {
		t.Errorf("ghosts %v", w.last.Ghosts)
	}
}
