package conversation

import (
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// transition is stage 1 of one fact: it changes the document and proposes what
// should follow.
func (t *turn) transition(f *fact) proposal {
	ev := f.ev
	t.know(f)
	switch ev.Type {
	case sdk.CustomerMessage:
		return t.customerMessage()
	case sdk.IncomingMessage:
		return t.agentMessage(f)
	case sdk.ChatClosed, sdk.ChatRejected:
		return t.chatEnded(f)
	case sdk.MessageDelivered, sdk.MessageRead, sdk.MessageFailed:
		return t.receipt(f)
	case "outbound_requested":
		return proposal{extra: func() { t.outbound(f) }}
	case "replay_requested":
		return proposal{extra: func() { t.replay(f.replay) }}
	}
	t.chatNews(ev)
	return proposal{rules: true}
}

// know fills what the document does not know yet of its own place: the channel
// of a customer's conversation, the integration of an orphan's.
func (t *turn) know(f *fact) {
	doc := t.doc
	inst := t.snap.Instances[f.instance]
	if inst != nil && inst.Channel && doc.Channel == "" && doc.Linked == nil {
		doc.Channel = inst.Name
	}
	if f.outbound != nil && doc.Channel == "" {
		doc.Channel = f.outbound.Channel
		doc.Customer = &pluginv1.Customer{Address: f.outbound.Address}
	}
	if ch := t.snap.Instances[doc.Channel]; ch != nil {
		doc.ChannelType, doc.Service = ch.Caps.GetChannelType(), ch.Service
	}
	if inst != nil && inst.Channel {
		t.merge(f.ev.Customer)
	}
	if inst != nil && !inst.Channel && doc.Channel == "" && doc.Chat == nil {
		doc.Chat = &state.Chat{Number: 1, Integration: inst.Name, Ref: f.ev.Ref, State: state.ChatState_CHAT_OPEN, OpenedMs: t.ms}
		doc.Service = t.snap.serviceOf(inst.Name)
	}
}

// serviceOf returns the service of an integration, if exactly one has it.
func (s *Snap) serviceOf(integration string) string {
	found := ""
	for name, svc := range s.Services {
		if svc.Integration != integration && svc.Bot != integration {
			continue
		}
		if found != "" {
			return ""
		}
		found = name
	}
	return found
}

// merge takes over what the driver knows of the customer.
func (t *turn) merge(c *pluginv1.Customer) {
	if c == nil {
		return
	}
	if t.doc.Customer == nil {
		t.doc.Customer = &pluginv1.Customer{}
	}
	own := t.doc.Customer
	for _, f := range []struct {
		to   *string
		from string
	}{
		{&own.Address, c.Address}, {&own.Name, c.Name}, {&own.FirstName, c.FirstName},
		{&own.LastName, c.LastName}, {&own.Locale, c.Locale}, {&own.Timezone, c.Timezone},
	} {
		if f.from != "" && *f.to != f.from {
			*f.to = f.from
		}
	}
	own.Addresses = mergeMap(own.Addresses, c.Addresses)
	own.Attributes = mergeMap(own.Attributes, c.Attributes)
}

// maxFields bounds the maps of a document.
const maxFields = 100

func mergeMap(to, from map[string]string) map[string]string {
	for k, v := range from {
		to = put(to, k, v)
	}
	return to
}

// put sets m[k], unless that would make m too large.
func put(m map[string]string, k, v string) map[string]string {
	if m == nil {
		m = map[string]string{}
	}
	if _, ok := m[k]; ok || len(m) < maxFields {
		m[k] = cutText(v)
	}
	return m
}

// customerMessage: who gets it is an open chat's or bot's, else the service's
// default.
func (t *turn) customerMessage() proposal {
	doc := t.doc
	doc.CustomerMs, doc.IdleDone = t.ms, false
	if doc.UnansweredMs == 0 {
		doc.UnansweredMs, doc.UnattendedDone = t.ms, 0
	}
	if doc.Chat != nil && t.chatOpen() {
		doc.Chat.CustomerMessages++
	}
	p := proposal{routed: true, rules: true, route: t.service().Forward}
	switch {
	case t.chatOpen() && doc.Owner == state.Owner_OWNER_BOTH:
		p.route = state.Owner_OWNER_BOTH
	case t.chatOpen():
		p.route = state.Owner_OWNER_CCSP
	case doc.Owner == state.Owner_OWNER_BOT:
		p.route = state.Owner_OWNER_BOT
	}
	return p
}

// agentMessage: it goes to the customer whatever rules say; rules see it if the
// integration's message_routing is on.
func (t *turn) agentMessage(f *fact) proposal {
	doc := t.doc
	p := proposal{deliver: !f.ev.Private, rules: true}
	if inst := t.snap.Instances[f.instance]; inst != nil {
		p.rules = inst.MessageRouting
	}
	if f.ev.Private {
		return p
	}
	doc.AgentMs, doc.UnansweredMs, doc.UnattendedDone, doc.IdleDone = t.ms, 0, 0, false
	if doc.Chat != nil {
		doc.Chat.AgentMessages++
		if f.ev.Agent.GetName() != "" {
			doc.Chat.Agent = f.ev.Agent
		}
	}
	return p
}

// chatEnded is the chat's terminal event, acted on once.
func (t *turn) chatEnded(f *fact) proposal {
	c := t.doc.Chat
	if c == nil || c.State == state.ChatState_CHAT_CLOSED || f.ev.Ref != "" && c.Ref != "" && f.ev.Ref != c.Ref {
		t.record.DuplicateOf = "chat already closed"
		return proposal{}
	}
	c.Status, c.Reason = f.ev.Status, f.ev.Reason
	if f.ev.Type == sdk.ChatRejected {
		c.Status = "rejected"
	} else if c.Status == "" {
		c.Status = "closed"
	}
	t.endChat()
	p := proposal{rules: true}
	if f.tell && t.snap.Instances[c.Integration] != nil {
		p.extra = func() {
			t.command(&state.Command{
				Kind: state.CommandKind_CHAT_CLOSE, Lane: chatLane(c.Number), Instance: c.Integration,
				Chat: c.Number, Reason: c.Reason,
			})
		}
	}
	return p
}

func (t *turn) endChat() {
	doc := t.doc
	doc.Chat.State, doc.Chat.ClosedMs = state.ChatState_CHAT_CLOSED, t.ms
	doc.UnansweredMs, doc.UnattendedDone, doc.IdleDone = 0, 0, false
	if doc.Owner == state.Owner_OWNER_BOTH {
		doc.Owner = state.Owner_OWNER_BOT
	} else if doc.Owner == state.Owner_OWNER_CCSP {
		doc.Owner = state.Owner_OWNER_NONE
	}
}

// chatNews takes over what an event of the vendor says of the chat.
func (t *turn) chatNews(ev *pluginv1.Event) {
	c := t.doc.Chat
	if c == nil {
		return
	}
	switch ev.Type {
	case sdk.ChatQueued:
		if ev.Queue != "" {
			c.Queue = ev.Queue
		}
	case sdk.ChatAssigned, sdk.AgentJoined:
		c.Assigned = true
		if ev.Agent.GetName() != "" || ev.Agent.GetId() != "" {
			c.Agent = ev.Agent
		}
	case sdk.ChatHeld:
		c.Held = true
	case sdk.ChatResumed:
		c.Held = false
	case sdk.ChatReopened:
		c.State, c.ClosedMs, c.Status, c.Reason = state.ChatState_CHAT_OPEN, 0, "", ""
		t.doc.Owner = state.Owner_OWNER_CCSP
	}
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
	t.d.Indexed = true
	if t.chatOpen() {
		return
	}
	doc.Chat = &state.Chat{
		Number: doc.Chat.GetNumber() + 1, Integration: j.Integration, Ref: j.Ref, State: state.ChatState_CHAT_OPEN, OpenedMs: t.ms,
	}
	doc.Owner = state.Owner_OWNER_CCSP
	t.emit(&pluginv1.Event{Type: sdk.ChatOpened, Ref: j.Ref}, "api", 0)
}

// polled turns a poll's news into facts and moves the chat's cursor.
func (t *turn) polled(m *state.Mail, p *state.Polled) {
	c := t.doc.Chat
	current := c != nil && c.Number == p.Chat
	for _, ev := range p.Events {
		f := &fact{ev: ev, instance: m.Instance, source: m.Source}
		if !current {
			f.note = "of an earlier chat"
		}
		t.facts = append(t.facts, f)
	}
	if current {
		c.Cursor = p.Cursor
	}
	if p.Lost && current && t.chatOpen() {
		t.emit(&pluginv1.Event{Type: sdk.ChatClosed, Status: "closed", Reason: "lost", By: "system"}, "integration", 0)
	}
}
