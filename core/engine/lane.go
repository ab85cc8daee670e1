package engine

import (
	"container/list"
	"maps"
	"slices"
	"strings"
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

	asleep bool // the store has all of them: they were here before

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

	flight int    // counts its calls: an answer to an earlier one is none
	record []byte // the history record of its event, nil: only the store has it
}

type itemState int

const (
	waiting itemState = iota // for its turn
	planned                  // it goes once the commit in hand is durable
	cleared                  // it goes
	flying                   // a call is under way
	paused                   // a timer, the instance, or a write stands before its next attempt
	over                     // it has ended; the commit of that is in hand
)

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

// planLanes finds the commands that will be the head of their lane after the
// commit and can go at once, so that their markers ride in it.
func (c *cell) planLanes(p *plan) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range p.lanes() {
		c.planLane(p, name)
	}
}

// lanes returns the names of the lanes that the plan touches, in its order.
func (p *plan) lanes() (names []string) {
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, in := range p.batch {
		if in.result != nil {
			add(in.result.lane.name)
		} else if in.update != nil {
			add(in.update.lane.name)
		}
	}
	for _, it := range p.added {
		add(it.cmd.Lane)
	}
	return names
}

func (c *cell) planLane(p *plan, name string) {
	l := c.lanes[name]
	var next *item
	if l != nil {
		next = l.nextAfter(p)
	}
	if next == nil && (l == nil || !l.more) {
		for _, it := range p.added {
			if it.cmd.Lane == name && !p.ended[it.cmd.Number] {
				next = it
				break
			}
		}
	}
	if next == nil || next.state != waiting {
		return
	}
	c.clear(p, next)
}

// nextAfter returns the first command of the lane that the plan does not end,
// reading on in the store if memory has none.
func (l *lane) nextAfter(p *plan) *item {
	for _, it := range l.items {
		if !p.ended[it.cmd.Number] {
			return it
		}
	}
	if !l.more || len(l.items) == 0 {
		return nil
	}
	l.fill(l.items[len(l.items)-1])
	for _, it := range l.items {
		if !p.ended[it.cmd.Number] {
			return it
		}
	}
	return nil
}

// fill reads the commands behind last from the store.
func (l *lane) fill(last *item) {
	e := l.c.s.e
	var after core.CommandID
	if last != nil {
		after = commandID(last.cmd)
	}
	out, err := l.c.s.st.Lane(l.c.s.ctx, l.c.id, store.Lane(l.name), after, maxHeads)
	if err != nil {
		e.Log.Warn("lane could not be read, will retry", "conversation", l.c.id, "lane", l.name, "err", err)
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

// clear reserves what a head needs to go once the commit is durable: its place
// at the instance, a token of its rate, its marker.
func (c *cell) clear(p *plan, it *item) {
	policy, inst := c.policy(it.cmd)
	if it.att.NotBeforeMs > p.now.UnixMilli() || local(p.doc, it.cmd) != nil {
		return
	}
	if inst != nil {
		inst.mu.Lock()
		ok := inst.up && inst.flying < c.s.e.MaxFlying && inst.parked.Len() == 0 && inst.rate.Take(p.now) == 0
		if ok {
			inst.flying++
			it.inst, it.rises = inst, inst.rises
		}
		inst.mu.Unlock()
		if !ok {
			return
		}
	}
	it.state = planned
	if delivery.Marks(policy, it.cmd) && !it.att.Marked {
		it.att = it.att.CloneVT()
		it.att.Marked, it.att.FirstMs = true, p.now.UnixMilli()
		if !slices.Contains(p.added, it) {
			p.faces = append(p.faces, it)
		}
	}
	p.ready = append(p.ready, it)
}

// undo gives back what clear reserved: the commit did not happen. The heads
// wait for the batch to be decided again, or for their lane to be resumed.
func (c *cell) undo(p *plan) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, it := range p.faces {
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

// release returns the item's place at its instance.
func (it *item) release() {
	if i := it.inst; i != nil {
		it.inst = nil
		i.give()
	}
}

// actOn brings the lanes up to date with a durable plan and lets heads go.
func (c *cell) actOn(p *plan) {
	c.mu.Lock()
	names := p.lanes()
	c.s.e.countOpens(p)
	for _, it := range p.added {
		if l := c.lane(it.cmd.Lane); l.more || len(l.items) >= maxHeads {
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

// countOpens keeps the number of opens that have not ended. It falls when the
// ref is bound and the end is durable, not before.
func (e *Engine) countOpens(p *plan) {
	for _, it := range p.added {
		e.countOpen(it.cmd, 1)
	}
	for _, in := range p.batch {
		if in.result != nil {
			e.countOpen(in.result.item.cmd, -1)
		}
	}
}

func (e *Engine) countOpen(cmd *state.Command, n int64) {
	i := e.instance(cmd.Instance)
	if i != nil && cmd.Kind == state.CommandKind_CHAT_OPEN_CMD && i.opens.Add(n) == 0 {
		e.Exec.Go(e.letAllGoOn) // what waits for a ref waits for no open any more
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
	l.items = slices.DeleteFunc(l.items, func(it *item) bool {
		if !ended[it.cmd.Number] {
			return false
		}
		it.state = over
		return true
	})
	for len(l.items) == 0 && l.more {
		l.fill(last)
		if len(l.items) == 0 {
			break
		}
		last = l.items[len(l.items)-1]
		l.items = slices.DeleteFunc(l.items, func(it *item) bool { return ended[it.cmd.Number] })
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

// resume lets the head of a lane go on, if it can.
func (c *cell) resume(name string) {
	c.mu.Lock()
	f := c.advance(name)
	c.mu.Unlock()
	if f != nil {
		f()
	}
}

func (l *lane) resume() { l.c.resume(l.name) }

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
	if res := local(c.doc, it.cmd); res != nil {
		c.ended(l, it, *res)
		return nil
	}
	policy, inst := c.policy(it.cmd)
	if it.att.FirstMs != 0 && now.Sub(time.UnixMilli(it.att.FirstMs)) > policy.LaneAge {
		reason := "expired"
		if it.att.Marked || it.att.Resent {
			reason = "ambiguous" // an attempt had no answer
		}
		c.ended(l, it, conversation.Result{End: conversation.Dead, Reason: reason})
		return nil
	}
	if inst == nil && needsInstance(it.cmd) {
		c.ended(l, it, conversation.Result{End: conversation.Dead, Reason: "no_instance"})
		return nil
	}
	if inst != nil && it.inst == nil {
		rises, ok := inst.take(l, now)
		if !ok {
			c.becomeHead(l, it, inst, now)
			return nil
		}
		it.inst, it.rises = inst, rises
	}
	if !delivery.Marks(policy, it.cmd) || it.att.Marked {
		return c.fly(l, it)
	}
	it.state = paused
	it.att = it.att.CloneVT()
	it.att.Marked = true
	if it.att.FirstMs == 0 {
		it.att.FirstMs = now.UnixMilli()
	}
	c.enqueue(&input{update: &update{lane: l, item: it, state: cleared}})
	return nil
}

// becomeHead notes since when a head waits for a plugin that is not there, so
// that its age counts also if it was never tried. The caller holds c.mu.
func (c *cell) becomeHead(l *lane, it *item, inst *instance, now time.Time) {
	if it.att.FirstMs != 0 || inst.isUp() {
		return
	}
	it.state = paused
	it.att = it.att.CloneVT()
	it.att.FirstMs = now.UnixMilli()
	c.enqueue(&input{update: &update{lane: l, item: it, state: waiting}})
}

// wait resumes the lane after d.
func (l *lane) wait(d time.Duration) {
	if l.stop != nil {
		l.stop()
	}
	e := l.c.s.e
	l.stop = e.Clock.AfterFunc(d, func() { e.Exec.Go(l.resume) })
}

// local is the end of a command that needs no call to know.
func local(doc *state.Document, cmd *state.Command) *conversation.Result {
	if !strings.HasPrefix(cmd.Lane, "chat:") {
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

func needsInstance(cmd *state.Command) bool {
	return cmd.Kind != state.CommandKind_NOTIFY && cmd.Kind != state.CommandKind_APPEND
}

// ended hands the end of a command to the conversation. The caller holds c.mu.
func (c *cell) ended(l *lane, it *item, res conversation.Result) {
	it.state = over
	it.release()
	res.Command, res.Attempts = it.cmd, it.att
	c.s.e.m.ended(it.cmd, res)
	c.enqueue(&input{result: &ended{lane: l, item: it, res: res}})
}

// wake lets the lanes go on after the document was read: at a start their heads
// are read from the store, and a marker without a result is an attempt whose
// answer was lost.
func (c *cell) wake() {
	c.mu.Lock()
	var calls []func()
	for _, name := range slices.Sorted(maps.Keys(c.lanes)) {
		l := c.lanes[name]
		if len(l.items) == 0 && l.more {
			l.fill(nil)
			slept := l.asleep
			l.asleep = false
			if len(l.items) > 0 && !slept {
				c.s.e.countOpen(l.items[0].cmd, 1)
			}
			if len(l.items) > 0 && !slept && l.items[0].att.Marked {
				l.items[0].state = flying
				c.judge(l, l.items[0], nil, core.Lost)
			}
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
