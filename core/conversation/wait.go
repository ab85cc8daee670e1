package conversation

import (
	"slices"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
)

// The bounds of the rules that wait in one conversation, and of the events they
// wait with.
const (
	maxWaits     = 20
	maxWaitBytes = 64 << 10
)

// wait sets the timers of rules that are to be looked at again. A newer event
// takes the place of the one that the rule waited with.
func (t *turn) wait(f *fact, waits []core.Wait) {
	for _, w := range waits {
		v := t.record.View
		tm := &state.ScheduledTimer{
			Name: w.Rule, DueMs: t.ms + w.After.Milliseconds(), Hash: w.Hash, Event: v.Event,
			Source: f.source, Instance: f.instance, Hops: f.hops,
		}
		if v.Event.AtMs == 0 {
			tm.Event = v.Event.CloneVT()
			tm.Event.AtMs = v.AtMs
		}
		t.forgetWait(w.Rule)
		bytes := tm.SizeVT()
		for _, other := range t.doc.Timers {
			bytes += other.SizeVT()
		}
		if len(t.doc.Timers) >= maxWaits || bytes > maxWaitBytes {
			t.refuseWait(w.Rule)
			continue
		}
		t.doc.Timers = append(t.doc.Timers, tm)
	}
}

// forgetWait ends the waiting of a rule.
func (t *turn) forgetWait(rule string) {
	t.doc.Timers = slices.DeleteFunc(t.doc.Timers, func(tm *state.ScheduledTimer) bool { return tm.Name == rule })
}

// refuseWait puts an error in the place of the verdict that said that the rule
// waits.
func (t *turn) refuseWait(rule string) {
	for i, v := range t.record.Verdicts {
		if v.Rule == rule {
			t.record.Verdicts[i] = &state.RuleVerdict{
				Rule: rule, Verdict: state.Verdict_ERROR, Error: "too much waits in this conversation for a rule's time",
			}
		}
	}
}

// waited has the event of a rule whose time has come looked at again, by that
// rule alone.
func (t *turn) waited(tm *state.ScheduledTimer, late time.Duration) {
	t.forgetWait(tm.Name)
	t.facts = append(t.facts, &fact{
		ev: tm.Event, instance: tm.Instance, source: tm.Source, hops: tm.Hops, lateBy: late, waited: tm,
	})
}
