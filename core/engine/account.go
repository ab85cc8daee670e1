package engine

import (
	"bytes"
	"context"
	"time"

	"github.com/openccsp/gateway/core"
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
	step := e.accept(name, a.Events, func(err error) {
		e.Exec.Go(func() {
			if err == nil && !bytes.Equal(a.Cursor, cursor) {
				err = e.Store.SetState(ctx, name, accountCursor, cursor, a.Cursor)
			}
			if err != nil { // the events come again and are recognized
				e.Log.Warn("account poll could not be kept, will retry", "instance", name, "err", err)
				wait = pollBackoff
			}
			e.accountLater(ctx, name, wait)
		})
	})
	if step != nil {
		step()
	}
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
