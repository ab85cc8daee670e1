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
	t.windows(f)
	t.learn(f)
	t.follow(f)
	switch {
	case f.outbound != nil:
		return proposal{extra: func() { t.outbound(f) }}
	case f.changed != nil:
		return t.customerChanged(f.changed)
	case f.replay != nil:
		return proposal{extra: func() { t.replay(f.replay) }}
	case t.nextEnded(f):
		return t.only("closed before it could begin")
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
	case sdk.PushToken:
		return t.pushToken(f)
	case sdk.CallAnswered, sdk.CallDigits, sdk.CallEnded:
		return t.callNews(f)
	case sdk.ControlOffered, sdk.ControlAccepted, sdk.ControlPassed, sdk.ControlReleased:
		return t.control(f)
	}
	if begins(t.doc, f) {
		return t.begunByAgent(f)
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
	return f.instance != "" && t.doc.Chat != nil && chatLife[f.ev.Type] && !t.current(f) && !begins(t.doc, f)
}

// customerMessage: who gets it is who has the conversation, else the service's
// default.
func (t *turn) customerMessage() proposal {
	t.doc.CustomerMs, t.doc.IdleDone = t.ms, false
	if t.chatOpen() {
		t.doc.Chat.CustomerMessages++
	}
	return proposal{routed: true, rules: true}
}

// whose is who gets the customer's message if rules do not say: who has the
// conversation, else an open chat, else the service's default.
func (t *turn) whose() state.Owner {
	noBot := t.snap.Instances[t.service().Bot] == nil
	switch owner := t.doc.Owner; {
	case owner == bot && !noBot, owner == ccsp, owner == both && t.chatOpen():
		return owner
	case t.chatOpen():
		return ccsp
	}
	return t.service().Forward
}

// agentMessage: it goes to the customer whatever rules say; rules see it if the
// integration's message_routing is on. A private one goes nowhere.
func (t *turn) agentMessage(f *fact) proposal {
	if f.ev.Private {
		return t.only("private")
	}
	rules := true
	if inst := t.snap.Instances[f.instance]; inst != nil {
		rules = inst.MessageRouting
	}
	if t.fromBot(f) {
		return t.botMessage(f, rules)
	}
	t.answered()
	if t.current(f) {
		had := t.agentHas()
		t.doc.Chat.AgentMessages++
		t.agent(f.ev.Agent)
		t.attended(f, had)
	}
	return proposal{deliver: true, rules: rules, extra: func() { t.copyToBot(t.spoken(f)) }}
}

// answered notes that the customer is answered.
func (t *turn) answered() {
	t.doc.AgentMs, t.doc.UnansweredMs, t.doc.UnattendedDone, t.doc.IdleDone = t.ms, 0, 0, false
}

// named returns ev, or, if nobody knows its type, a custom event of that name.
func named(ev *pluginv1.Event) *pluginv1.Event {
	switch ev.Type {
	case sdk.CustomerMessage, sdk.IncomingMessage, sdk.MessageDelivered, sdk.MessageRead, sdk.MessageFailed,
		sdk.CallAnswered, sdk.CallDigits, sdk.CallEnded, sdk.SurveyRated, sdk.CustomEvent, sdk.FlowTriggered, sdk.PushToken:
		return ev
	}
	if chatLife[ev.Type] || IsControl(ev.Type) {
		return ev
	}
	custom := ev.CloneVT()
	custom.Type, custom.EventName = sdk.CustomEvent, cmp.Or(ev.EventName, ev.Type)
	return custom
}
