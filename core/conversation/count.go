package conversation

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
)

// maxCounts is how many rules a document counts the matches of.
const maxCounts = 100

// count notes matches that limits per conversation count. The view shares what
// was counted before: it is not changed.
func (t *turn) count(counts []core.Count) {
	for _, c := range counts {
		next := &state.RuleCount{Rule: c.Rule}
		all := make([]*state.RuleCount, 0, len(t.doc.Counts)+1)
		for _, old := range t.doc.Counts {
			switch {
			case old.Rule == c.Rule:
				next.AtMs = slices.Clone(old.AtMs[max(0, len(old.AtMs)-c.Keep+1):])
			case old.UntilMs == 0 || old.UntilMs > t.ms:
				all = append(all, old)
			}
		}
		next.AtMs = append(next.AtMs, t.ms)
		if c.For > 0 {
			next.UntilMs = t.ms + c.For.Milliseconds()
		}
		if len(all) >= maxCounts { // the one that matched longest ago is forgotten
			oldest := slices.MinFunc(all, func(a, b *state.RuleCount) int { return cmp.Compare(last(a), last(b)) })
			all = slices.DeleteFunc(all, func(c *state.RuleCount) bool { return c == oldest })
		}
		t.doc.Counts = append(all, next)
	}
}

// last is when a rule matched last.
func last(c *state.RuleCount) int64 { return c.AtMs[len(c.AtMs)-1] }

// bound is what the commands of a match of a rule are asked when they are
// dispatched, nil if they are not.
func (t *turn) bound(a *core.Action) *state.CommandLimit {
	if a.Bound == nil {
		return nil
	}
	counter := core.CounterID(a.Rule, "", "")
	if a.Bound.PerCustomer {
		kind, address := t.doc.ChannelType, t.doc.Customer.GetAddress()
		if address == "" { // nobody is known: the conversation stands for the customer
			kind, address = "", core.ConversationID(t.doc.Id).String()
		}
		counter = core.CounterID(a.Rule, kind, address)
	}
	lim := &state.CommandLimit{Counter: counter[:], Match: t.match(a.Rule)}
	for _, l := range a.Bound.Limits {
		lim.Limits = append(lim.Limits, &state.Limit{Times: uint32(l.Times), WithinMs: l.Within.Milliseconds()})
	}
	return lim
}

// match names the match of a rule on the fact in hand.
func (t *turn) match(rule string) uint64 {
	h := sha256.New()
	var n [8]byte
	for _, x := range []uint64{t.doc.Epoch, t.record.Number} {
		binary.BigEndian.PutUint64(n[:], x)
		_, _ = h.Write(n[:])
	}
	_, _ = h.Write(t.doc.Id)
	_, _ = h.Write([]byte(rule)) // a hash takes everything
	return binary.BigEndian.Uint64(h.Sum(nil))
}
