package main

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/openccsp/gateway/sdk"
)

const (
	lively   = 20 * time.Second // a chat is polled at the active rate so long after something happened
	slowDown = 1.5              // and then waits so much longer each time, on average
	paceKept = 30 * time.Minute // after the last poll
)

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
