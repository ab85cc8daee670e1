package rules

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openccsp/gateway/core/state"
)

// Counters count the verdicts of rules by name, so that a reload keeps them.
// They are safe for concurrent use, and a [prometheus.Collector] of
// gateway_rule_evaluations_total.
type Counters struct{ rules sync.Map } // of *counter by name

type counter struct {
	matched, notMatched, failed atomic.Uint64
	last                        atomic.Int64 // milliseconds of the last match
	lastError                   atomic.Pointer[RuleError]
}

// RuleError is the last time that the condition of a rule failed.
type RuleError struct {
	At      time.Time // of the event's decision
	Message string    // with the place in the rule file
}

// Stats are the counts of one rule since the gateway started.
type Stats struct {
	Matched, NotMatched, Errors uint64
	LastFired                   *time.Time // when it matched last, nil: never
	LastError                   *RuleError // nil: none
}

// Count adds the verdicts of an event that was decided at the given time. Call
// it once per decided event, not for dry runs.
func (c *Counters) Count(at time.Time, verdicts []*state.RuleVerdict) {
	for _, v := range verdicts {
		n := c.counter(v.GetRule())
		switch v.GetVerdict() {
		case state.Verdict_MATCHED:
			n.matched.Add(1)
			n.last.Store(at.UnixMilli())
		case state.Verdict_NOT_MATCHED:
			n.notMatched.Add(1)
		default:
			n.failed.Add(1)
			n.lastError.Store(&RuleError{at, v.GetError()})
		}
	}
}

func (c *Counters) counter(rule string) *counter {
	if n, ok := c.rules.Load(rule); ok {
		return n.(*counter)
	}
	n, _ := c.rules.LoadOrStore(rule, &counter{})
	return n.(*counter)
}

// keep forgets the rules that are not in s, so that names do not pile up.
func (c *Counters) keep(s *Set) {
	known := make(map[string]bool, len(s.rules))
	for _, r := range s.rules {
		known[r.name] = true
	}
	for _, d := range s.flows {
		known[flowRule+d.Name] = true
	}
	c.rules.Range(func(name, _ any) bool {
		if !known[name.(string)] {
			c.rules.Delete(name)
		}
		return true
	})
}

// Stats returns the counts of a rule, zero if it was never looked at.
func (c *Counters) Stats(rule string) Stats {
	v, ok := c.rules.Load(rule)
	if !ok {
		return Stats{}
	}
	n := v.(*counter)
	s := Stats{
		Matched: n.matched.Load(), NotMatched: n.notMatched.Load(), Errors: n.failed.Load(),
		LastError: n.lastError.Load(),
	}
	if ms := n.last.Load(); ms != 0 {
		t := time.UnixMilli(ms).UTC()
		s.LastFired = &t
	}
	return s
}

var evaluations = prometheus.NewDesc("gateway_rule_evaluations_total",
	"Verdicts of rules that were looked at.", []string{"rule", "verdict"}, nil)

// Describe implements prometheus.Collector.
func (c *Counters) Describe(ch chan<- *prometheus.Desc) { ch <- evaluations }

// Collect implements prometheus.Collector.
func (c *Counters) Collect(ch chan<- prometheus.Metric) {
	c.rules.Range(func(name, v any) bool {
		n := v.(*counter)
		for verdict, count := range map[string]uint64{
			"matched": n.matched.Load(), "not_matched": n.notMatched.Load(), "error": n.failed.Load(),
		} {
			ch <- prometheus.MustNewConstMetric(evaluations, prometheus.CounterValue, float64(count), name.(string), verdict)
		}
		return true
	})
}
