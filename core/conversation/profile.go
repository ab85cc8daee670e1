package conversation

import (
	"cmp"
	"maps"
	"slices"

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
	if f.outbound != nil && doc.Channel == "" {
		doc.Channel = f.outbound.Channel
		doc.Customer = &pluginv1.Customer{Address: f.outbound.Address}
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
