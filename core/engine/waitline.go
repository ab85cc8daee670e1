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
// requests from outside write. What an agent or a bot has answered, and what goes
// to the contact center, goes before that.
func isBulk(c *state.Command) bool {
	switch c.Kind {
	case state.CommandKind_DELIVER:
		return c.Rule != "" || c.Message.GetAuthor() == pluginv1.AuthorKind_AUTHOR_RULE
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

// waitLine are the lanes that wait for a place at an instance, or for its rate, in
// two lines: first come, first served in each, and of the bulk one in fairShare at
// least. The caller holds instance.mu.
type waitLine struct {
	people, bulk list.List // of *lane
	run          int       // of people since the last of the bulk that went, while some waited
}

func (w *waitLine) line(bulk bool) *list.List {
	if bulk {
		return &w.bulk
	}
	return &w.people
}

func (w *waitLine) len() int { return w.people.Len() + w.bulk.Len() }

// push puts l at the end of its line. One that waits keeps its place, unless
// somebody's answer has come behind the bulk in it; one that was called, and found
// the place gone, is the next one again.
func (w *waitLine) push(l *lane, bulk, called bool) {
	if l.waits != nil && l.inBulk && !bulk {
		w.bulk.Remove(l.waits)
		l.waits = nil
	}
	switch {
	case l.waits != nil:
		return
	case called:
		l.waits = w.line(bulk).PushFront(l)
	default:
		l.waits = w.line(bulk).PushBack(l)
	}
	l.inBulk = bulk
}

// turn says whose turn it is: the bulk's if nobody else waits, or enough others
// have gone.
func (w *waitLine) turn() (bulk bool) {
	return w.bulk.Len() > 0 && (w.people.Len() == 0 || w.run >= fairShare-1)
}

// pop takes out the lane whose turn it is, nil if none waits.
func (w *waitLine) pop() *lane {
	bulk := w.turn()
	line := w.line(bulk)
	if line.Len() == 0 {
		return nil
	}
	l := line.Remove(line.Front()).(*lane)
	l.waits, l.called = nil, true
	w.went(bulk)
	return l
}

// first says whether one who has just come would be the next to go.
func (w *waitLine) first(bulk bool) bool {
	if bulk {
		return w.len() == 0
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
