package main

import (
	"context"
	"sync/atomic"

	"github.com/mochi-mqtt/server/v2/packets"
)

// watcher publishes to one client whether its user is there, as a retained message
// would be. The library keeps none: it would keep one for each user who ever came.
type watcher struct {
	sub    atomic.Pointer[packets.Subscription]
	cancel context.CancelFunc
	ended  chan struct{}
}

// How a client of version 5 wants what is retained; others want it always.
const (
	retainedAlways = 0
	retainedNever  = 2
)

// watch begins to publish on sub, or goes on as sub says now. Only the client's own
// goroutine calls it.
func (s *session) watch(sub packets.Subscription) {
	if s.watcher != nil && sub.RetainHandling != retainedAlways {
		s.watcher.sub.Store(&sub)
		return
	}
	s.unwatch()
	ctx, cancel := context.WithCancel(context.Background())
	s.watcher = &watcher{cancel: cancel, ended: make(chan struct{})}
	s.watcher.sub.Store(&sub)
	go s.tellPresence(ctx, s.watcher)
}

// unwatch ends it.
func (s *session) unwatch() {
	if s.watcher == nil {
		return
	}
	s.watcher.cancel()
	<-s.watcher.ended
	s.watcher = nil
}

func (s *session) tellPresence(ctx context.Context, w *watcher) {
	defer close(w.ended)
	states := s.b.c.presence.watch(s.user)
	defer s.b.c.presence.unwatch(s.user, states)
	retained := w.sub.Load().RetainHandling != retainedNever
	if !retained {
		<-states // what was before
	}
	for ; ; retained = false {
		select {
		case online := <-states:
			sub := *w.sub.Load()
			p := packet{sure: true, retained: retained || sub.RetainAsPublished, body: []byte(presenceWord(online))}
			if err := s.publish(ctx, sub, p); err != nil {
				if ctx.Err() == nil {
					s.cl.Stop(err)
				}
				return
			}
		case <-ctx.Done():
			return
		}
	}
}
