package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/openccsp/gateway/examples/internal/rig"
	"github.com/openccsp/gateway/examples/internal/variant"
)

// moments are when the gateway is killed: what its plugins are doing.
var moments = []string{"writing", "starting", "stopped", "swapping"}

// orphans kills the gateway again and again, at moments that are bad for its
// plugins. Soon nothing that it started may be left.
func orphans(ctx context.Context, r *run) error {
	r.conversations = 64
	a, err := r.open(r.dir, setup{more: smallBallast})
	if err != nil {
		return err
	}
	defer func() { a.close(r) }()
	plugins, err := r.split(a, desks(false), phones)
	if err != nil {
		return err
	}
	rounds := max(r.doses(50), len(moments))
	random := rand.New(rand.NewPCG(seed, 9))
	var gone []time.Duration
	var processes, late int
	err = r.underLoad(ctx, a, func() error {
		report, err := plugins[0].await(ctx, "runs", runs("", 0))
		if err != nil {
			return err
		}
		r.note("sandbox of the plugins: %s", report.Restrictions())
		for n := range rounds {
			at := moments[n%len(moments)]
			var all []rig.ID
			err := a.until(ctx, "both plugins have a process", func() (bool, error) {
				all = rig.From(a.home.Dir)
				return len(all) > 2, nil
			})
			if err != nil {
				return err
			}
			processes += len(all) - 1
			if err := a.dieWhile(ctx, at, plugins[0], random); err != nil {
				return fmt.Errorf("round %d, %s: %w", n+1, at, err)
			}
			began := time.Now()
			late += len(rig.From(a.home.Dir))
			if err := a.extinct(ctx, at, began); err != nil {
				return err
			}
			gone = append(gone, time.Since(began))
			if err := a.restart(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	r.dosed = fmt.Sprintf("%d SIGKILLs of the gateway, while its plugins write, start, stand still, are replaced", rounds)
	r.note("%d plugin processes, %d of them outlived their gateway for a moment; all were gone after %s; ready again after %s",
		processes, late, percentiles(gone), longest(a.ready))
	return err
}

// dieWhile kills the gateway at a moment.
func (a *attacked) dieWhile(ctx context.Context, moment string, d *dropped, random *rand.Rand) error {
	switch moment {
	case "starting":
		a.process.Kill()
		return a.dieStarting(ctx, time.Duration(random.IntN(300))*time.Millisecond)
	case "stopped":
		for _, p := range rig.Children(a.process.PID) {
			if err := syscall.Kill(p.PID, syscall.SIGSTOP); err != nil {
				return fmt.Errorf("process %d: %w", p.PID, err)
			}
		}
	case "swapping":
		made, err := d.make("")
		if err == nil {
			err = d.put(ctx, random.IntN(len(ways)), made)
		}
		if err == nil {
			err = a.pause(ctx, 200*time.Millisecond+time.Duration(random.IntN(400))*time.Millisecond)
		}
		if err != nil {
			return err
		}
	default:
		if err := a.pause(ctx, time.Duration(random.IntN(1000))*time.Millisecond); err != nil {
			return err
		}
	}
	a.process.Kill()
	return nil
}

// dieStarting starts a gateway and kills it soon, if it is not ready before.
func (a *attacked) dieStarting(ctx context.Context, after time.Duration) error {
	soon, cancel := context.WithTimeout(ctx, after)
	defer cancel()
	err := a.start(soon)
	switch {
	case err == nil:
		a.process.Kill()
	case !errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return ctx.Err()
}

// extinct waits until no process runs a program from the gateway's folder.
func (a *attacked) extinct(ctx context.Context, moment string, since time.Time) error {
	every := time.NewTicker(5 * time.Millisecond)
	defer every.Stop()
	for {
		left := rig.From(a.home.Dir)
		if len(left) == 0 {
			return nil
		}
		if time.Since(since) > bar(orphanWithin) {
			a.problem("%s: processes %v live %v after their gateway was killed", moment, left, bar(orphanWithin))
			return nil
		}
		select {
		case <-every.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// desks is the plugin of both desks, phones that of both phones.
func desks(exclusive bool) variant.Variant {
	return variant.Variant{ID: "org.openccsp.desks", Drivers: []string{"benchconnector", "benchconnector_idempotent"}, Exclusive: exclusive}
}

var phones = variant.Variant{ID: "org.openccsp.phones", Drivers: []string{"benchchannel", "benchchannel_idempotent"}}
