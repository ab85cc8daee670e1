package engine

import (
	"container/list"
	"slices"
	"time"

	"github.com/openccsp/gateway/core"
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

	waits *list.Element // its place among those who wait for the instance; guarded by instance.mu
	stop  func()        // of the timer it waits for, nil: none
}

// item is a command of a lane.
type item struct {
	cmd   *state.Command
	att   *state.Attempts
	state itemState
	inst  *instance // whose place it holds, nil: none
	rises int       // of the instance when the place was taken

	awaits *instance // that counts it among those whose provider's ids are not known yet, nil: none

	flight int    // counts its calls: an answer to an earlier one is none
	record []byte // the history record of its event, nil: only the store has it
}

// itemState is where a command stands. Only the head of a lane leaves waiting.
type itemState int

const (
	waiting itemState = iota // for its turn
	planned                  // it goes once the commit in hand is durable
	cleared                  // it goes
	flying                   // a call is under way
	paused                   // a timer, the instance, or a write stands before its next attempt
	over                     // it has ended; the commit of that is in hand
)

// out is the item as the store has it.
func (it *item) out() store.OutItem {
	return store.OutItem{
		ID: commandID(it.cmd), Lane: store.Lane(it.cmd.Lane),
		Body: encode(&state.Pending{Command: it.cmd, Attempts: it.att}),
	}
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
	i := c.s.e.instance(cmd.Instance)
	if i == nil {
		return delivery.Policy{LaneAge: c.s.e.LaneAge}, nil
	}
	i.mu.Lock()
	defer i.mu.Unlock()
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

// decodeItem reads what out wrote, nil if it cannot be read.
func decodeItem(body []byte) *item {
	p := &state.Pending{}
	if err := p.UnmarshalVT(body); err != nil || p.Command == nil {
		return nil
	}
	if p.Attempts == nil {
		p.Attempts = &state.Attempts{}
	}
	return &item{cmd: p.Command, att: p.Attempts}
}

// startAge notes since when the item is the head of its lane, if nothing does.
func (it *item) startAge(now time.Time) {
	if it.att.FirstMs == 0 {
		it.att = it.att.CloneVT()
		it.att.FirstMs = now.UnixMilli()
	}
}

// mark puts the marker on the item: an attempt may be under way.
func (it *item) mark(now time.Time) {
	it.startAge(now)
	it.att = it.att.CloneVT()
	it.att.Marked = true
}

// awaitID counts the item, a message that is being sent, as one whose
// provider's id is not known yet.
func (it *item) awaitID(i *instance) {
	if it.cmd.Kind == state.CommandKind_DELIVER && it.awaits == nil && i != nil {
		it.awaits = i
		i.awaited.Add(1)
	}
}

// endAwait ends that: the id is bound, or there will be none.
func (it *item) endAwait() {
	if i := it.awaits; i != nil {
		it.awaits = nil
		i.awaited.Add(-1)
	}
}

// release returns the item's place at its instance.
func (it *item) release() {
	if i := it.inst; i != nil {
		it.inst = nil
		i.give()
	}
}

// drop removes ended commands. The caller holds the cell's lock.
func (l *lane) drop(ended map[uint64]bool) {
	if len(ended) == 0 {
		return
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
	}
}

// restOf returns the commands behind cmd in its lane, in order.
func (c *cell) restOf(p *plan, l *lane, cmd *state.Command) []*state.Command {
	c.mu.Lock()
	defer c.mu.Unlock()
	var rest []*state.Command
	add := func(it *item) {
		if it.cmd.Number != cmd.Number && !p.ended[it.cmd.Number] {
			rest = append(rest, it.cmd)
		}
	}
	for l.more && len(l.items) > 0 { // all of them are needed: it is rare, and they all end
		n := len(l.items)
		l.fill(l.items[n-1])
		if len(l.items) == n {
			break
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
