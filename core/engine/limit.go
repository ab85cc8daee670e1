package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/delivery"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
)

// Limits of rules per customer and per rule are counted in documents of their
// own: state of an instance whose name no other can have.
const limitState = ".limits"

// limitTries is how often a counter is tried that others count in too, before
// its command waits.
const limitTries = 8

// limited says whether it must be asked if the rule's limit lets an item go.
// What an operator replays goes.
func (it *item) limited() bool { return it.cmd.Limit != nil && !it.allowed && !it.cmd.Late }

// ask asks whether the limit of its rule lets a head go. The caller holds c.mu,
// and runs what is returned after letting it go.
func (c *cell) ask(l *lane, it *item) func() {
	it.state = paused
	it.flight++
	flight, e := it.flight, c.s.e
	return func() {
		e.Exec.Go(func() {
			ok, err := e.letGo(c.s.ctx, it.cmd)
			c.asked(l, it, flight, ok, err)
		})
	}
}

// asked takes the answer to ask.
func (c *cell) asked(l *lane, it *item, flight int, ok bool, err error) {
	c.mu.Lock()
	var f func()
	if it.state == paused && it.flight == flight { // else it has ended meanwhile
		f = c.afterAsking(l, it, ok, err)
	}
	c.mu.Unlock()
	if f != nil {
		f()
	}
}

// afterAsking lets a head go, ends it, or has it ask again. The caller holds c.mu,
// and runs what is returned after letting it go.
func (c *cell) afterAsking(l *lane, it *item, ok bool, err error) func() {
	switch {
	case err != nil:
		it.state = waiting
		if c.s.ctx.Err() == nil {
			c.s.e.Log.Warn("limit of a rule could not be counted, will retry", "conversation", c.id, "rule", it.cmd.Rule, "err", err)
			l.wait(storeRetry)
		}
		return nil
	case !ok:
		c.ended(l, it, conversation.Result{End: conversation.Dropped, Reason: "throttled"})
		return nil
	}
	it.allowed, it.state = true, waiting
	return c.advance(l.name)
}

// letGo counts the match that a command belongs to, unless its limit is
// reached; then it returns false. A match that is counted already goes: its
// other commands do, and the same one after a restart.
func (e *Engine) letGo(ctx context.Context, cmd *state.Command) (bool, error) {
	key := fmt.Sprintf("%x", cmd.Limit.Counter)
	for range limitTries {
		old, err := e.Store.State(ctx, limitState, key)
		if err != nil {
			return false, err
		}
		counter := &state.Counter{}
		if err := counter.UnmarshalVT(old); err != nil {
			return false, fmt.Errorf("counter of rule %q cannot be read: %w", cmd.Rule, err)
		}
		if slices.ContainsFunc(counter.Counted, func(m *state.Counted) bool { return m.Match == cmd.Limit.Match }) {
			return true, nil
		}
		if usedUp(counter, cmd) {
			return false, nil
		}
		err = e.Store.SetStateFor(ctx, limitState, key, old, encode(counted(counter, cmd)), lifetime(cmd.Limit))
		if !errors.Is(err, store.ErrConflict) {
			return err == nil, err
		}
	}
	return false, store.ErrConflict
}

// limitSlack is how long after its match a command may be asked: it may have had
// to wait in its lane.
const limitSlack = 2 * delivery.LaneAge

// lifetime is how long a counter is of use: as long as its longest limit, or for
// ever, 0, if one has no end.
func lifetime(l *state.CommandLimit) time.Duration {
	var longest int64
	for _, lim := range l.Limits {
		if lim.WithinMs == 0 {
			return 0
		}
		longest = max(longest, lim.WithinMs)
	}
	return time.Duration(longest)*time.Millisecond + limitSlack
}

// usedUp says whether the counter uses up one of a command's limits. All
// commands of a match are asked for the time of the match: they have one answer.
func usedUp(counter *state.Counter, cmd *state.Command) bool {
	at := make([]int64, len(counter.Counted))
	for i, m := range counter.Counted {
		at[i] = m.AtMs
	}
	slices.Sort(at)
	for _, l := range cmd.Limit.Limits {
		lim := core.Limit{Times: int(l.Times), Within: time.Duration(l.WithinMs) * time.Millisecond}
		if lim.Times > 0 && lim.Reached(at, cmd.CreatedMs) {
			return true
		}
	}
	return false
}

// counted adds a command's match to the counter, which keeps the latest ones, as
// many as its limits need. A command that had to wait is asked late: its match
// may be older than some that are there.
func counted(counter *state.Counter, cmd *state.Command) *state.Counter {
	most := 1
	for _, l := range cmd.Limit.Limits {
		most = max(most, int(l.Times))
	}
	all := append(counter.Counted, &state.Counted{Match: cmd.Limit.Match, AtMs: cmd.CreatedMs})
	slices.SortStableFunc(all, func(a, b *state.Counted) int { return cmp.Compare(a.AtMs, b.AtMs) })
	counter.Counted = all[max(0, len(all)-most):]
	return counter
}
