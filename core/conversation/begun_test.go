package conversation_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// begins is an agent who begins a chat with ada.
func (w *world) begins(ref string) *conversation.Decision {
	w.t.Helper()
	return w.event("desk", &pluginv1.Event{
		Type: sdk.ChatOpened, Ref: ref, By: "agent", Channel: "web", Customer: &pluginv1.Customer{Address: "ada"}, Agent: &pluginv1.Agent{Name: "Bob"},
	})
}

func TestAgentBeginsAChat(t *testing.T) {
	w := newWorld(t)
	by := ""
	w.snap.Rules = rules(func(v *state.View) []core.Action {
		if v.Type == sdk.ChatOpened {
			by = v.Event.By
		}
		return nil
	})
	w.begins("own-1")
	c := w.doc.Chat
	if w.switchAt() != "ccsp+*" || c.Ref != "own-1" || c.Number != 1 || c.Integration != "desk" || c.Agent.GetName() != "Bob" || by != "agent" {
		t.Fatalf("it is %q, chat %v, by %q", w.switchAt(), c, by)
	}
	if d := w.doc; d.Channel != "web" || d.Service != "retail" || d.ChannelType != "rtm" || d.Customer.GetAddress() != "ada" || !w.last.Indexed {
		t.Errorf("document %v", d)
	}
	w.event("desk", &pluginv1.Event{Type: sdk.IncomingMessage, Ref: "own-1", Text: "hello Ada"})
	w.want("customer DELIVER hello Ada")
	w.customer("who are you?")
	w.want("customer DELIVER hello Ada", "chat:1 CHAT_SEND who are you?")
}

func TestAgentBeginsAChatWhile(t *testing.T) {
	tests := []struct {
		name, at string
		ref      string
		to, why  string
		number   uint32
		events   []string
	}{
		{"the bot has the conversation", "bot", "own-1", "ccsp+*", "", 1,
			[]string{"bot BOT_EVENT control_passed map[by:ccsp reason:an agent began a chat to:ccsp]"}},
		{"nobody has it", "none", "own-1", "ccsp+*", "", 1, []string{"bot BOT_EVENT control_passed map[by:ccsp reason:an agent began a chat to:ccsp]"}},
		{"the same chat is open", "ccsp+*", "chat-1", "ccsp+*", "chat already open", 1, nil},
		{"another one is open", "ccsp+*", "own-1", "ccsp+*", "another chat is open", 1, nil},
		{"the bot has it and a chat is open", "bot+*", "own-1", "bot+*", "another chat is open", 1, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newSwitch(t, tt.at)
			w.begins(tt.ref)
			if got := w.switchAt(); got != tt.to || w.why() != tt.why || w.doc.Chat.GetNumber() != tt.number {
				t.Errorf("it is %q because of %q, chat %v", got, w.why(), w.doc.Chat)
			}
			if diff := cmp.Diff(tt.events, w.showEvents()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// The chat that an agent began ends like any other, once, and the bot is back.
func TestChatBegunByAnAgentEnds(t *testing.T) {
	w := newSwitch(t, "bot")
	w.begins("own-1")
	w.move("bot speaks")
	if w.why() != "agent_has_chat" {
		t.Errorf("the bot speaks: %q", w.why())
	}
	w.move("desk closes")
	if got := w.switchAt(); got != "bot" || w.doc.Chat.Status != "closed" {
		t.Fatalf("it is %q, chat %v", got, w.doc.Chat)
	}
	w.move("desk closes")
	if w.why() != "chat already closed" {
		t.Errorf("it ends again: %q", w.why())
	}
	w.begins("own-1")
	if w.why() != "chat already closed" || w.switchAt() != "bot" {
		t.Errorf("it begins again: %q", w.why())
	}
	w.begins("own-2")
	if w.doc.Chat.Number != 2 || w.switchAt() != "ccsp+*" {
		t.Errorf("the next one: %v", w.doc.Chat)
	}
}

// What still waits for the last chat goes to the one that an agent has begun.
func TestAgentBeginsAChatBehindAClosedOne(t *testing.T) {
	w := newSwitch(t, "ccsp+*")
	w.snap.Services["retail"].BotResumes = false
	w.customer("hi")
	w.move("desk closes")
	w.begins("own-1")
	if got := w.switchAt(); got != "ccsp" || w.why() != "it waits for the end of the last chat" {
		t.Fatalf("it is %q: %q", got, w.why())
	}
	w.customer("again")
	w.begins("own-1")
	if w.why() != "chat already open" {
		t.Errorf("it begins again: %q", w.why())
	}
	w.begins("own-2")
	if w.why() != "another chat is open" {
		t.Errorf("another one begins: %q", w.why())
	}
	w.pending = slices.DeleteFunc(w.pending, func(c *state.Command) bool { return c.Kind == state.CommandKind_BOT_EVENT })
	w.gone(w.pending[0], "chat_closed")
	w.want("bot BOT_EVENT", "chat:2 CHAT_SEND hi", "chat:2 CHAT_SEND again")
	w.wantTypes(sdk.ChatOpened)
	if w.switchAt() != "ccsp+*" || w.doc.Chat.Ref != "own-1" || w.doc.Next != nil {
		t.Errorf("it is %q, chat %v", w.switchAt(), w.doc.Chat)
	}
}

// One that nothing moves to begins when the vendor knows of the last one's end; one
// that ends before leaves nothing.
func TestBegunChatWaitsForTheLastOne(t *testing.T) {
	for _, ends := range []bool{false, true} {
		w := newSwitch(t, "ccsp+*")
		w.snap.Instances["bot"].Abilities = nil
		w.close("ops")
		w.begins("own-1")
		if ends {
			w.event("desk", &pluginv1.Event{Type: sdk.ChatClosed, Ref: "own-1"})
			if w.why() != "closed before it could begin" {
				t.Errorf("the record says %q", w.why())
			}
		}
		w.sent(w.one(state.CommandKind_CHAT_CLOSE))
		w.want()
		if want := map[bool]string{false: "ccsp+*", true: "bot"}[ends]; w.switchAt() != want {
			t.Errorf("it is %q, want %q", w.switchAt(), want)
		}
	}
}
