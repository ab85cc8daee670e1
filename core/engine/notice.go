package engine

import (
	"slices"
	"sync"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/delivery"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// What customers' apps are told beside the talk is ephemeral, as typing is: it is not
// stored, goes beside messages and not in their lane, and takes none of their places
// and nothing of their rate. While its plugin restarts it waits here.
const (
	noticeFor   = 5 * time.Second // one call
	noticeTries = 8               // of one notice: for about a minute
	maxNotices  = 16              // that wait for one customer
	maxNoticed  = 4096            // customers of a channel for whom some wait
	maxNoticing = 16              // calls under way at a channel
)

// notices are those of one channel.
type notices struct {
	e       *Engine
	channel string

	mu    sync.Mutex
	all   map[core.ConversationID]*noticed
	ready []*noticed // whose turn it is next
	calls int        // under way
}

// noticed is a customer who is told something, one thing after the other.
type noticed struct {
	id      core.ConversationID
	to      *pluginv1.Customer
	waiting []conversation.Notice
	tries   int // of the first one
	flight  int // counts the calls: an answer to an earlier one is none
}

// add takes what one customer is to be told. It does not block.
func (n *notices) add(id core.ConversationID, to *pluginv1.Customer, news []conversation.Notice) {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.all[id]
	switch {
	case c != nil:
	case len(n.all) >= maxNoticed:
		n.dropped(len(news))
		return
	default:
		if n.all == nil {
			n.all = map[core.ConversationID]*noticed{}
		}
		c = &noticed{id: id}
		n.all[id] = c
		n.ready = append(n.ready, c)
	}
	c.to = to
	for _, one := range news {
		if one.Event == "" && slices.ContainsFunc(c.waiting, func(o conversation.Notice) bool { return o.MessageID == one.MessageID }) {
			continue // two have it, and one was faster
		}
		if len(c.waiting) >= maxNotices {
			c.waiting = slices.Delete(c.waiting, 1, 2) // the first one may be under way
			n.dropped(1)
		}
		c.waiting = append(c.waiting, one)
	}
	n.next()
}

// next lets as many customers be told as there are places. The caller holds n.mu.
func (n *notices) next() {
	for n.calls < maxNoticing && len(n.ready) > 0 {
		c := n.ready[0]
		n.ready = n.ready[1:]
		n.calls++
		c.flight++
		flight, call := c.flight, c.call()
		n.e.Exec.Go(func() {
			n.e.Drivers.Call(n.channel, beside(c.id), call, noticeFor, func(r *pluginv1.Result, fate core.Fate) {
				n.e.Exec.Go(func() { n.answered(c, flight, r, fate) })
			})
		})
	}
}

// call is what the driver is asked.
func (c *noticed) call() *pluginv1.Call {
	one := c.waiting[0]
	call := &pluginv1.Call{Op: pluginv1.Op_RECEIPT, Attempt: uint32(c.tries) + 1, Customer: c.to, MessageId: one.MessageID, Status: one.Status}
	if one.Event != "" {
		call.Op, call.EventName, call.Params = pluginv1.Op_EVENT, one.Event, one.Params
	}
	return call
}

// beside is what the driver's calls of a conversation are kept in order by that are not
// to stand before a message.
func beside(id core.ConversationID) core.ConversationID {
	id[0] ^= 0xff
	return id
}

// answered goes on with the customer's next notice, or, if this one may yet be told,
// with it after a while.
func (n *notices) answered(c *noticed, flight int, r *pluginv1.Result, fate core.Fate) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.flight != flight {
		return // a second answer to one call
	}
	c.flight++
	n.calls--
	wait := again(r, fate, c.tries)
	switch {
	case wait == 0:
		c.waiting, c.tries = c.waiting[1:], 0
	case c.tries+1 >= noticeTries:
		n.dropped(len(c.waiting))
		c.waiting = nil
	default:
		c.tries++
		n.e.Clock.AfterFunc(wait, func() { n.e.Exec.Go(func() { n.turn(c) }) })
		n.next()
		return
	}
	if len(c.waiting) == 0 {
		delete(n.all, c.id)
	} else {
		n.ready = append(n.ready, c)
	}
	n.next()
}

func (n *notices) turn(c *noticed) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ready = append(n.ready, c)
	n.next()
}

// again is the wait before a notice is tried again, 0 if it is not.
func again(r *pluginv1.Result, fate core.Fate, tries int) time.Duration {
	wait := delivery.First << tries
	if fate != core.Answered {
		return wait
	}
	switch r.GetOutcome() {
	case pluginv1.Outcome_RETRY, pluginv1.Outcome_THROTTLED, pluginv1.Outcome_AUTH_REFRESH:
		return max(wait, min(time.Duration(r.GetAfterMs())*time.Millisecond, delivery.Max))
	}
	return 0
}

// dropped counts what is not told.
func (n *notices) dropped(some int) { n.e.m.noticesDropped.Add(float64(some)) }

// notice has a conversation's customer be told what a plan has brought.
func (c *cell) notice(p *plan) {
	if len(p.notices) == 0 {
		return
	}
	if i := c.s.e.instance(p.doc.Channel); i != nil {
		i.notices.add(c.id, p.doc.Customer, p.notices)
	}
}
