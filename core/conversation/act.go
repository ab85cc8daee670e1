package conversation

import (
	"fmt"
	"slices"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// maxTags bounds the tags of a conversation.
const maxTags = 50

// do carries out one action of a rule or flow. Actions are independent: one
// that cannot be done is recorded and the next one goes on.
func (t *turn) do(f *fact, a *core.Action) {
	if a.Err != "" {
		t.drop(&state.Command{Kind: kindOf(a.Kind), Rule: a.Rule}, "template: "+a.Err)
		return
	}
	switch a.Kind {
	case core.Send:
		t.send(a)
	case core.Notify:
		t.command(&state.Command{
			Kind: state.CommandKind_NOTIFY, Lane: t.notifyLane(), Endpoint: a.Endpoint, Body: a.Body, Rule: a.Rule,
		})
	case core.Close:
		t.closeChat("rule", a.Reason, false, "rule")
	case core.Set:
		t.doc.Attributes = put(t.doc.Attributes, a.Key, a.Value)
	case core.Tag:
		if !slices.Contains(t.doc.Tags, a.Key) && len(t.doc.Tags) < maxTags {
			t.doc.Tags = append(slices.Clip(t.doc.Tags), a.Key)
		}
	case core.Emit:
		t.emitted(f, a)
	case core.Flow:
		t.startFlow(a)
	}
}

func kindOf(k core.ActionKind) state.CommandKind {
	if k == core.Notify {
		return state.CommandKind_NOTIFY
	}
	return state.CommandKind_DELIVER
}

// notifyLane is a lane of its own: notifications are unordered.
func (t *turn) notifyLane() string { return fmt.Sprintf("notify:%d", t.doc.Commands+1) }

// send writes to this customer, or asks another conversation to write to its own.
func (t *turn) send(a *core.Action) {
	m := &pluginv1.Message{Text: a.Text, Author: pluginv1.AuthorKind_AUTHOR_RULE, AtMs: t.ms}
	if a.Channel == "" && a.ChannelType == "" && a.To == "" {
		t.customer(m, a.Rule, false)
		t.copyToAgent(m, a.Rule)
		return
	}
	failed := &state.Command{Kind: state.CommandKind_APPEND, Message: m, Rule: a.Rule}
	channel := t.channelFor(a)
	inst := t.snap.Instances[channel]
	if inst == nil || !inst.Channel {
		t.drop(failed, "no_channel")
		return
	}
	to := a.To
	if to == "" && channel == t.doc.Channel {
		to = t.doc.Customer.GetAddress()
	} else if to == "" {
		to = t.doc.Customer.GetAddresses()[inst.Caps.GetChannelType()]
	}
	switch {
	case to == "":
		t.drop(failed, "no_address")
	case t.hops+1 >= maxHops:
		t.drop(failed, "loop_guard")
	case channel == t.doc.Channel && to == t.doc.Customer.GetAddress():
		t.customer(m, a.Rule, false)
		t.copyToAgent(m, a.Rule)
	default:
		t.append(channel, to, m, a.Rule)
	}
}

func (t *turn) channelFor(a *core.Action) string {
	switch {
	case a.Channel != "":
		return a.Channel
	case a.ChannelType == "" || a.ChannelType == t.doc.ChannelType:
		return t.doc.Channel
	}
	for _, name := range t.service().Channels {
		if t.snap.Instances[name].channelType() == a.ChannelType {
			return name
		}
	}
	return ""
}

// channelType returns the channel type of an instance, "" of a missing one.
func (i *Instance) channelType() string {
	if i == nil {
		return ""
	}
	return i.Caps.GetChannelType()
}

// append asks another conversation to write to its customer.
func (t *turn) append(channel, address string, m *pluginv1.Message, rule string) {
	target := core.NewConversationID(channel, address)
	n := t.doc.Commands + 1
	mail := &state.Mail{
		AcceptedMs: t.ms, Source: "rule", Hops: t.hops + 1,
		Body: &state.Mail_Outbound{Outbound: &state.OutboundRequested{
			Id: t.key(n), Channel: channel, Address: address, Message: m, Rule: rule,
		}},
	}
	body, err := mail.MarshalVT()
	if err != nil {
		t.drop(&state.Command{Kind: state.CommandKind_APPEND, Rule: rule}, "not UTF-8")
		return
	}
	t.command(&state.Command{
		Kind: state.CommandKind_APPEND, Lane: fmt.Sprintf("append:%d", n), Target: target[:], Body: body, Rule: rule,
	})
}

// emitted puts a custom event into this conversation, behind the facts in hand.
func (t *turn) emitted(f *fact, a *core.Action) {
	if f.hops+1 >= maxHops {
		t.drop(&state.Command{Kind: state.CommandKind_APPEND, Rule: a.Rule}, "loop_guard")
		return
	}
	t.facts = append(t.facts, &fact{
		ev:     &pluginv1.Event{Type: sdk.CustomEvent, EventName: a.Key, Params: a.Params},
		source: "rule", hops: f.hops + 1,
	})
}

// closeChat ends an open chat from our side; the vendor is told.
func (t *turn) closeChat(by, reason string, timedOut bool, source string) {
	c := t.doc.Chat
	if c == nil || !t.chatOpen() {
		return
	}
	t.facts = append(t.facts, &fact{
		ev:     &pluginv1.Event{Type: sdk.ChatClosed, Status: "closed", Reason: reason, By: by, TimedOut: timedOut},
		source: source, hops: t.hops, tell: true,
	})
}

func (t *turn) startFlow(a *core.Action) {
	if t.snap.Flows == nil {
		t.drop(&state.Command{Kind: state.CommandKind_DELIVER, Rule: a.Rule}, "no_flow")
		return
	}
	step := t.snap.Flows.Start(a.Key, a.Params, t.record.View, t.now)
	if step == nil {
		t.drop(&state.Command{Kind: state.CommandKind_DELIVER, Rule: a.Rule}, "no_flow")
		return
	}
	t.doc.Flow = step.Next
	for i := range step.Actions {
		if step.Actions[i].Kind != core.Flow { // a flow that starts flows could loop
			t.do(&fact{ev: t.record.View.Event, hops: t.hops}, &step.Actions[i])
		}
	}
}

// offer hands the event to the flow that is under way.
func (t *turn) offer(v *state.View) *FlowStep {
	if t.doc.Flow == nil || t.snap.Flows == nil {
		return nil
	}
	step := t.snap.Flows.Offer(t.doc.Flow, v, t.now)
	if step != nil {
		t.doc.Flow = step.Next
	}
	return step
}
