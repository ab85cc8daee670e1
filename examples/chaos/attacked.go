package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/openccsp/gateway/examples/internal/rig"
)

// setup is what one gateway has beside the two services.
type setup struct {
	more    string            // of gateway.hcl
	service string            // of both services
	patient bool              // the plugins wait long for the far side
	rules   map[string]string // by file name
}

// hcl is the configuration of the gateway that is attacked: the same service
// twice, with and without a far side that knows ids.
func (s setup) hcl(far string) string {
	text := "log {\n  level = \"warn\"\n}\n" + s.more
	timeout := 2000
	if s.patient {
		timeout = 20_000
	}
	for i, side := range sides {
		suffix := ""
		if side.idempotent {
			suffix = "_idempotent"
		}
		text += fmt.Sprintf(`
channel "benchchannel%[1]s" %[2]q {
  settings {
    url        = %[4]q
    timeout_ms = %[7]d
  }
}
integration "benchconnector%[1]s" %[3]q {
  settings {
    url        = %[4]q
    timeout_ms = %[7]d
  }
}
service "service%[5]d" {
  integration = %[3]q
  channels    = [%[2]q]
  %[6]s
}
`, suffix, side.channel, side.desk, far, i, s.service, timeout)
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

// open makes a gateway in dir, which is not started.
func (r *run) open(dir string, s setup) (*attacked, error) {
	f, err := newFar()
	if err != nil {
		return nil, err
	}
	home, err := rig.NewHome(dir, r.programs, s.rules, s.hcl(f.url))
	if err != nil {
		return nil, err
	}
	return &attacked{gateway: &gateway{home: home, life: &f.life}, far: f,
		load: newLoad(home, f, r.conversations, r.rate), drain: drainWithin}, nil
}

// close stops the gateway and takes over what was wrong with it.
func (a *attacked) close(r *run) {
	if a.process != nil {
		a.kill()
	}
	a.orphans.Wait()
	_ = a.far.server.Close()
	a.mu.Lock()
	r.left = append(r.left, a.left...)
	a.mu.Unlock()
}

// underLoad starts a gateway, writes while f breaks things, and compares.
func (r *run) underLoad(ctx context.Context, a *attacked, f func() error) error {
	if err := a.start(ctx); err != nil {
		return err
	}
	if err := a.during(ctx, f); err != nil {
		return err
	}
	return a.finish(ctx, r)
}

// during writes while f runs.
func (a *attacked) during(ctx context.Context, f func() error) error {
	load, stopLoad := context.WithCancel(ctx)
	defer stopLoad()
	var writing sync.WaitGroup
	writing.Go(func() { a.load.run(load, ctx) })
	err := f()
	stopLoad()
	if err != nil {
		return err
	}
	writing.Wait()
	return nil
}

// finish waits for the lanes and compares.
func (a *attacked) finish(ctx context.Context, r *run) error {
	began := time.Now()
	if err := a.load.awaitFires(ctx); err != nil {
		a.problem("%v", err)
	}
	if !a.home.Settle(ctx, bar(a.drain)) {
		m, err := a.home.Metrics(ctx)
		a.problem("lanes are not empty after %v: %v conversations, err %v", bar(a.drain), m["gateway_conversations_active"], err)
	}
	if err := a.load.verify(ctx, &r.verdict); err != nil {
		return err
	}
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
