package badger

import (
	"context"
	"fmt"
	"sync"

	"github.com/openccsp/gateway/core/store"
)

// Bounds of the queue before the committer.
const (
	maxGroup      = 256     // requests in a group
	maxGroupBytes = 1 << 20 // of a group of more than one request
	maxGroups     = 16      // waiting; then callers wait
)

// group is what one transaction and one sync write. Its callers wait for done.
type group struct {
	requests []*request // nil: withdrawn
	size     int
	taken    bool
	done     chan struct{}
}

// queue collects requests into groups. While the committer writes one group,
// the next fills.
type queue struct {
	mu     sync.Mutex
	groups []*group // the last one fills
	err    error    // set when no more may come
	wake   chan struct{}
	room   chan struct{} // closed when a group is taken; nil: nobody waits
	spare  []*request    // backing of a done group
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

// join puts r into a group. If there is no room it returns a channel to wait
// for it instead.
func (q *queue) join(r *request) (*group, <-chan struct{}, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil {
		return nil, nil, q.err
	}
	n := len(q.groups)
	if n > 0 {
		g := q.groups[n-1]
		if len(g.requests) < maxGroup && g.size+r.size <= maxGroupBytes {
			g.requests = append(g.requests, r)
			g.size += r.size
			return g, nil, nil
		}
	}
	if n == maxGroups {
		if q.room == nil {
			q.room = make(chan struct{})
		}
		return nil, q.room, nil
	}
	g := &group{requests: append(q.spare, r), size: r.size, done: make(chan struct{})}
	q.spare = nil
	q.groups = append(q.groups, g)
	if n == 0 {
		q.signal()
	}
	return g, nil, nil
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// withdraw takes r out of g, unless the committer has it already.
func (q *queue) withdraw(g *group, r *request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if g.taken {
		return false
	}
	for i := range g.requests {
		if g.requests[i] == r {
			g.requests[i] = nil
		}
	}
	return true
}

// take waits for a group; nil means that there will be none.
func (q *queue) take() *group {
	for {
		q.mu.Lock()
		if len(q.groups) > 0 {
			g := q.groups[0]
			q.groups = append(q.groups[:0], q.groups[1:]...)
			g.taken = true
			if q.room != nil {
				close(q.room)
				q.room = nil
			}
			q.mu.Unlock()
			return g
		}
		over := q.err != nil
		q.mu.Unlock()
		if over {
			return nil
		}
		<-q.wake
	}
}

// answer wakes the callers of a group and keeps its slice for another.
func (q *queue) answer(g *group) {
	clear(g.requests)
	q.mu.Lock()
	q.spare = g.requests[:0]
	q.mu.Unlock()
	g.requests = nil
	close(g.done)
}

// end refuses new requests with err.
func (q *queue) end(err error) {
	q.mu.Lock()
	if q.err == nil {
		q.err = err
	}
	q.signal()
	q.mu.Unlock()
}

// submit hands r to the committer and waits for the answer, which is r.err.
// When it returns, nobody else holds r. An ended ctx withdraws r if the
// committer does not have it yet; otherwise its outcome is waited for, so that
// a caller never has to guess.
func (s *Store) submit(ctx context.Context, r *request) error {
	for {
		g, room, err := s.queue.join(r)
		if err != nil {
			return err
		}
		if room != nil {
			select {
			case <-room:
				continue
			case <-ctx.Done():
				return unavailable(ctx)
			}
		}
		select {
		case <-g.done:
			return r.err
		case <-ctx.Done():
		}
		if s.queue.withdraw(g, r) {
			return unavailable(ctx)
		}
		<-g.done
		return r.err
	}
}

func unavailable(ctx context.Context) error {
	return fmt.Errorf("%w: %w", store.ErrUnavailable, context.Cause(ctx))
}
