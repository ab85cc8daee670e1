package main

import (
	"net/http"
	"strconv"
	"sync"
	"time"
)

// windows are X's limits: so many calls of an endpoint until a point in time.
// The zero value is ready for use; it is safe for concurrent use.
type windows struct {
	mu     sync.Mutex
	closed map[string]time.Time // endpoints that take no more, until when
}

// limitHeaders are what X's limits are called: of a window of 15 minutes, and of
// the account's and the app's day.
var limitHeaders = []string{"X-Rate-Limit", "X-User-Limit-24hour", "X-App-Limit-24hour"}

const (
	longestWindow = 24 * time.Hour  // beyond it a header is not believed
	unknownWindow = 1 * time.Minute // pause after a 429 without a header
)

// note reads the limits in an answer's header.
func (w *windows) note(endpoint string, h http.Header, now time.Time) {
	if wait := spent(h, now); wait > 0 {
		w.shut(endpoint, now.Add(wait))
	}
}

// shut has the endpoint take no calls until then.
func (w *windows) shut(endpoint string, until time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed == nil {
		w.closed = map[string]time.Time{}
	}
	w.closed[endpoint] = until
}

// wait returns how long the endpoint takes no calls.
func (w *windows) wait(endpoint string, now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	until, ok := w.closed[endpoint]
	if ok && !until.After(now) {
		delete(w.closed, endpoint)
	}
	return max(0, until.Sub(now))
}

// spent returns how long it takes until all limits that are used up are reset.
func spent(h http.Header, now time.Time) (wait time.Duration) {
	for _, name := range limitHeaders {
		if h.Get(name+"-Remaining") == "0" {
			wait = max(wait, until(h.Get(name+"-Reset"), now))
		}
	}
	return wait
}

// throttle returns the wait that a 429 asks for.
func throttle(h http.Header, retryAfter time.Duration, now time.Time) time.Duration {
	wait := max(spent(h, now), retryAfter)
	if wait == 0 {
		wait = until(h.Get(limitHeaders[0]+"-Reset"), now)
	}
	if wait == 0 {
		wait = unknownWindow
	}
	return wait
}

// until reads a time in Unix seconds. It is in whole seconds, and a second after
// what X says: its clock and ours are not the same.
func until(text string, now time.Time) time.Duration {
	seconds, err := strconv.ParseInt(text, 10, 40)
	if err != nil {
		return 0
	}
	d := time.Unix(seconds, 0).Sub(now)
	if d <= 0 || d > longestWindow {
		return 0
	}
	return d.Truncate(time.Second) + time.Second
}
