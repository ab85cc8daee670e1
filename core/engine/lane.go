package engine

import (
	"slices"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/delivery"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
)

// maxHeads is how many commands of a lane are in memory; the rest is in the
// store.
const maxHeads = 8

// lane is an ordered queue of one conversation's commands. Its head blocks it,
// and no other lane.
type lane struct {
	c     *cell
	name  string
	items []*item // the first ones
	more  bool    // the store has more behind them

	unread bool // a start found it in the store and has not read its head yet

	waiter *waiter // at the instance of its head, or of one before; nil: it has not waited
	stop   func()  // of the timer it waits for, nil: none
}

// lane returns the cell's lane of that name, making it if needed.
func (c *cell) lane(name string) *lane {
	if l := c.lanes[name]; l != nil {
		return l
	}
	if c.lanes == nil {
		c.lanes = map[string]*lane{}
	}
	l := &lane{c: c, name: name}
	c.lanes[name] = l
	return l
}

// policy returns how a command's deliveries are treated.
func (c *cell) policy(cmd *state.Command) (delivery.Policy, *instance) {
	if delivery.Scheduled(cmd) {
		return delivery.Policy{LaneAge: delivery.NotifyAge}, nil
	}
	i := c.s.e.instance(cmd.Instance)
	if i == nil {
		return delivery.Policy{LaneAge: c.s.e.LaneAge}, nil
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.gone {
		return delivery.Policy{LaneAge: c.s.e.LaneAge}, nil
	}
	return i.policy, i
}

// nextAfter returns the first command of the lane that the plan does not end,
// reading on in the store if memory has none.
func (l *lane) nextAfter(p *plan) *item {
	if it := p.first(l.items, l.name); it != nil || !l.more || len(l.items) == 0 {
		return it
	}
	l.fill(l.items[len(l.items)-1])
	return p.first(l.items, l.name)
}

// refill reads the first commands of a lane that memory has none of. A marker
// that a start finds is an attempt whose answer was lost. The caller holds c.mu.
func (c *cell) refill(l *lane) {
	l.fill(nil)
	if !l.unread || len(l.items) == 0 {
		return
	}
	l.unread = false
	head := l.items[0]
	c.s.e.countOpen(head.cmd, 1)
	if head.att.Marked {
		head.state = flying
		c.judge(l, head, nil, core.Lost)
	}
}

// fill reads the commands behind last, nil for all, from the store. If it
// cannot, the lane is resumed later. The caller holds c.mu.
func (l *lane) fill(last *item) {
	e := l.c.s.e
	var after core.CommandID
	if last != nil {
		after = commandID(last.cmd)
	}
	out, err := l.c.s.st.Lane(l.c.s.ctx, l.c.id, store.Lane(l.name), after, maxHeads)
	if err != nil {
		e.Log.Warn("lane could not be read, will retry", "conversation", l.c.id, "lane", l.name, "err", err)
		l.wait(storeRetry)
		return
	}
	l.more = len(out) == maxHeads
	for _, o := range out {
		if it := decodeItem(o.Body); it != nil {
			l.items = append(l.items, it)
		} else {
			e.Log.Error("stored command cannot be read", "conversation", l.c.id, "command", o.ID.String())
		}
	}
}

// left is how many commands of the lane in memory a plan does not end.
func (l *lane) left(p *plan) (n int) {
	for _, it := range l.items {
		if !p.ended[it.cmd.Number] {
			n++
		}
	}
	return n
}

// drop removes ended commands. The caller holds the cell's lock.
func (l *lane) drop(ended map[uint64]bool) {
	if len(ended) == 0 || len(l.items) == 0 && l.more {
		return // what memory has none of is read by refill, which minds a marker
	}
	var last *item
	if n := len(l.items); n > 0 {
		last = l.items[n-1]
	}
	hasEnded := func(it *item) bool { return ended[it.cmd.Number] }
	for _, it := range l.items {
		if hasEnded(it) {
			it.state = over
		}
	}
	l.items = slices.DeleteFunc(l.items, hasEnded)
	for len(l.items) == 0 && l.more {
		l.fill(last)
		if len(l.items) == 0 {
			break
		}
		last = l.items[len(l.items)-1]
		l.items = slices.DeleteFunc(l.items, hasEnded)
	}
	if len(l.items) == 0 && !l.more {
		delete(l.c.lanes, l.name)
		if w := l.waiter; w != nil {
			w.i.forget(w)
		}
	}
}

// readAll reads what of the lane is in the store alone: it is rare, and all of
// it ends. It says no if the store does.
func (l *lane) readAll() bool {
	for l.more && len(l.items) > 0 {
		n := len(l.items)
		l.fill(l.items[n-1])
		if l.more && len(l.items) == n {
			return false
		}
	}
	return true
}

// readRests reads the rest of the lanes whose heads do not end alone. An end
// whose rest cannot be read now is decided later, or what waits behind it would
// be overtaken.
func (c *cell) readRests(batch []*input) []*input {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(batch, func(in *input) bool {
		r := in.result
		if r == nil || !conversation.NeedsRest(r.res.Command, r.res.End) || r.lane.readAll() {
			return false
		}
		c.s.e.Clock.AfterFunc(storeRetry, func() { c.s.e.Exec.Go(func() { c.push(in) }) })
		return true
	})
}

// restOf returns the commands behind cmd in its lane, in order. The lane has
// been read.
func (c *cell) restOf(p *plan, l *lane, cmd *state.Command) []*state.Command {
	c.mu.Lock()
	defer c.mu.Unlock()
	var rest []*state.Command
	add := func(it *item) {
		if it.cmd.Number != cmd.Number && !p.ended[it.cmd.Number] {
			rest = append(rest, it.cmd)
		}
	}
	for _, it := range l.items {
		add(it)
	}
	for _, it := range p.added {
		if it.cmd.Lane == l.name {
			add(it)
		}
	}
	return rest
}

// wait resumes the lane after d.
func (l *lane) wait(d time.Duration) {
	if l.stop != nil {
		l.stop()
	}
	e := l.c.s.e
	l.stop = e.Clock.AfterFunc(d, func() { e.Exec.Go(l.resume) })
}
