package engine

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/store"
)

// holdFor is how long events of an unknown chat wait for the answer to an open
// that is under way: the vendor may speak of a chat before it has answered.
const holdFor = 10 * time.Second

// orphans are the events of unknown chats that are in the store and not
// decided. While a ref has some, its later events go behind them, also when
// the ref is bound by then.
type orphans struct {
	refs atomic.Int64 // how many have some: most events are spared the lock
	mu   sync.Mutex
	all  map[orphanRef]*orphan
}

type orphanRef struct{ instance, ref string }

// orphan is the mailbox of a ref that is not bound.
type orphan struct {
	id core.ConversationID
	n  int // events
}

// add notes n events of a ref.
func (o *orphans) add(k orphanRef, id core.ConversationID, n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.all == nil {
		o.all = map[orphanRef]*orphan{}
	}
	if o.all[k] == nil {
		o.all[k] = &orphan{id: id}
		o.refs.Add(1)
	}
	o.all[k].n += n
}

// done notes that n events of a ref are decided, or in another mailbox.
func (o *orphans) done(k orphanRef, n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if w := o.all[k]; w != nil {
		if w.n -= n; w.n <= 0 {
			delete(o.all, k)
			o.refs.Add(-1)
		}
	}
}

// has returns the mailbox of a ref's events, if there are any.
func (o *orphans) has(k orphanRef) (core.ConversationID, bool) {
	if o.refs.Load() == 0 {
		return core.ConversationID{}, false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	w := o.all[k]
	if w == nil {
		return core.ConversationID{}, false
	}
	return w.id, true
}

// letAllGoOn has all orphans looked at again.
func (e *Engine) letAllGoOn() {
	e.orphans.mu.Lock()
	var ids []core.ConversationID
	for _, w := range e.orphans.all {
		ids = append(ids, w.id)
	}
	e.orphans.mu.Unlock()
	slices.SortFunc(ids, func(a, b core.ConversationID) int { return bytes.Compare(a[:], b[:]) })
	for _, id := range ids {
		e.letGoOn(id)
	}
}

// bound tells those who wait for a ref that it is bound.
func (e *Engine) bound(instance, ref string) {
	if id, ok := e.orphans.has(orphanRef{instance, ref}); ok {
		e.letGoOn(id)
	}
}

// letGoOn has an orphan looked at again. One with nothing to do has nothing that
// waits: its events are on their way into the store.
func (e *Engine) letGoOn(id core.ConversationID) {
	if s := e.shard(id); s != nil {
		if c := s.awake(id); c != nil {
			c.letGoOn()
		}
	}
}

// letGoOn ends an orphan's waiting: its mail is looked at again.
func (c *cell) letGoOn() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wakes++
	c.holding = false
	if !c.gone && c.high > c.seq {
		c.start()
	}
}

// settle hands the mail of an orphan to the conversation that its chat is bound
// to by now. It returns what is to be decided here; mail that waits for its
// ref stays in the store.
func (c *cell) settle(batch []*input) ([]*input, error) {
	var here []*input
	for k, in := range batch {
		ev := in.mail.GetEvent()
		if in.seq == 0 || ev.GetRef() == "" || c.id != core.OrphanID(in.mail.Instance, ev.Ref) {
			here = append(here, in)
			continue
		}
		in.orphan = orphanRef{in.mail.Instance, ev.Ref}
		wait, err := c.place(in)
		if err != nil {
			return batch, err
		}
		if wait {
			for _, later := range batch[k+1:] {
				if later.seq == 0 {
					here = append(here, later)
				}
			}
			return here, nil
		}
		here = append(here, in)
	}
	return here, nil
}

// place brings one mail where it belongs: to another conversation, then in has
// no mail any more, or here; or it must wait.
func (c *cell) place(in *input) (wait bool, err error) {
	e := c.s.e
	if _, ok := e.orphans.has(in.orphan); !ok {
		e.orphans.add(in.orphan, c.id, 1) // it waited over a stop of the gateway
	}
	c.mu.Lock()
	wakes := c.wakes
	c.mu.Unlock()
	home, ok, err := c.homeOf(in)
	if err != nil {
		return false, err
	}
	if ok {
		// The id makes a second try after a crash a duplicate, and one of the
		// provider too.
		d := store.Dedup{Instance: in.orphan.instance, ID: in.mail.GetEvent().GetId(), For: dedupOf(e.Snap().Instances[in.orphan.instance])}
		if d.ID == "" {
			d = store.Dedup{Instance: "gateway", ID: fmt.Sprintf("orphan-%s-%d", c.id, in.seq), For: appendFor}
		}
		ev := store.Event{Conversation: home, Body: encode(in.mail), Dedup: d}
		if err := e.store(c.s.ctx, ev); err != nil {
			return false, err
		}
		in.mail = nil
		return false, nil
	}
	age := e.Clock.Now().Sub(time.UnixMilli(in.mail.AcceptedMs))
	if c.doc != nil || age >= holdFor || !e.opening(in.orphan.instance) {
		return false, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wakes != wakes {
		return true, nil // bound meanwhile: rest looks again
	}
	c.holding = true
	e.Clock.AfterFunc(holdFor-age, func() { e.Exec.Go(c.letGoOn) })
	return true, nil
}

// homeOf returns the conversation an orphan's mail belongs to by now, if any.
func (c *cell) homeOf(in *input) (core.ConversationID, bool, error) {
	if linked := c.doc.GetLinked(); len(linked) == len(c.id) {
		return core.ConversationID(linked), true, nil
	}
	id, err := c.s.e.Store.Resolve(c.s.ctx, in.orphan.instance, in.orphan.ref)
	if errors.Is(err, store.ErrNotFound) || err == nil && id == c.id {
		return id, false, nil
	}
	return id, err == nil, err
}
