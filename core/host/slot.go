package host

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// The states of a plugin.
const (
	Starting    = "starting"
	Running     = "running"
	Swapping    = "swapping"    // it runs, and its successor is being prepared
	Backoff     = "backoff"     // it ended or did not start; it will be started again
	Failed      = "failed"      // another start would end the same way
	Standby     = "standby"     // another file offers the same plugin in a higher version
	Rejected    = "rejected"    // it did not pass, and is not tried again; see Plugin.Rejected
	Quarantined = "quarantined" // it crashed too often, or an operator said so
	Stopped     = "stopped"     // none of its files may run
)

// slot is the place of one plugin id. Its actor starts, watches, swaps and
// stops the plugin's processes. What is known of its past lies here and not in
// a generation.
//
// gen is the one pointer that callers follow.
type slot struct {
	h        *Host
	id       string
	gen      atomic.Pointer[generation]
	next     atomic.Pointer[generation] // being prepared to take over
	manifest atomic.Pointer[manifest]   // of the last generation
	wake     chan struct{}              // the actor is to look again
	log      *tail
	suspects suspects

	mu       sync.Mutex
	shelf    shelf
	warm     map[string]*generation // described processes, by digest
	past     past
	idle     error // why it is not started before something changes
	state    string
	since    time.Time
	restarts int // after ends that nobody asked for
	err      error
	clashes  []string // drivers that another plugin has
	pid      int
	number   uint64 // of the latest generation
	digest   string // of it
	swaps    []Swap
	trial    time.Time // end of the probation; zero: there is none
	entering bool      // run has been called
}

func newSlot(h *Host, id string) *slot {
	return &slot{h: h, id: id, wake: make(chan struct{}, 1), state: Starting, since: time.Now(),
		warm: make(map[string]*generation), log: &tail{}, past: h.ledger.past(id)}
}

// stir makes the actor look again. It does not block.
func (s *slot) stir() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// offer puts a program on the shelf; g, if not nil, is a described process of
// it, which is the slot's from now on. lifts says that another program than the
// one that crashed ends a quarantine.
func (s *slot) offer(o *offer, g *generation, lifts bool) {
	s.mu.Lock()
	s.shelf.put(o, s.fit)
	if n := len(s.past.Crashes); lifts && n > 0 && s.past.Crashes[n-1].Digest != o.Digest && s.shelf.best(s.fit) == o {
		s.past.Until, s.past.Level = time.Time{}, 0
	}
	if g != nil {
		s.warm[o.Digest] = g
		g.lines.into(s.log)
	}
	s.idle = nil
	s.mu.Unlock()
	s.stir()
}

// withdraw takes what a path offers away.
func (s *slot) withdraw(path string) {
	s.mu.Lock()
	s.shelf.remove(path)
	s.mu.Unlock()
	s.stir()
}

// reconfigured says that instances of the slot have changed: what was wrong
// with them may be right now.
func (s *slot) reconfigured() {
	s.mu.Lock()
	s.idle = nil
	s.past.Until, s.past.Level = time.Time{}, 0
	s.mu.Unlock()
	s.stir()
}

// gone says that the slot has neither files nor a process.
func (s *slot) gone() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.shelf.paths) == 0 && s.gen.Load() == nil && s.next.Load() == nil
}

// fit says whether an offer may run. The caller holds s.mu.
func (s *slot) fit(o *offer) bool { return s.past.rejected(o, s.h.cfg.HostVersion) == nil }

// takeWarm returns the described process of a digest, nil if there is none, and
// those that nobody wants.
func (s *slot) takeWarm(digest string) (g *generation, others []*generation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for d, w := range s.warm {
		if d == digest {
			g = w
		} else {
			others = append(others, w)
		}
	}
	clear(s.warm)
	return g, others
}

// note says what state the slot is in, which ends the wait of those who wait for
// it.
func (s *slot) note(state string, err error) {
	if err != nil && (state == Failed || state == Backoff || state == Quarantined) {
		s.h.log.Warn("plugin is down", "plugin", s.id, "state", state, "err", err)
	}
	s.mu.Lock()
	news := s.state != state
	if news {
		s.state, s.since = state, time.Now()
	}
	if err != nil {
		s.err = err
	}
	if state != Running && state != Swapping {
		s.pid = 0
	}
	s.mu.Unlock()
	if news || err != nil {
		s.h.changed()
	}
}

// absence says why there is no generation, and what to do about it.
func (s *slot) absence() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := fmt.Sprintf("plugin %s is ", s.id)
	switch {
	case s.past.Operator:
		return text + "in quarantine by an operator; gateway plugin release " + s.id
	case s.state == Quarantined:
		return text + "in quarantine after crashes; see gateway plugin show " + s.id
	case s.state == Stopped:
		return text + "stopped: no file of it may run; see gateway plugin list"
	}
	return text + "down"
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

// stopSoon stops a process that serves nobody, in the background.
func (h *Host) stopSoon(g *generation) {
	h.wg.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), h.t.stop)
		defer cancel()
		g.stop(ctx)
	})
}
