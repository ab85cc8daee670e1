package engine

import (
	"sync"
	"time"

	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// How long typing is shown if no stop comes and the driver that reports it does
// not say, and at most.
const (
	typingTTL    = 4 * time.Second
	maxTypingTTL = time.Minute
)

// maxTypists is how many are shown as typing at a time.
const maxTypists = 4096

// typist is somebody who types: the customer at address, or who answers a chat.
type typist struct{ instance, address, chat string }

func typistOf(instance string, t *pluginv1.Typing) typist {
	return typist{instance, t.Address, t.ChatRef}
}

// typists are those whose typing is shown and has not ended.
type typists struct {
	mu  sync.Mutex
	all map[typist]*expiry
}

type expiry struct{ stop func() }

// typingTTLOf is how long typing that an instance reports is shown.
func typingTTLOf(conf *conversation.Instance) time.Duration {
	ttl := time.Duration(conf.Caps.GetTypingTtlMs()) * time.Millisecond
	if ttl == 0 {
		return typingTTL
	}
	return min(ttl, maxTypingTTL)
}

// begin has end called once ttl has passed without another begin or a stop. It
// says no, and does not, if too many are typing.
func (s *typists) begin(clock Clock, who typist, ttl time.Duration, end func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.all[who]
	if old == nil && len(s.all) >= maxTypists {
		return false
	}
	if old != nil {
		old.stop()
	}
	if s.all == nil {
		s.all = map[typist]*expiry{}
	}
	x := &expiry{}
	s.all[who] = x
	x.stop = clock.AfterFunc(ttl, func() {
		if s.expire(who, x) {
			end()
		}
	})
	return true
}

// expire takes one out whose time has come, unless something came first.
func (s *typists) expire(who typist, x *expiry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all[who] != x {
		return false
	}
	delete(s.all, who)
	return true
}

// stop takes one out who has stopped.
func (s *typists) stop(who typist) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.all[who]; x != nil {
		x.stop()
		delete(s.all, who)
	}
}
