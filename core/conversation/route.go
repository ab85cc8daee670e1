package conversation

import (
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// route carries a customer's message to whom it belongs, and unless a rule says
// so also to the side that is offered the conversation, and as a copy to one
// that is to see everything.
func (t *turn) route(f *fact, to state.Owner, ruled bool) {
	m := &pluginv1.Message{
		Text: textOf(f.ev), Attachments: f.ev.Attachments, Author: pluginv1.AuthorKind_AUTHOR_CUSTOMER, AtMs: t.ms,
	}
	all := to
	if !ruled {
		all = sides(hasBot(to) || t.doc.Offered == bot, hasCCSP(to) || t.doc.Offered == ccsp)
	}
	t.record.Route = all.Word()
	if all != nobody { // else it is kept from all
		t.heard(f)
	}
	silent := t.agentHas() && t.doc.Offered != bot
	asked := false
	if hasBot(all) {
		c := &state.Command{Message: forBot(m, f)}
		if c.Message.Copy = silent; hasBot(to) && !silent {
			c.MessageId = t.told(f)
		}
		asked = t.toBot(c)
	}
	if hasCCSP(all) {
		c := &state.Command{Message: m, Shared: !hasCCSP(to)}
		if !c.Shared {
			c.MessageId = t.told(f)
		}
		t.toChat(c)
	}
	t.copies(f, m, to, all, ruled)
	if !asked && !t.chatOpen() || all == nobody {
		return // nobody has it: it is kept from both sides, dead, or waits for the next chat
	}
	if t.doc.UnansweredMs == 0 {
		t.doc.UnansweredMs, t.doc.UnattendedDone = t.ms, 0
	}
	t.routed(to)
}

// forBot is a customer's message with what was chosen, which is more than its
// title to a program.
func forBot(m *pluginv1.Message, f *fact) *pluginv1.Message {
	m = m.CloneVT()
	if q := f.ev.QuickReply; q != nil {
		m.QuickReplies = []*pluginv1.QuickReply{q}
	}
	return m
}

// copies shows a customer's message to the side that has not got it.
func (t *turn) copies(f *fact, m *pluginv1.Message, to, all state.Owner, ruled bool) {
	switch {
	case to == bot && !hasCCSP(all) && t.doc.Owner == bot:
		t.copyToCCSP(m)
	case to == ccsp && !hasBot(all) && !ruled && t.chatOpen():
		t.copyToBot(forBot(m, f))
	}
}

// routed notes who has the conversation after a message has gone to to.
func (t *turn) routed(to state.Owner) {
	had := t.doc.Owner
	switch {
	case to == had, to == nobody:
	case to == bot && t.chatOpen() && hasCCSP(had): // this message only: the agent keeps the chat
	case to == both && !t.chatOpen():
		t.own(bot)
	default:
		offered := t.doc.Offered
		t.own(to)
		if had == nobody {
			t.doc.Offered = offered
		} else if had == bot && to == ccsp {
			t.tellBot(&change{typ: sdk.ControlPassed, to: ccsp, by: "rule"})
		}
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
	if t.doc.Bot != c.Instance || !hasBot(t.doc.Owner) && !c.Message.GetCopy() {
		t.introduce(c.Instance)
	}
	t.parts(c, t.split(c))
	return true
}

// deliverAgent brings an agent's or a bot's message to the customer.
func (t *turn) deliverAgent(f *fact) {
	m := t.spoken(f)
	if caps := t.snap.Instances[t.doc.Channel].caps(); caps != nil {
		m = inWords(m, caps)
	}
	c := &state.Command{Message: m, MessageId: f.ev.MessageId}
	if c.Agent = !t.fromBot(f); c.Agent && t.current(f) {
		c.OfChat = t.doc.Chat.Number
	}
	t.customer(c)
}

// spoken is the message of an agent or a bot.
func (t *turn) spoken(f *fact) *pluginv1.Message {
	m := &pluginv1.Message{
		Text: f.ev.Text, Attachments: f.ev.Attachments, Author: pluginv1.AuthorKind_AUTHOR_AGENT,
		Agent: f.ev.Agent, UrlPush: f.ev.UrlPush, QuickReplies: f.ev.QuickReplies, AtMs: t.ms,
	}
	if t.fromBot(f) {
		m.Author = pluginv1.AuthorKind_AUTHOR_BOT
	}
	return m
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
	if len(texts) == 0 {
		return false
	}
	if !t.inWindow(c, len(texts)) {
		t.late = true
		t.drop(c, WindowIsClosed)
		return false
	}
	if !c.Late {
		t.said(c.Message)
	}
	t.parts(c, texts)
	return true
}

// toChat makes the commands that bring c's message to the contact center: in
// the open chat, behind what still waits for a closed one, or by opening a new
// chat.
func (t *turn) toChat(c *state.Command) {
	t.takeNext()
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
	if why := t.cannotOpen(c.Instance); why != "" {
		t.refuse(c, why)
		t.notMoved()
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
	t.ownOpened(c.Late)
	t.recall(c)
	if !t.snap.Instances[c.Instance].caps().GetTranscript() && t.tellTranscript(c, doc.Chat.Transcript) {
		c.Kind = state.CommandKind_CHAT_SEND
	}
	t.parts(t.inChat(c), texts)
}

// ownOpened notes who has the conversation whose chat is opening. What is
// replayed does not take it from the bot, nor does what is only offered.
func (t *turn) ownOpened(late bool) {
	switch owner := t.doc.Owner; {
	case t.doc.Offered == ccsp:
	case owner == bot && late:
		t.own(both)
	case !hasCCSP(owner):
		t.own(ccsp)
		if owner == bot {
			t.tellBot(&change{typ: sdk.ControlPassed, to: ccsp, by: "system"})
		}
	}
}

// cannotOpen says why no chat can be opened at an integration, "" if one can.
func (t *turn) cannotOpen(integration string) string {
	if !t.usable(integration) {
		return "no_integration"
	}
	if ch := t.snap.Instances[t.doc.Channel]; ch != nil && ch.Removed {
		return "channel_removed"
	}
	return ""
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
			if (c.Message.GetCopy() || c.Shared) && !t.chatOpen() {
				t.drop(again, "no_chat") // it is of no use but there
				continue
			}
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
