package main

import (
	"net/http"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

const maxLimited = 20_000 // keys a limiter remembers; the longest unused is forgotten

// limiter allows each key so many in a time, all at once if need be. It is safe
// for concurrent use.
type limiter struct {
	limit int
	per   time.Duration
	now   func() time.Time
	keys  *lru.Cache[string, *rate.Limiter]
}

func newLimiter(limit int, per time.Duration, now func() time.Time) (*limiter, error) {
	keys, err := lru.New[string, *rate.Limiter](maxLimited)
	return &limiter{limit, per, now, keys}, err
}

// allow takes one call of key, and says whether it is within the limit.
func (l *limiter) allow(key string) bool { return l.allowN(key, 1) }

// allowN takes n, all or nothing.
func (l *limiter) allowN(key string, n int) bool {
	fresh := rate.NewLimiter(rate.Limit(float64(l.limit)/l.per.Seconds()), l.limit)
	if known, ok, _ := l.keys.PeekOrAdd(key, fresh); ok {
		l.keys.Get(key) // marks it as used
		return known.AllowN(l.now(), n)
	}
	return fresh.AllowN(l.now(), n)
}

func throttled(message string) error {
	return &apiError{http.StatusTooManyRequests, "rate_limited", message + "; try again later"}
}
