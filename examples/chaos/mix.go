package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// mix kills the gateway and its plugins under load, while the far side is
// unfriendly and a tenth of the webhooks comes five times. A soak does the
// same for long, and looks for leaks.
func mix(ctx context.Context, r *run) error {
	length := time.Duration(float64(time.Minute) * r.dose)
	done := counts{killGateway: r.doses(20), killPlugin: r.doses(20), terminate: r.doses(4)}
	moody := r.doses(4)
	if r.soak {
		length = r.duration
		n := max(1, int(length/(15*time.Second)))
		done, moody = counts{killGateway: n, killPlugin: n, terminate: max(1, n/4)}, max(1, n/4)
	}
	for m := range moods {
		done[m] = moody
	}
	a, err := r.open(r.dir, setup{more: smallBallast})
	if err != nil {
		return err
	}
	defer func() { a.close(r) }()
	a.load.duplicates = 0.1
	watch := newWatch(a.home)
	random := rand.New(rand.NewPCG(seed, 1))
	all := done.shuffled(random)
	err = r.underLoad(ctx, a, func() error {
		if r.soak {
			watching, stop := context.WithCancel(ctx)
			var watched sync.WaitGroup
			watched.Go(func() { watch.run(watching, length/60) })
			defer watched.Wait()
			defer stop()
		}
		began := time.Now()
		if err := a.attackAll(ctx, a.far, all, length/time.Duration(len(all)), random); err != nil {
			return err
		}
		select {
		case <-time.After(length - time.Since(began)):
		case <-ctx.Done():
		}
		return nil
	})
	r.dosed = fmt.Sprintf("%d kills, %d of plugins, %d stops, %d s of each of %d moods", done[killGateway], done[killPlugin],
		done[terminate], moody, len(moods))
	r.note("ready again after %s; stopped after %s", longest(a.ready), longest(a.stops))
	if r.soak {
		r.left = append(r.left, watch.leaks()...)
		r.notes = append(r.notes, watch.String())
	}
	return err
}
