package engine

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/store"
)

const (
	storeRetry = time.Second          // after the store said no
	chatRefFor = 400 * 24 * time.Hour // how long a vendor's id of a chat stays bound
	msgRefFor  = 30 * 24 * time.Hour  // and a provider's of a message
)

// commit makes a plan durable, then tells those who wait and acts on it.
func (c *cell) commit(p *plan) {
	e := c.s.e
	for _, b := range p.binds {
		ttl := chatRefFor
		if b.Message {
			ttl = msgRefFor
		}
		switch err := e.Store.Bind(c.s.ctx, b.Instance, b.Ref, c.id, ttl); {
		case errors.Is(err, store.ErrConflict):
			e.Log.Error("vendor gave one id to two chats", "conversation", c.id, "instance", b.Instance)
		case err != nil:
			c.undo(p)
			c.abort(p.batch, err)
			return
		default:
			e.bound(b.Instance, b.Ref)
		}
	}
	rev, err := c.s.st.Commit(c.s.ctx, p.c)
	if err == nil {
		c.committed(p, rev)
		return
	}
	c.undo(p)
	var dup *store.DuplicateError
	switch {
	case errors.As(err, &dup):
		c.again(p, dup)
	case errors.Is(err, store.ErrConflict):
		e.Log.Warn("document was changed by another writer, deciding again", "conversation", c.id)
		c.forget()
		c.requeue(p.batch)
		e.Exec.Go(c.step)
	case errors.Is(err, store.ErrTooLarge):
		c.tooLarge(p)
	default:
		c.forget()
		c.abort(p.batch, err)
	}
}

// committed tells those who wait and acts.
func (c *cell) committed(p *plan, rev store.Rev) {
	e := c.s.e
	c.mu.Lock()
	c.doc, c.rev, c.loaded, c.single = p.doc, rev, true, false
	c.consume(p)
	c.mu.Unlock()
	if p.c.Timer.Set {
		c.s.arm(c.id, p.c.Timer.Due)
	}
	for _, in := range p.batch {
		if in.mail != nil {
			e.m.events.WithLabelValues(cmp.Or(in.mail.Source, "gateway")).Inc()
		}
		c.done(in)
	}
	if e.Verdicts != nil && len(p.verdicts) > 0 {
		e.Verdicts(p.now, p.verdicts)
	}
	c.notice(p)
	c.actOn(p)
	c.syncPoll()
	c.rest()
}

// consume notes which stored mail the plan has decided. The caller holds c.mu.
func (c *cell) consume(p *plan) {
	for _, seq := range p.c.Consume {
		c.seq = max(c.seq, seq)
	}
}

// done tells those who wait that an input is decided and durable.
func (c *cell) done(in *input) {
	if in.orphan != (orphanRef{}) {
		c.s.e.orphans.done(in.orphan, 1)
	}
	in.finish(nil)
}

// again decides a batch anew without its duplicates, which are acknowledged:
// their originals are durable.
func (c *cell) again(p *plan, dup *store.DuplicateError) {
	n := 0
	var keep []*input
	for _, in := range p.batch {
		if in.fresh && in.dedup.ID != "" && !in.dup {
			if slices.Contains(dup.Fresh, n) {
				c.s.e.m.duplicates.Inc()
				in.finish(nil)
				n++
				continue
			}
			n++
		}
		keep = append(keep, in)
	}
	c.requeue(keep)
	c.s.e.Exec.Go(c.step)
}

// requeue puts a batch back in front.
func (c *cell) requeue(batch []*input) {
	c.mu.Lock()
	defer c.mu.Unlock()
	keep := slices.DeleteFunc(batch, func(in *input) bool { return in.seq != 0 }) // the store has it
	c.queue = append(keep, c.queue...)
}

// tooLarge is for a document that would outgrow its limit: of several inputs
// each is tried alone, and a single one goes to quarantine.
func (c *cell) tooLarge(p *plan) {
	e := c.s.e
	if len(p.batch) > 1 {
		c.requeue(p.batch)
		c.single = true
		e.Exec.Go(c.step)
		return
	}
	in := p.batch[0]
	q := &plan{batch: p.batch, doc: c.doc, now: p.now, ended: map[uint64]bool{}}
	q.c = &store.Commit{ID: e.commitID(), Conversation: c.id, Expect: c.rev, Consume: p.c.Consume, Fresh: p.c.Fresh}
	if q.doc == nil {
		q.doc = c.newDocument()
		q.c.Doc = encode(q.doc)
	}
	c.quarantine(q, in, 0, conversation.Poison{Type: "document", Stack: "the document would be too large"})
	if in.result != nil {
		cmd := in.result.res.Command
		q.ended[cmd.Number] = true
		q.c.OutDone = append(q.c.OutDone, store.OutRef{ID: commandID(cmd), Lane: store.Lane(cmd.Lane)})
	}
	_, err := c.s.st.Commit(c.s.ctx, q.c)
	if errors.Is(err, store.ErrDuplicate) { // its original is in quarantine
		e.m.duplicates.Inc()
		in.finish(nil)
		c.rest()
		return
	}
	if err != nil {
		c.forget()
		c.abort(q.batch, err)
		return
	}
	c.mu.Lock()
	c.loaded = false
	c.consume(q)
	c.mu.Unlock()
	c.done(in)
	c.actOn(q)
	c.rest()
}
