package main

import (
	"context"
	"fmt"
	"time"
)

// storm sends every webhook five times at once, and every tenth time an old one
// again. At the end, after a restart, each customer's first comes once more.
// Each has one effect.
func storm(ctx context.Context, r *run) error {
	r.rate = 1e6 // as fast as it goes
	a, err := r.open(r.dir, setup{more: smallBallast})
	if err != nil {
		return err
	}
	defer func() { a.close(r) }()
	a.load.duplicates = 1
	events := int64(r.doses(100_000))
	err = r.underLoad(ctx, a, func() error {
		for a.load.acked.Load() < events {
			if err := a.moves(ctx, &a.load.acked, "an event is taken"); err != nil {
				return err
			}
		}
		return nil
	})
	r.dosed = fmt.Sprintf("%d events, each 5 times", events)
	if err != nil {
		return err
	}
	a.kill()
	if err := a.restart(ctx); err != nil {
		return err
	}
	before := a.far.arrivals()
	for _, c := range a.load.conversations {
		if c.acked[0] > 0 && !a.load.try(ctx, a.load.post(c, 0, "", 1)) {
			a.problem("%s: its first message again was not acknowledged", c.customer)
		}
	}
	if !a.home.Settle(ctx, bar(10*time.Second)) {
		a.problem("the lanes are not empty")
	}
	if n := a.far.arrivals(); n != before || r.verdict.repeats > 0 {
		a.problem("%d messages arrived after a restart, and %d before, that had arrived", n-before, r.verdict.repeats)
	}
	return nil
}
