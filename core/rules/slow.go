package rules

import (
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
)

const (
	budget      = 20 * time.Millisecond // of one rule on one event
	maxOverruns = 3                     // a rule that has more is taken out
	runs        = 3                     // of a rule that is suspected: the shortest counts
)

// Guarded is a set whose evaluations are timed. What it decides depends on no
// clock: a rule that takes too long is decided all the same, and a set without
// it is published.
type Guarded struct {
	*Set
	w *Watcher
}

// Guard returns s as events are to be decided with.
func (w *Watcher) Guard(s *Set) *Guarded { return &Guarded{s, w} }

// Evaluate is that of the set.
func (g *Guarded) Evaluate(v *state.View) core.Evaluation {
	start := g.w.clock()
	out := g.Set.Evaluate(v)
	if g.w.clock().Sub(start) > budget {
		g.w.suspect(g.Set, v)
	}
	return out
}

// slowness is how often a rule was over its budget, and the file that it stands
// in: a rule whose file has changed begins anew.
type slowness struct {
	overruns int
	file     string // its text
}

// suspect finds out which rules make the evaluation of v take too long. The
// machine may have been busy with something else: each is measured alone.
func (w *Watcher) suspect(s *Set, v *state.View) {
	if !w.suspecting.TryLock() {
		return // of many at once one is enough
	}
	defer w.suspecting.Unlock()
	c := s.candidates(v)
	for r, ok := c.next(s, v); ok; r, ok = c.next(s, v) {
		shortest := w.measure(r, v)
		for range runs - 1 {
			if shortest <= budget {
				break
			}
			shortest = min(shortest, w.measure(r, v))
		}
		if shortest > budget {
			w.overran(s, r, shortest)
		}
	}
}

func (w *Watcher) measure(r *rule, v *state.View) time.Duration {
	e := newEvaluator(v)
	defer e.release()
	var out core.Evaluation
	start := w.clock()
	e.evaluate(r, &out)
	return w.clock().Sub(start)
}

// overran counts an overrun of r, and takes it out at the third.
func (w *Watcher) overran(s *Set, r *rule, took time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.slow[r.name]
	if n.file != s.text(r) {
		n = slowness{file: s.text(r)}
	}
	n.overruns++
	w.slow[r.name] = n
	log := w.config.Log.With("rule", r.name, "file", r.pos.File, "line", r.pos.Line, "took", took.String(), "budget", budget.String())
	if n.overruns != maxOverruns {
		log.Warn("rule is over its time budget", "overruns", n.overruns)
		return
	}
	log.Error("rule is over its time budget again and is taken out until its file changes")
	w.slower = true
	w.rouse()
}

// look is what Run does when something has changed.
func (w *Watcher) look() {
	w.mu.Lock()
	world, slower := w.world, w.slower
	w.slower = false
	w.mu.Unlock()
	if slower { // also if the files on disk cannot be used now
		_ = w.ChangeWorld(world, func() error { return nil })
	}
	_ = w.Load() // problems are in Status
}

// withoutSlow returns s without the rules that are over their budget.
func (w *Watcher) withoutSlow(s *Set) *Set {
	w.mu.Lock()
	defer w.mu.Unlock()
	known := map[string]*rule{}
	for _, r := range s.rules {
		if _, slow := w.slow[r.name]; slow {
			known[r.name] = r
		}
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(w.slow)) {
		r, n := known[name], w.slow[name]
		if r == nil || s.text(r) != n.file {
			delete(w.slow, name)
		} else if n.overruns >= maxOverruns {
			out = append(out, name)
		}
	}
	w.out.Set(float64(len(out)))
	if len(out) == 0 {
		return s
	}
	return s.Without(out...)
}

// Without returns a set that has the rules of s, and does not look at those
// that are named.
func (s *Set) Without(names ...string) *Set {
	less := *s
	less.out = slices.Sorted(slices.Values(names))
	less.build()
	return &less
}

// Out are the names of the rules that the set does not look at, sorted.
func (s *Set) Out() []string { return s.out }

// text returns the file that a rule stands in.
func (s *Set) text(r *rule) string {
	if i := slices.Index(s.files, r.pos.File); i >= 0 {
		return s.sources[i].Text
	}
	return ""
}

func newOutGauge() prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "gateway_rules_over_budget", Help: "Rules that were taken out because they took too long.",
	})
}
