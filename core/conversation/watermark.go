package conversation

import (
	"cmp"
	"slices"

	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
)

// Some far sides do not say which message was delivered or read, but until when
// all were. Others take one message in several parts, and tell of each.

// begun is when the attempt began that sent a message, or a little before: the far
// side's clock stamps the message before we have its answer.
func begun(r *Result) int64 {
	return max(r.Command.CreatedMs, r.Attempts.GetFirstMs(), r.Attempts.GetNotBeforeMs())
}

// watermark takes in that all messages were delivered or read that were sent until
// the event's time: each one is a receipt of its own.
func (t *turn) watermark(f *fact, status string) proposal {
	until := t.ms
	if at := f.ev.AtMs; 0 < at && at < until {
		until = at
	}
	t.doc.DeliveredUntilMs = max(t.doc.DeliveredUntilMs, until)
	if status == "read" {
		t.doc.ReadUntilMs = max(t.doc.ReadUntilMs, until)
	}
	for _, m := range t.doc.Sent {
		if !m.Call && m.Status != "" && m.SentMs <= until && statusRank[m.Status] < statusRank[status] {
			t.facts = append(t.facts, t.aboutOne(m, f))
		}
	}
	return t.only("about all messages until then")
}

// aboutOne is a receipt about the message m alone.
func (t *turn) aboutOne(m *state.SentMessage, f *fact) *fact {
	ev := f.ev.CloneVT()
	ev.Id, ev.MessageId = "", t.key(m.Command)
	return &fact{ev: ev, instance: f.instance, source: f.source, hops: f.hops}
}

// seen is the event that a watermark has told of m before its answer came, "" if
// none has.
func (t *turn) seen(m *state.SentMessage) string {
	switch {
	case m.Command == 0: // receipts are not kept
	case m.SentMs <= t.doc.ReadUntilMs:
		return sdk.MessageRead
	case m.SentMs <= t.doc.DeliveredUntilMs:
		return sdk.MessageDelivered
	}
	return ""
}

// ids are all that the provider calls a sent message, or parts of it.
func (r *Result) ids() []string {
	ids := slices.Clone(r.PartIDs)
	if r.MessageID != "" && !slices.Contains(ids, r.MessageID) {
		ids = append(ids, r.MessageID)
	}
	return slices.DeleteFunc(ids, func(id string) bool { return id == "" })
}

// partsOf are the parts in which a message was taken, nil if it was whole.
func partsOf(r *Result) (parts []*state.SentPart) {
	ids := r.ids()
	if len(r.PartIDs) < 2 || len(ids) < 2 {
		return nil
	}
	for _, id := range ids[:min(len(ids), defaultMaxParts)] {
		parts = append(parts, &state.SentPart{MessageId: id, Status: "sent"})
	}
	return parts
}

// partOf returns m's part of that id, nil if it has none.
func partOf(m *state.SentMessage, id string) *state.SentPart {
	for _, p := range m.GetParts() {
		if p.MessageId == id {
			return p
		}
	}
	return nil
}

// together is what has become of a message by what has of its parts: it failed if
// one has, and else it is as far as the last of them.
func together(parts []*state.SentPart) string {
	if slices.ContainsFunc(parts, func(p *state.SentPart) bool { return p.Status == "failed" }) {
		return "failed"
	}
	return slices.MinFunc(parts, func(a, b *state.SentPart) int {
		return cmp.Compare(statusRank[a.Status], statusRank[b.Status])
	}).Status
}
