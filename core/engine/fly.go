package engine

import (
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/delivery"
	"github.com/openccsp/gateway/core/media"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// appendFor is how long a request from another conversation is remembered, so
// that one that comes again is not done twice.
const appendFor = 8 * 24 * time.Hour

// fly makes one attempt at the head of a lane. The caller holds c.mu, and runs
// what is returned after letting it go.
func (c *cell) fly(l *lane, it *item) func() {
	e := c.s.e
	it.state = flying
	it.startAge(e.Clock.Now())
	it.awaitID(e.instance(it.cmd.Instance))
	e.m.attempts.WithLabelValues(it.cmd.Kind.String()).Inc()
	it.flight++
	flight := it.flight
	answer := func(r *pluginv1.Result, fate core.Fate) { c.answered(l, it, flight, r, fate) }
	switch it.cmd.Kind {
	case state.CommandKind_NOTIFY:
		return func() { e.Exec.Go(func() { answer(c.notify(it)) }) }
	case state.CommandKind_APPEND:
		return func() { e.Exec.Go(func() { answer(e.append(c.s, it.cmd), core.Answered) }) }
	}
	call := c.call(it, c.doc)
	return func() { e.Drivers.Call(it.cmd.Instance, c.id, e.linkedCall(call), e.CallTimeout, answer) }
}

// notify posts to an endpoint. What it says is kept for a flow that waits for it.
func (c *cell) notify(it *item) (*pluginv1.Result, core.Fate) {
	e, id := c.s.e, commandID(it.cmd).String()
	body := media.LinkedBytes(it.cmd.Body, e.link)
	if !it.cmd.Answer {
		return e.Notifier.Do(c.s.ctx, it.cmd.Endpoint, id, body)
	}
	r, said, fate := e.Notifier.Ask(c.s.ctx, it.cmd.Endpoint, id, body, conversation.MaxAnswer)
	c.mu.Lock()
	it.answer = said
	c.mu.Unlock()
	return r, fate
}

// append carries a request to another conversation.
func (e *Engine) append(s *shard, cmd *state.Command) *pluginv1.Result {
	id := commandID(cmd).String()
	err := e.store(s.ctx, store.Event{
		Conversation: core.ConversationID(cmd.Target), Body: cmd.Body,
		Dedup: store.Dedup{Instance: "gateway", ID: id, For: appendFor},
	})
	if err != nil {
		return &pluginv1.Result{Outcome: pluginv1.Outcome_RETRY, Detail: err.Error()}
	}
	return &pluginv1.Result{Outcome: pluginv1.Outcome_OK}
}

// How often a message is tried again after the vendor said that it does not
// know the chat: so often in any case, and at most while polls of the chat fail.
const (
	goneTries = 2
	goneMost  = 20
)

// ops is what drivers are asked for commands.
var ops = map[state.CommandKind]pluginv1.Op{
	state.CommandKind_DELIVER:       pluginv1.Op_SEND,
	state.CommandKind_CHAT_OPEN_CMD: pluginv1.Op_OPEN,
	state.CommandKind_CHAT_SEND:     pluginv1.Op_SEND,
	state.CommandKind_CHAT_CLOSE:    pluginv1.Op_CLOSE,
	state.CommandKind_BOT_SEND:      pluginv1.Op_SEND,
	state.CommandKind_BOT_EVENT:     pluginv1.Op_EVENT,
	state.CommandKind_CHAT_RECEIPT:  pluginv1.Op_RECEIPT,
	state.CommandKind_CHAT_EVENT:    pluginv1.Op_EVENT,
	state.CommandKind_CALL:          pluginv1.Op_CALL_OUT,
	state.CommandKind_PUSH:          pluginv1.Op_SEND,
	state.CommandKind_CHAT_TRANSFER: pluginv1.Op_TRANSFER,
	state.CommandKind_CHAT_UPDATE:   pluginv1.Op_UPDATE,
	state.CommandKind_CHAT_REOPEN:   pluginv1.Op_REOPEN,
	state.CommandKind_REGISTER:      pluginv1.Op_REGISTER,
}

// call is what the driver is asked. What belongs to the chat is read now, not
// when the command was made.
func (c *cell) call(it *item, doc *state.Document) *pluginv1.Call {
	cmd := it.cmd
	m := cmd.Message
	if it.att.Resent && m != nil {
		m = m.CloneVT()
		m.Resent = true
	}
	call := &pluginv1.Call{
		Op: ops[cmd.Kind], Key: commandID(cmd).String(), Attempt: it.att.Count + 1, Resent: m.GetResent() || it.att.Resent,
		Customer: doc.Customer, Message: m, Reason: cmd.Reason, EventName: cmd.EventName, Params: cmd.Params,
		MessageId: cmd.MessageId, Status: cmd.Status,
	}
	switch cmd.Kind {
	case state.CommandKind_CHAT_OPEN_CMD:
		call.Chat = chatOf(doc)
		if !cmd.Transcript { // else it goes as text
			call.Chat.Transcript = linesOf(doc.GetChat().GetTranscript())
		}
	case state.CommandKind_CHAT_SEND, state.CommandKind_CHAT_CLOSE, state.CommandKind_CHAT_RECEIPT,
		state.CommandKind_CHAT_UPDATE, state.CommandKind_CHAT_REOPEN:
		call.Chat = chatOf(doc)
	case state.CommandKind_CHAT_EVENT:
		if cmd.Chat != 0 { // else it is for the channel
			call.Chat = chatOf(doc)
		}
	case state.CommandKind_CHAT_TRANSFER:
		call.Chat, call.Target = chatOf(doc), cmd.To
	case state.CommandKind_CALL, state.CommandKind_PUSH:
		call.Customer = reached(doc, cmd.To)
	case state.CommandKind_REGISTER:
		call.Customer, call.Target, call.On = reached(doc, cmd.To), cmd.Token, cmd.On
	case state.CommandKind_BOT_SEND, state.CommandKind_BOT_EVENT:
		call.Chat = chatOf(doc)
		call.Chat.Ref = c.id.String()
	}
	return call
}

// reached is the customer at another address than the conversation's own.
func reached(doc *state.Document, address string) *pluginv1.Customer {
	c := doc.Customer.CloneVT()
	if c == nil {
		c = &pluginv1.Customer{}
	}
	if address != "" {
		c.Address = address
	}
	return c
}

// chatOf is what a driver is told of a chat.
func chatOf(doc *state.Document) *pluginv1.Chat {
	return &pluginv1.Chat{
		Conversation: core.ConversationID(doc.Id).String(), Number: doc.GetChat().GetNumber(), Ref: doc.GetChat().GetRef(),
		Customer: doc.Customer, Channel: doc.Channel, ChannelType: doc.ChannelType, Service: doc.Service,
		Attributes: doc.Attributes,
	}
}

// linesOf is what a driver is told of what was said before.
func linesOf(said []*state.Said) (lines []*pluginv1.Line) {
	for _, l := range said {
		lines = append(lines, l.Line)
	}
	return lines
}

// answered takes the outcome of an attempt.
func (c *cell) answered(l *lane, it *item, flight int, r *pluginv1.Result, fate core.Fate) {
	c.mu.Lock()
	var f func()
	if it.state == flying && it.flight == flight { // else it is a second answer to one call
		c.judge(l, it, r, fate)
		f = c.advance(l.name)
	}
	c.mu.Unlock()
	if f != nil {
		f()
	}
}

// judge decides what follows from an attempt: the command ends, or it is tried
// again. The caller holds c.mu.
func (c *cell) judge(l *lane, it *item, r *pluginv1.Result, fate core.Fate) {
	e := c.s.e
	now := e.Clock.Now()
	it.state = paused
	policy, inst := c.policy(it.cmd)
	v := delivery.Judge(policy, it.cmd, it.att, r, fate, now)
	if v.Slow > 0 && inst != nil {
		inst.pause(now, v.Slow)
	}
	if v.Alarm != "" {
		e.Log.Error("instance needs an operator", "instance", it.cmd.Instance, "reason", v.Alarm, "code", r.GetCode())
	}
	if v.Ended && v.End == conversation.Gone {
		if wait, again := c.mayBeGone(it); again {
			v = delivery.Verdict{After: wait, Attempted: true}
		}
	}
	if v.Ended && v.End == conversation.Sent && conversation.IsChatLane(it.cmd.Lane) {
		c.hurryPoll(it.cmd)
	}
	if v.Ended {
		c.ended(l, it, conversation.Result{
			End: v.End, Reason: v.Reason, MessageID: r.GetMessageId(), PartIDs: r.GetPartIds(), ChatRef: r.GetChatRef(), Delivered: r.GetDelivered(), Answer: it.answer,
		})
		return
	}
	if v.Ambiguous {
		e.m.ambiguous.WithLabelValues(it.cmd.Kind.String()).Inc()
		e.Log.Warn("call ended without an answer, it is repeated once", "conversation", c.id,
			"command", it.cmd.Number, "instance", it.cmd.Instance)
	}
	if v.Park && inst != nil {
		inst.down(it.rises)
	}
	it.release()
	it.endAwait()
	if !v.Attempted && !it.att.Marked {
		it.state = waiting
		if v.After > 0 { // in memory only; without it the lane would go on at once
			it.att = it.att.CloneVT()
			it.att.NotBeforeMs = now.Add(v.After).UnixMilli()
			l.wait(v.After)
		}
		return
	}
	att := it.att.CloneVT()
	att.Marked = false // also if it never left: that must not look like an attempt after a restart
	att.NotBeforeMs = now.Add(v.After).UnixMilli()
	if v.Attempted {
		att.Count++
		att.Resent = att.Resent || v.Ambiguous
		att.LastError = lastError(r, fate)
	}
	it.att = att
	c.update(l, it, waiting)
}

// lastError is what an operator may read of an attempt: no body, no address.
func lastError(r *pluginv1.Result, fate core.Fate) string {
	if fate != core.Answered {
		return "no answer"
	}
	s := r.GetOutcome().String()
	if r.GetCode() != "" {
		s += " " + r.GetCode()
	}
	return s[:min(len(s), 200)]
}
