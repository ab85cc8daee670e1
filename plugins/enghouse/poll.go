package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

const (
	maxEvents   = 500              // of one poll; the rest comes with the next
	maintenance = 10 * time.Minute // a chat outlives wrong answers that are not about it
	moreIsThere = 10 * time.Millisecond
)

// Poll implements sdk.ChatPoller: getevents.
func (c *connector) Poll(ctx context.Context, chat sdk.Chat, mark []byte) (sdk.PollResult, error) {
	at, err := readCursor(mark)
	if err != nil {
		return sdk.PollResult{}, err
	}
	if at.Ended {
		c.paces.forget(chat.Ref)
		return sdk.PollResult{Cursor: mark, Next: c.cfg.idle}, nil
	}
	if err := c.limit.wait(ctx); err != nil {
		return sdk.PollResult{}, sdk.Retry(fmt.Errorf("poll.max_per_second is too low for the chats that are open: %w", err), 0)
	}
	asked := c.paces.skip(chat.Ref, at.Last)
	a, err := c.client.events(ctx, chat.Ref, asked)
	if err != nil {
		return sdk.PollResult{}, ccsp.AsRetry(err)
	}
	r := c.reading(chat, at)
	r.cursor.Last = max(at.Last, asked)
	list, err := c.news(chat.Ref, a)
	switch {
	case err != nil && at.Left != "" && gone(a):
		r.over() // that was the last agent
	case err != nil:
		return sdk.PollResult{}, err
	}
	r.read(list[:min(len(list), maxEvents)])
	res := sdk.PollResult{Cursor: mark}
	if len(list) > maxEvents || errors.Is(a.Err, ccsp.ErrTooLarge) {
		res.Next = moreIsThere
	} else {
		res.Next = c.paces.next(chat.Ref, len(r.out) > 0)
		if wait := r.expire(); wait > 0 {
			res.Next = min(res.Next, wait)
		}
	}
	res.Events = r.out
	return res, c.settle(chat.Ref, at, r, &res)
}

// reading begins to read what a poll brought.
func (c *connector) reading(chat sdk.Chat, at cursor) reading {
	queue := c.cfg.route(chat, func(string, error) {}).Queue
	return reading{ref: chat.Ref, queue: queue, event: c.cfg.Upload.Event, grace: c.cfg.grace, now: c.host.Now(), cursor: at,
		log: c.host.Log().With("conversation", chat.Conversation),
		typing: func(on bool) {
			c.paces.traffic(chat.Ref)
			c.host.ChatTyping(chat.Ref, on)
		}}
}

// settle sets the new cursor in res. Typing alone leaves it as it is, so that nothing
// has to be written; it is remembered here until something else happens.
func (c *connector) settle(ref sdk.ChatRef, at cursor, r reading, res *sdk.PollResult) error {
	moved := r.cursor
	if len(r.out) == 0 {
		moved.Last = at.Last
	}
	if moved == at {
		c.paces.passed(ref, at.Last, r.cursor.Last)
		return nil
	}
	b, err := json.Marshal(r.cursor)
	if err != nil {
		return err
	}
	res.Cursor = b
	if r.cursor.Ended {
		c.paces.forget(ref)
	}
	return nil
}

// news reads a poll's answer. Answers that make no sense are counted: the far
// side has no word for a chat that it does not know. But a proxy's page is none
// either, and a chat given up too early loses what its agent writes: unless it
// is a refusal, an answer must also stay wrong for a while.
func (c *connector) news(ref sdk.ChatRef, a ccsp.Answer) ([]wireEvent, error) {
	err := ccsp.AsRetry(c.client.refused("getevents", a))
	if err == nil {
		if a.Err != nil && !errors.Is(a.Err, ccsp.ErrTooLarge) {
			return nil, sdk.Retry(fmt.Errorf("getevents: %w", a.Err), 0)
		}
		var list []wireEvent
		if list, err = readEvents(a.Body, a.Err != nil); err == nil {
			c.paces.good(ref)
			return list, nil
		}
		err = fmt.Errorf("getevents: %w", err)
	} else if passes(err) {
		return nil, err
	}
	n, wrong := c.paces.bad(ref)
	if n >= c.cfg.Poll.MaxErrors && (a.Status >= 400 || wrong >= maintenance) {
		c.paces.forget(ref)
		return nil, fmt.Errorf("%w: %d bad answers in a row, the last: %w", sdk.ErrChatGone, n, err)
	}
	return nil, sdk.Retry(err, c.cfg.idle)
}

// passes reports whether a refusal says nothing about the chat.
func passes(err error) bool {
	_, retry := errors.AsType[*sdk.RetryError](err)
	return retry || errors.Is(err, sdk.ErrAuthConfig)
}
