package engine

import (
	"maps"
	"slices"
	"time"

	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/delivery"
	"github.com/openccsp/gateway/core/state"
)

// planLanes finds the commands that will be the head of their lane after the
// commit and can go at once, so that their markers ride in it.
func (c *cell) planLanes(p *plan) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range p.lanes() {
		c.planLane(p, name)
	}
}

// planLane is planLanes for one of them.
func (c *cell) planLane(p *plan, name string) {
	l := c.lanes[name]
	var next *item
	if l != nil {
		next = l.nextAfter(p)
	}
	if next == nil && (l == nil || !l.more) {
		next = p.first(p.added, name)
	}
	if next != nil && next.state == waiting {
		c.clear(p, next)
	}
}

// clear reserves what a head needs to go once the commit is durable: its place
// at the instance, a token of its rate, its marker.
func (c *cell) clear(p *plan, it *item) {
	policy, inst := c.policy(it.cmd)
	if it.att.NotBeforeMs > p.now.UnixMilli() || local(p.doc, it.cmd) != nil || c.tooLate(p.doc, it, p.now) || inst == nil && needsInstance(it.cmd) || it.limited() {
		return
	}
	if inst != nil {
		rises, ok := inst.tryTake(p.now, isBulk(it.cmd))
		if !ok {
			return
		}
		it.inst, it.rises = inst, rises
	}
	it.state = planned
	if delivery.Marks(policy, it.cmd) && !it.att.Marked {
		it.mark(p.now)
		if !slices.Contains(p.added, it) {
			p.marked = append(p.marked, it)
		}
	}
	p.ready = append(p.ready, it)
}

// undo gives back what clear reserved: the commit did not happen. The heads
// wait for the batch to be decided again, or for their lane to be resumed.
func (c *cell) undo(p *plan) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, it := range p.marked {
		it.att = it.att.CloneVT()
		it.att.Marked = false
	}
	for _, it := range p.ready {
		it.state = waiting
		it.release()
		name := it.cmd.Lane
		c.s.e.Clock.AfterFunc(storeRetry, func() { c.s.e.Exec.Go(func() { c.resume(name) }) })
	}
}

// actOn brings the lanes up to date with a durable plan and lets heads go.
func (c *cell) actOn(p *plan) {
	c.mu.Lock()
	names := p.lanes()
	c.s.e.countRefs(p)
	for _, it := range p.added {
		if l := c.lane(it.cmd.Lane); l.more || l.left(p) >= maxHeads {
			l.more = true
		} else {
			l.items = append(l.items, it)
		}
	}
	for _, in := range p.batch {
		if u := in.update; u != nil && u.item.state == paused {
			u.item.state = u.state
		}
	}
	for _, it := range p.ready {
		it.state = cleared
	}
	var calls []func()
	for _, name := range names {
		if l := c.lanes[name]; l != nil {
			l.drop(p.ended)
		}
		if f := c.advance(name); f != nil {
			calls = append(calls, f)
		}
	}
	c.mu.Unlock()
	for _, f := range calls {
		f()
	}
}

func (l *lane) resume() { l.c.resume(l.name) }

// resume lets the head of a lane go on, if it can.
func (c *cell) resume(name string) {
	c.mu.Lock()
	f := c.advance(name)
	c.mu.Unlock()
	if f != nil {
		f()
	}
}

// wake lets the lanes go on after the document was read.
func (c *cell) wake() {
	c.mu.Lock()
	var calls []func()
	for _, name := range slices.Sorted(maps.Keys(c.lanes)) {
		if f := c.advance(name); f != nil {
			calls = append(calls, f)
		}
		if l := c.lanes[name]; l != nil && l.waiter != nil && c.loaded {
			l.waiter.i.passOn(l.waiter)
		}
	}
	c.mu.Unlock()
	for _, f := range calls {
		f()
	}
}

// advance takes the head of a lane one step further. The caller holds c.mu, and
// runs what is returned, a call to the outside, after letting it go.
func (c *cell) advance(name string) func() {
	l := c.lanes[name]
	if l == nil || c.gone {
		return nil
	}
	if !c.loaded {
		c.start() // reads what it needs, and comes here again
		return nil
	}
	if len(l.items) == 0 && l.more {
		c.refill(l)
	}
	if len(l.items) == 0 || c.doc == nil {
		return nil
	}
	it := l.items[0]
	switch it.state {
	case cleared:
		return c.fly(l, it)
	case planned, flying, paused, over:
		return nil
	}
	e := c.s.e
	now := e.Clock.Now()
	if wait := time.UnixMilli(it.att.NotBeforeMs).Sub(now); it.att.NotBeforeMs != 0 && wait > 0 {
		l.wait(wait)
		return nil
	}
	policy, inst := c.policy(it.cmd)
	if res := c.foregone(it, policy, inst, now); res != nil {
		c.ended(l, it, *res)
		return nil
	}
	if it.limited() {
		return c.ask(l, it)
	}
	if inst != nil && it.inst == nil {
		rises, ok := inst.take(l, now)
		if !ok {
			c.noteWait(l, it, inst, policy, now)
			return nil
		}
		it.inst, it.rises = inst, rises
	}
	if !delivery.Marks(policy, it.cmd) || it.att.Marked {
		return c.fly(l, it)
	}
	it.mark(now)
	c.update(l, it, cleared)
	return nil
}

// noteWait notes since when a head waits for a plugin that is not there, so
// that its age counts also if it was never tried, and looks at it again when it is
// too old. The caller holds c.mu.
func (c *cell) noteWait(l *lane, it *item, inst *instance, policy delivery.Policy, now time.Time) {
	switch {
	case inst.isUp():
	case it.att.FirstMs == 0:
		it.startAge(now)
		c.update(l, it, waiting)
	default:
		old := time.UnixMilli(it.att.FirstMs).Add(policy.LaneAge + time.Millisecond)
		l.wait(old.Sub(now))
	}
}

// foregone is the end of a head that is not to be attempted, nil if it is.
func (c *cell) foregone(it *item, policy delivery.Policy, inst *instance, now time.Time) *conversation.Result {
	if res := local(c.doc, it.cmd); res != nil {
		return res
	}
	if it.att.FirstMs != 0 && now.Sub(time.UnixMilli(it.att.FirstMs)) > policy.LaneAge {
		if it.att.Marked || it.att.Resent { // an attempt had no answer
			return &conversation.Result{End: conversation.Dead, Reason: "ambiguous"}
		}
		return &conversation.Result{End: conversation.Dead, Reason: "expired"}
	}
	if inst == nil && needsInstance(it.cmd) {
		return &conversation.Result{End: conversation.Dead, Reason: "no_instance"}
	}
	if c.tooLate(c.doc, it, now) {
		if it.att.Marked || it.att.Resent {
			return &conversation.Result{End: conversation.Dead, Reason: "ambiguous"}
		}
		return &conversation.Result{End: conversation.Dropped, Reason: conversation.WindowIsClosed}
	}
	return nil
}

// tooLate says whether a message has waited until its customer cannot be written
// to any more.
func (c *cell) tooLate(doc *state.Document, it *item, now time.Time) bool {
	inst := c.s.e.Snap().Instances[it.cmd.Instance]
	return inst != nil && conversation.WindowClosed(doc, it.cmd, inst.Caps, now)
}

// local is the end of a command that needs no call to know.
func local(doc *state.Document, cmd *state.Command) *conversation.Result {
	if !conversation.IsChatLane(cmd.Lane) {
		return nil
	}
	chat := doc.GetChat()
	here := chat.GetNumber() == cmd.Chat
	switch cmd.Kind {
	case state.CommandKind_CHAT_OPEN_CMD, state.CommandKind_CHAT_SEND:
		if here && chat.State != state.ChatState_CHAT_CLOSED {
			return nil
		}
		if here && chat.Status == "rejected" {
			return &conversation.Result{End: conversation.Dead, Reason: "chat_rejected"}
		}
		return &conversation.Result{End: conversation.Gone, Reason: "chat_closed"}
	case state.CommandKind_CHAT_CLOSE:
		if chat.GetRef() == "" || !here {
			return &conversation.Result{End: conversation.Dropped, Reason: "no_chat"}
		}
	default:
		if !here || chat.State == state.ChatState_CHAT_CLOSED {
			return &conversation.Result{End: conversation.Dropped, Reason: "chat_closed"}
		}
	}
	return nil
}

// needsInstance says whether a command is a call to a driver.
func needsInstance(cmd *state.Command) bool {
	return cmd.Kind != state.CommandKind_NOTIFY && cmd.Kind != state.CommandKind_APPEND
}
