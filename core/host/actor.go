package host

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// actor is the goroutine of a slot: it compares what is wanted with what there
// is, does one thing about it, and looks again. Nobody else changes the slot's
// generations.
type actor struct {
	*slot
	ctx context.Context

	cur       *generation // that serves, nil: none
	up        time.Time   // since when
	fell      bool        // the one before ended, and nobody had asked for it
	try       *attempt    // under way, nil: none
	old       *farewell   // of the generation before, nil: none
	wait      *restartWait
	notBefore time.Time // of the next start
	probation *probation
	postponed map[string]time.Time // when an offer is tried again, by digest
	later     int                  // postponements in a row
}

// run keeps the plugin as its files say until ctx ends; then it stops it.
func (s *slot) run(ctx context.Context) {
	a := &actor{slot: s, ctx: ctx, wait: newRestartWait(), postponed: make(map[string]time.Time)}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for ctx.Err() == nil {
		timer.Reset(untilOr(a.act(time.Now()), time.Hour))
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-timer.C:
		case err := <-a.ended():
			a.lost(err)
		case err := <-a.tried():
			a.conclude(err)
		case <-a.left():
			if a.cur != nil {
				a.cur.prev.CompareAndSwap(a.old.g, nil)
			}
			a.old = nil
		}
	}
	a.close()
}

// untilOr is how long it is until t, or d if that is sooner or t is zero.
func untilOr(t time.Time, d time.Duration) time.Duration {
	if t.IsZero() {
		return d
	}
	return max(min(time.Until(t), d), 0)
}

// The channels of what is under way are nil if there is nothing.

func (a *actor) ended() <-chan error {
	if a.cur == nil {
		return nil
	}
	return a.cur.down
}

func (a *actor) tried() <-chan error {
	if a.try == nil {
		return nil
	}
	return a.try.done
}

func (a *actor) left() <-chan struct{} {
	if a.old == nil {
		return nil
	}
	return a.old.done
}

// act does what is to be done now, and returns when to look again.
func (a *actor) act(now time.Time) (again time.Time) {
	want, until := a.choose(now)
	switch {
	case a.try != nil:
		if want == nil || want.Digest != a.try.offer.Digest {
			a.try.cancel()
		}
		return until
	case a.cur == nil && want == nil:
		a.dropWarm()
		return until
	case a.cur == nil && now.Before(a.notBefore):
		return a.notBefore
	case a.cur == nil && want != nil && a.old != nil && want.mf.exclusive():
		return time.Time{} // until the old one has let go
	case want == nil:
		a.remove()
		return until
	case a.cur != nil && a.cur.Digest == want.Digest:
		a.dropWarm()
		a.reclaim()
		return a.judge(now)
	}
	if at := a.postponed[want.Digest]; a.cur != nil && now.Before(at) {
		return at
	}
	a.begin(want)
	return time.Time{}
}

// choose returns the offer that should run, nil if none may, and says so in
// the slot's state. until is when that may change by itself.
func (a *actor) choose(now time.Time) (want *offer, until time.Time) {
	s := a.slot
	s.mu.Lock()
	want = s.shelf.best(s.fit)
	idle, held := s.idle, s.past.held(now)
	until = s.past.Until
	s.mu.Unlock()
	switch {
	case held != nil:
		if a.cur == nil && a.try == nil {
			s.note(Quarantined, nil)
		}
		return nil, until
	case want == nil:
		if a.cur == nil && a.try == nil {
			s.note(Stopped, nil)
		}
		return nil, time.Time{}
	case idle != nil:
		return nil, time.Time{}
	}
	return want, time.Time{}
}

func (a *actor) dropWarm() {
	_, others := a.takeWarm("")
	for _, g := range others {
		a.h.stopSoon(g)
	}
}

// begin starts a process of o. It goes on in the background.
func (a *actor) begin(o *offer) {
	g, others := a.takeWarm(o.Digest)
	for _, w := range others {
		a.h.stopSoon(w)
	}
	ctx, cancel := context.WithCancel(a.ctx)
	t := &attempt{s: a.slot, offer: o, g: g, from: a.cur, since: time.Now(), done: make(chan error, 1)}
	t.cancel = func() { t.canceled.Store(true); cancel() }
	if a.old != nil {
		t.after = a.old.done
	}
	if a.cur != nil {
		a.mu.Lock()
		t.back = a.past.rejection(a.cur.Digest) != nil
		a.mu.Unlock()
		a.note(Swapping, nil)
		a.h.log.Info("plugin is to be replaced", "plugin", a.id, "version", a.cur.mf.Version,
			"by", o.mf.Version, "path", o.Path, "digest", short(o.Digest))
	} else {
		a.note(Starting, nil)
	}
	a.try = t
	a.h.wg.Go(func() {
		defer cancel()
		t.done <- t.run(ctx)
	})
}

// conclude takes the end of an attempt.
func (a *actor) conclude(err error) {
	t := a.try
	a.try = nil
	switch {
	case err == nil && a.ctx.Err() == nil:
		a.succeed(t)
	case t.g != nil && err == nil:
		t.discard()
	case a.ctx.Err() != nil || t.canceled.Load():
		if a.cur != nil {
			a.note(Running, nil)
		}
	case a.cur != nil:
		a.refused(t, err)
	case isFinal(err):
		a.unusable(t.offer, err)
	default:
		a.crashed(t.offer, err, time.Now())
	}
}

// succeed lets the process of an attempt serve.
func (a *actor) succeed(t *attempt) {
	from := a.cur
	switch {
	case from == nil:
		a.publish(t.g, nil)
	case t.g.mf.exclusive() || from.mf.exclusive():
		if err := a.takeOver(t); err != nil {
			a.refused(t, err)
			return
		}
	default:
		a.handOver(t)
	}
	a.postponed, a.later = make(map[string]time.Time), 0
	a.beginProbation(t, from)
	a.note(Running, nil)
	a.h.stirInstances()
}

// refused takes what did not become the successor of cur, which goes on.
func (a *actor) refused(t *attempt, err error) {
	a.noteSwap(t, a.cur, err)
	a.h.m.swaps.WithLabelValues(a.id, "refused").Inc()
	if e, ok := errors.AsType[*laterError](err); ok {
		wait := min(a.h.t.again<<min(a.later, 10), 30*time.Minute)
		a.later++
		a.postponed[t.offer.Digest] = time.Now().Add(wait)
		a.h.log.Warn("new version cannot take over yet, the old one goes on", "plugin", a.id,
			"version", t.offer.mf.Version, "path", t.offer.Path, "retry", wait.String(), "err", e)
		a.note(Running, fmt.Errorf("version %s cannot take over yet: %w", t.offer.mf.Version, e))
		return
	}
	a.reject(t.offer, err)
	a.note(Running, fmt.Errorf("version %s rejected: %w", t.offer.mf.Version, err))
}

// laterError says that a candidate may succeed at another time.
type laterError struct{ err error }

func (e *laterError) Error() string { return e.err.Error() }

func (e *laterError) Unwrap() error { return e.err }

// reject has an offer not tried again until its file or the gateway changes,
// or an operator says so.
func (a *actor) reject(o *offer, err error) {
	a.h.m.rejected.WithLabelValues(a.id).Inc()
	a.h.log.Error("plugin file is rejected", "plugin", a.id, "version", o.mf.Version, "path", o.Path,
		"digest", short(o.Digest), "err", err)
	a.mu.Lock()
	a.past.reject(o, a.h.cfg.HostVersion, clip(err.Error(), 1024), time.Now())
	a.mu.Unlock()
	a.h.keep(a.slot)
}

// remove stops the current process: nothing may run any more.
func (a *actor) remove() {
	g := a.cur
	a.cur, a.probation = nil, nil
	g.stopping.Store(true)
	a.gen.Store(nil)
	g.link.seal()
	a.h.m.up.WithLabelValues(a.id).Set(0)
	a.h.stirInstances()
	a.dismiss(g)
	a.note(Stopped, nil)
	g.log.Info("plugin is to stop, none of its files may run")
	a.h.reclaim()
}

// close stops what there is.
func (a *actor) close() {
	if a.try != nil {
		a.try.cancel()
		if err := <-a.try.done; err == nil {
			a.try.discard()
		}
	}
	a.dropWarm()
	if g := a.cur; g != nil {
		g.stopping.Store(true)
		a.gen.Store(nil)
		a.h.m.up.WithLabelValues(a.id).Set(0)
		a.h.stirInstances()
		ctx, cancel := context.WithTimeout(context.Background(), a.h.t.stop)
		g.quit(ctx)
		cancel()
		g.log.Info("plugin stopped")
	}
	if a.old != nil {
		<-a.old.done
	}
}

// short is the part of a digest that people compare.
func short(digest string) string { return digest[:min(len(digest), 12)] }
