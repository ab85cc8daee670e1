package engine

import (
	"bytes"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

const (
	pollEvery = time.Second     // where the driver does not say
	pollWorst = 8 * time.Second // after failures: an agent may be speaking
	pollSoon  = time.Second     // after something was said to the agent's side
)

// poller asks a vendor for the news of one open chat, one poll at a time.
type poller struct {
	chat   uint32
	inst   *instance
	errors int  // polls that failed, one after the other
	first  bool // a poll has succeeded since the start
	off    bool // another poller has its place, or none
	flying bool // a poll is under way or in line, or what it brought is not durable yet
	soon   bool // and the next one is not to be late
	begun  int  // polls so far
	read   int  // the last one that succeeded
	due    time.Time
	stop   func()   // of the timer of the next poll
	held   []*input // timers that wait for the first poll
}

// polls returns the instance to poll for the document's chat, nil if it is not
// polled.
func (c *cell) polls() *instance {
	chat := c.doc.GetChat()
	if chat.GetState() != state.ChatState_CHAT_OPEN || chat.Ref == "" {
		return nil
	}
	conf := c.s.e.Snap().Instances[chat.Integration]
	if !conf.Can(pluginv1.AbilityPollChat) {
		return nil
	}
	return c.s.e.instance(chat.Integration)
}

// syncPoll starts or stops the poller as the document asks.
func (c *cell) syncPoll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	inst := c.polls()
	if p := c.poll; p != nil && (inst == nil || p.chat != c.doc.Chat.Number) {
		p.off = true
		if p.stop != nil {
			p.stop()
		}
		c.enqueue(p.held...)
		c.poll = nil
	}
	if inst != nil && c.poll == nil {
		c.poll = &poller{chat: c.doc.Chat.Number, inst: inst}
		c.schedulePoll(c.poll, time.Millisecond)
	}
	early := c.early
	c.synced, c.early = true, nil
	for _, in := range early {
		c.hold(in)
	}
}

// schedulePoll polls after wait. The caller holds c.mu.
func (c *cell) schedulePoll(p *poller, wait time.Duration) {
	if p.soon {
		wait = min(wait, pollSoon)
	}
	p.flying, p.soon, p.due = false, false, c.s.e.Clock.Now().Add(wait)
	p.stop = c.s.e.Clock.AfterFunc(wait, func() { c.s.e.Exec.Go(func() { c.pollOnce(p) }) })
}

// mayBeGone says whether a command is to be tried again whose chat the vendor
// does not know, and after how long: the polls in between may bring the agent's
// last words and why the chat was closed. One of them must have succeeded, unless
// too many have failed. The caller holds c.mu.
func (c *cell) mayBeGone(it *item) (wait time.Duration, again bool) {
	p := c.poll
	if p == nil || p.chat != it.cmd.Chat {
		return 0, false // it is not polled
	}
	if it.gone == 0 {
		it.polls = p.begun
	}
	it.gone++
	if it.gone > goneTries && (p.read > it.polls || it.gone > goneMost) {
		return 0, false
	}
	if !p.flying {
		p.stop()
		c.schedulePoll(p, time.Millisecond)
	}
	return min(pollEvery<<max(it.gone-goneTries, 0), pollWorst), true
}

// hurryPoll polls soon the chat of a command that told the agent something: an
// answer may follow. The caller holds c.mu.
func (c *cell) hurryPoll(cmd *state.Command) {
	p := c.poll
	switch {
	case p == nil || p.chat != cmd.Chat || p.errors > 0:
	case p.flying:
		p.soon = true
	case p.due.Sub(c.s.e.Clock.Now()) > pollSoon:
		p.stop()
		c.schedulePoll(p, pollSoon)
	}
}

// afterPoll queues in once the chat has been polled since the start, or the
// grace has passed. It returns false if the cell was evicted.
func (c *cell) afterPoll(in *input) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.gone:
		return false
	case c.synced:
		c.hold(in)
	default: // whether its chat is polled is not known yet
		c.early = append(c.early, in)
		c.start()
	}
	return true
}

// hold keeps in until the chat has been polled. The caller holds c.mu.
func (c *cell) hold(in *input) {
	e, p := c.s.e, c.poll
	if p == nil || p.first {
		c.enqueue(in)
		return
	}
	p.held = append(p.held, in)
	wait := min(e.started.Add(lateGrace).Sub(e.Clock.Now()), lateGrace) // the clock may have jumped
	e.Clock.AfterFunc(wait, func() {
		e.Exec.Go(func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.releaseHeld(p)
		})
	})
}

// releaseHeld queues the timers that waited. The caller holds c.mu.
func (c *cell) releaseHeld(p *poller) {
	held := p.held
	p.held = nil
	if len(held) > 0 && !c.gone {
		c.enqueue(held...)
	}
}

// pollOnce polls when the instance has a place for it.
func (c *cell) pollOnce(p *poller) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.off || c.gone {
		return
	}
	if wait := p.inst.quietFor(c.s.e.Clock.Now()); wait > 0 {
		c.schedulePoll(p, wait+c.s.e.upTo(min(wait, pollWorst)))
		return
	}
	p.flying = true
	p.inst.polls.enter(func() { c.s.e.Exec.Go(func() { c.sendPoll(p) }) })
}

// sendPoll sends one poll. It has a place, and gives it back.
func (c *cell) sendPoll(p *poller) {
	e := c.s.e
	c.mu.Lock()
	if p.off || c.gone || c.s.ctx.Err() != nil {
		c.mu.Unlock()
		p.inst.polls.leave()
		return
	}
	p.begun++
	req := &pluginv1.Poll{Chat: chatOf(c.doc), Cursor: c.doc.Chat.Cursor}
	c.mu.Unlock()
	e.m.polls.Inc()
	e.Drivers.Poll(p.inst.name, c.id, req, e.CallTimeout, func(a *pluginv1.PollAnswer, fate core.Fate) {
		p.inst.polls.leave()
		c.polled(p, req.Cursor, a, fate)
	})
}

// polled takes a poll's answer. What it brought is one input, events and
// cursor together; an answer that brings nothing writes nothing.
func (c *cell) polled(p *poller, cursor []byte, a *pluginv1.PollAnswer, fate core.Fate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.off || c.gone {
		return
	}
	if fate != core.Answered || a.GetResult().GetOutcome() != pluginv1.Outcome_OK {
		c.pollFailed(p, a)
		return
	}
	p.errors = 0
	wait := nextPoll(a)
	if len(a.Events) == 0 && bytes.Equal(a.Cursor, cursor) {
		c.pollSucceeded(p)
		c.schedulePoll(p, wait)
		return
	}
	in := c.pollInput(p, &state.Polled{Chat: p.chat, Events: a.Events, Cursor: a.Cursor})
	in.done = func(err error) {
		c.s.e.Exec.Go(func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			if err == nil {
				c.pollSucceeded(p)
			}
			if !p.off {
				c.schedulePoll(p, wait)
			}
		})
	}
	c.enqueue(in)
}

// pollSucceeded notes that the last poll has. The caller holds c.mu.
func (c *cell) pollSucceeded(p *poller) {
	p.first, p.read = true, p.begun
	c.releaseHeld(p)
}

func (c *cell) pollInput(p *poller, polled *state.Polled) *input {
	return &input{fresh: true, mail: &state.Mail{
		AcceptedMs: c.s.e.Clock.Now().UnixMilli(), Instance: p.inst.name, Source: "integration",
		Body: &state.Mail_Polled{Polled: polled},
	}}
}

// nextPoll is how long the driver wants to wait before it is asked again.
func nextPoll(a *pluginv1.PollAnswer) time.Duration {
	if a.NextMs == 0 {
		return pollEvery
	}
	return time.Duration(a.NextMs) * time.Millisecond
}

// pollFailed waits longer after every failure, and not as long as others that
// failed with it. A far side that wants quiet gets it for all of the instance.
// A chat that the vendor no longer knows is closed. The caller holds c.mu.
func (c *cell) pollFailed(p *poller, a *pluginv1.PollAnswer) {
	e, r := c.s.e, a.GetResult()
	e.m.pollErrors.WithLabelValues(p.inst.name).Inc()
	if r.GetOutcome() == pluginv1.Outcome_CHAT_GONE {
		in := c.pollInput(p, &state.Polled{Chat: p.chat, Cursor: c.doc.Chat.Cursor, Lost: true})
		in.fresh = false // it is found out again after a crash
		c.enqueue(in)
		return
	}
	p.errors++
	wait := min(pollEvery<<min(p.errors, 10), pollWorst)
	wait = max(wait-e.upTo(wait/4), time.Duration(r.GetAfterMs())*time.Millisecond)
	if r.GetOutcome() == pluginv1.Outcome_THROTTLED {
		p.inst.pause(e.Clock.Now(), wait)
	}
	c.schedulePoll(p, wait)
}

// upTo is a random part of d.
func (e *Engine) upTo(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return time.Duration(e.Rand() % uint64(d))
}
