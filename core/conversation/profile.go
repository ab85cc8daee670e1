package conversation

import (
	"cmp"
	"maps"
	"strings"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/profile"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// know fills what the document does not know yet of its own place: the channel
// of a customer's conversation, the integration of an orphan's.
func (t *turn) know(f *fact) {
	doc := t.doc
	inst := t.snap.Instances[f.instance]
	own := inst != nil && inst.Channel && t.livesOn(inst.Name)
	if own {
		doc.Channel = inst.Name
	}
	if f.outbound != nil {
		t.meet(f.outbound.Channel, f.outbound.Address)
	}
	if f.changed != nil {
		t.meet(f.changed.Channel, f.changed.Address)
	}
	if doc.Channel == "" && begins(doc, f) {
		doc.Channel = f.ev.Channel
		doc.Customer = &pluginv1.Customer{Address: f.ev.Customer.Address}
	}
	if ch := t.snap.Instances[doc.Channel]; ch != nil && !t.chatOpen() { // a chat keeps its service
		doc.ChannelType, doc.Service = ch.Caps.GetChannelType(), ch.Service
	}
	if own {
		t.merge(f.ev.Customer)
	}
	if inst != nil && !inst.Channel && doc.Channel == "" && doc.Chat == nil {
		doc.Chat = &state.Chat{Number: 1, Integration: inst.Name, Ref: f.ev.Ref, State: state.ChatState_CHAT_OPEN, OpenedMs: t.ms}
		doc.Service = t.snap.serviceOf(inst.Name)
	}
}

// livesOn says whether this is a conversation of that channel, or will be: what
// another one tells, of a call that we placed on it, is not of its customer.
func (t *turn) livesOn(channel string) bool {
	doc := t.doc
	return doc.Channel == channel || doc.Channel == "" && doc.Chat == nil && doc.Linked == nil
}

// meet gives a conversation that has none its customer.
func (t *turn) meet(channel, address string) {
	if t.doc.Channel == "" {
		t.doc.Channel, t.doc.Customer = channel, &pluginv1.Customer{Address: address}
	}
}

// merge takes over what the driver knows of the customer.
func (t *turn) merge(c *pluginv1.Customer) {
	if c == nil {
		return
	}
	if t.doc.Customer == nil {
		t.doc.Customer = &pluginv1.Customer{}
	}
	t.doc.Customer.Address = cmp.Or(c.Address, t.doc.Customer.Address)
	if profile.Merge(t.doc.Customer, c) {
		t.touched()
	}
}

// learn takes over what the contact center or the bot says of the customer of
// its chat. Who that is was settled when it opened. What the desk has changed it
// need not be told.
func (t *turn) learn(f *fact) {
	if f.ev.Customer == nil || t.doc.Channel == "" || t.doc.Customer == nil || f.instance == "" {
		return
	}
	switch {
	case t.current(f):
		profile.Merge(t.doc.Customer, f.ev.Customer)
	case f.instance == t.service().Bot && profile.Merge(t.doc.Customer, f.ev.Customer):
		t.touched()
	}
}

// customerPrefix begins the names of what set changes in the profile.
const customerPrefix = "customer."

// set gives an attribute of the conversation, or a field of the profile, a value.
func (t *turn) set(a *core.Action) {
	if field, ok := strings.CutPrefix(a.Key, customerPrefix); ok {
		if why := t.setField(field, a.Value); why != "" {
			t.drop(&state.Command{Rule: a.Rule}, why)
		}
		return
	}
	t.doc.Attributes = maps.Clone(t.doc.Attributes) // the view shares them, and is recorded later
	changed, ok := profile.Put(&t.doc.Attributes, a.Key, a.Value)
	switch {
	case !ok:
		t.drop(&state.Command{Rule: a.Rule}, profile.TooManyAttributes)
	case changed:
		t.touched()
	}
}

// setField changes the profile, or says why not.
func (t *turn) setField(field, value string) (why string) {
	if t.doc.Customer.GetAddress() == "" {
		return "no_customer"
	}
	t.doc.Customer = t.doc.Customer.CloneVT() // the view shares it, and is recorded later
	changed, why := profile.Set(t.doc.Customer, field, value)
	if why != "" {
		return why + ": " + customerPrefix + field
	}
	if changed {
		t.touched()
	}
	return ""
}

// customerChanged is a change of the profile by an operator. Rules do not see it.
func (t *turn) customerChanged(c *state.CustomerChanged) proposal {
	return proposal{extra: func() {
		for _, ch := range c.Changes {
			if why := t.setField(ch.Field, ch.Value); why != "" {
				t.drop(&state.Command{}, why)
			}
		}
	}}
}

// changeEvent is how a change of the profile is shown in the history: who did it,
// and what each field is now.
func changeEvent(c *state.CustomerChanged) *pluginv1.Event {
	params := map[string]string{}
	for _, ch := range c.Changes {
		params[ch.Field] = ch.Value
	}
	return &pluginv1.Event{Type: "customer_changed", By: c.By, Params: params}
}
