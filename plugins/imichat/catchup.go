package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/openccsp/gateway/sdk"
)

const (
	readAtOnce  = 8                // chats that are read at a time
	readLater   = 2 * time.Second  // while all of these are busy
	noteEvery   = time.Minute      // how often the cursor learns what webhooks said
	closedAgain = 30 * time.Second // a closed chat's webhook, which says more, may be under way
	missingMost = 3                // readings without the chat until it is gone
)

// emitter makes events durable.
type emitter func(context.Context, ...sdk.Event) error

// Listen implements sdk.Listener. There is nothing to listen to: what readings
// find goes the way of webhooks, so that what both bring counts once.
func (c *connector) Listen(ctx context.Context, emit func(context.Context, ...sdk.Event) error) error {
	e := emitter(emit)
	c.emit.Store(&e)
	defer c.emit.Store(nil)
	<-ctx.Done()
	return nil
}

// Poll implements sdk.ChatPoller: chat. Webhooks bring the news; this reads a
// chat after a start, and then rarely, for what they have not brought.
func (c *connector) Poll(ctx context.Context, chat sdk.Chat, cursor []byte) (sdk.PollResult, error) {
	ref, at := string(chat.Ref), readMark(cursor)
	l := c.lives.get(ref)
	if c.cfg.catchUp == 0 || c.cfg.calls["chat"].path == "" {
		if l.gone {
			return sdk.PollResult{}, fmt.Errorf("%w: a call was told so", sdk.ErrChatGone)
		}
		return sdk.PollResult{Cursor: cursor, Next: maxCatchUp}, nil
	}
	if wait := l.read.Sub(c.host.Now()); wait > 0 && !l.gone {
		return at.noted(l.status, cursor, min(wait, noteEvery)), nil
	}
	emit := c.emit.Load()
	if emit == nil {
		return sdk.PollResult{}, sdk.Retry(errors.New("chat: the instance does not receive yet"), time.Second)
	}
	if !c.enter(ctx) {
		return sdk.PollResult{}, sdk.Retry(errors.New("chat: many are being read"), readLater+rand.N(readLater))
	}
	defer func() { <-c.places }()
	res, err := c.catchUp(ctx, chat, at, *emit)
	switch {
	case err == nil, errors.Is(err, sdk.ErrChatGone):
		return res, err
	case errors.Is(err, errNotTaken):
		return sdk.PollResult{}, sdk.Retry(err, minCatchUp)
	case l.gone && !passes(err):
		return sdk.PollResult{}, fmt.Errorf("%w: a call was told so, and it cannot be read: %w", sdk.ErrChatGone, err)
	}
	return sdk.PollResult{}, c.later(ref, err)
}

// passes reports whether another reading may go better.
func passes(err error) bool {
	var refused *sdk.RejectedError
	return !errors.As(err, &refused) && !errors.Is(err, errNoChat)
}

// errNoChat is the error of an answer that is not about the chat, errNotTaken
// that of news that the gateway could not take just now.
var (
	errNoChat   = errors.New("the answer is not about the chat")
	errNotTaken = errors.New("the gateway does not take its news")
)

// enter waits for a place among those who read, not for ever.
func (c *connector) enter(ctx context.Context) bool {
	patience := time.NewTimer(readLater)
	defer patience.Stop()
	select {
	case c.places <- struct{}{}:
		return true
	case <-patience.C:
	case <-ctx.Done():
	}
	return false
}

// later puts the next reading off: whatever went wrong, webhooks do not depend
// on it.
func (c *connector) later(ref string, err error) error {
	wait := c.next(ref, c.cfg.catchUp)
	if r, ok := errors.AsType[*sdk.RetryError](err); ok {
		if r.Throttled {
			return sdk.Throttled(err, max(wait, r.After))
		}
		wait = max(wait, r.After)
	}
	return sdk.Retry(err, wait)
}

// next sets when the chat is read next: about then, so that chats of one start
// do not stay together.
func (c *connector) next(ref string, after time.Duration) time.Duration {
	after += rand.N(after/5 + 1)
	c.lives.change(ref, func(l *life) { l.read = c.host.Now().Add(after) })
	return after
}

// catchUp reads a chat and reports what is new in it.
func (c *connector) catchUp(ctx context.Context, chat sdk.Chat, at mark, emit emitter) (sdk.PollResult, error) {
	ref := string(chat.Ref)
	o, err := c.chat(ctx, ref, at)
	if err != nil {
		return sdk.PollResult{}, err
	}
	l := c.lives.get(ref)
	r := reading{connector: c, chat: chat, object: o, mark: at, before: l.status, sure: l.gone}
	events := r.read()
	for _, e := range events {
		var refused *sdk.RejectedError
		if err := emit(ctx, e); errors.As(err, &refused) {
			c.host.Log().Warn("an event that was read from a chat is not taken", "type", e.Type, "err", err)
		} else if err != nil {
			return sdk.PollResult{}, fmt.Errorf("chat: %w: %w", errNotTaken, err)
		}
	}
	if len(events) > 0 {
		c.host.Log().Debug("a chat had news that no webhook may have brought", "events", len(events))
	}
	c.lives.change(ref, func(l *life) { l.status, l.missing, l.gone = r.mark.Status, 0, false })
	wait := c.cfg.catchUp
	if r.mark.Closing {
		wait = min(wait, closedAgain)
	}
	wait = c.next(ref, wait)
	return sdk.PollResult{Cursor: r.mark.bytes(), Next: min(wait, noteEvery)}, nil
}

// chat returns the chat's object. A chat that was read before and is no more
// is gone; one that never was may only be read at a wrong address.
func (c *connector) chat(ctx context.Context, ref string, at mark) (fields, error) {
	a, err := c.client.call(ctx, "chat", ref, nil)
	if err != nil {
		return nil, err
	}
	if a.gone() {
		missing := 0
		c.lives.change(ref, func(l *life) { l.missing++; missing = l.missing })
		if c.lives.get(ref).gone || at.Read && missing >= missingMost {
			return nil, fmt.Errorf("%w: chat: status %d", sdk.ErrChatGone, a.code())
		}
	}
	if err := c.client.refused("chat", a); err != nil {
		return nil, err
	}
	f, ok := a.chatObject()
	switch id := f.word("chatid", "id"); {
	case !ok, id != "" && id != ref:
		return nil, fmt.Errorf("chat: %w", errNoChat)
	}
	return f, nil
}
