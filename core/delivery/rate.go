package delivery

import (
	"math/bits"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// After a pause a single message goes first, and twice as many after each easeEvery,
// until maxEase have gone: those that waited must not come all at once, the far side
// may want quiet again.
const (
	easeEvery = 500 * time.Millisecond
	maxEase   = 1 << 10
)

// Rate keeps the pace of one instance. It is safe for concurrent use.
type Rate struct {
	mu    sync.Mutex
	limit *rate.Limiter // nil: none
	pause time.Time     // the far side asked for quiet until then; zero: not lately
	eased int           // messages since
}

// NewRate returns a Rate of perSecond messages, 0 for no limit.
func NewRate(perSecond float64, burst int) *Rate {
	r := &Rate{}
	r.Set(perSecond, burst)
	return r
}

// Set has r keep another pace. The quiet that the far side has asked for stays.
func (r *Rate) Set(perSecond float64, burst int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.limit = nil
	if perSecond > 0 {
		r.limit = rate.NewLimiter(rate.Limit(perSecond), max(burst, 1))
	}
}

// Take asks for one message at now. It returns 0, and the message counts, or
// how long to wait before asking again.
func (r *Rate) Take(now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if wait := r.quiet(now, 1); wait > 0 {
		return wait
	}
	if r.limit != nil {
		res := r.limit.ReserveN(now, 1)
		if wait := res.DelayFrom(now); wait > 0 {
			res.CancelAt(now)
			return wait
		}
	}
	if r.eased++; r.eased >= maxEase {
		r.pause = time.Time{}
	}
	return 0
}

// quiet says how long until n messages may go after a pause.
func (r *Rate) quiet(now time.Time, n int) time.Duration {
	if r.pause.IsZero() {
		return 0
	}
	since := now.Sub(r.pause)
	if since < 0 {
		return -since
	}
	steps := bits.Len(uint(r.eased + n - 1)) // as many as 1<<steps may go by then
	return max(time.Duration(steps)*easeEvery-since, 0)
}

// Wait says how long until n messages may go, without counting them.
func (r *Rate) Wait(now time.Time, n int) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if wait := r.quiet(now, n); wait > 0 {
		return wait
	}
	if r.limit == nil {
		return 0
	}
	res := r.limit.ReserveN(now, min(n, r.limit.Burst()))
	wait := res.DelayFrom(now)
	res.CancelAt(now)
	if n > r.limit.Burst() {
		wait = max(wait, time.Millisecond) // more than go at once
	}
	return wait
}

// Paused is how long the instance is still stopped.
func (r *Rate) Paused(now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(r.pause.Sub(now), 0)
}

// Pause stops the instance for d from now.
func (r *Rate) Pause(now time.Time, d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.eased = 0
	if until := now.Add(d); until.After(r.pause) {
		r.pause = until
	}
}
