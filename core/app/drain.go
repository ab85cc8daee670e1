package app

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/config"
	"github.com/openccsp/gateway/core/engine"
)

const (
	drainEvery = 500 * time.Millisecond // between two counts of what is left
	drainTwice = 2                      // counts of nothing: a decision under way at the first is seen by the second
	drainShare = 10                     // a count takes at most one part in so many of the time
	forceFor   = 10 * time.Second       // for the far side to be told; then what waits is dead
)

// remains is what instances that leave still have, as it was counted last.
type remains struct {
	mu  sync.Mutex
	all map[string]engine.Remains
}

func (r *remains) set(all map[string]engine.Remains) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = all
}

// of returns what an instance has; false: it has not been counted yet.
func (r *remains) of(name string) (engine.Remains, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	left, ok := r.all[name]
	return left, ok
}

// drain counts what the instances that leave still have, and forgets those that
// have nothing left.
func (g *gateway) drain(ctx context.Context) error {
	select {
	case <-g.engine.Started():
	case <-ctx.Done():
		return nil
	}
	empty := map[*known]int{}
	for ctx.Err() == nil {
		wait := (<-chan time.Time)(nil)
		if leaving := g.now().leaving; len(leaving) > 0 {
			began := time.Now()
			g.drainOnce(ctx, leaving, empty)
			wait = time.After(max(drainEvery, drainShare*time.Since(began)))
		} else {
			clear(empty)
		}
		select {
		case <-wait:
		case <-g.drains:
		case <-ctx.Done():
		}
	}
	return nil
}

// drainOnce is one count. empty has how often nothing was left of an instance.
func (g *gateway) drainOnce(ctx context.Context, leaving []*known, empty map[*known]int) {
	var names []string
	for _, k := range leaving {
		names = append(names, k.Name)
	}
	left, err := g.engine.Remains(ctx, names...)
	if err != nil {
		if ctx.Err() == nil {
			g.log.Warn("what removed instances still have is not known, will retry", "err", err)
		}
		return
	}
	g.remains.set(left)
	var gone []*known
	for _, k := range leaving {
		r := left[k.Name]
		if empty[k]++; !r.None() {
			empty[k] = 0
		}
		switch {
		case empty[k] >= drainTwice:
			gone = append(gone, k)
		case k.forced.IsZero():
		case r.Chats > 0:
			g.closeChats(ctx, k)
		case time.Since(k.forced) > forceFor:
			gone = append(gone, k)
		}
	}
	if len(gone) > 0 {
		g.forget(ctx, gone)
	}
}

// closeChats ends the open chats of an instance that an operator removes.
func (g *gateway) closeChats(ctx context.Context, k *known) {
	n, err := g.engine.CloseAll(ctx, k.Name, "operator", "removed")
	if err != nil {
		if ctx.Err() == nil {
			g.log.Warn("chats of a removed instance are not closed, will retry", "instance", k.Name, "err", err)
		}
		return
	}
	g.log.Info("chats of a removed instance are being closed", "instance", k.Name, "chats", n)
}

// forget ends instances that have nothing left.
func (g *gateway) forget(ctx context.Context, gone []*known) {
	g.applying.Lock()
	defer g.applying.Unlock()
	old := g.now()
	gone = slices.DeleteFunc(gone, func(k *known) bool { return !slices.Contains(old.leaving, k) }) // back meanwhile
	next := old.without(gone...)
	g.current.Store(next)
	if err := g.publish(); err != nil { // it has told why
		g.current.Store(old)
		return
	}
	g.setInstances(g.manifests())
	for _, k := range gone {
		left, _ := g.remains.of(k.Name)
		g.log.Info("removed instance is gone", "instance", k.Name, "driver", k.Driver, "took", time.Since(k.left).Round(time.Millisecond),
			"dead_commands", left.Commands)
		g.dropSaved(ctx, k.Name, g.savedSecrets(k.Name)...)
	}
	if err := g.keepKnown(ctx, next); err != nil && ctx.Err() == nil {
		g.log.Warn("instances that are gone are kept, a start looks at them again", "err", err)
	}
}

// RemoveInstance implements httpd.Gateway: it ends by force what was taken out
// of gateway.hcl.
func (g *gateway) RemoveInstance(ctx context.Context, kind, name string) error {
	g.applying.Lock()
	defer g.applying.Unlock()
	s := g.now()
	old := s.leaves(name)
	if slices.ContainsFunc(s.Instances(), func(i *config.Instance) bool { return i.Name == name && string(i.Kind) == kind }) {
		return core.Errorf(core.Conflict, "%s %q stands in gateway.hcl; take it out there first", kind, name)
	}
	if old == nil || string(old.Kind) != kind {
		return core.Errorf(core.NotFound, "no %s %q", kind, name)
	}
	if !old.forced.IsZero() {
		return nil // it is under way
	}
	k := *old
	k.forced = time.Now()
	next := s.without(old)
	next.leaving = append(next.leaving, &k)
	if err := g.keepKnown(ctx, next); err != nil {
		return err
	}
	g.current.Store(next)
	poke(g.drains)
	return nil
}

// newLeavingGauge says how many instances leave.
func newLeavingGauge(g *gateway) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gateway_instances_draining", Help: "Instances taken out of gateway.hcl that still have chats or commands.",
	}, func() float64 {
		if s := g.now(); s != nil {
			return float64(len(s.leaving))
		}
		return 0
	})
}
