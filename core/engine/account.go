package engine

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// pollBackoff is the wait after a poll of an account that failed.
const pollBackoff = 30 * time.Second

// accountCursor is the key of the cursor among an instance's state; a driver's
// own keys cannot begin with a dot.
const accountCursor = ".cursor"

// pollAccount polls the account of an instance, and again after a while.
func (e *Engine) pollAccount(ctx context.Context, name string) {
	cursor, err := e.Store.State(ctx, name, accountCursor)
	if err != nil {
		e.Log.Warn("account cursor could not be read, will retry", "instance", name, "err", err)
		e.accountLater(ctx, name, pollBackoff)
		return
	}
	e.Drivers.Poll(name, core.ConversationID{}, &pluginv1.Poll{Cursor: cursor}, e.CallTimeout,
		func(a *pluginv1.PollAnswer, fate core.Fate) {
			e.Exec.Go(func() { e.accountPolled(ctx, name, cursor, a, fate) })
		})
}

// accountPolled takes a poll's answer. The cursor moves once what came before it
// is durable.
func (e *Engine) accountPolled(ctx context.Context, name string, cursor []byte, a *pluginv1.PollAnswer, fate core.Fate) {
	if fate != core.Answered || a.GetResult().GetOutcome() != pluginv1.Outcome_OK {
		e.m.pollErrors.WithLabelValues(name).Inc()
		e.accountLater(ctx, name, pollBackoff)
		return
	}
	wait := nextPoll(a)
	e.keepAll(ctx, name, a.Events, func(err error) {
		if err == nil && !bytes.Equal(a.Cursor, cursor) {
			err = e.Store.SetState(ctx, name, accountCursor, cursor, a.Cursor)
		}
		if err != nil { // the events come again and are recognized
			e.Log.Warn("account poll could not be kept, will retry", "instance", name, "err", err)
			wait = pollBackoff
		}
		e.accountLater(ctx, name, wait)
	})
}

// keepAll makes a poll's events durable: accepted, or in quarantine if they are
// refused for good. Otherwise one of them would stop all that come after it,
// since nobody but the cursor can leave it behind. An error is temporary.
func (e *Engine) keepAll(ctx context.Context, name string, events []*pluginv1.Event, done func(error)) {
	e.acceptThen(name, events, func(err error) {
		if !isFinal(err) {
			done(err)
			return
		}
		e.keepEach(ctx, name, events, done)
	})
}

// keepEach is keepAll, one event after the other.
func (e *Engine) keepEach(ctx context.Context, name string, events []*pluginv1.Event, done func(error)) {
	if len(events) == 0 {
		done(nil)
		return
	}
	e.acceptThen(name, events[:1], func(err error) {
		if isFinal(err) {
			err = e.refuse(ctx, name, events[0], err)
		}
		if err != nil {
			done(err)
			return
		}
		e.keepEach(ctx, name, events[1:], done)
	})
}

// acceptThen goes on with done after accept, as work of the executor.
func (e *Engine) acceptThen(name string, events []*pluginv1.Event, done func(error)) {
	step := e.accept(name, events, func(err error) { e.Exec.Go(func() { done(err) }) })
	if step != nil {
		step()
	}
}

// isFinal says that an event would be refused again.
func isFinal(err error) bool {
	switch core.CodeOf(err) {
	case core.Invalid, core.NotFound, core.TooLarge:
		return true
	}
	return false
}

// refuse keeps an event that belongs to no conversation in quarantine.
func (e *Engine) refuse(ctx context.Context, name string, ev *pluginv1.Event, why error) error {
	now := e.Clock.Now().UnixMilli()
	q := &state.Quarantined{
		Id: fmt.Sprintf("%013d-%s-%016x", now, name, e.Rand()), AtMs: now, Instance: name,
		Reason: "the polled event was refused: " + why.Error(),
		Mail: &state.Mail{
			AcceptedMs: now, Instance: name, Source: "channel", Body: &state.Mail_Event{Event: ev},
		},
	}
	if err := e.Store.Quarantine(ctx, store.Dead{ID: q.Id, Body: encode(q)}); err != nil {
		return err
	}
	e.Log.Error("polled event was refused, it is in quarantine",
		"instance", name, "type", ev.Type, "quarantine", q.Id, "err", why)
	return nil
}

// accountLater polls the account again after wait, unless the instance no longer
// wants it.
func (e *Engine) accountLater(ctx context.Context, name string, wait time.Duration) {
	e.Clock.AfterFunc(wait, func() {
		if conf := e.Snap().Instances[name]; ctx.Err() == nil && conf.Can(pluginv1.AbilityPollAccount) {
			e.Exec.Go(func() { e.pollAccount(ctx, name) })
		} else if i := e.instance(name); i != nil {
			i.accounting.Store(false)
		}
	})
}
