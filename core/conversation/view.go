package conversation

import (
	"encoding/hex"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/openccsp/gateway/core/state"
)

// view is what rules see of the fact and of the document after stage 1.
func (t *turn) view(f *fact) *state.View {
	svc := t.service()
	v := &state.View{
		Event: f.ev, Type: f.ev.Type, Id: f.ev.Id, AtMs: t.ms, Source: f.source, Instance: f.instance,
		LateBy: f.lateBy.Seconds(), Channel: t.doc.Channel, ChannelType: t.doc.ChannelType,
		Service: t.doc.Service, Integration: svc.Integration, Owner: t.doc.Owner, Customer: t.doc.Customer,
		Tags: t.doc.Tags, Attributes: t.doc.Attributes, Timezone: svc.Timezone, Hops: f.hops,
		Conversation: hex.EncodeToString(t.doc.Id),
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
	return bound(v)
}

// Limits of a view. Rules see no more, and the history keeps no more.
const (
	maxViewText = 4 << 10 // bytes of one text
	maxViewList = 100     // elements of one list or map
)

// bound cuts v to the limits. The event is copied before it is cut: the
// decision itself is about the whole one.
func bound(v *state.View) *state.View {
	ev := v.Event
	if len(ev.Text) <= maxViewText && len(ev.Attachments) <= maxViewList && len(ev.Params) <= maxViewList &&
		len(ev.Comment) <= maxViewText && len(ev.Payload) <= maxViewText && !longParam(ev.Params) {
		return v
	}
	ev = ev.CloneVT()
	ev.Text, ev.Comment = cutText(ev.Text), cutText(ev.Comment)
	if len(ev.Payload) > maxViewText {
		ev.Payload = nil // half a JSON text is none
	}
	if len(ev.Attachments) > maxViewList {
		ev.Attachments = ev.Attachments[:maxViewList]
	}
	params := make(map[string]string, min(len(ev.Params), maxViewList))
	for _, k := range slices.Sorted(maps.Keys(ev.Params)) {
		if len(params) == maxViewList {
			break
		}
		params[cutText(k)] = cutText(ev.Params[k])
	}
	ev.Params = params
	v.Event, v.Cut = ev, true
	return v
}

func longParam(params map[string]string) bool {
	for k, s := range params {
		if len(k) > maxViewText || len(s) > maxViewText {
			return true
		}
	}
	return false
}

// cutText cuts s to maxViewText bytes at a code point.
func cutText(s string) string {
	if len(s) <= maxViewText {
		return s
	}
	n := maxViewText
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
