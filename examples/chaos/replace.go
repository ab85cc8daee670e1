package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"
)

// Bars of a plugin that is replaced or dies, at its 99th percentile.
const (
	gapWithin   = 20 * time.Millisecond  // of a parallel swap
	serveWithin = 200 * time.Millisecond // after a kill
)

// vendorTakes is how long the far side thinks about each message, so that there
// are always some under way.
const vendorTakes = 20 * time.Millisecond

// replace replaces, removes and kills the plugin of both desks, while 64
// customers and their agents write.
func replace(ctx context.Context, r *run) error {
	r.conversations = 64
	for _, exclusive := range []bool{false, true} {
		if err := r.replaceAll(ctx, exclusive); err != nil {
			return fmt.Errorf("exclusive %v: %w", exclusive, err)
		}
	}
	return nil
}

// replaced is what was measured.
type replaced struct {
	gaps, live, pauses []time.Duration
	outside, own       []time.Duration
	away               []time.Duration // from the removal until the process had ended
}

func (r *run) replaceAll(ctx context.Context, exclusive bool) error {
	rounds, deaths, removals := max(r.doses(20), len(ways)), max(r.doses(20), 3), r.doses(10)
	kind := "parallel"
	if exclusive {
		kind = "exclusive"
		rounds, deaths, removals = r.doses(20), r.doses(20), int(10*r.dose)
	}
	a, err := r.open(filepath.Join(r.dir, kind), setup{more: smallBallast, patient: true})
	if err != nil {
		return err
	}
	defer func() { a.close(r) }()
	plugins, err := r.split(a, desks(exclusive), phones)
	if err != nil {
		return err
	}
	a.load.onlyKills = true
	a.far.mood.Store(&mood{delay: vendorTakes})
	var x replaced
	err = r.underLoad(ctx, a, func() error {
		return x.all(ctx, plugins[0], rounds, removals, deaths)
	})
	if err != nil {
		return err
	}
	if n := a.far.repeatsIn(1); n > 0 {
		a.problem("%d messages arrived twice, although no process was killed before", n)
	}
	r.judgeReplaced(a, &x, exclusive)
	r.dosed = fmt.Sprintf("%d replacements, %d kill -9, %d removals and returns; in parallel, then exclusive", max(r.doses(20), len(ways)), max(r.doses(20), 3), r.doses(10))
	r.note("%s: gap of a swap %s; from the file to the first call %s", kind, percentiles(x.gaps), percentiles(x.live))
	r.note("%s: longest pause between two messages during a replacement %s", kind, percentiles(x.pauses))
	r.note("%s: kill to the new process's first effect %s; by the gateway's report %s", kind, percentiles(x.outside), percentiles(x.own))
	r.note("%s: removed file to the end of its process %s", kind, percentiles(x.away))
	return nil
}

// judgeReplaced minds the bars.
func (r *run) judgeReplaced(a *attacked, x *replaced, exclusive bool) {
	if p := percentile(x.gaps, 99); !exclusive && p > bar(gapWithin) {
		a.problem("gap of a swap %s, want p99 under %v", percentiles(x.gaps), bar(gapWithin))
	}
	if p := percentile(x.outside, 99); p > bar(serveWithin) {
		a.problem("kill to serving %s, want p99 under %v", percentiles(x.outside), bar(serveWithin))
	}
}

// all replaces, then removes, which is to lose and repeat nothing; then kills.
func (x *replaced) all(ctx context.Context, d *dropped, rounds, removals, deaths int) error {
	for n := range rounds {
		s, err := d.replace(ctx, n)
		if err != nil {
			return fmt.Errorf("replacement %d: %w", n+1, err)
		}
		x.gaps, x.live, x.pauses = append(x.gaps, s.gap), append(x.live, s.live), append(x.pauses, s.pause)
	}
	for n := range removals {
		began := time.Now()
		if err := d.remove(ctx); err != nil {
			return fmt.Errorf("removal %d: %w", n+1, err)
		}
		x.away = append(x.away, time.Since(began))
		if err := d.back(ctx); err != nil {
			return fmt.Errorf("return %d: %w", n+1, err)
		}
		if err := d.a.moves(ctx, d.a.far, "the plugin serves again"); err != nil {
			return err
		}
	}
	letters, err := d.a.home.DeadLetters(ctx)
	if err != nil {
		return err
	}
	if len(letters) > 0 {
		d.a.problem("%d dead letters, although no process was killed: the first is %+v", len(letters), letters[0])
	}
	for n := range deaths {
		e, err := d.kill(ctx)
		if err != nil {
			return fmt.Errorf("kill %d: %w", n+1, err)
		}
		x.outside, x.own = append(x.outside, e.outside), append(x.own, e.own)
	}
	return nil
}

// Load implements counter: how much has arrived.
func (f *far) Load() int64 { return f.arrivals() }

// repeatsIn counts what came again in a life.
func (f *far) repeatsIn(life int64) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, took := range f.took {
		for _, again := range took[1:] {
			if again.life == life {
				n++
			}
		}
	}
	return n
}
