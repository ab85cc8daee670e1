package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// takeOver makes the new process the one that serves, of a plugin that owns
// something only one process can have, such as a port. The instances are down
// meanwhile, and what is to be sent waits. The old process is not stopped before
// the new one receives: if that does not, the old one goes on.
func (a *actor) takeOver(t *attempt) error {
	old, begin := a.cur, time.Now()
	names := a.h.openOn(old)
	old.stopping.Store(true) // its instances are closed by the drain
	a.gen.Store(nil)
	old.link.seal()
	a.h.stirInstances()
	a.awaitInstances(func() bool { return a.h.leftBy(old) })

	limit := old.patience(a.h.t.drain)
	ctx, cancel := context.WithTimeout(a.ctx, limit)
	err := old.drain(ctx, limit, true)
	cancel()
	if err != nil && !errors.Is(err, context.DeadlineExceeded) && !old.dead() {
		a.takeBack(t, old)
		return &laterError{fmt.Errorf("the old version does not let go: %w", err)}
	}

	t.g.exclusive = true
	a.gen.Store(t.g)
	a.next.CompareAndSwap(t.g, nil)
	a.h.stirInstances()
	a.awaitInstances(func() bool { return t.g.dead() || a.h.arrived(t.g, names) })
	if err := a.arrival(t, names); err != nil {
		a.takeBack(t, old)
		return err
	}
	a.publish(t.g, nil)
	a.swapped(t, old, time.Since(begin))
	a.dismiss(old)
	return nil
}

// awaitInstances waits for the instances, not for ever.
func (a *actor) awaitInstances(ok func() bool) {
	ctx, cancel := context.WithTimeout(a.ctx, a.h.t.open)
	defer cancel()
	a.h.await(ctx, ok)
}

// openOn returns the instances that are open on g, by name.
func (h *Host) openOn(g *generation) (names []string) {
	for name, i := range *h.instances.Load() {
		if i.on.Load() == g {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// arrived says that each of the instances is open on g, or will not be.
func (h *Host) arrived(g *generation, names []string) bool {
	for _, name := range names {
		i := h.instance(name)
		r, _ := g.readinessOf(name)
		if i != nil && i.on.Load() != g && r.ok {
			return false
		}
	}
	return true
}

// arrival says why the new process has not got what it was to take over.
func (a *actor) arrival(t *attempt, names []string) error {
	if t.g.dead() {
		return t.g.deathError()
	}
	if err := a.ctx.Err(); err != nil {
		return err
	}
	var problems []string
	for _, name := range names {
		if i := a.h.instance(name); i != nil && i.on.Load() != t.g {
			r, _ := t.g.readinessOf(name)
			problems = append(problems, fmt.Sprintf("instance %s: %s", name, r.message))
		}
	}
	if problems != nil {
		return fmt.Errorf("it could not take over: %s", strings.Join(problems, "; "))
	}
	return nil
}

// takeBack undoes a takeOver that came to nothing.
func (a *actor) takeBack(t *attempt, old *generation) {
	a.gen.Store(nil)
	a.next.CompareAndSwap(t.g, nil)
	t.g.stopping.Store(true)
	a.h.stirInstances()
	a.awaitInstances(func() bool { return a.h.leftBy(t.g) })
	ctx, cancel := context.WithTimeout(a.ctx, a.h.t.describe)
	t.g.stop(ctx) // at once: what it may have taken the old one needs
	cancel()
	old.stopping.Store(false)
	old.link.unseal()
	// Also a plugin without instances must know that it goes on.
	ctx, cancel = context.WithTimeout(a.ctx, a.h.t.describe)
	_, _ = old.plugin.Activate(ctx, &pluginv1.ActivateRequest{Generation: old.number}) // the instances' own calls tell
	cancel()
	a.gen.Store(old)
	a.h.stirInstances()
}
