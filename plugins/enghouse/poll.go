package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

const (
	cursorVersion = 1

	maxEvents   = 500              // of one poll; the rest comes with the next
	lively      = 20 * time.Second // a chat is polled at the active rate so long after something happened
	slowDown    = 1.5              // and then waits so much longer each time, on average
	paceKept    = 30 * time.Minute // after the last poll
	maintenance = 10 * time.Minute // a chat outlives wrong answers that are not about it
	moreIsThere = 10 * time.Millisecond
)

// cursor is all that is known of a chat from its earlier events. The gateway
// keeps it.
type cursor struct {
	Version  int   `json:"v"`
	Last     int64 `json:"last"` // highest Event_ID seen
	Assigned bool  `json:"assigned,omitempty"`
	Held     bool  `json:"held,omitempty"`
	Ended    bool  `json:"ended,omitempty"`
}

func readCursor(b []byte) (cursor, error) {
	if len(b) == 0 {
		return cursor{Version: cursorVersion}, nil
	}
	var c cursor
	if err := json.Unmarshal(b, &c); err != nil {
		return cursor{}, fmt.Errorf("cursor: %w", err)
	}
	if c.Version != cursorVersion || c.Last < 0 {
		return cursor{}, fmt.Errorf("cursor: version %d is not %d", c.Version, cursorVersion)
	}
	return c, nil
}

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
	asked := c.paces.skip(chat.Ref, at.Last)
	a, err := c.client.events(ctx, chat.Ref, asked)
	if err != nil {
		return sdk.PollResult{}, ccsp.AsRetry(err)
	}
	list, err := c.news(chat.Ref, a)
	if err != nil {
		return sdk.PollResult{}, err
	}
	more := len(list) > maxEvents
	r := reading{ref: chat.Ref, queue: c.cfg.Queue, cursor: at, log: c.host.Log(),
		typing: func(on bool) {
			c.paces.traffic(chat.Ref)
			c.host.ChatTyping(chat.Ref, on)
		}}
	r.cursor.Last = max(at.Last, asked)
	r.read(list[:min(len(list), maxEvents)])
	res := sdk.PollResult{Events: r.out, Cursor: mark, Next: c.paces.next(chat.Ref, len(r.out) > 0)}
	if more || errors.Is(a.Err, ccsp.ErrTooLarge) {
		res.Next = moreIsThere
	}
	if err := c.settle(chat.Ref, at, r, &res); err != nil {
		return sdk.PollResult{}, err
	}
	return res, nil
}

// settle sets the new cursor. Typing alone leaves it as it is, so that nothing
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
// is a 404 or 410, an answer must also stay wrong for a while.
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
	if n >= c.cfg.Poll.MaxErrors && (gone(a) || wrong >= maintenance) {
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

// paces knows of each open chat how often to ask, and how often that went
// wrong. It is lost on a restart, which costs a few polls.
type paces struct {
	active, idle time.Duration
	now          func() time.Time

	mu    sync.Mutex
	chats map[sdk.ChatRef]*pace
	swept time.Time
}

type pace struct {
	wait       time.Duration // the last one
	happened   time.Time
	used       time.Time
	bad        int
	badSince   time.Time
	base, seen int64 // events after base up to seen were typing and the like
}

func newPaces(cfg config, now func() time.Time) paces {
	return paces{active: cfg.active, idle: cfg.idle, now: now, chats: map[sdk.ChatRef]*pace{}, swept: now()}
}

// at returns the chat's pace, and drops those of chats that ended without a
// word. A chat that it does not know was opened before this process was: it
// counts as quiet until something happens, so that a restart is no rush at the
// far side. p.mu is held.
func (p *paces) at(ref sdk.ChatRef) *pace {
	now := p.now()
	if now.Sub(p.swept) > time.Minute {
		p.swept = now
		for k, v := range p.chats {
			if now.Sub(v.used) > paceKept {
				delete(p.chats, k)
			}
		}
	}
	v := p.chats[ref]
	if v == nil {
		v = &pace{wait: p.active, happened: now.Add(-lively)}
		p.chats[ref] = v
	}
	v.used = now
	return v
}

// traffic notes that somebody wrote.
func (p *paces) traffic(ref sdk.ChatRef) {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := p.at(ref)
	v.happened, v.wait = p.now(), p.active
}

// next returns the wait before the next poll: the active one for a while after
// something happened, then longer each time up to the idle one. Chance keeps
// many chats from asking at once, also those that fell silent together.
func (p *paces) next(ref sdk.ChatRef, news bool) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := p.at(ref)
	switch now := p.now(); {
	case news:
		v.happened, v.wait = now, p.active
	case now.Sub(v.happened) < lively:
		v.wait = p.active
	default:
		v.wait = min(p.idle, time.Duration(float64(v.wait)*(slowDown-0.3+0.6*rand.Float64())))
	}
	return time.Duration(float64(v.wait) * (0.9 + 0.2*rand.Float64()))
}

// bad counts an answer that made no sense and returns how many there were in a
// row, and for how long. good forgets them.
func (p *paces) bad(ref sdk.ChatRef) (int, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := p.at(ref)
	if v.bad == 0 {
		v.badSince = p.now()
	}
	v.bad++
	return v.bad, p.now().Sub(v.badSince)
}

func (p *paces) good(ref sdk.ChatRef) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at(ref).bad = 0
}

// passed remembers that the events after base up to seen need no cursor.
func (p *paces) passed(ref sdk.ChatRef, base, seen int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := p.at(ref)
	v.base, v.seen = base, seen
}

// skip returns the last event that needs no repetition when the gateway's
// cursor is at base.
func (p *paces) skip(ref sdk.ChatRef, base int64) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if v := p.at(ref); v.base == base && v.seen > base {
		return v.seen
	}
	return base
}

func (p *paces) forget(ref sdk.ChatRef) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.chats, ref)
}
