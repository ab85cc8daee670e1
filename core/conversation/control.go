package conversation

import (
	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// The sides that can have a conversation, and how Document.Owner and
// Document.Offered change, are as in a switchboard: a side is offered control
// and has it once it accepts, by its first word; or control is passed to it at
// once; who has it may release it.
const (
	nobody = state.Owner_OWNER_NONE
	ccsp   = state.Owner_OWNER_CCSP
	bot    = state.Owner_OWNER_BOT
	both   = state.Owner_OWNER_BOTH
)

// Why a change of control is not made, or a word of the bot's not delivered.
const (
	notInControl   = "not in control"
	nothingOffered = "nothing was offered"
	alreadyHas     = "already in control"
	alreadyOffered = "already offered"
	nobodyHas      = "nobody is in control"
	unknownSide    = "unknown side"
	agentHasChat   = "agent_has_chat"
)

// controlEvents are the events of the actions that change who has a
// conversation.
var controlEvents = map[string]string{
	"offer": sdk.ControlOffered, "accept": sdk.ControlAccepted, "pass": sdk.ControlPassed, "release": sdk.ControlReleased,
}

// IsControl says whether events of a type are about who has a conversation.
func IsControl(typ string) bool {
	switch typ {
	case sdk.ControlOffered, sdk.ControlAccepted, sdk.ControlPassed, sdk.ControlReleased:
		return true
	}
	return false
}

// change is one change of who has the conversation.
type change struct {
	typ    string      // of its event
	to     state.Owner // whom it is about; of a release nobody
	side   state.Owner // who wants it; nobody: the gateway's own, which always may
	by     string      // the name of that, in the event
	reason string
	params map[string]string
	rule   string
	source string // of the event in which it is wanted
}

func hasBot(o state.Owner) bool  { return o == bot || o == both }
func hasCCSP(o state.Owner) bool { return o == ccsp || o == both }

// sides is who has it if these do.
func sides(withBot, withCCSP bool) state.Owner {
	switch {
	case withBot && withCCSP:
		return both
	case withBot:
		return bot
	case withCCSP:
		return ccsp
	}
	return nobody
}

// agentHas says whether an agent has the chat: then the bot is silent. A chat
// that both have is the agent's once there is one.
func (t *turn) agentHas() bool {
	switch t.doc.Owner {
	case ccsp:
		return true
	case both:
		return t.chatOpen() && (t.doc.Chat.Assigned || t.doc.Chat.AgentMessages > 0)
	}
	return false
}

// controls says whether a side has the conversation.
func (t *turn) controls(side state.Owner) bool {
	owner := t.doc.Owner
	return owner == side || owner == both && (side == ccsp || !t.agentHas())
}

// control is a change that a side or an operator wants, or, if it has been made
// already, the news of it.
func (t *turn) control(f *fact) proposal {
	if f.made {
		return proposal{rules: true}
	}
	side, ok := t.sideOf(f)
	if !ok {
		return t.only("of another chat")
	}
	c := &change{
		typ: f.ev.Type, side: side, by: side.Word(), reason: state.CutText(f.ev.Reason), params: f.ev.Params, source: f.source,
	}
	if side == nobody {
		c.by = f.ev.By
	}
	if why := c.aim(f.ev.To); why != "" {
		return t.only(why)
	}
	then, why := t.change(c)
	if why != "" {
		return t.only(why)
	}
	f.ev = c.event(f.ev.CloneVT())
	return proposal{rules: true, extra: then}
}

// sideOf is the side that a fact comes from, nobody if it is the gateway's own;
// not ok: it is none of this conversation's.
func (t *turn) sideOf(f *fact) (side state.Owner, ok bool) {
	switch {
	case f.instance == "":
		return nobody, true
	case t.fromBot(f):
		return bot, f.instance == t.service().Bot
	}
	return ccsp, t.current(f)
}

// fromBot says whether a fact comes from a bot. One that the service no longer
// has is known by what it calls the conversation.
func (t *turn) fromBot(f *fact) bool {
	return f.instance != "" && (f.instance == t.service().Bot || f.ev.Ref == core.ConversationID(t.doc.Id).String())
}

// aim finds out whom c is about; who names nobody means the other side, or
// itself if it accepts.
func (c *change) aim(to string) (why string) {
	switch {
	case c.typ == sdk.ControlReleased:
	case to != "":
		c.to = state.OwnerOf(to)
	case c.typ == sdk.ControlAccepted:
		c.to = c.side
	case c.side == bot:
		c.to = ccsp
	case c.side == ccsp:
		c.to = bot
	}
	if c.typ != sdk.ControlReleased && c.to != ccsp && c.to != bot {
		return unknownSide
	}
	return ""
}

// event fills ev with what is known of c.
func (c *change) event(ev *pluginv1.Event) *pluginv1.Event {
	ev.Type, ev.By, ev.Reason, ev.Params, ev.To = c.typ, c.by, c.reason, c.params, ""
	if c.to != nobody {
		ev.To = c.to.Word()
	}
	return ev
}

// change makes c in the document and returns what is to be done outside, or
// why it is not made.
func (t *turn) change(c *change) (then func(), why string) {
	if why := t.refused(c); why != "" {
		return nil, why
	}
	open := t.chatOpen()
	switch c.typ {
	case sdk.ControlOffered:
		t.doc.Offered = c.to
	case sdk.ControlReleased:
		had := t.doc.Owner
		t.own(t.heir(c))
		if hasCCSP(had) && c.side != bot {
			return func() { t.tellBot(c); t.closeChat(&pluginv1.Event{By: c.by, Reason: "released"}, c.source, 0) }, ""
		}
	default:
		t.own(c.to)
	}
	return func() { t.tellBot(c); t.tellCCSP(c, open) }, ""
}

// heir is who has the conversation after it was released: the other side, where
// it has it too or has its chat open. Otherwise the service's default decides
// on the next message.
func (t *turn) heir(c *change) state.Owner {
	t.doc.BotBefore = false
	switch {
	case c.side == ccsp && t.doc.Owner == both:
		return bot
	case t.doc.Owner == bot && t.chatOpen(), c.side == bot && t.chatOpen():
		return ccsp
	}
	return nobody
}

// refused says why c is not to be made, "" if it is.
func (t *turn) refused(c *change) string {
	doc := t.doc
	switch {
	case doc.Customer.GetAddress() == "":
		return "no_customer"
	case c.typ == sdk.ControlAccepted:
		if doc.Offered != c.to || c.side != nobody && c.side != c.to {
			return nothingOffered
		}
		return ""
	case c.typ == sdk.ControlReleased && doc.Owner == nobody:
		return nobodyHas
	case c.side != nobody && !t.controls(c.side):
		return notInControl
	case c.typ == sdk.ControlReleased:
		return ""
	case doc.Owner == c.to:
		return alreadyHas
	case c.typ == sdk.ControlOffered && doc.Offered == c.to:
		return alreadyOffered
	}
	return t.unreachable(c.to)
}

// unreachable says why a side cannot be given the conversation, "" if it can.
func (t *turn) unreachable(side state.Owner) string {
	if side == bot {
		if !t.usable(t.service().Bot) {
			return "no_bot"
		}
		return ""
	}
	if t.chatOpen() {
		return ""
	}
	return t.cannotOpen(t.service().Integration)
}

// usable says whether an integration is there for something new.
func (t *turn) usable(integration string) bool {
	inst := t.snap.Instances[integration]
	return inst != nil && !inst.Removed
}

// own gives the conversation to o; what was offered is void.
func (t *turn) own(o state.Owner) {
	t.doc.Offered, t.doc.Owner = nobody, o
	if hasBot(o) {
		t.doc.BotBefore = true
	}
}

// word notes that a side has said something, or is there to: by that it takes
// what it was offered.
func (t *turn) word(side state.Owner, f *fact) {
	c := &change{typ: sdk.ControlAccepted, to: side, side: side, by: side.Word(), source: f.source}
	if t.doc.Offered == side {
		if then, why := t.change(c); why == "" {
			then()
			t.news(c, t.hops)
		}
	}
}

// attended notes that there is an agent, who was not there before if had is
// false: a conversation that both have is the agent's from now on.
func (t *turn) attended(f *fact, had bool) {
	t.word(ccsp, f)
	if t.doc.Owner != both || had || !t.agentHas() {
		return
	}
	c := &change{typ: sdk.ControlAccepted, to: ccsp, side: ccsp, by: ccsp.Word(), source: f.source}
	t.tellBot(c)
	t.news(c, t.hops)
}

// news has rules and flows see a change that has been made.
func (t *turn) news(c *change, hops uint32) {
	t.facts = append(t.facts, &fact{ev: c.event(&pluginv1.Event{}), source: c.source, hops: hops, made: true})
}

// controlled is a change that a rule has asked for, and what is still to follow
// from it.
type controlled struct {
	c    *change
	then func()
}

// doControl makes the change that a rule asks for; not ok: it is not made, and
// that is recorded.
func (t *turn) doControl(a *core.Action) (done controlled, ok bool) {
	c := &change{
		typ: controlEvents[a.Key], to: a.Owner, by: "rule", reason: state.CutText(a.Reason), params: a.Params, rule: a.Rule, source: "rule",
	}
	then, why := (func())(nil), a.Err
	switch {
	case why != "":
		why = "template: " + why
	case t.looping() || t.at+1+len(t.facts) >= maxFacts:
		why = loopGuard
	default:
		then, why = t.change(c)
	}
	if why != "" {
		t.drop(&state.Command{EventName: c.typ, Rule: a.Rule}, why)
		return done, false
	}
	return controlled{c, then}, true
}

// finishControl does what follows from a rule's change.
func (t *turn) finishControl(d controlled) {
	d.then()
	t.news(d.c, t.hops+1)
}

// controlFirst makes the changes of control that rules ask for on a customer's
// message: who is to have the conversation gets that message. It returns the
// other actions.
func (t *turn) controlFirst(asked []core.Action) (rest []core.Action, done []controlled) {
	for i := range asked {
		if asked[i].Kind != core.Control {
			rest = append(rest, asked[i])
			continue
		}
		t.acted(&asked[i])
		if c, ok := t.doControl(&asked[i]); ok {
			done = append(done, c)
		}
	}
	return rest, done
}
