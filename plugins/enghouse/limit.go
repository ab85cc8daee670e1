package main

import (
	"context"
	"sync"
	"time"
)

// limiter spaces the polls of all chats.
type limiter struct {
	every time.Duration // 0: no limit

	mu   sync.Mutex
	next time.Time // when the next one may start
}

func newLimiter(perSecond int) limiter {
	if perSecond <= 0 {
		return limiter{}
	}
	return limiter{every: time.Second / time.Duration(perSecond)}
}

// wait returns when it is the caller's turn, or ctx's error if that will not
// come in time.
func (l *limiter) wait(ctx context.Context) error {
	if l.every == 0 {
		return nil
	}
	l.mu.Lock()
	now := time.Now()
	at := l.next
	if at.Before(now) {
		at = now
	}
	if end, ok := ctx.Deadline(); ok && at.After(end) {
		l.mu.Unlock()
		return context.DeadlineExceeded
	}
	l.next = at.Add(l.every)
	l.mu.Unlock()
	t := time.NewTimer(at.Sub(now))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
