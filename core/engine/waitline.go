package engine

import (
	"container/list"
	"slices"

	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// fairShare is how many of those who wait for an instance go before one of the
// bulk does.
const fairShare = 8

// isBulk says whether nobody sits and waits for a command: what rules, flows and
// requests from outside write. What an agent or a bot has answered, or a flow to what
// the customer has just written, and what goes to the contact center, goes before that.
func isBulk(c *state.Command) bool {
	switch c.Kind {
	case state.CommandKind_DELIVER:
		return !c.Reply && (c.Rule != "" || c.Message.GetAuthor() == pluginv1.AuthorKind_AUTHOR_RULE)
	case state.CommandKind_CHAT_EVENT: // that of no chat is a rule's for the channel
		return !c.Reply && c.Chat == 0
	case state.CommandKind_CALL, state.CommandKind_PUSH:
		return true
	}
	return false
}

// isBulk says whether nobody sits and waits for anything in the lane: an answer
// behind the bulk makes haste with all that is before it. The caller holds the
// cell's lock.
func (l *lane) isBulk() bool {
	return !slices.ContainsFunc(l.items, func(it *item) bool { return !isBulk(it.cmd) })
}

// waiter is a lane at an instance. What of it changes is guarded by instance.mu.
type waiter struct {
	l *lane
	i *instance

	place  *list.Element // in one of the lines, nil: in none
	inBulk bool          // which line that is
	called bool          // it was its turn, and it has not gone yet
}

// at returns the lane's waiter at i. Where the head before waited, at another
// instance, it does not wait any more. The caller holds the cell's lock.
func (l *lane) at(i *instance) *waiter {
	if w := l.waiter; w != nil && w.i != i {
		w.i.forget(w)
		l.waiter = nil
	}
	if l.waiter == nil {
		l.waiter = &waiter{l: l, i: i}
	}
	return l.waiter
}

// turn lets a lane go on whose turn it is. If it does not need its place after
// all, the next one has it.
func (w *waiter) turn() {
	c := w.l.c
	c.mu.Lock()
	f := c.advance(w.l.name)
	loading := !c.loaded && !c.gone // it comes again once it is read, see wake
	c.mu.Unlock()
	if f != nil {
		f()
	}
	if !loading {
		w.i.passOn(w)
	}
}

// waitLine are the lanes that wait for a place at an instance, or for its rate, in
// two lines: first come, first served in each, and of the bulk one in fairShare at
// least. The caller holds instance.mu.
type waitLine struct {
	people, bulk list.List // of *waiter
	run          int       // of people since the last of the bulk that went, while some waited
	called       int       // who have not gone yet: what is free is theirs
}

func (w *waitLine) line(bulk bool) *list.List {
	if bulk {
		return &w.bulk
	}
	return &w.people
}

func (w *waitLine) len() int { return w.people.Len() + w.bulk.Len() }

// push puts one at the end of its line. One that waits keeps its place, unless
// somebody's answer has come behind the bulk in it; one that was called, and found
// the place gone, is the next one again.
func (w *waitLine) push(one *waiter, bulk bool) {
	if one.place != nil && one.inBulk && !bulk {
		w.remove(one)
	}
	switch {
	case one.place != nil:
		return
	case one.called:
		one.place = w.line(bulk).PushFront(one)
	default:
		one.place = w.line(bulk).PushBack(one)
	}
	one.inBulk = bulk
	w.settle(one)
}

// settle notes that it is no longer one's turn, and says whether it was.
func (w *waitLine) settle(one *waiter) bool {
	if !one.called {
		return false
	}
	one.called = false
	w.called--
	return true
}

// remove takes one out of its line, if it is in one.
func (w *waitLine) remove(one *waiter) {
	if one.place != nil {
		w.line(one.inBulk).Remove(one.place)
		one.place = nil
	}
}

// turn says whose turn it is: the bulk's if nobody else waits, or enough others
// have gone.
func (w *waitLine) turn() (bulk bool) {
	return w.bulk.Len() > 0 && (w.people.Len() == 0 || w.run >= fairShare-1)
}

// pop takes out the one whose turn it is, nil if none waits.
func (w *waitLine) pop() *waiter {
	bulk := w.turn()
	line := w.line(bulk)
	if line.Len() == 0 {
		return nil
	}
	one := line.Front().Value.(*waiter)
	w.remove(one)
	one.called = true
	w.called++
	w.went(bulk)
	return one
}

// first says whether one who has just come would be the next to go.
func (w *waitLine) first(bulk bool) bool {
	if bulk || w.called > 0 {
		return w.len()+w.called == 0
	}
	return w.people.Len() == 0 && (w.bulk.Len() == 0 || w.run < fairShare-1)
}

// went counts one who goes.
func (w *waitLine) went(bulk bool) {
	if bulk || w.bulk.Len() == 0 {
		w.run = 0
		return
	}
	w.run++
}
