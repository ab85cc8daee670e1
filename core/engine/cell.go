package engine

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
)

const (
	maxBatch = 64 // inputs decided in one step
	maxQueue = 64 // events waiting in memory for one conversation; later ones wait in the store
)

// cell is a conversation with something to do. One step of it runs at a time.
type cell struct {
	s  *shard
	id core.ConversationID

	mu      sync.Mutex
	gone    bool            // evicted: look the conversation up again
	busy    bool            // a step is running, or waiting for its commit
	doc     *state.Document // nil: there is none; never changed, only replaced
	rev     store.Rev
	loaded  bool // doc and rev are what the store has
	queue   []*input
	seq     store.Seq // the last mail consumed
	high    store.Seq // the last mail known to be stored
	lanes   map[string]*lane
	poll    *poller
	early   []*input // timers of an earlier life, until it is known whether the chat is polled
	synced  bool     // poll is what the document asks for
	holding bool     // an orphan whose stored mail waits for its ref to be bound
	wakes   int      // how often it was told to stop waiting
	found   bool     // a start found it in the store, and it has not stepped yet
	single  bool     // one input a step: together they were too large
}

// push queues inputs, in order, and starts a step if none is running. It
// returns false if the cell was evicted.
func (c *cell) push(ins ...*input) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return false
	}
	c.enqueue(ins...)
	return true
}

// pushAndStep is push for a caller that will wait anyway: if no step is running
// it is to run the returned one itself.
func (c *cell) pushAndStep(ins []*input) (step func(), ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return nil, false
	}
	c.queue = append(c.queue, ins...)
	if c.busy || c.s.ctx.Err() != nil {
		return nil, true
	}
	c.busy = true
	return c.step, true
}

// enqueue is push for those who hold c.mu.
func (c *cell) enqueue(ins ...*input) {
	c.queue = append(c.queue, ins...)
	c.start()
}

// start runs a step unless one is running. The caller holds c.mu.
func (c *cell) start() {
	if !c.busy {
		c.busy = true
		c.s.e.Exec.Go(c.step)
	}
}

// full says whether events should wait in the store instead of here.
func (c *cell) full() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue) >= maxQueue || c.high > c.seq
}

// stored notes that mail up to seq is in the store.
func (c *cell) stored(seq store.Seq) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return false
	}
	if seq > c.high {
		c.high = seq
		c.start()
	}
	return true
}

// step decides what is queued and commits it.
func (c *cell) step() {
	if !c.loaded {
		if err := c.load(); err != nil {
			c.abort(nil, err)
			return
		}
		c.wake()
		c.s.e.recovered(c)
	}
	batch, err := c.take()
	if err != nil {
		c.abort(batch, err)
		return
	}
	if len(batch) == 0 {
		c.syncPoll()
		c.rest()
		return
	}
	if batch, err = c.settle(batch); err != nil {
		c.abort(batch, err)
		return
	}
	if batch = c.readRests(batch); len(batch) == 0 {
		c.rest()
		return
	}
	p := c.plan(batch)
	c.s.e.Exec.Then(func() { c.commit(p) })
}

// load reads the document.
func (c *cell) load() error {
	doc, rev, ok := c.s.docs.take(c.id)
	if !ok {
		b, r, err := c.s.st.Load(c.s.ctx, c.id)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		rev = r
		if len(b) > 0 {
			doc = &state.Document{}
			if err := doc.UnmarshalVT(b); err != nil {
				return fmt.Errorf("document of %s: %w", c.id, err)
			}
		}
	}
	c.mu.Lock()
	c.doc, c.rev, c.loaded = doc, rev, true
	c.mu.Unlock()
	return nil
}

// forget drops the document: what the store has is not known.
func (c *cell) forget() {
	c.mu.Lock()
	c.loaded = false
	c.mu.Unlock()
}

// take returns the next inputs: results and updates first; then events that are
// not durable yet, since those that came after them went into the store; then
// stored mail; and timers only when none of that is left.
func (c *cell) take() ([]*input, error) {
	c.mu.Lock()
	limit := maxBatch
	if c.single {
		limit = 1
	}
	var batch, mail, keep []*input
	backlog := c.high > c.seq
	for _, in := range c.queue {
		switch {
		case len(batch)+len(mail) == limit, in.mail != nil && !in.fresh && backlog:
			keep = append(keep, in)
		case in.mail == nil:
			batch = append(batch, in)
		default:
			mail = append(mail, in)
		}
	}
	batch = append(batch, mail...)
	c.queue = keep
	after, holding := c.seq, c.holding
	c.mu.Unlock()
	if !backlog || holding || len(batch) >= limit {
		return batch, nil
	}
	mails, err := c.s.st.Mail(c.s.ctx, c.id, after, limit-len(batch))
	if err != nil {
		return batch, err
	}
	for _, m := range mails {
		mail := &state.Mail{}
		if err := mail.UnmarshalVT(m.Body); err != nil { // Decide finds it empty: it goes to quarantine
			c.s.e.Log.Error("stored event cannot be read", "conversation", c.id, "err", err)
			mail = &state.Mail{Source: "unreadable", Trace: hex.EncodeToString(m.Body)}
		}
		batch = append(batch, &input{mail: mail, seq: m.Seq})
	}
	if len(mails) == 0 { // all that was announced is consumed
		c.mu.Lock()
		c.seq = c.high
		c.mu.Unlock()
	}
	return batch, nil
}

// rest ends the cell's work for now.
func (c *cell) rest() {
	c.mu.Lock()
	if len(c.queue) > 0 || len(c.early) > 0 || c.high > c.seq && !c.holding {
		c.mu.Unlock()
		c.s.e.Exec.Go(c.step)
		return
	}
	c.busy = false
	c.sleep()
	c.mu.Unlock()
	c.s.evict(c)
}

// sleep lets go of the document and of the commands while all lanes wait, for
// an instance or for a time: the store has them. The caller holds c.mu.
func (c *cell) sleep() {
	if !c.loaded || c.doc == nil || len(c.lanes) == 0 || c.poll != nil {
		return
	}
	for _, l := range c.lanes {
		if len(l.items) > 0 && l.items[0].state != waiting {
			return
		}
	}
	for _, l := range c.lanes {
		l.items, l.more = nil, true
	}
	c.s.docs.put(c.id, c.doc, c.rev)
	c.doc, c.loaded = nil, false
}

// abort gives a batch back after the store said no: events that are not durable
// are refused, stored mail stays in the store, the rest is tried again.
func (c *cell) abort(batch []*input, err error) {
	e := c.s.e
	retry := c.s.ctx.Err() == nil
	switch {
	case errors.Is(err, store.ErrBroken):
		e.fail(err)
		retry = false
	case errors.Is(err, store.ErrFenced), errors.Is(err, store.ErrClosed):
		retry = false
	case !errors.Is(err, context.Canceled):
		e.Log.Warn("store said no, will retry", "conversation", c.id, "err", err)
	}
	var keep, refused []*input
	c.mu.Lock()
	for _, in := range append(batch, c.queue...) {
		if in.fresh {
			refused = append(refused, in)
		} else if in.seq == 0 {
			keep = append(keep, in)
		}
	}
	c.queue = keep
	unread := !c.loaded && len(c.lanes) > 0 // nobody else wakes the lanes
	retry = retry && (len(keep) > 0 || len(c.early) > 0 || c.high > c.seq || unread)
	c.busy = retry
	c.mu.Unlock()
	for _, in := range refused {
		in.finish(unavailable(err))
	}
	if retry {
		e.Clock.AfterFunc(storeRetry, func() { e.Exec.Go(c.step) })
		return
	}
	c.s.evict(c)
}

// unavailable is what a far side is told when the store said no.
func unavailable(err error) error {
	return &core.Error{Code: core.Unavailable, Message: "the event could not be made durable", Err: err}
}

// newDocument makes the empty document of the conversation.
func (c *cell) newDocument() *state.Document {
	e := c.s.e
	return conversation.New(c.id, e.Rand(), e.Clock.Now())
}

// commitID returns a random id for a commit.
func (e *Engine) commitID() (id [16]byte) {
	binary.BigEndian.PutUint64(id[:8], e.Rand())
	binary.BigEndian.PutUint64(id[8:], e.Rand())
	return id
}
