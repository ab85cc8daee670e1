package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/openccsp/gateway/sdk"
)

// The steps of a pacer.
const (
	firstPause   = time.Second
	longestPause = 30 * time.Second
	growEvery    = time.Second
	growBy       = 0.05 // of the full rate
	freeAt       = 4    // times the rate at which the SMSC complained: without a limit again
	lineLimit    = 3 * time.Second
)

var errPaced = errors.New("the SMSC has asked for fewer messages")

// pacer is how many segments a second go to the SMSC: as many as the settings allow.
// When the SMSC complains it halves, pauses, and grows again step by step. It is safe
// for concurrent use.
type pacer struct {
	now func() time.Time

	mu      sync.Mutex
	limiter *rate.Limiter
	full    float64       // what the settings allow; 0: any number
	goal    float64       // to which it grows
	current float64       // 0: no limit
	until   time.Time     // of the pause
	pause   time.Duration // the last one
	grown   time.Time     // when it grew
	second  time.Time     // in which it counts
	count   float64       // of this second
	before  float64       // of the one before
}

func newPacer(tps float64, now func() time.Time) *pacer {
	p := &pacer{now: now, full: tps, goal: tps, current: tps, limiter: rate.NewLimiter(rate.Inf, 1)}
	p.set(tps)
	return p
}

// set makes it so many a second, 0: any number. The caller holds mu, or is alone.
func (p *pacer) set(perSecond float64) {
	p.current = perSecond
	if perSecond == 0 {
		p.limiter.SetLimit(rate.Inf)
		return
	}
	p.limiter.SetLimitAt(p.now(), rate.Limit(perSecond))
}

// wait returns when the next segment may go. If that is too far away, nothing has
// happened and the whole instance slows down.
func (p *pacer) wait(ctx context.Context) error {
	p.mu.Lock()
	now := p.now()
	delay := max(p.until.Sub(now), 0)
	if delay > 0 { // who waits for the pause takes its turn after it
		p.mu.Unlock()
		return sdk.Throttled(errPaced, delay)
	}
	turn := p.limiter.ReserveN(now, 1)
	delay = turn.DelayFrom(now)
	if delay > lineLimit {
		turn.CancelAt(now)
		p.mu.Unlock()
		return sdk.Throttled(errPaced, delay)
	}
	p.mu.Unlock()
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return sdk.Retry(ctx.Err(), 0)
	}
}

// taken counts a segment that the SMSC took, and grows.
func (p *pacer) taken() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if age := now.Sub(p.second); age >= time.Second {
		p.before = 0
		if age < 2*time.Second {
			p.before = p.count
		}
		p.second, p.count = now, 0
	}
	p.count++
	if p.current == p.full || now.Sub(p.grown) < growEvery || now.Before(p.until) {
		return
	}
	p.grown, p.pause = now, 0
	next := p.current + max(p.goal*growBy, 1)
	switch {
	case p.full > 0 && next >= p.full:
		next = p.full
	case p.full == 0 && next >= freeAt*p.goal:
		next = 0
	}
	p.set(next)
}

// throttled halves the rate and pauses, and returns for how long. What was in flight
// when the pause began does not halve it again.
func (p *pacer) throttled() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if left := p.until.Sub(now); left > 0 {
		return left
	}
	if p.current == 0 {
		p.goal = max(p.before, p.count, 2)
		p.current = p.goal
	}
	p.set(max(p.current/2, min(p.current, 1)))
	p.pause = min(max(2*p.pause, firstPause), longestPause)
	p.until, p.grown = now.Add(p.pause), now.Add(p.pause)
	return p.pause
}
