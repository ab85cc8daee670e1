package sdk

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openccsp/gateway/sdk/internal/env"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// server is the plugin's side of the protocol: its instances and the link.
type server struct {
	pluginv1.UnimplementedPluginServer
	pluginv1.UnimplementedLinkServer

	plugin  Plugin
	drivers map[string]*Driver
	log     *slog.Logger
	now     func() time.Time
	work    *work

	ctx        context.Context // ends when serving ends
	cancel     context.CancelFunc
	draining   atomic.Bool
	background gauge // listeners, readers, instances being closed

	mu     sync.Mutex
	slots  map[string]*slot
	link   *link
	linked chan struct{} // closed while there is a link
}

func newServer(p Plugin, e env.Env) *server {
	s := &server{
		plugin: p, drivers: make(map[string]*Driver), log: e.Log, now: e.Now,
		work:  newWork(),
		slots: make(map[string]*slot), linked: make(chan struct{}),
	}
	for i := range p.Drivers {
		s.drivers[p.Drivers[i].name] = &p.Drivers[i]
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// close ends all instances, within ctx as far as drivers go along.
func (s *server) close(ctx context.Context) {
	s.draining.Store(true)
	s.eachSlot(func(sl *slot) { _ = sl.close(ctx) })
	s.cancel()
	s.mu.Lock()
	if s.link != nil {
		s.link.cancel()
	}
	s.mu.Unlock()
	s.work.stop(ctx)
	_ = s.background.wait(ctx) // if a driver hangs: the process is about to end
}

// eachSlot calls f for all slots at once and waits.
func (s *server) eachSlot(f func(*slot)) {
	s.mu.Lock()
	var wg sync.WaitGroup
	for _, sl := range s.slots {
		wg.Go(func() { f(sl) })
	}
	s.mu.Unlock()
	wg.Wait()
}

func (s *server) slot(name string, create bool) *slot {
	s.mu.Lock()
	defer s.mu.Unlock()
	sl := s.slots[name]
	if sl == nil && create {
		sl = newSlot(s, name)
		s.slots[name] = sl
	}
	return sl
}

// pin returns the open instance of that name, which stays open until its pin
// is dropped, or nil.
func (s *server) pin(name string) *instance {
	sl := s.slot(name, false)
	if sl == nil {
		return nil
	}
	for {
		in := sl.current.Load()
		if in == nil || in.pins.add() {
			return in
		} // else it has been replaced before it was closed
	}
}

// changeWait is how long what comes for an instance waits while its settings change,
// as long as the gateway has a webhook wait for a plugin.
const changeWait = 4 * time.Second

// await is pin, and waits for an instance that is being changed: an exclusive plugin
// has none meanwhile.
func (s *server) await(ctx context.Context, name string) *instance {
	if in := s.pin(name); in != nil {
		return in
	}
	sl := s.slot(name, false)
	if sl == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, changeWait)
	defer cancel()
	if sl.lock(ctx) != nil {
		return nil
	}
	sl.unlock()
	return s.pin(name)
}

// ---- the link ----

// attach makes l the link; one that was there ends.
func (s *server) attach(l *link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link != nil {
		s.link.cancel()
	} else {
		close(s.linked)
	}
	s.link = l
}

func (s *server) detach(l *link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link == l {
		s.link = nil
		s.linked = make(chan struct{})
	}
}

// waitLink returns the link, waiting for one until ctx ends.
func (s *server) waitLink(ctx context.Context) (*link, error) {
	for {
		s.mu.Lock()
		l, linked := s.link, s.linked
		s.mu.Unlock()
		if l != nil && l.hearing.Err() == nil {
			return l, nil
		}
		if l != nil {
			s.detach(l)
			continue
		}
		select {
		case <-linked:
		case <-ctx.Done():
			return nil, fmt.Errorf("no connection to the gateway: %w", ctx.Err())
		}
	}
}

func (s *server) currentLink() *link {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.link
}
