package host

import (
	"context"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// readiness says how far an instance is on a successor of its generation.
type readiness struct {
	revision uint64
	ok       bool
	retry    bool // not ok, but it may become so
	message  string
}

// prepare opens the instance on next as well, where it does not receive yet,
// and tells next how that went. True asks for another try.
func (i *instance) prepare(ctx context.Context, have *progress, next *generation, spec Instance) (retry bool) {
	if r, ok := next.readinessOf(i.name); ok && r.revision == spec.Revision && !r.retry {
		return false
	}
	state := &pluginv1.InstanceState{}
	var err error
	if problems := checkSettings(next.mf.schemas[spec.Driver], spec.Settings, spec.Secrets); problems != nil {
		state.Message = "settings do not match the driver's schema: " + ProblemText(problems)
	} else if state, err = i.call(ctx, next, spec); err != nil {
		state = &pluginv1.InstanceState{Retry: true, Message: plain(err).Error()}
	}
	r := readiness{revision: spec.Revision, ok: state.Ok, retry: !state.Ok && state.Retry, message: clip(state.Message, 512)}
	if r.ok {
		have.ready, have.prepared, have.state = next, spec.Revision, state
		next.setServing(i.name, true) // nobody asks it before it is published
	}
	next.report(i.name, r)
	return r.retry
}

// follow leaves a generation that no longer serves: for its successor without
// a word to the callers if the instance is open there, or else until it is.
func (i *instance) follow(ctx context.Context, have *progress, g *generation) {
	switch {
	case have.on == nil || have.on == g:
	case g != nil && have.ready == g && !g.exclusive:
		i.move(ctx, have, g)
	default:
		i.shut(have.on)
		have.on, have.received, have.receives = nil, have.receives, false
	}
}

// move has the old generation stop receiving, and only then takes the events
// of the new one. Calls have gone there since it was published.
func (i *instance) move(ctx context.Context, have *progress, g *generation) {
	old := have.on
	i.deafen()
	i.silence(ctx, old)
	i.active.Store(g)
	old.setServing(i.name, false)
	have.on, have.revision, have.receives = g, have.prepared, false
	spec := i.want()
	spec.Revision = have.prepared
	news := i.offers(g, spec, have.state)
	i.on.Store(g)
	g.log.Info("instance has moved", "instance", i.name, "from_generation", old.number)
	if news {
		i.h.cfg.Core.InstanceChanged(i.name)
	}
	i.set(spec, Opened, "", nil)
}

// silence returns when old no longer receives for the instance and what it had
// received has been acknowledged, or refused for ever.
func (i *instance) silence(ctx context.Context, old *generation) {
	ctx, cancel := context.WithTimeout(ctx, i.h.t.open)
	defer cancel()
	_, err := old.plugin.Deactivate(ctx, &pluginv1.ActivateRequest{Generation: old.number, Instances: []string{i.name}})
	if err != nil {
		if status.Code(err) != codes.Unimplemented {
			old.log.Warn("instance does not stop receiving, the drain will end it", "instance", i.name, "err", plain(err))
		}
		old.hurry() // its drain must not wait for us
		select {
		case <-old.drained:
		case <-old.proc.exited:
		}
	}
	old.inbox.await(ctx, i.name)
}

// enter lets callers in on a generation where the instance is prepared. If
// that has taken over something exclusive it must show first that it has it,
// unless its predecessor had not got it either.
func (i *instance) enter(ctx context.Context, have *progress, spec Instance) bool {
	g := have.ready
	i.active.Store(g)
	receives := false
	if g.exclusive {
		err := i.activate(ctx, g)
		if err != nil && have.received {
			g.report(i.name, readiness{revision: spec.Revision, message: clip("it does not receive: "+plain(err).Error(), 512)})
			return false
		}
		if receives = err == nil; receives {
			i.hear()
		}
	}
	have.on, have.revision, have.receives, have.sound = g, spec.Revision, receives, false
	i.on.Store(g)
	i.offers(g, spec, have.state)
	i.opened(g, spec, false, false)
	return i.settle(ctx, have, spec)
}

// readinessOf returns what an instance last reported.
func (g *generation) readinessOf(instance string) (readiness, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, ok := g.ready[instance]
	return r, ok
}

func (g *generation) report(instance string, r readiness) {
	g.mu.Lock()
	g.ready[instance] = r
	g.mu.Unlock()
	g.h.changed()
}

// unready returns the instances among names that are not open on g, and
// whether waiting may help.
func (g *generation) unready(names []string) (problems []string, hopeless bool) {
	for _, name := range names {
		r, known := g.readinessOf(name)
		switch {
		case !known:
			problems = append(problems, fmt.Sprintf("instance %s has not been opened in time", name))
		case !r.ok:
			problems = append(problems, fmt.Sprintf("instance %s: %s", name, r.message))
			hopeless = hopeless || !r.retry
		}
	}
	return problems, hopeless
}
