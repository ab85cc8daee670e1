package conversation

import (
	"cmp"
	"slices"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// messageOf is the message that an action asks for.
func (t *turn) messageOf(a *core.Action) *pluginv1.Message {
	return &pluginv1.Message{
		Text: a.Text, Attachments: a.Attachments, QuickReplies: a.QuickReplies,
		Author: pluginv1.AuthorKind_AUTHOR_RULE, AtMs: t.ms,
	}
}

// send writes to this customer, or asks another conversation to write to its own.
func (t *turn) send(a *core.Action) {
	m := t.messageOf(a)
	if a.Channel == "" && a.ChannelType == "" && a.To == "" {
		t.writeHere(m, a.Rule)
		return
	}
	failed := &state.Command{Kind: state.CommandKind_APPEND, Message: m, Rule: a.Rule}
	p, why := t.reach(a, "")
	failed.Instance, failed.To = p.channel, p.address
	switch {
	case why != "":
		t.drop(failed, why)
	case p.channel == t.doc.Channel && p.address == t.doc.Customer.GetAddress():
		t.writeHere(m, a.Rule)
	case p.inst.unfit(m) != "":
		t.drop(failed, p.inst.unfit(m))
	case t.looping():
		t.drop(failed, loopGuard)
	default:
		t.append(p.channel, p.address, m, a.Rule)
		if p.own {
			t.copy(p.inst.Caps.GetChannelType(), m, a.Rule)
		}
	}
}

// writeHere is write for a rule of this conversation.
func (t *turn) writeHere(m *pluginv1.Message, rule string) {
	if t.looping() {
		t.drop(&state.Command{Kind: state.CommandKind_DELIVER, Message: m, Rule: rule}, loopGuard)
		return
	}
	t.write(m, rule)
}

// write brings what a rule sends to the customer, and shows it to the agent of
// an open chat.
func (t *turn) write(m *pluginv1.Message, rule string) {
	c := &state.Command{Message: m, Rule: rule, Reply: t.reply}
	if why := t.snap.Instances[t.doc.Channel].unfit(m); why != "" {
		c.Kind = state.CommandKind_DELIVER
		t.drop(c, why)
		return
	}
	if t.customer(c) {
		t.copy("", m, rule)
	}
}

// copy shows what rules send to the customer to the agent of an open chat. way
// is how it was sent, if not in the conversation itself. The chat of an orphan is
// not ours to write to.
func (t *turn) copy(way string, m *pluginv1.Message, rule string) {
	if !t.chatOpen() || t.doc.Customer.GetAddress() == "" {
		return
	}
	mark := "[automatic] "
	if way != "" {
		mark = "[automatic " + way + "] "
	}
	t.toChat(&state.Command{Rule: rule, Message: &pluginv1.Message{
		Text: mark + m.Text, Attachments: m.Attachments, Author: pluginv1.AuthorKind_AUTHOR_RULE, AtMs: t.ms,
	}})
}

// loopGuard is why something was not done that rules might set off for ever.
const loopGuard = "loop_guard"

// looping says whether too many rules stand between the fact in hand and its
// origin for one more effect, which could come back as a fact.
func (t *turn) looping() bool { return t.hops+1 >= maxHops }

// place is where a rule reaches somebody.
type place struct {
	channel string
	inst    *Instance
	address string
	own     bool // it is this customer
}

// reach returns where an action goes, or why it goes nowhere. An action that
// names neither a channel nor a type of channel takes typ, and if that is "" the
// conversation's own channel.
func (t *turn) reach(a *core.Action, typ string) (p place, why string) {
	doc := t.doc
	typ = cmp.Or(a.ChannelType, typ)
	if a.Channel == "" && typ == "" && doc.Channel == "" {
		return p, "no_customer"
	}
	p.channel = t.channelFor(a.Channel, typ)
	if p.inst = t.snap.Instances[p.channel]; p.inst == nil || !p.inst.Channel {
		return p, "no_channel"
	}
	own := t.addressOn(p.channel, p.inst.Caps.GetChannelType())
	p.address = cmp.Or(a.To, own)
	p.own = own != "" && p.address == own
	switch {
	case p.address != "":
		return p, ""
	case doc.Customer.GetAddress() == "":
		return p, "no_customer"
	}
	return p, "no_address"
}

// channelFor returns the channel of that name, or else of that type; "" if the
// service has none of the type.
func (t *turn) channelFor(name, typ string) string {
	switch {
	case name != "":
		return name
	case typ == "" || typ == t.doc.ChannelType:
		return t.doc.Channel
	}
	for _, name := range t.service().Channels {
		if t.snap.Instances[name].caps().GetChannelType() == typ {
			return name
		}
	}
	return ""
}

// phones are the types of channels that all reach a phone, by its number.
var phones = []string{"sms", "voice"}

// addressOn returns the customer's address on a channel, "" if nobody knows it.
func (t *turn) addressOn(channel, typ string) string {
	c := t.doc.Customer
	if channel == t.doc.Channel {
		return c.GetAddress()
	}
	if to := c.GetAddresses()[typ]; to != "" || !slices.Contains(phones, typ) {
		return to
	}
	if slices.Contains(phones, t.doc.ChannelType) {
		return c.GetAddress()
	}
	for _, other := range phones {
		if to := c.GetAddresses()[other]; to != "" {
			return to
		}
	}
	return ""
}

// append asks another conversation to write to its customer.
func (t *turn) append(channel, address string, m *pluginv1.Message, rule string) {
	target := core.NewConversationID(channel, address)
	mail := &state.Mail{
		AcceptedMs: t.ms, Source: "rule", Hops: t.hops + 1,
		Body: &state.Mail_Outbound{Outbound: &state.OutboundRequested{
			Id: t.key(t.doc.Commands + 1), Channel: channel, Address: address, Message: m, Rule: rule,
		}},
	}
	body, err := mail.MarshalVT()
	if err != nil {
		t.drop(&state.Command{Kind: state.CommandKind_APPEND, Rule: rule}, "not UTF-8")
		return
	}
	t.command(&state.Command{
		Kind: state.CommandKind_APPEND, Lane: t.ownLane("append"), Target: target[:], Body: body, Rule: rule,
	})
}
