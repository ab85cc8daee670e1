package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/openccsp/gateway/examples/internal/rig"
)

// hcl is the configuration of the gateway that is attacked: the same service
// twice, with and without a far side that knows ids.
func hcl(far, more string) string {
	text := "log {\n  level = \"warn\"\n}\n" + more
	for i, s := range sides {
		suffix := ""
		if s.idempotent {
			suffix = "_idempotent"
		}
		text += fmt.Sprintf(`
channel "benchchannel%[1]s" %[2]q {
  settings {
    url        = %[4]q
    timeout_ms = 2000
  }
}
integration "benchconnector%[1]s" %[3]q {
  settings {
    url        = %[4]q
    timeout_ms = 2000
  }
}
service "service%[5]d" {
  integration = %[3]q
  channels    = [%[2]q]
}
`, suffix, s.channel, s.desk, far, i)
	}
	return text
}

const smallBallast = "store \"badger\" {\n  ballast = \"1MiB\"\n}\n"

// drainWithin bounds the wait for the lanes to be empty after the faults.
const drainWithin = 90 * time.Second

// attacked is a gateway with its far side and its load.
type attacked struct {
	*gateway
	far   *far
	load  *load
	drain time.Duration // limit of the wait for the lanes to be empty
}

// open starts a gateway in dir.
func (r *run) open(ctx context.Context, dir, more string) (*attacked, error) {
	f, err := newFar()
	if err != nil {
		return nil, err
	}
	home, err := rig.NewHome(dir, r.programs, nil, hcl(f.url, more))
	if err != nil {
		return nil, err
	}
	return &attacked{gateway: &gateway{home: home}, far: f, load: newLoad(home, f, r.conversations, r.rate), drain: drainWithin}, nil
}

// close stops the gateway and takes over what was wrong with it.
func (a *attacked) close(r *run) {
	a.process.Kill()
	a.orphans.Wait()
	_ = a.far.server.Close()
	a.mu.Lock()
	r.left = append(r.left, a.left...)
	a.mu.Unlock()
}

// mix kills the gateway and its plugins under load.
func mix(ctx context.Context, r *run) error {
	a, err := r.open(ctx, r.dir, smallBallast)
	if err != nil {
		return err
	}
	a.load.duplicates = r.duplicates
	if err := a.start(ctx); err != nil {
		return err
	}
	defer func() { a.close(r) }()
	watch := newWatch(a.home)
	random := rand.New(rand.NewPCG(seed, 1))
	all := attacks(r.options, random)
	load, stopLoad := context.WithCancel(ctx)
	defer stopLoad()
	var writing sync.WaitGroup
	writing.Go(func() { a.load.run(load, ctx) })
	if r.soak {
		writing.Go(func() { watch.run(load, r.duration/60) })
	}
	began := time.Now()
	err = a.attackAll(ctx, a.far, all, r.duration/time.Duration(max(1, len(all))), random)
	if err == nil {
		select {
		case <-time.After(r.duration - time.Since(began)):
		case <-ctx.Done():
		}
	}
	stopLoad()
	if err != nil {
		return err
	}
	writing.Wait()
	if err := a.finish(ctx, r); err != nil {
		return err
	}
	r.note("%d attacks: %d kills, %d of plugins, %d stops, %d s of each unfriendly mood; ready again after %s; stopped after %s",
		len(all), r.kills, r.pluginKills, r.terms, r.moods, longest(a.ready), longest(a.stops))
	if r.soak {
		r.left = append(r.left, watch.leaks()...)
		r.notes = append(r.notes, watch.String())
	}
	return nil
}

// finish waits for the lanes and compares.
func (a *attacked) finish(ctx context.Context, r *run) error {
	began := time.Now()
	if !a.home.Settle(ctx, a.drain) {
		m, err := a.home.Metrics(ctx)
		a.problem("lanes are not empty after %v: %v conversations, err %v", a.drain, m["gateway_conversations_active"], err)
	}
	v, err := a.load.verify(ctx)
	if err != nil {
		return err
	}
	r.verdict = v
	l := a.load
	r.note("%d requests, %d copies, %d old ones again, %d shed; far side: %d refused, %d cut off; drained in %v",
		l.tries.Load(), l.copies.Load(), l.repeats.Load(), l.shed.Load(), a.far.refused, a.far.cut,
		time.Since(began).Round(time.Millisecond))
	return nil
}

func longest(all []time.Duration) string {
	if len(all) == 0 {
		return "-"
	}
	slices.Sort(all)
	return fmt.Sprintf("%v at most (median %v)", all[len(all)-1].Round(time.Millisecond), all[len(all)/2].Round(time.Millisecond))
}
