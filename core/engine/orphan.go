package engine

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/store"
)

// holdFor is how long events of an unknown chat wait for the answer to an open
// that is under way: the vendor may speak of a chat before it has answered.
const holdFor = 10 * time.Second

// orphans are the conversations of unknown chats whose events wait.
type orphans struct {
	mu  sync.Mutex
	all map[string]core.ConversationID // by instance and ref
}

func orphanKey(instance, ref string) string { return instance + "\x00" + ref }

// hold makes the events of an unknown chat durable, acknowledges them, and
// lets them wait.
func (e *Engine) hold(s *shard, g group) {
	mail := g.ins[0].mail
	key := orphanKey(mail.Instance, mail.GetEvent().GetRef())
	e.orphans.mu.Lock()
	if e.orphans.all == nil {
		e.orphans.all = map[string]core.ConversationID{}
	}
	first := e.orphans.all[key] == (core.ConversationID{})
	e.orphans.all[key] = g.id
	e.orphans.mu.Unlock()

	c := s.cell(g.id)
	c.mu.Lock()
	c.holding, c.release = true, false
	c.mu.Unlock()
	if first {
		e.Clock.AfterFunc(holdFor, func() { e.Exec.Go(func() { e.letGo(key) }) })
	}
	e.Exec.Go(func() { e.storeGroup(s, g) })
}

// bound tells those who wait for a ref that it is bound.
func (e *Engine) bound(instance, ref string) { e.letGo(orphanKey(instance, ref)) }

// letGo lets an orphan's events be decided: where their chat belongs by now,
// else on the orphan itself.
func (e *Engine) letGo(key string) {
	e.orphans.mu.Lock()
	id, ok := e.orphans.all[key]
	delete(e.orphans.all, key)
	e.orphans.mu.Unlock()
	s := e.shard(id)
	if !ok || s == nil {
		return
	}
	c := s.cell(id)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.release = true
	if !c.gone && c.high > c.seq {
		c.start()
	}
}

// rehome hands mail of an orphan to the conversation that its chat is bound to
// by now. It returns what stays.
func (c *cell) rehome(batch []*input) (stay []*input, err error) {
	e := c.s.e
	for _, in := range batch {
		home, ok, err := c.home(in)
		if err != nil {
			return batch, err
		}
		if !ok {
			stay = append(stay, in)
			continue
		}
		// The id makes a second try after a crash a duplicate.
		ev := store.Event{Conversation: home, Body: encode(in.mail), Dedup: in.dedup}
		if in.dedup.ID == "" {
			ev.Dedup = store.Dedup{Instance: "gateway", ID: fmt.Sprintf("orphan-%s-%d", c.id, in.seq), For: appendFor}
		}
		if err := e.store(c.s.ctx, ev); err != nil {
			return batch, err
		}
		in.mail = nil
		stay = append(stay, in)
	}
	return stay, nil
}

// home returns the conversation an input belongs to, if it is another one.
func (c *cell) home(in *input) (core.ConversationID, bool, error) {
	ev := in.mail.GetEvent()
	if ev.GetRef() == "" || c.id != core.OrphanID(in.mail.Instance, ev.Ref) {
		return core.ConversationID{}, false, nil
	}
	if linked := c.doc.GetLinked(); len(linked) == len(c.id) {
		return core.ConversationID(linked), true, nil
	}
	id, err := c.s.e.Store.Resolve(c.s.ctx, in.mail.Instance, ev.Ref)
	if errors.Is(err, store.ErrNotFound) || err == nil && id == c.id {
		return id, false, nil
	}
	return id, err == nil, err
}
