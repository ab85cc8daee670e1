package main

import (
	"net/http"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

const maxLimited = 20_000 // keys a limiter remembers; the longest unused is forgotten

// limiter allows each key so many calls per minute, all at once if need be.
// It is safe for concurrent use.
type limiter struct {
	perMinute int
	keys      *lru.Cache[string, *rate.Limiter]
}

func newLimiter(perMinute int) (*limiter, error) {
	keys, err := lru.New[string, *rate.Limiter](maxLimited)
	return &limiter{perMinute, keys}, err
}

// allow takes one call of key, and says whether it is within the limit.
func (l *limiter) allow(key string) bool {
	fresh := rate.NewLimiter(rate.Limit(float64(l.perMinute)/60), l.perMinute)
	if known, ok, _ := l.keys.PeekOrAdd(key, fresh); ok {
		l.keys.Get(key) // marks it as used
		return known.Allow()
	}
	return fresh.Allow()
}

func throttled(message string) error {
	return &apiError{http.StatusTooManyRequests, "rate_limited", message + "; try again later"}
}
