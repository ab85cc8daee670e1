package conversation

import (
	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// Lanes beside "chat:<n>".
const (
	laneCustomer = "customer"
	laneBot      = "bot"
)

// defaultMaxParts is how many parts a text may be split into.
const defaultMaxParts = 20

// command makes a command of the fact in hand and numbers it.
func (t *turn) command(c *state.Command) *state.Command {
	t.doc.Commands++
	c.Conversation, c.Epoch, c.Number = t.doc.Id, t.doc.Epoch, t.doc.Commands
	c.CreatedMs, c.Record, c.Hops = t.ms, t.record.GetNumber(), t.hops
	if c.Message != nil {
		c.Message.Id = t.key(c.Number)
		c.Message.Late = c.Late
	}
	t.made++
	if t.record != nil {
		t.record.Commands = append(t.record.Commands, c.Number)
	}
	t.d.Commands = append(t.d.Commands, c)
	if c.Chat != 0 && t.doc.Chat.GetNumber() == c.Chat {
		t.doc.Chat.Pending++
	}
	return c
}

// key is the idempotency key of this conversation's command n.
func (t *turn) key(n uint64) string {
	return core.CommandID{Conversation: core.ConversationID(t.doc.Id), Epoch: t.doc.Epoch, N: n}.String()
}

// parts makes one command for each part that the instance's limit asks for.
// like makes the command of one part; its message is filled in here.
func (t *turn) parts(inst *Instance, m *pluginv1.Message, like func(part int) *state.Command) {
	texts := []string{m.Text}
	if inst != nil {
		texts = Split(m.Text, inst.Caps.GetToOutside())
	}
	limit := defaultMaxParts
	if inst != nil && inst.MaxParts > 0 {
		limit = inst.MaxParts
	}
	if len(texts) > limit {
		c := like(0)
		c.Message = m
		t.refuse(c, "too_many_parts")
		return
	}
	group := t.doc.Commands + 1
	for i, text := range texts {
		c := like(i)
		c.Message = part(m, text, i, len(texts))
		if len(texts) > 1 {
			c.Group = group
		}
		t.command(c)
	}
}

// part is the i-th of n parts of m. Attachments and quick replies go with the
// last one.
func part(m *pluginv1.Message, text string, i, n int) *pluginv1.Message {
	p := &pluginv1.Message{
		Text: text, Author: m.Author, Agent: m.Agent, Part: uint32(i + 1), Parts: uint32(n),
		AtMs: m.AtMs, Extras: m.Extras, ReplyTo: m.ReplyTo,
	}
	if i == n-1 {
		p.Attachments, p.QuickReplies, p.UrlPush = m.Attachments, m.QuickReplies, m.UrlPush
	}
	return p
}

// refuse makes a command that ends at once as a dead letter.
func (t *turn) refuse(c *state.Command, reason string) {
	t.number(c)
	t.letter(c, nil, reason)
	t.ended(c, nil, Dead, reason, "")
}

// drop makes a command that ends at once, not done.
func (t *turn) drop(c *state.Command, reason string) {
	t.number(c)
	t.ended(c, nil, Dropped, reason, "")
}

// number gives a number to a command that never reaches the outbox.
func (t *turn) number(c *state.Command) {
	t.doc.Commands++
	c.Conversation, c.Epoch, c.Number = t.doc.Id, t.doc.Epoch, t.doc.Commands
	c.CreatedMs, c.Record, c.Hops = t.ms, t.record.GetNumber(), t.hops
	if t.record != nil {
		t.record.Commands = append(t.record.Commands, c.Number)
	}
}

// ended adds the end of a command to the history.
func (t *turn) ended(c *state.Command, a *state.Attempts, end End, reason, messageID string) {
	t.doc.Records++
	t.entry(t.doc.Records, false, &state.Entry{Body: &state.Entry_Ended{Ended: &state.Ended{
		Command: c, Attempts: a, End: end.String(), Reason: reason, MessageId: messageID, AtMs: t.ms,
	}}})
}

// letter adds a dead letter.
func (t *turn) letter(c *state.Command, a *state.Attempts, reason string) {
	t.d.Dead = append(t.d.Dead, &state.DeadLetter{Command: c, Attempts: a, Reason: reason, AtMs: t.ms})
}

// customer makes the commands that bring m to this conversation's customer.
func (t *turn) customer(m *pluginv1.Message, rule string, agent bool) {
	like := func(int) *state.Command {
		return &state.Command{Kind: state.CommandKind_DELIVER, Lane: laneCustomer, Instance: t.doc.Channel, Rule: rule, Agent: agent}
	}
	if t.doc.Channel == "" || t.doc.Customer.GetAddress() == "" {
		c := like(0)
		c.Message = m
		t.drop(c, "no_customer")
		return
	}
	t.parts(t.snap.Instances[t.doc.Channel], m, like)
}

// toChat makes the commands that bring m to the contact center: in the open
// chat, behind what still waits for a closed one, or by opening a new chat.
func (t *turn) toChat(m *pluginv1.Message, rule string, moves uint32) {
	chat := t.doc.Chat
	if !t.chatOpen() && !t.waits() {
		name := t.service().Integration
		inst := t.snap.Instances[name]
		if name == "" || inst == nil || inst.Removed {
			c := &state.Command{Kind: state.CommandKind_CHAT_OPEN_CMD, Instance: name, Message: m, Rule: rule}
			t.refuse(c, "no_integration")
			return
		}
		chat = &state.Chat{Number: chat.GetNumber() + 1, Integration: name, State: state.ChatState_CHAT_OPENING, OpenedMs: t.ms, CustomerMessages: 1}
		t.doc.Chat = chat
		t.doc.UnattendedDone = 0
		if t.doc.UnansweredMs == 0 {
			t.doc.UnansweredMs = t.ms
		}
		if t.doc.Owner == state.Owner_OWNER_NONE {
			t.doc.Owner = state.Owner_OWNER_CCSP
		}
		t.chatParts(chat, m, rule, moves, true)
		return
	}
	t.chatParts(chat, m, rule, moves, false)
}

func (t *turn) chatParts(chat *state.Chat, m *pluginv1.Message, rule string, moves uint32, open bool) {
	t.parts(t.snap.Instances[chat.Integration], m, func(part int) *state.Command {
		kind := state.CommandKind_CHAT_SEND
		if open && part == 0 {
			kind = state.CommandKind_CHAT_OPEN_CMD
		}
		return &state.Command{
			Kind: kind, Lane: chatLane(chat.Number), Instance: chat.Integration, Chat: chat.Number, Rule: rule, Moves: moves,
		}
	})
}

// waits says whether the closed chat still has messages in its lane: later ones
// stay behind them, and all move to the next chat together.
func (t *turn) waits() bool {
	c := t.doc.Chat
	return c != nil && c.Pending > 0 && c.Status != "rejected"
}
