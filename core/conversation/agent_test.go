package conversation_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

func TestMessageRoutingDecidesOnlyRules(t *testing.T) {
	for _, routing := range []bool{true, false} {
		w := newWorld(t)
		w.chat()
		w.snap.Instances["desk"].MessageRouting = routing
		w.snap.Rules = on(sdk.IncomingMessage, core.Action{Kind: core.Tag, Key: "seen"})
		w.agent("hi")
		w.want("customer DELIVER hi")
		if got := slices.Contains(w.doc.Tags, "seen"); got != routing {
			t.Errorf("message_routing %v: rules saw it: %v", routing, got)
		}
		c := w.pending[0]
		if !c.Agent || c.Message.Author != pluginv1.AuthorKind_AUTHOR_AGENT || c.Message.Agent.GetName() != "Bob" {
			t.Errorf("command %v", c)
		}
		if w.doc.UnansweredMs != 0 || w.doc.Chat.AgentMessages != 1 || w.doc.Chat.Agent.GetName() != "Bob" {
			t.Errorf("document %v", w.doc)
		}
	}
}

func TestPrivateMessagesStayInTheDesk(t *testing.T) {
	w := newWorld(t)
	w.chat()
	w.customer("question")
	asked := w.doc.UnansweredMs
	w.snap.Rules = rules(func(v *state.View) []core.Action { return []core.Action{{Kind: core.Tag, Key: "seen"}} })
	w.event("desk", &pluginv1.Event{Type: sdk.IncomingMessage, Ref: "chat-1", Text: "what a fool", Private: true})
	w.want("chat:1 CHAT_SEND question")
	if w.doc.UnansweredMs != asked || w.doc.AgentMs != 0 || w.doc.Chat.AgentMessages != 0 {
		t.Errorf("a private message counts as an answer: %v", w.doc)
	}
}

func TestAgentsLongMessage(t *testing.T) {
	w := newWorld(t)
	w.chat()
	w.snap.Instances["web"].Caps.ToOutside = &pluginv1.TextLimit{Limit: 10, Unit: pluginv1.TextUnit_RUNE}
	w.snap.Instances["web"].MaxParts = 3
	w.agent("aaaa bbbb cccc dddd")
	w.want("customer DELIVER aaaa bbbb", "customer DELIVER cccc dddd")
	if got := w.pending[0].Message.Text + w.pending[1].Message.Text; got != "aaaa bbbb cccc dddd" {
		t.Fatalf("parts %q", got)
	}
	first := w.pending[0]
	d := w.dead(first, "rejected")
	w.wantEnded("DELIVER dead rejected", "DELIVER dead rejected")
	if len(d.Dead) != 2 || d.Dead[0].Group != first.Number || d.Dead[1].Group != first.Number {
		t.Errorf("dead letters %v", d.Dead)
	}
	w.want("chat:1 CHAT_SEND Your message was not delivered (rejected): aaaa bbbb")
	w.sent(w.pending[0])

	letters := []*state.Command{d.Dead[0].Command, d.Dead[1].Command}
	w.mail(&state.Mail{Source: "api", Body: &state.Mail_Replay{Replay: &state.Replay{Commands: letters}}})
	w.want("customer DELIVER aaaa bbbb", "customer DELIVER cccc dddd")
	p, q := w.pending[0], w.pending[1]
	if p.Group != p.Number || q.Group != p.Number || !p.Late || !q.Message.Late || q.Message.Part != 2 || q.Message.Parts != 2 {
		t.Errorf("replayed %v\n%v", p, q)
	}
}

func TestTooManyPartsAreOneDeadLetter(t *testing.T) {
	w := newWorld(t)
	w.chat()
	w.snap.Instances["desk"].Caps.ToOutside = nil
	w.snap.Instances["web"].Caps.ToOutside = &pluginv1.TextLimit{Limit: 160}
	text := strings.Repeat("x", 100_000)
	d := w.agent(text)
	w.wantEnded("DELIVER dead too_many_parts")
	if len(d.Dead) != 1 || d.Dead[0].Command.Message.Text != text {
		t.Fatalf("%d dead letters", len(d.Dead))
	}
	c := w.one(state.CommandKind_CHAT_SEND)
	if !strings.HasPrefix(c.Message.Text, "Your message was not delivered (too_many_parts): xxx") {
		t.Errorf("the agent is told %q", c.Message.Text)
	}
	w.sent(c)
	w.mail(&state.Mail{Source: "api", Body: &state.Mail_Replay{Replay: &state.Replay{Commands: []*state.Command{d.Dead[0].Command}}}})
	w.wantEnded("DELIVER dead too_many_parts") // a replay does not send it in one piece
}

func TestAgentLearnsOfFailures(t *testing.T) {
	for _, end := range []conversation.End{conversation.Dead, conversation.Dropped} {
		w := newWorld(t)
		w.chat()
		w.agent("hi")
		w.end(w.pending[0], conversation.Result{End: end, Reason: "window_closed"})
		w.want("chat:1 CHAT_SEND Your message was not delivered (this channel takes nothing until the customer writes again): hi")
		if a := w.pending[0].Message.Author; a != pluginv1.AuthorKind_AUTHOR_SYSTEM {
			t.Errorf("author %v", a)
		}
		w.dead(w.pending[0], "rejected")
		w.want() // no notice of the notice
	}
}

func TestCopiesAreMarked(t *testing.T) {
	w := newWorld(t)
	w.chat()
	w.snap.Rules = on(sdk.CustomerMessage, core.Action{Kind: core.Send, Text: "we are closed"})
	w.customer("hi")
	w.want("chat:1 CHAT_SEND hi", "customer DELIVER we are closed", "chat:1 CHAT_SEND [automatic] we are closed")
	for _, c := range w.pending[1:] {
		if c.Message.Author != pluginv1.AuthorKind_AUTHOR_RULE || c.Rule != "r" || c.Agent {
			t.Errorf("command %v", c)
		}
	}
}

func TestDeskIDs(t *testing.T) {
	w := newWorld(t)
	w.chat()
	w.snap.Instances["desk"].Abilities = []string{pluginv1.AbilityReceipt}
	w.agent("hi")
	c := w.one(state.CommandKind_DELIVER)
	w.sent(c)
	if got := w.doc.Sent; len(got) != 1 || got[0].Status != "sent" || got[0].MessageId != "m2" || got[0].DeskId != "desk-hi" {
		t.Fatalf("sent %v", got)
	}
	if len(w.last.Keep) != 1 || w.last.Keep[0].Number != c.Number {
		t.Fatalf("kept %v", w.last.Keep)
	}
}

// A desk with receipts is told by one, with the reason; also of what fails later.
// Another one gets a message, with how the text begins. The agent of a later
// chat is not told.
func TestAgentLearnsWhichMessageFailed(t *testing.T) {
	long := strings.Repeat("é", 90)
	tests := []struct {
		name    string
		receipt bool
		id      string
		fail    func(w *world)
		want    string
	}{
		{"dropped, receipt", true, "m1", func(w *world) { w.failed(conversation.Dropped, "window_closed") }, "CHAT_RECEIPT m1 failed window_closed; CHAT_SEND Your message was not delivered (this channel takes nothing until the customer writes again): " + strings.Repeat("é", 80) + "…"},
		{"dropped, no id", true, "", func(w *world) { w.failed(conversation.Dropped, "window_closed") },
			"CHAT_SEND Your message was not delivered (this channel takes nothing until the customer writes again): " + strings.Repeat("é", 80) + "…"},
		{"ambiguous", false, "m1", func(w *world) { w.failed(conversation.Dead, "ambiguous") },
			"CHAT_SEND Your message was not delivered (ambiguous): " + strings.Repeat("é", 80) + "…"},
		{"failed later", false, "m1", func(w *world) {
			w.sent(w.pending[0])
			w.receipt(sdk.MessageFailed, "m2")
		}, "CHAT_SEND Your message was not delivered (r): " + strings.Repeat("é", 80) + "…"},
		{"failed later, receipt", true, "m1", func(w *world) {
			w.sent(w.pending[0])
			w.receipt(sdk.MessageFailed, "m2")
		}, "CHAT_RECEIPT m1 failed r"},
		{"failed in a later chat", false, "m1", func(w *world) {
			c := w.pending[0]
			w.desk(sdk.ChatClosed)
			w.customer("again")
			w.sent(w.one(state.CommandKind_CHAT_OPEN_CMD))
			w.end(c, conversation.Result{End: conversation.Dropped, Reason: "window_closed"})
		}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.snap.Instances["desk"].Caps.ToOutside = nil
			w.chat()
			if tt.receipt {
				w.snap.Instances["desk"].Abilities = []string{pluginv1.AbilityReceipt}
			}
			w.event("desk", &pluginv1.Event{Type: sdk.IncomingMessage, Text: long, Ref: "chat-1", MessageId: tt.id})
			tt.fail(w)
			var all []string
			for _, c := range w.pending {
				all = append(all, strings.TrimSpace(strings.Join([]string{c.Kind.String(), c.Message.GetText() + c.MessageId, c.Status, c.Reason}, " ")))
			}
			if got := strings.Join(all, "; "); got != tt.want {
				t.Errorf("the desk is told %q, want %q", got, tt.want)
			}
		})
	}
}

// failed ends the agent's message.
func (w *world) failed(end conversation.End, reason string) {
	w.t.Helper()
	w.end(w.one(state.CommandKind_DELIVER), conversation.Result{End: end, Reason: reason})
}
