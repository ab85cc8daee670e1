package host

import (
	"cmp"
	"fmt"
	"time"
)

// probation is the time in which a new version must prove itself. If it does
// not, the one before comes back.
type probation struct {
	digest  string
	until   time.Time
	before  float64 // share of the old generation's calls that went wrong; 0: there were too few to know
	crashes int
}

// A version has too many errors if the share of its calls that went wrong is
// over errorFactor times that of the version before, which counts as at least
// errorFloor, and there were at least so many calls and errors. Without so many
// calls of the version before nobody can tell whose fault errors are.
const (
	errorFactor = 3
	errorFloor  = 0.05
	leastCalls  = 20
	leastErrors = 5
)

// beginProbation puts cur on probation if it is new, and there is something to
// go back to.
func (a *actor) beginProbation(t *attempt, from *generation) {
	o := t.offer
	a.mu.Lock()
	defer a.mu.Unlock()
	if p := a.probation; p != nil && p.digest == o.Digest {
		return // the same again, after a crash
	}
	a.probation, a.trial = nil, time.Time{}
	back := a.other(o.Digest)
	if a.past.Good == o.Digest || o.attached {
		return
	}
	a.probation = &probation{digest: o.Digest, until: time.Now().Add(cmp.Or(o.sidecar.Probation, a.h.t.probation))}
	if back != nil {
		a.trial = a.probation.until
	}
	if from != nil && from.link != nil {
		if calls, wrong := from.link.tally(); calls >= leastCalls {
			a.probation.before = max(float64(wrong)/float64(calls), errorFloor)
		}
	}
}

// judge looks at a running generation, and returns when to look again.
func (a *actor) judge(now time.Time) time.Time {
	p := a.probation
	if p == nil || p.digest != a.cur.Digest {
		return time.Time{}
	}
	calls, wrong := a.cur.link.tally()
	share := float64(wrong) / float64(max(calls, 1))
	switch {
	case !now.Before(p.until):
		a.pass()
		return time.Time{}
	case p.before > 0 && calls >= leastCalls && wrong >= leastErrors && share > errorFactor*p.before && a.goBack(fmt.Errorf(
		"%.0f %% of its %d calls went wrong, with the version before it were %.0f %% or less", 100*share, calls, 100*p.before)):
		a.stir()
		return now
	}
	return now.Add(min(a.h.t.judge, p.until.Sub(now)))
}

// pass ends the probation of the current generation well.
func (a *actor) pass() {
	a.probation = nil
	a.mu.Lock()
	first := a.past.Good != a.cur.Digest
	a.past.Good, a.past.Level, a.trial = a.cur.Digest, 0, time.Time{}
	a.mu.Unlock()
	if first {
		a.h.keep(a.slot)
		a.cur.log.Info("plugin has passed its probation")
	}
}

// goBack rejects the version on probation if there is another one to run. It
// returns false if there is none.
func (a *actor) goBack(err error) bool {
	p := a.probation
	if p == nil {
		return false
	}
	a.mu.Lock()
	o := a.shelf.find(p.digest)
	back := a.other(p.digest)
	a.mu.Unlock()
	if o == nil || back == nil {
		return false
	}
	a.probation = nil
	a.reject(o, fmt.Errorf("on probation: %w", err))
	a.mu.Lock()
	a.trial = time.Time{}
	a.mu.Unlock()
	a.h.log.Error("plugin goes back to the version before", "plugin", a.id, "from", o.mf.Version, "to", back.mf.Version,
		"path", back.Path, "err", err)
	return true
}

// other returns the best offer but digest, nil if there is none. The caller holds
// a.mu.
func (a *actor) other(digest string) *offer {
	return a.shelf.best(func(o *offer) bool { return o.Digest != digest && a.fit(o) })
}
