package host

import "context"

// farewell is a generation that serves nobody new, while it answers what it
// has.
type farewell struct {
	g    *generation
	done chan struct{}
}

// dismiss drains and stops g in the background. There is one farewell at a
// time: see attempt.after and remove.
func (a *actor) dismiss(g *generation) {
	f := &farewell{g: g, done: make(chan struct{})}
	before := a.old
	a.old = f
	a.h.wg.Go(func() {
		defer close(f.done)
		if before != nil {
			<-before.done
		}
		a.h.seeOff(a.ctx, g)
	})
}

// seeOff waits until the instances have left g, drains it and stops it. The end
// of the gateway leaves it less time.
func (h *Host) seeOff(base context.Context, g *generation) {
	limit := g.patience(h.t.drain)
	ctx, cancel := context.WithTimeout(context.Background(), h.t.open+limit+h.t.shutdown+h.t.term)
	defer cancel()
	defer context.AfterFunc(base, func() {
		g.hurry()
		if sleep(ctx, h.t.stop) {
			cancel()
		}
	})()
	moving, done := context.WithTimeout(ctx, h.t.open)
	h.await(moving, func() bool { return h.leftBy(g) || g.hurries() || g.dead() })
	done()
	drain, end := context.WithTimeout(ctx, limit)
	_ = g.drain(drain, limit, false) // it has been logged, and what is open is lost now
	end()
	g.stop(ctx)
	g.log.Info("plugin stopped")
}

func (g *generation) hurries() bool {
	select {
	case <-g.hurried:
		return true
	default:
		return false
	}
}

// leftBy says that no instance is open on g any more.
func (h *Host) leftBy(g *generation) bool {
	for _, i := range *h.instances.Load() {
		if i.on.Load() == g {
			return false
		}
	}
	return true
}

// hurry has the generation drained without waiting for instances to move.
func (g *generation) hurry() {
	g.hurryOnce.Do(func() { close(g.hurried) })
	g.h.changed()
}
