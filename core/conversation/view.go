package conversation

import (
	"encoding/hex"

	"github.com/openccsp/gateway/core/state"
)

// view is what rules see of the fact and of the document after stage 1.
func (t *turn) view(f *fact) *state.View {
	svc := t.service()
	v := &state.View{
		Event: f.ev, Type: f.ev.Type, Id: f.ev.Id, AtMs: t.ms, Source: f.source, Instance: f.instance,
		LateBy: f.lateBy.Seconds(), Channel: t.doc.Channel, ChannelType: t.doc.ChannelType,
		Service: t.doc.Service, Integration: svc.Integration, Owner: t.doc.Owner, Offered: t.doc.Offered, Customer: t.doc.Customer,
		Tags: t.doc.Tags, Attributes: t.doc.Attributes, Timezone: svc.Timezone, Hops: f.hops,
		Conversation: hex.EncodeToString(t.doc.Id), Flow: t.doc.Flow,
	}
	if reply := t.doc.Windows.Reply(false, t.ms); reply.Open {
		v.ReplyUntilMs = reply.UntilMs
	} else {
		v.WindowClosed = true
	}
	if len(t.doc.Counts) > 0 {
		v.Counts, v.DecidedMs = t.doc.Counts, t.ms
	}
	if f.waited != nil {
		v.Waited, v.WaitedHash = f.waited.Name, f.waited.Hash
	}
	if c := v.Customer; svc.Locale != "" && c != nil && c.Locale == "" {
		v.Customer = c.CloneVT()
		v.Customer.Locale = svc.Locale
	}
	if f.ev.AtMs != 0 {
		v.AtMs = f.ev.AtMs
	}
	if c := t.doc.Chat; c != nil {
		v.Integration = c.Integration
		v.Chat = &state.Chat{
			Number: c.Number, Integration: c.Integration, Ref: c.Ref, State: c.State, OpenedMs: c.OpenedMs,
			ClosedMs: c.ClosedMs, Status: c.Status, Reason: c.Reason, Agent: c.Agent,
			AgentMessages: c.AgentMessages, CustomerMessages: c.CustomerMessages, Queue: c.Queue,
			Assigned: c.Assigned, Held: c.Held,
		}
	}
	return state.Bound(v)
}
