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

// Swap is one replacement of a plugin's process by another version, or an
// attempt at it.
type Swap struct {
	At                   time.Time
	From, To             string // versions
	FromDigest, ToDigest string
	Exclusive            bool
	Gap                  time.Duration // while callers found no generation, or no open instance
	Took                 time.Duration // from the start of the new process to its first call
	Err                  string        // why the new one did not take over, "" if it did
}

// maxSwaps is how many are remembered.
const maxSwaps = 16

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
		err = g.wellTwice(ctx)
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

// dead says that the process has ended or its stream has.
func (g *generation) dead() bool {
	select {
	case <-g.proc.exited:
		return true
	case <-g.broke:
		return true
	default:
		return false
	}
}

func (g *generation) deathError() error {
	if g.proc.awaitFor(pipeGrace) {
		return g.endError()
	}
	return fmt.Errorf("stream broke: %w", g.brokeErr)
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

// handOver makes the new process the one that serves, without a pause. What the
// old one has it answers; see barrier and instance.move.
func (a *actor) handOver(t *attempt) {
	old := a.cur
	t.g.prev.Store(old)
	gap := a.publish(t.g, old)
	a.dismiss(old)
	a.swapped(t, old, gap)
}

func (a *actor) swapped(t *attempt, old *generation, gap time.Duration) {
	a.noteSwap(t, old, nil)
	a.mu.Lock()
	s := &a.swaps[len(a.swaps)-1]
	s.Gap = gap
	took := s.Took
	a.mu.Unlock()
	kind := "parallel"
	if t.g.exclusive {
		kind = "exclusive"
	}
	a.h.m.swaps.WithLabelValues(a.id, kind).Inc()
	a.h.m.gap.WithLabelValues(a.id).Observe(gap.Seconds())
	t.g.log.Info("plugin has been replaced", "from", old.mf.Version, "to", t.g.mf.Version, "from_generation", old.number,
		"handover", kind, "gap", gap.Round(time.Microsecond).String(), "took", took.Round(time.Millisecond).String())
}

func (a *actor) noteSwap(t *attempt, old *generation, err error) {
	s := Swap{At: time.Now(), From: old.mf.Version, To: t.offer.mf.Version, FromDigest: old.Digest,
		ToDigest: t.offer.Digest, Took: time.Since(t.since), Err: text(err)}
	if t.g != nil {
		s.Exclusive = t.g.exclusive
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.swaps) == maxSwaps {
		a.swaps = slices.Delete(a.swaps, 0, 1)
	}
	a.swaps = append(a.swaps, s)
}

// publish lets callers and instances find g, instead of old if that is not nil.
// It returns how long they found neither.
func (a *actor) publish(g, old *generation) (gap time.Duration) {
	clashes := a.h.claim(a.slot, g.mf)
	if f := a.old; f != nil && g.prev.Load() == nil {
		g.prev.Store(f.g) // it replaces one that crashed while its own predecessor had calls
	}
	begin := time.Now()
	if old != nil {
		old.link.seal() // from here on callers come again, until they find the new one
	}
	a.gen.Store(g)
	gap = time.Since(begin)
	a.next.CompareAndSwap(g, nil)
	a.mu.Lock()
	a.starts++
	again, other := a.starts > 1, a.digest != g.Digest
	a.clashes, a.pid, a.number, a.digest = clashes, g.proc.pid, g.number, g.Digest
	a.mu.Unlock()
	if other {
		a.suspects.clear()
	}
	a.cur, a.up = g, time.Now()
	a.note(Running, nil)
	a.h.m.up.WithLabelValues(a.id).Set(1)
	a.h.m.held.WithLabelValues(a.id).Set(0)
	if again {
		a.h.m.restarts.WithLabelValues(a.id).Inc()
	}
	g.log.Info("plugin is up", "path", g.Path, "digest", short(g.Digest), "took", time.Since(g.since).Round(time.Microsecond).String())
	for _, c := range clashes {
		g.log.Error("driver is offered by two plugins", "driver", c, "kept_by", a.h.owner(c).id)
	}
	a.manifest.Store(g.mf)
	a.h.saveManifests()
	a.h.stirInstances()
	return gap
}

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
