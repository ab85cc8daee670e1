package conversation

import (
	"fmt"
	"slices"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// maxSent is how many sent messages a document remembers for their receipts.
const maxSent = 32

// result takes the end of a command into the document.
func (t *turn) result(r *Result) {
	c := r.Command
	switch r.End {
	case Gone:
		t.move(r)
		return
	case Sent:
		t.end(c, r.Attempts, r, Sent, r.Reason)
		t.sent(r)
	default:
		t.fail(r)
	}
}

// end closes one command: its record, its chat's count, its line of history.
func (t *turn) end(c *state.Command, a *state.Attempts, r *Result, end End, reason string) {
	t.d.Ended = append(t.d.Ended, c)
	if c.Chat != 0 && t.doc.Chat.GetNumber() == c.Chat && t.doc.Chat.Pending > 0 {
		t.doc.Chat.Pending--
	}
	t.doc.Open = slices.DeleteFunc(t.doc.Open, func(o *state.OpenRecord) bool {
		if o.Record != c.Record {
			return false
		}
		if o.Commands--; o.Commands > 0 {
			return false
		}
		t.d.Retire = append(t.d.Retire, o.Record)
		return true
	})
	id := ""
	if r != nil {
		id = r.MessageID
	}
	t.ended(c, a, end, reason, id)
}

// sent takes in what the far side said of a command it took.
func (t *turn) sent(r *Result) {
	c := r.Command
	switch c.Kind {
	case state.CommandKind_CHAT_OPEN_CMD:
		t.opened(r)
	case state.CommandKind_DELIVER:
		inst := t.snap.Instances[c.Instance]
		if inst == nil {
			return
		}
		if inst.Caps.GetUndeliveredForMs() > 0 && !r.Delivered {
			t.d.Keep = append(t.d.Keep, c)
		}
		if inst.Caps.GetReceiptsByRef() && r.MessageID != "" {
			t.d.Binds = append(t.d.Binds, Bind{Instance: c.Instance, Ref: r.MessageID, Message: true})
		}
		if inst.Caps.GetReceipts() {
			t.remember(&state.SentMessage{Command: c.Number, MessageId: r.MessageID, Status: "sent", Agent: c.Agent})
		}
	}
}

func (t *turn) remember(m *state.SentMessage) {
	if len(t.doc.Sent) >= maxSent {
		t.doc.Sent = slices.Delete(t.doc.Sent, 0, 1)
	}
	t.doc.Sent = append(t.doc.Sent, m)
}

// opened: the vendor has the chat.
func (t *turn) opened(r *Result) {
	c := t.doc.Chat
	if c.GetNumber() != r.Command.Chat {
		return
	}
	c.Ref = r.ChatRef
	if r.ChatRef != "" {
		t.d.Binds = append(t.d.Binds, Bind{Instance: c.Integration, Ref: r.ChatRef})
	}
	t.d.Indexed = true
	if c.State != state.ChatState_CHAT_OPENING {
		return // closed meanwhile
	}
	c.State = state.ChatState_CHAT_OPEN
	t.emit(&pluginv1.Event{Type: sdk.ChatOpened, Ref: c.Ref, Queue: c.Queue}, "integration", 0)
}

// fail ends a command that was not done, and with it the parts behind it and,
// if it was to open the chat, everything that waited for the chat.
func (t *turn) fail(r *Result) {
	c := r.Command
	t.giveUp(c, r.Attempts, r.End, r.Reason)
	opening := c.Kind == state.CommandKind_CHAT_OPEN_CMD
	for _, next := range r.Rest {
		if opening || c.Group != 0 && next.Group == c.Group {
			t.giveUp(next, nil, r.End, r.Reason)
		}
	}
	if opening && t.doc.Chat.GetNumber() == c.Chat && t.chatOpen() {
		t.emit(&pluginv1.Event{Type: sdk.ChatRejected, Reason: r.Reason}, "integration", 0)
	}
	if c.Agent && c.Kind == state.CommandKind_DELIVER {
		t.notice(c, r.Reason)
	}
}

func (t *turn) giveUp(c *state.Command, a *state.Attempts, end End, reason string) {
	if end == Dead {
		t.letter(c, a, reason)
	}
	t.end(c, a, nil, end, reason)
}

// notice tells the agent that a message did not arrive.
func (t *turn) notice(c *state.Command, reason string) {
	text := c.Message.GetText()
	if r := []rune(text); len(r) > 80 {
		text = string(r[:80]) + "…"
	}
	t.tellAgent(fmt.Sprintf("Your message was not delivered (%s): %s", reason, text))
}

// maxMoves is how many chats a message may be moved to before it is given up:
// a vendor that closes every chat at once must not be called for ever.
const maxMoves = 3

// move takes a message and all behind it from a closed chat to the next one,
// in order.
func (t *turn) move(r *Result) {
	all := append([]*state.Command{r.Command}, r.Rest...)
	if t.doc.Chat.GetNumber() != r.Command.Chat || !t.chatOpen() {
		t.moveAll(r, all)
		return
	}
	t.facts = append(t.facts, &fact{ // the vendor forgot a chat that we believed open
		ev:     &pluginv1.Event{Type: sdk.ChatClosed, Status: "closed", Reason: "lost", By: "system"},
		source: "integration", then: func() { t.moveAll(r, all) },
	})
}

// moveAll ends the commands before it makes new ones: a message goes behind
// what still waits for a closed chat.
func (t *turn) moveAll(r *Result, all []*state.Command) {
	var again []*state.Command
	a := r.Attempts
	for _, c := range all {
		switch {
		case c.Kind != state.CommandKind_CHAT_SEND && c.Kind != state.CommandKind_CHAT_OPEN_CMD:
			t.end(c, a, nil, Dropped, "chat_closed")
		case c.Moves >= maxMoves:
			t.giveUp(c, a, Dead, "chat_gone")
		default:
			t.end(c, a, nil, Dropped, "moved")
			again = append(again, c)
		}
		a = nil
	}
	for _, c := range again {
		t.hops = c.Hops
		t.toChat(c.Message.CloneVT(), c.Rule, c.Moves+1)
	}
}

// receipt takes in that a message to the customer was delivered, read or lost.
func (t *turn) receipt(f *fact) proposal {
	doc := t.doc
	status := map[string]string{
		sdk.MessageDelivered: "delivered", sdk.MessageRead: "read", sdk.MessageFailed: "failed",
	}[f.ev.Type]
	id := f.ev.MessageId
	if id == "" {
		id = f.ev.Ref
	}
	var number uint64
	if cmd, err := core.ParseCommandID(id); err == nil {
		if cmd.Conversation != core.ConversationID(doc.Id) || cmd.Epoch != doc.Epoch || cmd.N > doc.Commands {
			t.record.DuplicateOf = "unknown message"
			return proposal{}
		}
		number = cmd.N
		t.d.Unkeep = append(t.d.Unkeep, number)
	}
	i := slices.IndexFunc(doc.Sent, func(m *state.SentMessage) bool {
		return number != 0 && m.Command == number || number == 0 && m.MessageId == id
	})
	if i < 0 {
		return proposal{rules: true}
	}
	m := doc.Sent[i]
	if !later(m.Status, status) {
		t.record.DuplicateOf = "receipt already known"
		return proposal{}
	}
	m.Status = status
	if number == 0 {
		t.d.Unkeep = append(t.d.Unkeep, m.Command)
	}
	if status != "delivered" {
		doc.Sent = slices.Delete(doc.Sent, i, i+1)
	}
	if !m.Agent {
		return proposal{rules: true}
	}
	return proposal{rules: true, extra: func() { t.tellReceipt(id, status, f.ev.Reason) }}
}

// later says whether a receipt brings news: they may come twice or disordered.
func later(old, next string) bool {
	rank := map[string]int{"sent": 0, "delivered": 1, "read": 2, "failed": 2}
	return rank[next] > rank[old]
}

// tellReceipt passes a receipt on to the agent, where the desk has a place for
// it; a failure is told in any case.
func (t *turn) tellReceipt(id, status, reason string) {
	chat := t.doc.Chat
	if chat == nil || !t.chatOpen() {
		return
	}
	if t.snap.Instances[chat.Integration].Can("receipt") {
		t.command(&state.Command{
			Kind: state.CommandKind_CHAT_RECEIPT, Lane: chatLane(chat.Number), Instance: chat.Integration,
			Chat: chat.Number, MessageId: id, Status: status, Reason: reason,
		})
	} else if status == "failed" {
		t.tellAgent(fmt.Sprintf("Your message was not delivered (%s).", reason))
	}
}
