package engine

import (
	"context"
	"errors"
	"iter"
	"sync"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/store"
)

// shard holds the cells of the conversations that have something to do, and
// the timers of all.
type shard struct {
	e   *Engine
	st  store.Shard
	ctx context.Context // ends when the shard is no longer owned

	mu     sync.Mutex // of cells
	cells  map[core.ConversationID]*cell
	docs   *documents
	timers timers
}

func newShard(ctx context.Context, e *Engine, st store.Shard) *shard {
	s := &shard{e: e, st: st, ctx: ctx, cells: map[core.ConversationID]*cell{}}
	s.docs = newDocuments(e.CacheBytes / store.Shards)
	s.timers.due = map[core.ConversationID]int64{}
	return s
}

// recover finds what a stop or a crash left: commands that have not ended,
// timers, and mail that was not decided. It returns the rest of the feed.
func (s *shard) recover() (f *feed, err error) {
	var found []*cell
	for ref, err := range s.st.Pending(s.ctx) {
		if err != nil {
			return nil, err
		}
		c := s.find(ref.ID.Conversation, &found)
		c.mu.Lock()
		l := c.lane(string(ref.Lane))
		l.more, l.unread = true, true
		c.mu.Unlock()
	}
	for t, err := range s.st.Timers(s.ctx) {
		if err != nil {
			return nil, err
		}
		s.timers.add(t.Conversation, t.Due.UnixMilli())
	}
	f = &feed{}
	f.next, f.stop = iter.Pull2(s.st.Feed(s.ctx))
	for {
		ref, err, ok := f.next()
		if err != nil || !ok {
			f.stop()
			return nil, errors.Join(err, s.ctx.Err())
		}
		if ref == (store.Ref{}) {
			break
		}
		c := s.find(ref.Conversation, &found)
		c.mu.Lock()
		c.high = max(c.high, ref.Seq)
		c.mu.Unlock()
	}
	for _, c := range found {
		c.mu.Lock()
		c.start()
		c.mu.Unlock()
	}
	s.setAlarm()
	return f, nil
}

// find returns the cell of a conversation that has work from before the start.
func (s *shard) find(id core.ConversationID, found *[]*cell) *cell {
	c := s.cell(id)
	if !c.found {
		c.found = true
		s.e.unseen.Add(1)
		*found = append(*found, c)
	}
	return c
}

// feed is a store's feed, behind the backlog.
type feed struct {
	next func() (store.Ref, error, bool)
	stop func()
}

// follow takes the news of the feed until the shard is no longer owned.
func (s *shard) follow(f *feed) error {
	defer f.stop()
	for {
		ref, err, ok := f.next()
		switch {
		case s.ctx.Err() != nil || !ok:
			<-s.ctx.Done()
			return nil
		case err != nil:
			return err
		}
		s.stored(ref)
	}
}

// stored wakes a conversation whose mail has reached the store.
func (s *shard) stored(ref store.Ref) {
	for !s.cell(ref.Conversation).stored(ref.Seq) {
	}
}

// push queues inputs for a conversation.
func (s *shard) push(id core.ConversationID, ins ...*input) {
	for !s.cell(id).push(ins...) {
	}
}

// cell returns the cell of a conversation, making it if needed.
func (s *shard) cell(id core.ConversationID) *cell {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.cells[id]
	if c == nil {
		c = &cell{s: s, id: id}
		s.cells[id] = c
	}
	return c
}

// awake returns the cell of a conversation, nil if it has nothing to do.
func (s *shard) awake(id core.ConversationID) *cell {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cells[id]
}

// evict forgets a cell that has nothing to do, and keeps its document for a
// while.
func (s *shard) evict(c *cell) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy || c.gone || len(c.queue) > 0 || len(c.lanes) > 0 || c.poll != nil || len(c.early) > 0 || c.high > c.seq {
		return
	}
	c.gone = true
	delete(s.cells, c.id)
	if c.loaded && c.doc != nil {
		s.docs.put(c.id, c.doc, c.rev)
	}
}

// stop ends the timers of a shard that is no longer owned.
func (s *shard) stop() {
	s.timers.stopAlarm()
}
