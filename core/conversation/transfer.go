package conversation

import (
	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// unsupported is why something was dropped that the other side cannot do.
const unsupported = "unsupported"

// transfer hands the open chat to another queue or agent of its vendor, or to
// another service.
func (t *turn) transfer(a *core.Action) {
	c := &state.Command{Kind: state.CommandKind_CHAT_TRANSFER, To: a.To, Rule: a.Rule}
	if a.Service != "" {
		c.To = a.Service
		t.toService(c)
		return
	}
	t.inVendor(c, pluginv1.AbilityTransfer)
}

// tellVendor sends a custom event to the vendor of the open chat.
func (t *turn) tellVendor(a *core.Action) {
	c := &state.Command{Kind: state.CommandKind_CHAT_EVENT, EventName: a.Key, Params: a.Params, Rule: a.Rule}
	t.inVendor(c, pluginv1.AbilitySendEvent)
}

// tellChannel sends a custom event to where the customer is, in its turn among the
// messages. It is of no chat.
func (t *turn) tellChannel(a *core.Action) {
	c := &state.Command{
		Kind: state.CommandKind_CHAT_EVENT, Lane: LaneCustomer, Instance: t.doc.Channel, EventName: a.Key, Params: a.Params, Rule: a.Rule,
		Reply: t.reply,
	}
	switch {
	case t.doc.Customer.GetAddress() == "":
		t.drop(c, "no_customer")
	case t.snap.Instances[c.Instance].cannot(pluginv1.AbilitySendEvent):
		t.drop(c, unsupported)
	default:
		t.command(c)
	}
}

// inVendor makes c a command of the open chat, whose vendor needs an ability.
func (t *turn) inVendor(c *state.Command, ability string) {
	switch {
	case !t.chatOpen():
		t.drop(c, "no_chat")
	case t.snap.Instances[t.doc.Chat.Integration].cannot(ability):
		c.Instance = t.doc.Chat.Integration
		t.drop(c, unsupported)
	default:
		t.command(t.inChat(c))
	}
}

// toService closes the chat, and the next one opens in another service, which
// has the conversation until that one ends. The message that opens it goes the
// way of all that waits for a closed chat, so that nothing overtakes.
func (t *turn) toService(c *state.Command) {
	from, to := t.doc.Service, t.snap.Services[c.To]
	var inst *Instance
	if to != nil {
		inst = t.snap.Instances[to.Integration]
	}
	switch {
	case !t.chatOpen():
		t.drop(c, "no_chat")
		return
	case t.doc.Customer.GetAddress() == "":
		t.drop(c, "no_customer")
		return
	case inst == nil || inst.Removed:
		t.drop(c, "no_integration")
		return
	case c.To == from:
		t.drop(c, "same_service")
		return
	case t.handed == t.doc.Chat.Number:
		t.drop(c, "already_transferred")
		return
	case t.looping():
		t.drop(c, loopGuard)
		return
	}
	t.handed = t.doc.Chat.Number
	t.closeChat(&pluginv1.Event{By: "rule", Reason: "transferred"}, "rule", 0)
	closed := t.facts[len(t.facts)-1]
	closed.hops++
	closed.then = func() {
		if t.doc.Chat.Number == closed.chat {
			t.doc.Chat.Shut = true // the next one is elsewhere
		}
		t.toChat(&state.Command{Rule: c.Rule, To: c.To, Message: &pluginv1.Message{
			Text: "Transferred from " + from + ".", Author: pluginv1.AuthorKind_AUTHOR_SYSTEM, AtMs: t.ms,
		}})
	}
}
