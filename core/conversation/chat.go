package conversation

import (
	"cmp"

	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// chatLife has the events that are about a chat and nothing else.
var chatLife = map[string]bool{
	sdk.ChatOpened: true, sdk.ChatQueued: true, sdk.ChatAssigned: true, sdk.ChatTransferred: true, sdk.ChatHeld: true,
	sdk.ChatResumed: true, sdk.ChatReopened: true, sdk.ChatRejected: true, sdk.ChatIdle: true, sdk.ChatClosed: true,
	sdk.CustomerUnattended: true, sdk.AgentJoined: true, sdk.AgentLeft: true,
}

// chatOpen says whether messages go to the current chat.
func (t *turn) chatOpen() bool {
	switch t.doc.GetChat().GetState() {
	case state.ChatState_CHAT_OPENING, state.ChatState_CHAT_OPEN:
		return true
	}
	return false
}

// chatEnded is the chat's terminal event, acted on once.
func (t *turn) chatEnded(f *fact) proposal {
	c := t.doc.Chat
	switch {
	case !t.chatOpen(), f.tell && f.chat != c.Number, c.Reopening && f.instance != "":
		return t.only("chat already closed")
	case c.Reopening:
		t.shutAgain()
		p := t.only("chat already closed")
		p.extra = t.tellClosed(f)
		return p
	}
	c.Status, c.Reason = cmp.Or(state.CutText(f.ev.Status), "closed"), state.CutText(f.ev.Reason)
	if f.ev.Type == sdk.ChatRejected {
		c.Status = "rejected"
	}
	if f.then != nil {
		t.endAndMove(f)
	} else {
		t.endChat()
		t.afterChat()
	}
	tell := t.tellClosed(f)
	return proposal{rules: true, extra: func() {
		if tell != nil {
			tell()
		}
		if f.then == nil {
			t.tellBotEnd(f.ev)
		}
	}}
}

// endAndMove ends a chat that goes on in the next one: the contact center keeps
// the conversation, unless it turns out that nothing goes on.
func (t *turn) endAndMove(f *fact) {
	t.endChat()
	if hasCCSP(t.doc.Owner) {
		t.own(ccsp)
	}
	move := f.then
	f.then = func() {
		move()
		if t.notMoved() {
			t.tellBotEnd(f.ev)
		}
	}
}

// notMoved gives the conversation away if the contact center has it and nothing
// is left that opens a chat, and says whether it did.
func (t *turn) notMoved() bool {
	if t.doc.Owner != ccsp || t.takeNext() || t.chatOpen() || t.waits() {
		return false
	}
	t.afterChat()
	return true
}

// tellClosed tells the vendor of an end of our own; nil: it need not be told.
func (t *turn) tellClosed(f *fact) func() {
	c := t.doc.Chat
	if !f.tell || t.snap.Instances[c.Integration] == nil {
		return nil
	}
	return func() {
		t.command(t.inChat(&state.Command{Kind: state.CommandKind_CHAT_CLOSE, Reason: state.CutText(f.ev.Reason)}))
	}
}

// endAnyway carries out an end of our own that could not be decided. A chat that
// stayed open would be closed again, and fail again, for ever.
func (t *turn) endAnyway(f *fact) {
	own := f.instance == "" && f.waited == nil && (f.ev.GetType() == sdk.ChatClosed || f.ev.GetType() == sdk.ChatRejected)
	if !own || !t.chatOpen() {
		return
	}
	if p := t.chatEnded(f); p.extra != nil {
		p.extra()
	}
}

// endChat notes that the current chat is closed.
func (t *turn) endChat() {
	doc := t.doc
	doc.Chat.State, doc.Chat.ClosedMs, doc.Chat.Reopening = state.ChatState_CHAT_CLOSED, t.ms, false
	t.unsaid(doc.Chat)
	t.allLeave()
	doc.UnansweredMs, doc.UnattendedDone, doc.IdleDone = 0, 0, false
}

// chatNews takes over what any other event says of the chat.
func (t *turn) chatNews(f *fact) proposal {
	c, p := t.doc.Chat, proposal{rules: true}
	if c == nil {
		return p
	}
	switch f.ev.Type {
	case sdk.ChatOpened, sdk.ChatQueued:
		c.Queue = cmp.Or(state.CutText(f.ev.Queue), c.Queue)
		if f.ev.Type == sdk.ChatOpened && f.instance != "" && t.doc.Channel != "" {
			return t.only("chat already open") // the answer to our open said so
		}
	case sdk.ChatAssigned, sdk.AgentJoined:
		had := t.agentHas()
		c.Assigned = true
		t.agent(f.ev.Agent)
		if t.chatOpen() {
			t.attended(f, had)
			t.joins(f.ev)
		}
	case sdk.AgentLeft:
		t.leaves(f.ev)
	case sdk.ChatHeld:
		c.Held = true
	case sdk.ChatResumed:
		c.Held = false
	case sdk.ChatTransferred:
		c.Held = false // whoever held it has let go of it
		t.allLeave()
		if t.chatOpen() && f.ev.Agent.GetName() != "" {
			t.joins(f.ev)
		}
	case sdk.ChatReopened:
		if f.instance == "" && f.source == "integration" {
			break // the answer to our call said so
		}
		if c.State != state.ChatState_CHAT_CLOSED && !c.Reopening {
			return t.only("chat not closed")
		}
		t.backAgain()
		t.own(ccsp)
		p.extra = func() {
			t.tellBot(&change{typ: sdk.ControlPassed, to: ccsp, side: ccsp, by: ccsp.Word(), reason: "the chat was opened again"})
		}
	}
	return p
}

// agent notes who speaks for the contact center.
func (t *turn) agent(a *pluginv1.Agent) {
	if a = agentOf(a); a != nil {
		t.doc.Chat.Agent = a
	}
}

// agentOf is what is kept of an agent, nil if nothing is known.
func agentOf(a *pluginv1.Agent) *pluginv1.Agent {
	if a.GetName() == "" && a.GetId() == "" {
		return nil
	}
	return &pluginv1.Agent{Id: state.CutText(a.Id), Name: state.CutText(a.Name)}
}

// joined takes over a chat that nobody knew, unless the customer has one.
func (t *turn) joined(j *state.Joined) {
	doc := t.doc
	doc.Channel = j.Channel
	if doc.Customer == nil {
		doc.Customer = &pluginv1.Customer{Address: j.Address}
	}
	if ch := t.snap.Instances[j.Channel]; ch != nil {
		doc.ChannelType, doc.Service = ch.Caps.GetChannelType(), ch.Service
	}
	if t.chatOpen() || doc.Next != nil {
		return
	}
	t.begunChat(&state.Chat{Integration: j.Integration, Ref: j.Ref})
	if doc.Next == nil {
		t.emit(&pluginv1.Event{Type: sdk.ChatOpened, Ref: j.Ref}, "api", 0)
	}
}

// linked gives an orphan's chat away to the conversation of its customer.
func (t *turn) linked(m *state.Mail, conversation []byte) {
	t.doc.Linked = conversation
	if !t.chatOpen() {
		return
	}
	t.doc.Chat.Status, t.doc.Chat.Reason = "closed", "linked"
	t.endChat()
	t.own(nobody)
	t.facts = append(t.facts, &fact{
		ev:     &pluginv1.Event{Type: sdk.ChatClosed, Status: "closed", Reason: "linked", By: "operator"},
		source: m.Source, note: "the chat goes on in another conversation",
	})
}

// polled turns a poll's news into facts and moves the chat's cursor.
func (t *turn) polled(m *state.Mail, p *state.Polled) {
	for _, ev := range p.Events {
		t.facts = append(t.facts, &fact{ev: named(ev), instance: m.Instance, source: m.Source, chat: p.Chat})
	}
	c := t.doc.Chat
	if c == nil || c.Number != p.Chat {
		return
	}
	c.Cursor = p.Cursor
	if p.Lost && t.chatOpen() && !c.Reopening {
		t.emit(lost(), "integration", 0)
	}
}

// lostReason is why a chat has ended that the vendor no longer knows.
const lostReason = "lost"

// lost is the end of a chat that the vendor no longer knows.
func lost() *pluginv1.Event {
	return &pluginv1.Event{Type: sdk.ChatClosed, Status: "closed", Reason: lostReason, By: "system"}
}
