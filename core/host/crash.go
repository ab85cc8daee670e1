package host

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// lost takes the end of the current process, which nobody asked for.
func (a *actor) lost(err error) {
	g := a.cur
	a.cur = nil
	served := time.Since(a.up)
	if served >= a.h.t.healthy {
		a.recovered()
	}
	a.gen.Store(nil)
	a.h.m.up.WithLabelValues(a.id).Set(0)
	a.h.stirInstances()
	g.log.Error("plugin ended", "err", err)
	if g.attached {
		g.kill()
		a.note(Backoff, err)
		a.h.detach(g.program)
		return
	}
	a.fell = true
	var blamed []time.Time
	at := time.Now()
	if g.proc.byItself() {
		g.link.onCrash(func(frames []*openFrame) { blamed = a.suspects.crashed(frames, at) })
	}
	g.kill()
	switch {
	case blamed != nil:
		a.forgive(blamed)
	case g.proc.killed() && served >= a.h.t.served: // that says nothing of the plugin
	default:
		a.crashed(&offer{program: g.program, mf: g.mf}, err, at)
		return
	}
	a.wait.reset()
	a.note(Backoff, err)
	a.notBefore = time.Now().Add(a.wait.next())
}

// forgive takes crashes back that a call is to blame for, and not the plugin.
func (a *actor) forgive(crashes []time.Time) {
	a.mu.Lock()
	had := len(a.past.Crashes)
	a.past.Crashes = slices.DeleteFunc(a.past.Crashes, func(c crash) bool {
		return slices.ContainsFunc(crashes, c.At.Equal)
	})
	forgiven := had - len(a.past.Crashes)
	a.mu.Unlock()
	if a.probation != nil {
		a.probation.crashes = max(a.probation.crashes-forgiven, 0)
	}
	a.h.keep(a.slot)
	a.h.m.poison.WithLabelValues(a.id).Inc()
	a.h.log.Error("a call has ended the plugin twice, it is not given to it again", "plugin", a.id)
}

// recovered forgets crashes' consequences: the plugin has run well for a while.
func (a *actor) recovered() {
	a.wait.reset()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.past.Level, a.past.Until = 0, time.Time{}
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
