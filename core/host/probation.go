package host

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// probation is the time in which a new version must prove itself. If it does
// not, the one before comes back.
type probation struct {
	digest  string
	until   time.Time
	before  float64 // share of the old generation's calls that went wrong
	crashes int
}

// A version has too many errors if the share of its calls that went wrong is
// over errorFactor times that of the version before, which counts as at least
// errorFloor, and there were at least so many calls and errors.
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
	a.probation = &probation{digest: o.Digest, until: time.Now().Add(cmp.Or(o.sidecar.Probation, a.h.t.probation)), before: errorFloor}
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
	case calls >= leastCalls && wrong >= leastErrors && share > errorFactor*p.before && a.goBack(fmt.Errorf(
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

// crashed takes an end, or a failed start, that nobody asked for: the plugin is
// started again soon, later, or only by other means.
func (a *actor) crashed(o *offer, err error, now time.Time) {
	if errors.Is(err, errConfiguration) {
		a.mu.Lock()
		a.idle = err
		a.mu.Unlock()
		a.note(Failed, err)
		return
	}
	a.h.m.crashes.WithLabelValues(a.id).Inc()
	a.mu.Lock()
	a.past.addCrash(crash{At: now, Digest: o.Digest, Reason: clip(err.Error(), 256)})
	many := a.past.tooMany(o.Digest, now)
	trial := a.past.Level > 0 && !a.past.Until.IsZero() // after a quarantine it has one
	a.mu.Unlock()
	defer a.h.keep(a.slot)
	switch {
	case a.failsProbation(o, err):
		a.note(Backoff, err)
		a.notBefore = time.Time{}
	case many != nil || trial:
		if many == nil {
			many = errors.New("it crashed again after a quarantine")
		}
		if a.yields(o) {
			a.reject(o, fmt.Errorf("%w, the last one: %w", many, err))
			a.note(Backoff, err)
			a.notBefore = time.Time{}
			return
		}
		a.mu.Lock()
		d := a.past.quarantine(now, a.h.t.trial)
		a.mu.Unlock()
		a.h.m.held.WithLabelValues(a.id).Set(1)
		a.h.log.Error("plugin is in quarantine", "plugin", a.id, "version", o.mf.Version, "for", d.String(), "err", many)
		a.note(Quarantined, fmt.Errorf("%w, the last one: %w", many, err))
	default:
		a.note(Backoff, err)
		a.notBefore = now.Add(a.wait.next())
	}
}

// failsProbation counts a crash of a version on probation. Two are too many, and
// so is one that says that it is not well.
func (a *actor) failsProbation(o *offer, err error) bool {
	p := a.probation
	if p == nil || p.digest != o.Digest {
		return false
	}
	p.crashes++
	if p.crashes < 2 && !errors.Is(err, errUnhealthy) {
		return false
	}
	return a.goBack(err)
}

// yields says that a program which never proved itself has another one beside it
// that may run.
func (a *actor) yields(o *offer) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.past.Good != o.Digest && a.other(o.Digest) != nil
}

// other returns the best offer but digest, nil if there is none. The caller holds
// a.mu.
func (a *actor) other(digest string) *offer {
	return a.shelf.best(func(o *offer) bool { return o.Digest != digest && a.fit(o) })
}

// unusable takes a program that would end the same way at every start.
func (a *actor) unusable(o *offer, err error) {
	a.mu.Lock()
	alone := a.other(o.Digest) == nil
	if alone {
		a.idle = err // its state says more than that nothing may run
	}
	a.mu.Unlock()
	if alone {
		a.note(Failed, err)
		return
	}
	a.reject(o, err)
}

var (
	// errConfiguration is the end of a plugin with exit code 78.
	errConfiguration = errors.New("it says that its configuration is wrong")
	// errUnhealthy is of a plugin that says it is not well.
	errUnhealthy = errors.New("unhealthy")
)
