package engine

import (
	"cmp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/delivery"
)

// instance is what the engine keeps in memory of a channel or integration: how
// many calls are under way, and which lanes wait for a place.
type instance struct {
	e          *Engine
	name       string
	waiting    atomic.Int64 // events accepted and not yet durable
	opens      atomic.Int64 // chats being opened: their refs may be on the way
	awaited    atomic.Int64 // messages to customers being sent: the provider may name them before we know their ids
	accounting atomic.Bool  // its account is polled
	polls      pollLine     // of its open chats
	notices    notices      // for its customers' apps
	rate       *delivery.Rate

	mu      sync.Mutex
	conf    *conversation.Instance
	policy  delivery.Policy
	gone    bool // it is no more, unless it comes back
	up      bool
	rises   int // how often it came up
	flying  int
	ringing bool     // an alarm for those in line is set
	parked  waitLine // of lanes
}

func newInstance(e *Engine, c *conversation.Instance) *instance {
	i := &instance{e: e, name: c.Name, up: true, polls: pollLine{places: e.MaxPolls}}
	i.notices.e, i.notices.channel = e, c.Name
	i.rate = delivery.NewRate(c.Caps.GetRatePerSecond(), int(c.Caps.GetBurst()))
	i.configure(c)
	return i
}

// configure takes over new settings. The rate starts anew if it changed, and those
// in line go by it at once.
func (i *instance) configure(c *conversation.Instance) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if old := i.conf; old != nil &&
		(old.Caps.GetRatePerSecond() != c.Caps.GetRatePerSecond() || old.Caps.GetBurst() != c.Caps.GetBurst()) {
		i.rate.Set(c.Caps.GetRatePerSecond(), int(c.Caps.GetBurst()))
		if i.parked.len() > 0 {
			i.e.Exec.Go(i.ring)
		}
	}
	i.conf, i.gone = c, false
	i.policy = delivery.Policy{
		LaneAge: cmp.Or(c.LaneAge, i.e.LaneAge), AmbiguousDead: c.AmbiguousDead, Idempotent: c.Caps.GetIdempotentSend(),
	}
}

// tryTake takes a place for a call if there is one at once, the rate allows it,
// and nobody is before us.
func (i *instance) tryTake(now time.Time, bulk bool) (rises int, ok bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.up || i.flying >= i.e.MaxFlying || !i.parked.first(bulk) || i.rate.Take(now) > 0 {
		return 0, false
	}
	i.parked.went(bulk)
	i.flying++
	return i.rises, true
}

// take asks for a place for a call, and for the rate to allow it. If either is
// missing, or others are before it, l waits in line.
func (i *instance) take(l *lane, now time.Time) (rises int, ok bool) {
	w, bulk := l.at(i), l.isBulk()
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.up && i.flying < i.e.MaxFlying && (w.called || w.place == nil && i.parked.first(bulk)) {
		wait := i.rate.Take(now)
		if wait == 0 {
			i.goes(w, bulk, now)
			return i.rises, true
		}
		i.ringIn(wait)
	}
	i.parked.push(w, bulk)
	return 0, false
}

// goes gives a place to w. Those who came while it was w's turn have waited for that.
// The caller holds i.mu.
func (i *instance) goes(w *waiter, bulk bool, now time.Time) {
	i.flying++
	if !i.parked.settle(w) {
		i.parked.went(bulk)
	}
	if i.parked.len() > 0 && i.flying < i.e.MaxFlying {
		i.ringIn(i.rate.Wait(now, 1))
	}
}

// passOn gives the turn of one who was called, and has not gone, to the next.
func (i *instance) passOn(w *waiter) {
	i.mu.Lock()
	var next *waiter
	if i.parked.settle(w) {
		next = i.next()
	}
	i.mu.Unlock()
	if next != nil {
		i.e.Exec.Go(next.turn)
	}
}

// forget takes one out of the line, who has gone elsewhere.
func (i *instance) forget(w *waiter) {
	i.mu.Lock()
	i.parked.remove(w)
	i.mu.Unlock()
	i.passOn(w)
}

func (i *instance) isUp() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.up
}

// ringIn lets those in line go on when the rate allows it. The caller holds i.mu.
func (i *instance) ringIn(wait time.Duration) {
	if !i.ringing {
		i.ringing = true
		i.e.Clock.AfterFunc(wait, func() { i.e.Exec.Go(i.ring) })
	}
}

// maxRing is how many lanes go on at once: each may have to read its
// conversation.
const maxRing = 64

// ring lets as many lanes go on as the rate allows by now.
func (i *instance) ring() {
	now := i.e.Clock.Now()
	var free []*waiter
	i.mu.Lock()
	i.ringing = false
	for i.parked.len() > 0 {
		wait := i.rate.Wait(now, len(free)+1)
		if len(free) == maxRing {
			wait = time.Millisecond
		}
		if wait > 0 {
			i.ringIn(wait)
			break
		}
		i.flying += len(free) // as if they had their places
		w := i.next()
		i.flying -= len(free)
		if w == nil {
			break // a call that ends lets the next one go on
		}
		free = append(free, w)
	}
	i.mu.Unlock()
	for _, w := range free {
		i.e.Exec.Go(w.turn)
	}
}

// give returns a place, to the first who waits for one.
func (i *instance) give() {
	i.mu.Lock()
	i.flying--
	w := i.next()
	i.mu.Unlock()
	if w != nil {
		i.e.Exec.Go(w.turn)
	}
}

// next takes the first waiting lane if there is a place. The caller holds i.mu.
func (i *instance) next() *waiter {
	if !i.up || i.flying >= i.e.MaxFlying {
		return nil
	}
	return i.parked.pop()
}

// pause stops the instance's calls for d, as its far side asked.
func (i *instance) pause(now time.Time, d time.Duration) { i.rate.Pause(now, d) }

// quietFor is how long the far side still wants no calls.
func (i *instance) quietFor(now time.Time) time.Duration { return i.rate.Paused(now) }

// down says that no live plugin serves the instance. A report that is older
// than its last rise is of the plugin before.
func (i *instance) down(rises int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.rises == rises {
		i.up = false
	}
}

// rise lets the waiting lanes go on, as many as there are places.
func (i *instance) rise() {
	i.mu.Lock()
	i.up = true
	i.rises++
	var free []*waiter
	for n := i.e.MaxFlying - i.flying; n > 0 && i.parked.len() > 0; n-- {
		free = append(free, i.parked.pop())
	}
	i.mu.Unlock()
	for _, w := range free {
		i.e.Exec.Go(w.turn)
	}
}

// InstanceUp tells the engine that a live plugin serves the instance: what
// waited for it goes on.
func (e *Engine) InstanceUp(name string) {
	if i := e.instance(name); i != nil {
		i.rise()
	}
	e.resumePolls()
}

// InstanceDown tells the engine that no live plugin serves the instance.
func (e *Engine) InstanceDown(name string) {
	if i := e.instance(name); i != nil {
		i.mu.Lock()
		i.up = false
		i.mu.Unlock()
	}
}
