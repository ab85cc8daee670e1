package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// The states of a plugin.
const (
	Starting = "starting"
	Running  = "running"
	Backoff  = "backoff" // it ended or did not start; it will be started again
	Failed   = "failed"  // another start would end the same way
	Standby  = "standby" // another file offers the same plugin in a higher version
)

var errReplaced = errors.New("replaced by a higher version")

// offer is a file that offers the slot's plugin.
type offer struct {
	file
	version semver
	text    string // of the version
	tail    *tail
}

// slot is the place of one plugin id. Its goroutine starts, watches, restarts
// and stops the plugin's processes, one generation after the other. What is
// known of its past lies here and not in a generation.
//
// gen is the one pointer that callers follow.
type slot struct {
	h        *Host
	id       string
	gen      atomic.Pointer[generation]
	manifest atomic.Pointer[manifest] // of the last generation
	offers   chan *generation         // described processes of further files

	mu       sync.Mutex
	files    []offer // best first
	state    string
	since    time.Time
	starts   int
	err      error
	clashes  []string // drivers that another plugin has
	pid      int
	number   uint64 // of the latest generation
	upSince  time.Time
	replaced *generation // the better one that watch was ended for
}

func newSlot(h *Host, id string) *slot {
	return &slot{h: h, id: id, offers: make(chan *generation), state: Starting, since: time.Now()}
}

// run keeps the plugin alive until ctx ends; then it stops it. g is its first
// generation, described and not yet connected.
func (s *slot) run(ctx context.Context, g *generation) {
	wait := newRestartWait()
	for {
		err := s.once(ctx, g, wait)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errReplaced):
			g = s.takeReplaced()
		case isFinal(err):
			s.note(Failed, err)
			g = s.pause(ctx, -1)
		default:
			d := wait.next()
			s.note(Backoff, err)
			g = s.pause(ctx, d)
		}
	}
}

// once lives one generation: g, or else a new process. It returns why that
// ended.
func (s *slot) once(ctx context.Context, g *generation, wait *restartWait) error {
	if g == nil {
		var err error
		if g, err = s.start(ctx); err != nil {
			return err
		}
	}
	if err := g.connect(ctx, s); err != nil {
		g.kill()
		return err
	}
	up := time.Now()
	s.publish(g)
	err := g.watch(ctx, s.offers, s.better)
	if time.Since(up) >= s.h.t.healthy {
		wait.reset()
	}
	s.retire(ctx, g, err)
	return err
}

// start starts the best file. Files that are gone are forgotten, unless it is
// the last.
func (s *slot) start(ctx context.Context) (*generation, error) {
	s.note(Starting, nil)
	for {
		s.mu.Lock()
		best, others := s.files[0], len(s.files) > 1
		s.mu.Unlock()
		g, err := startGeneration(ctx, s.h, best.file, best.tail)
		if errors.Is(err, fs.ErrNotExist) && others {
			s.mu.Lock()
			s.files = s.files[1:]
			s.mu.Unlock()
			continue
		}
		if err != nil {
			return nil, err
		}
		if g.mf.PluginId != s.id {
			g.kill()
			return nil, fmt.Errorf("file now offers plugin %s", g.mf.PluginId)
		}
		s.add(g)
		return g, nil
	}
}

// publish lets callers and instances find g.
func (s *slot) publish(g *generation) {
	clashes := s.h.claim(s, g.mf)
	s.mu.Lock()
	s.starts++
	again := s.starts > 1
	s.clashes, s.pid, s.number, s.upSince = clashes, g.proc.pid, g.number, g.since
	s.mu.Unlock()
	s.gen.Store(g)
	s.note(Running, nil)
	s.h.m.up.WithLabelValues(s.id).Set(1)
	if again {
		s.h.m.restarts.WithLabelValues(s.id).Inc()
	}
	g.log.Info("plugin is up", "path", g.file.path, "took", time.Since(g.since).Round(time.Microsecond).String())
	for _, c := range clashes {
		g.log.Error("driver is offered by two plugins", "driver", c, "kept_by", s.h.owner(c).id)
	}
	s.manifest.Store(g.mf)
	s.h.saveManifests()
	s.h.stirInstances()
}

// retire takes g out of the way: drained if it goes in peace, else at once.
func (s *slot) retire(ctx context.Context, g *generation, err error) {
	peace := ctx.Err() != nil || errors.Is(err, errReplaced)
	g.stopping.Store(peace)
	s.gen.Store(nil)
	s.h.m.up.WithLabelValues(s.id).Set(0)
	s.h.stirInstances()
	if !peace {
		g.log.Error("plugin ended", "err", err)
		g.kill()
		return
	}
	all, cancel := context.WithTimeout(context.Background(), s.h.t.stop)
	defer cancel()
	g.quit(all)
	g.log.Info("plugin stopped")
}

// better takes an offered generation, whose file has been added: true if it
// shall replace the current one.
func (s *slot) better(g *generation) bool {
	s.mu.Lock()
	best := s.files[0].path == g.file.path
	s.mu.Unlock()
	if !best {
		s.h.wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), s.h.t.stop)
			defer cancel()
			g.stop(ctx)
		})
		return false
	}
	s.mu.Lock()
	s.replaced = g
	s.mu.Unlock()
	return true
}

func (s *slot) takeReplaced() *generation {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.replaced
	s.replaced = nil
	return g
}

// add puts g's file among those that offer the plugin. The best is the one with
// the highest version, then the newest.
func (s *slot) add(g *generation) {
	o := offer{file: g.file, version: g.mf.semver, text: g.mf.Version, tail: g.lines.tail}
	s.mu.Lock()
	s.files = slices.DeleteFunc(s.files, func(f offer) bool { return f.path == o.path })
	s.files = append(s.files, o)
	slices.SortStableFunc(s.files, compareOffers)
	active := s.files[0]
	s.mu.Unlock()
	if active.path != o.path {
		g.log.Info("plugin file is standby", "path", g.file.path, "active", active.path, "active_version", active.text)
	}
}

func compareOffers(a, b offer) int {
	if c := b.version.compare(a.version); c != 0 {
		return c
	}
	if c := b.modTime.Compare(a.modTime); c != 0 {
		return c
	}
	return cmp.Compare(a.path, b.path)
}

// pause waits for d, for ever if d < 0, or until an offer or ctx's end comes.
func (s *slot) pause(ctx context.Context, d time.Duration) *generation {
	var over <-chan time.Time
	if d >= 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		over = t.C
	}
	for {
		select {
		case <-over:
			return nil
		case <-ctx.Done():
			return nil
		case g := <-s.offers:
			if s.better(g) {
				return s.takeReplaced()
			}
		}
	}
}

func (s *slot) note(state string, err error) {
	s.mu.Lock()
	if s.state != state {
		s.state, s.since = state, time.Now()
	}
	if err != nil {
		s.err = err
	}
	if state != Running {
		s.pid = 0
	}
	s.mu.Unlock()
	if err != nil && (state == Failed || state == Backoff) {
		s.h.log.Warn("plugin is down", "plugin", s.id, "state", state, "err", err)
	}
	s.h.changed()
}

// isFinal says that another start would end the same way.
func isFinal(err error) bool {
	if _, ok := errors.AsType[*manifestError](err); ok {
		return true
	}
	return errors.Is(err, syscall.ENOEXEC) || errors.Is(err, syscall.EACCES) ||
		err != nil && strings.HasPrefix(err.Error(), "incompatible ")
}

// restartWait is the wait before each restart: none, then 100 ms doubling to
// 30 s, give or take a fifth.
type restartWait struct {
	first bool
	b     backoff.ExponentialBackOff
}

func newRestartWait() *restartWait {
	w := &restartWait{b: backoff.ExponentialBackOff{InitialInterval: 100 * time.Millisecond,
		Multiplier: 2, RandomizationFactor: 0.2, MaxInterval: 30 * time.Second}}
	w.reset()
	return w
}

func (w *restartWait) reset() {
	w.first = true
	w.b.Reset()
}

func (w *restartWait) next() time.Duration {
	if w.first {
		w.first = false
		return 0
	}
	return w.b.NextBackOff()
}

// pin returns the slot's current generation, which then is not taken for
// drained before unpin; nil if there is none.
func (s *slot) pin() *generation {
	for {
		g := s.gen.Load()
		if g == nil {
			return nil
		}
		g.pins.Add(1)
		if s.gen.Load() == g {
			return g
		}
		g.pins.Add(-1)
	}
}

func (g *generation) unpin() { g.pins.Add(-1) }
