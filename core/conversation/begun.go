package conversation

import (
	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// Begins says whether an event is that an agent has begun a chat with a customer.
func Begins(ev *pluginv1.Event) bool {
	return ev.Type == sdk.ChatOpened && ev.By == "agent" && ev.Ref != "" && ev.Channel != "" && ev.Customer.GetAddress() != ""
}

// begins says whether f is that of a chat with the customer of doc.
func begins(doc *state.Document, f *fact) bool {
	ev := f.ev
	return f.instance != "" && Begins(ev) &&
		core.NewConversationID(ev.Channel, ev.Customer.GetAddress()) == core.ConversationID(doc.Id)
}

// begunByAgent makes the chat that an agent has begun the conversation's next
// one, unless one is open.
func (t *turn) begunByAgent(f *fact) proposal {
	same := func(c *state.Chat) bool { return c != nil && c.Integration == f.instance && c.Ref == f.ev.Ref }
	switch open := t.chatOpen(); {
	case open && same(t.doc.Chat), same(t.doc.Next):
		return t.only("chat already open")
	case same(t.doc.Chat):
		return t.only("chat already closed")
	case open, t.doc.Next != nil:
		return t.only("another chat is open")
	}
	t.begunChat(&state.Chat{Integration: f.instance, Ref: f.ev.Ref, Queue: state.CutText(f.ev.Queue), Assigned: true, Agent: agentOf(f.ev.Agent)})
	if t.doc.Next != nil {
		return t.only("it waits for the end of the last chat")
	}
	return proposal{rules: true, extra: t.tellBegun}
}

// begunChat makes a chat that the vendor has already the conversation's next
// one, once nothing is left in the lane of the last one: its messages go first.
func (t *turn) begunChat(c *state.Chat) {
	t.own(ccsp)
	t.doc.Next = c
	if t.waits() {
		return
	}
	t.doc.Next = nil
	c.Number, c.State, c.OpenedMs = t.doc.Chat.GetNumber()+1, state.ChatState_CHAT_OPEN, t.ms
	t.doc.Chat = c
	if c.Assigned {
		t.joins(&pluginv1.Event{Agent: c.Agent})
	}
}

// takeNext begins the chat that has waited for the end of the last one, and
// says whether there was one.
func (t *turn) takeNext() bool {
	c, owner := t.doc.Next, t.doc.Owner
	if c == nil || t.chatOpen() || t.waits() {
		return false
	}
	t.begunChat(c)
	if owner != nobody {
		t.own(owner)
	}
	ev := &pluginv1.Event{Type: sdk.ChatOpened, Ref: c.Ref, Queue: c.Queue}
	if c.Assigned {
		ev.By = "agent"
	}
	t.emit(ev, "integration", 0)
	t.tellBegun()
	return true
}

// nextEnded says whether f is the end of the chat that waits: then nothing is
// left of it.
func (t *turn) nextEnded(f *fact) bool {
	c := t.doc.Next
	if c == nil || f.instance != c.Integration || f.ev.Ref != c.Ref || f.ev.Type != sdk.ChatClosed && f.ev.Type != sdk.ChatRejected {
		return false
	}
	t.doc.Next = nil
	t.afterChat()
	return true
}

// tellBegun tells the bot that an agent has begun a chat.
func (t *turn) tellBegun() {
	t.tellBot(&change{typ: sdk.ControlPassed, to: ccsp, side: ccsp, by: ccsp.Word(), reason: "an agent began a chat"})
}
