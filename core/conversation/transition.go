package conversation

import (
	"cmp"
	"maps"
	"slices"

	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// transition is stage 1 of one fact: it changes the document and proposes what
// should follow.
func (t *turn) transition(f *fact) proposal {
	t.know(f)
	switch {
	case f.outbound != nil:
		return proposal{extra: func() { t.outbound(f) }}
	case f.replay != nil:
		return proposal{extra: func() { t.replay(f.replay) }}
	case t.foreign(f):
		return t.only("of another chat")
	}
	switch f.ev.Type {
	case sdk.CustomerMessage:
		return t.customerMessage()
	case sdk.IncomingMessage:
		return t.agentMessage(f)
	case sdk.ChatClosed, sdk.ChatRejected:
		return t.chatEnded(f)
	case sdk.MessageDelivered, sdk.MessageRead, sdk.MessageFailed:
		return t.receipt(f)
	}
	return t.chatNews(f)
}

// only records the fact in hand, and why nothing follows from it.
func (t *turn) only(why string) proposal {
	t.record.DuplicateOf = why
	return proposal{}
}

// current says whether a fact comes from the current chat's integration and is
// about that chat.
func (t *turn) current(f *fact) bool {
	c := t.doc.Chat
	switch {
	case c == nil || f.instance != c.Integration:
		return false
	case f.chat != 0:
		return f.chat == c.Number
	}
	return f.ev.Ref == "" || f.ev.Ref == c.Ref
}

// foreign says whether a vendor tells of the life of another chat than the
// current one.
func (t *turn) foreign(f *fact) bool {
	return f.instance != "" && t.doc.Chat != nil && chatLife[f.ev.Type] && !t.current(f)
}

// chatLife has the events that are about a chat and nothing else.
var chatLife = map[string]bool{
	sdk.ChatOpened: true, sdk.ChatQueued: true, sdk.ChatAssigned: true, sdk.ChatTransferred: true, sdk.ChatHeld: true,
	sdk.ChatResumed: true, sdk.ChatReopened: true, sdk.ChatRejected: true, sdk.ChatIdle: true, sdk.ChatClosed: true,
	sdk.CustomerUnattended: true, sdk.AgentJoined: true, sdk.AgentLeft: true,
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
	if ch := t.snap.Instances[doc.Channel]; ch != nil && !t.chatOpen() { // a chat keeps its service
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
	own.Address = cmp.Or(c.Address, own.Address)
	for _, f := range []struct {
		to   *string
		from string
	}{
		{&own.Name, c.Name}, {&own.FirstName, c.FirstName}, {&own.LastName, c.LastName},
		{&own.Locale, c.Locale}, {&own.Timezone, c.Timezone},
	} {
		if f.from != "" {
			*f.to = state.CutText(f.from)
		}
	}
	own.Addresses = mergeMap(own.Addresses, c.Addresses)
	own.Attributes = mergeMap(own.Attributes, c.Attributes)
}

// maxFields bounds the maps of a document.
const maxFields = 100

// mergeMap goes by the names' order: which ones fit must not be chance.
func mergeMap(to, from map[string]string) map[string]string {
	for _, k := range slices.Sorted(maps.Keys(from)) {
		put(&to, k, from[k])
	}
	return to
}

// put sets a field of m. It says no if m would be too large.
func put(m *map[string]string, k, v string) bool {
	k = state.CutText(k)
	if _, ok := (*m)[k]; !ok && len(*m) >= maxFields {
		return false
	}
	if *m == nil {
		*m = map[string]string{}
	}
	(*m)[k] = state.CutText(v)
	return true
}

// customerMessage: who gets it is an open chat's or bot's, else the service's
// default.
func (t *turn) customerMessage() proposal {
	doc := t.doc
	doc.CustomerMs, doc.IdleDone = t.ms, false
	p := proposal{routed: true, rules: true, route: t.service().Forward}
	switch {
	case t.chatOpen():
		doc.Chat.CustomerMessages++
		p.route = state.Owner_OWNER_CCSP
		if doc.Owner == state.Owner_OWNER_BOTH {
			p.route = state.Owner_OWNER_BOTH
		}
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
	if t.current(f) {
		doc.Chat.AgentMessages++
		t.agent(f.ev.Agent)
	}
	return p
}

// agent notes who speaks for the contact center.
func (t *turn) agent(a *pluginv1.Agent) {
	if a.GetName() != "" || a.GetId() != "" {
		t.doc.Chat.Agent = &pluginv1.Agent{Id: state.CutText(a.Id), Name: state.CutText(a.Name)}
	}
}

// chatEnded is the chat's terminal event, acted on once.
func (t *turn) chatEnded(f *fact) proposal {
	c := t.doc.Chat
	if !t.chatOpen() {
		return t.only("chat already closed")
	}
	c.Status, c.Reason = cmp.Or(state.CutText(f.ev.Status), "closed"), state.CutText(f.ev.Reason)
	if f.ev.Type == sdk.ChatRejected {
		c.Status = "rejected"
	}
	t.endChat()
	p := proposal{rules: true}
	if f.tell && t.snap.Instances[c.Integration] != nil {
		p.extra = func() {
			t.command(t.inChat(&state.Command{Kind: state.CommandKind_CHAT_CLOSE, Reason: c.Reason}))
		}
	}
	return p
}

// endAnyway carries out an end of our own that could not be decided. A chat that
// stayed open would be closed again, and fail again, for ever.
func (t *turn) endAnyway(f *fact) {
	own := f.instance == "" && (f.ev.GetType() == sdk.ChatClosed || f.ev.GetType() == sdk.ChatRejected)
	if !own || !t.chatOpen() {
		return
	}
	if p := t.chatEnded(f); p.extra != nil {
		p.extra()
	}
}

func (t *turn) endChat() {
	doc := t.doc
	doc.Chat.State, doc.Chat.ClosedMs = state.ChatState_CHAT_CLOSED, t.ms
	doc.UnansweredMs, doc.UnattendedDone, doc.IdleDone = 0, 0, false
	switch doc.Owner {
	case state.Owner_OWNER_BOTH:
		doc.Owner = state.Owner_OWNER_BOT
	case state.Owner_OWNER_CCSP:
		doc.Owner = state.Owner_OWNER_NONE
	}
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
		c.Assigned = true
		t.agent(f.ev.Agent)
	case sdk.ChatHeld:
		c.Held = true
	case sdk.ChatResumed:
		c.Held = false
	case sdk.ChatReopened:
		if c.State != state.ChatState_CHAT_CLOSED {
			return t.only("chat not closed")
		}
		c.State, c.OpenedMs, c.ClosedMs, c.Status, c.Reason = state.ChatState_CHAT_OPEN, t.ms, 0, "", ""
		t.doc.Owner = state.Owner_OWNER_CCSP
	}
	return p
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
	if t.chatOpen() {
		return
	}
	doc.Chat = &state.Chat{
		Number: doc.Chat.GetNumber() + 1, Integration: j.Integration, Ref: j.Ref, State: state.ChatState_CHAT_OPEN, OpenedMs: t.ms,
	}
	doc.Owner = state.Owner_OWNER_CCSP
	t.emit(&pluginv1.Event{Type: sdk.ChatOpened, Ref: j.Ref}, "api", 0)
}

// linked gives an orphan's chat away to the conversation of its customer.
func (t *turn) linked(m *state.Mail, conversation []byte) {
	t.doc.Linked = conversation
	if !t.chatOpen() {
		return
	}
	t.doc.Chat.Status, t.doc.Chat.Reason = "closed", "linked"
	t.endChat()
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
	if p.Lost && t.chatOpen() {
		t.emit(lost(), "integration", 0)
	}
}

// lost is the end of a chat that the vendor no longer knows.
func lost() *pluginv1.Event {
	return &pluginv1.Event{Type: sdk.ChatClosed, Status: "closed", Reason: "lost", By: "system"}
}

// named returns ev, or, if nobody knows its type, a custom event of that name.
func named(ev *pluginv1.Event) *pluginv1.Event {
	switch ev.Type {
	case sdk.CustomerMessage, sdk.IncomingMessage, sdk.MessageDelivered, sdk.MessageRead, sdk.MessageFailed,
		sdk.CallAnswered, sdk.CallDigits, sdk.CallEnded, sdk.SurveyRated, sdk.CustomEvent, sdk.FlowTriggered:
		return ev
	}
	if chatLife[ev.Type] {
		return ev
	}
	custom := ev.CloneVT()
	custom.Type, custom.EventName = sdk.CustomEvent, cmp.Or(ev.EventName, ev.Type)
	return custom
}
