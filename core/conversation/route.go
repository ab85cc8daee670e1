package conversation

import (
	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// route carries a customer's message to whom it belongs.
func (t *turn) route(f *fact, to state.Owner) {
	t.record.Route = to.Word()
	if to != state.Owner_OWNER_NONE { // else it is kept from all
		t.heard(f)
	}
	m := &pluginv1.Message{
		Text: textOf(f.ev), Attachments: f.ev.Attachments, Author: pluginv1.AuthorKind_AUTHOR_CUSTOMER, AtMs: t.ms,
	}
	bot := (to == state.Owner_OWNER_BOT || to == state.Owner_OWNER_BOTH) && t.toBot(&state.Command{Message: m})
	if to == state.Owner_OWNER_CCSP || to == state.Owner_OWNER_BOTH {
		t.toChat(&state.Command{Message: m})
	}
	if !bot && !t.chatOpen() || to == state.Owner_OWNER_NONE {
		return // nobody has it: it is kept from both sides, dead, or waits for the next chat
	}
	if t.doc.UnansweredMs == 0 {
		t.doc.UnansweredMs, t.doc.UnattendedDone = t.ms, 0
	}
	switch {
	case to == state.Owner_OWNER_BOT && t.chatOpen(): // this message only: the agent keeps the chat
	case to == state.Owner_OWNER_BOTH && !t.chatOpen():
		t.doc.Owner = state.Owner_OWNER_BOT
	default:
		t.doc.Owner = to
	}
}

// toBot makes the commands that hand c's message to the service's bot, and
// says whether there is one. It knows the conversation by its id.
func (t *turn) toBot(c *state.Command) bool {
	c.Kind, c.Lane, c.Instance = state.CommandKind_BOT_SEND, laneBot, t.service().Bot
	if t.snap.Instances[c.Instance] == nil {
		t.refuse(c, "no_bot")
		return false
	}
	if o := t.doc.Owner; o != state.Owner_OWNER_BOT && o != state.Owner_OWNER_BOTH {
		t.d.Binds = append(t.d.Binds, Bind{Instance: c.Instance, Ref: core.ConversationID(t.doc.Id).String()})
	}
	t.parts(c, t.split(c))
	return true
}

// deliverAgent brings an agent's or a bot's message to the customer.
func (t *turn) deliverAgent(f *fact) {
	m := &pluginv1.Message{
		Text: f.ev.Text, Attachments: f.ev.Attachments, Author: pluginv1.AuthorKind_AUTHOR_AGENT,
		Agent: f.ev.Agent, UrlPush: f.ev.UrlPush, AtMs: t.ms,
	}
	if f.instance != "" && f.instance == t.service().Bot {
		m.Author = pluginv1.AuthorKind_AUTHOR_BOT
	}
	t.customer(&state.Command{
		Message: m, MessageId: f.ev.MessageId, Agent: m.Author == pluginv1.AuthorKind_AUTHOR_AGENT,
	})
}

// customer makes the commands that bring c's message to this conversation's
// customer, and says whether there are any.
func (t *turn) customer(c *state.Command) bool {
	c.Kind, c.Lane, c.Instance = state.CommandKind_DELIVER, LaneCustomer, t.doc.Channel
	if t.doc.Channel == "" || t.doc.Customer.GetAddress() == "" {
		t.drop(c, "no_customer")
		return false
	}
	texts := t.split(c)
	if len(texts) > 0 && !c.Late {
		t.said(c.Message)
	}
	t.parts(c, texts)
	return len(texts) > 0
}

// toChat makes the commands that bring c's message to the contact center: in
// the open chat, behind what still waits for a closed one, or by opening a new
// chat.
func (t *turn) toChat(c *state.Command) {
	t.toServiceOf(c)
	switch {
	case t.chatOpen() || t.waits():
	case t.reopens(c):
		t.reopen(c)
		return
	default:
		t.openChat(c)
		return
	}
	c.Kind = state.CommandKind_CHAT_SEND
	t.inChat(c)
	t.parts(c, t.split(c))
}

// toServiceOf lets the next chat open where a message says that it is to.
func (t *turn) toServiceOf(c *state.Command) {
	if c.To != "" && !t.chatOpen() {
		t.doc.Service = c.To
	}
}

// inChat makes c one of the current chat.
func (t *turn) inChat(c *state.Command) *state.Command {
	chat := t.doc.Chat
	c.Lane, c.Instance, c.Chat = ChatLane(chat.Number), chat.Integration, chat.Number
	return c
}

// openChat begins the next chat, with c's message as its first one.
func (t *turn) openChat(c *state.Command) {
	c.Kind, c.Instance = state.CommandKind_CHAT_OPEN_CMD, t.service().Integration
	if inst := t.snap.Instances[c.Instance]; inst == nil || inst.Removed {
		t.refuse(c, "no_integration")
		return
	}
	if ch := t.snap.Instances[t.doc.Channel]; ch != nil && ch.Removed {
		t.refuse(c, "channel_removed")
		return
	}
	texts := t.split(c)
	if texts == nil {
		return
	}
	doc := t.doc
	doc.Chat = &state.Chat{
		Number: doc.Chat.GetNumber() + 1, Integration: c.Instance, State: state.ChatState_CHAT_OPENING, OpenedMs: t.ms,
	}
	if c.Message.GetAuthor() == pluginv1.AuthorKind_AUTHOR_CUSTOMER {
		doc.Chat.CustomerMessages = 1
	}
	doc.UnattendedDone = 0
	if doc.UnansweredMs == 0 {
		doc.UnansweredMs = t.ms
	}
	t.ownOpened()
	t.recall(c)
	if !t.snap.Instances[c.Instance].caps().GetTranscript() && t.tellTranscript(c, doc.Chat.Transcript) {
		c.Kind = state.CommandKind_CHAT_SEND
	}
	t.parts(t.inChat(c), texts)
}

// ownOpened notes that the contact center gets a chat of the conversation.
func (t *turn) ownOpened() {
	switch doc := t.doc; doc.Owner {
	case state.Owner_OWNER_NONE:
		doc.Owner = state.Owner_OWNER_CCSP
	case state.Owner_OWNER_BOT:
		doc.Owner = state.Owner_OWNER_BOTH
	}
}

// waits says whether the closed chat still has messages in its lane: later ones
// stay behind them until it is known what becomes of those.
func (t *turn) waits() bool { return t.doc.GetChat().GetPending() > 0 }

// outbound writes to this conversation's customer on behalf of another one.
func (t *turn) outbound(f *fact) {
	m := f.outbound.Message.CloneVT()
	m.AtMs = t.ms
	t.write(m, f.outbound.Rule)
}

// tellAgent is a system message to the agent of an open chat.
func (t *turn) tellAgent(text string) {
	if t.chatOpen() {
		t.toChat(&state.Command{Message: &pluginv1.Message{
			Text: text, Author: pluginv1.AuthorKind_AUTHOR_SYSTEM, AtMs: t.ms,
		}})
	}
}

// replay makes new commands of dead ones, at their lanes' ends, in order. Texts
// are split anew: limits may have changed since.
func (t *turn) replay(dead []*state.Command) {
	groups := t.regroup()
	for _, c := range dead {
		if c.Transcript {
			continue // a chat that opens shows what was said by then
		}
		t.unkeep(c.Record)
		again := c.CloneVT()
		again.Late, again.Group, again.Moves, again.Record = true, groups(c.Group), 0, 0
		switch c.Kind {
		case state.CommandKind_CHAT_OPEN_CMD, state.CommandKind_CHAT_SEND:
			t.toChat(again)
		case state.CommandKind_BOT_SEND:
			t.toBot(again)
		case state.CommandKind_DELIVER:
			t.customer(again)
		case state.CommandKind_CALL:
			t.place(again)
		case state.CommandKind_NOTIFY:
			again.Lane = t.ownLane("notify")
			t.command(again)
		default:
			t.command(again)
		}
	}
}
