package conversation

import (
	"cmp"

	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// transition is stage 1 of one fact: it changes the document and proposes what
// should follow.
func (t *turn) transition(f *fact) proposal {
	if f.waited != nil {
		return proposal{rules: true} // what it means for the core was decided when it came
	}
	t.know(f)
	t.follow(f)
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
	case sdk.CallAnswered, sdk.CallDigits, sdk.CallEnded:
		return t.callNews(f)
	}
	return t.chatNews(f)
}

// only records the fact in hand, and why nothing follows from it.
func (t *turn) only(why string) proposal {
	if t.record != nil { // else it could not be decided, and that is recorded
		t.record.DuplicateOf = why
	}
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
