package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// attempt is a new process on its way to serving. Its goroutine has it until
// done has something, then the actor.
type attempt struct {
	s        *slot
	offer    *offer
	g        *generation // set when it has been started
	from     *generation // that serves meanwhile, nil: none
	back     bool        // from is rejected: an older state schema is all right
	since    time.Time
	after    <-chan struct{} // closed when the generation before from has left
	cancel   func()
	canceled atomic.Bool
	done     chan error
}

// run brings the process so far that it can be published.
func (t *attempt) run(ctx context.Context) error {
	if err := t.start(ctx); err != nil {
		return err
	}
	err := t.s.admit(t)
	if err == nil {
		err = t.g.connect(ctx, t.s)
	}
	if err == nil && t.from != nil {
		err = t.prepare(ctx)
	}
	if err != nil {
		t.discard()
	}
	return err
}

// start starts the process, unless there is one. While another one serves there
// is time to try again.
func (t *attempt) start(ctx context.Context) (err error) {
	if t.g == nil && t.offer.attached {
		t.s.h.detach(t.offer.program)
		return errors.New("the attached process was lost")
	}
	tries := 1
	if t.from != nil {
		tries = 3
	}
	wait := newRestartWait()
	for n := range tries {
		if n > 0 && !sleep(ctx, wait.next()) {
			return ctx.Err()
		}
		if t.g != nil {
			return nil
		}
		if t.g, err = startGeneration(ctx, t.s.h, t.offer.program, t.s.id, t.s.log); err == nil || isFinal(err) {
			return err
		}
	}
	return err
}

// discard stops the process of an attempt that came to nothing.
func (t *attempt) discard() { t.s.h.stopSoon(t.g) }

// admit says why the process must not serve.
func (s *slot) admit(t *attempt) error {
	m, claim := t.g.mf, t.g.claim
	switch {
	case m.PluginId != s.id:
		return &manifestError{fmt.Errorf("file now offers plugin %s", m.PluginId)}
	case claim.ID != "" && claim.ID != m.PluginId, claim.Version != "" && claim.Version != m.Version:
		return &manifestError{fmt.Errorf("it is vouched for as %s %s, but says it is %s %s",
			claim.ID, claim.Version, m.PluginId, m.Version)}
	case t.from == nil:
		return nil
	case m.StateSchema < t.from.mf.StateSchema && !t.back:
		return &manifestError{fmt.Errorf("it reads state of schema %d, and there may be some of schema %d: "+
			"install version %s or a later one", m.StateSchema, t.from.mf.StateSchema, t.from.mf.Version)}
	}
	for name, i := range *s.h.instances.Load() {
		d := i.want().Driver
		if i.slot.Load() == s && m.drivers[d] == nil && t.from.mf.drivers[d] != nil {
			return &manifestError{fmt.Errorf("it has no driver %q, which instance %s uses", d, name)}
		}
	}
	return nil
}

// prepare opens the instances on the new process, and sees that it is well.
func (t *attempt) prepare(ctx context.Context) error {
	g, s := t.g, t.s
	s.next.Store(g)
	s.h.stirInstances()
	ctx, cancel := context.WithTimeout(ctx, s.h.t.prepare)
	defer cancel()
	var must []string
	s.h.await(ctx, func() bool {
		var ok bool
		must, ok = s.h.prepared(t)
		return ok || g.dead()
	})
	err := t.verdict(ctx, must)
	if err == nil {
		if err = g.wellTwice(ctx); (ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded)) && !g.dead() && err != nil {
			err = &laterError{err} // the time was over before it could answer; the far end may see that first
		}
	}
	if err == nil && t.after != nil {
		select { // one farewell at a time
		case <-t.after:
		case <-g.proc.exited:
			err = g.deathError()
		case <-ctx.Done():
			err = &laterError{errors.New("the version before is not drained yet")}
		}
	}
	if err != nil {
		s.next.CompareAndSwap(g, nil)
		s.h.stirInstances()
	}
	return err
}

// prepared returns the instances that are open on the serving generation, and
// whether all of the slot are as far on the new one as they will come.
func (h *Host) prepared(t *attempt) (must []string, ok bool) {
	ok = true
	for name, i := range *h.instances.Load() {
		if i.slot.Load() != t.s {
			continue
		}
		open := i.on.Load() == t.from
		if open {
			must = append(must, name)
		}
		r, known := t.g.readinessOf(name)
		if !known || open && r.retry {
			ok = false
		}
	}
	slices.Sort(must)
	return must, ok
}

func (t *attempt) verdict(ctx context.Context, must []string) error {
	if t.g.dead() {
		return t.g.deathError()
	}
	problems, hopeless := t.g.unready(must)
	switch {
	case len(problems) > 0 && hopeless:
		return errors.New(strings.Join(problems, "; "))
	case len(problems) > 0:
		return &laterError{errors.New(strings.Join(problems, "; "))}
	}
	if err := ctx.Err(); errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// wellTwice asks for the plugin's health two times, and for an answer on the
// stream.
func (g *generation) wellTwice(ctx context.Context) error {
	for range 2 {
		call, cancel := context.WithTimeout(ctx, g.h.t.describe)
		r, err := g.plugin.CheckHealth(call, &pluginv1.HealthRequest{})
		cancel()
		if err != nil && status.Code(err) != codes.Unimplemented {
			return fmt.Errorf("health: %w", plain(err))
		}
		if err == nil && !r.Serving {
			return errors.New("health: it says that it does not serve")
		}
	}
	call, cancel := context.WithTimeout(ctx, g.h.t.describe)
	defer cancel()
	g.link.flush(call)
	if call.Err() != nil || g.dead() {
		return errors.New("stream: no answer to a ping")
	}
	return nil
}
