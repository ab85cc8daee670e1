package main

import (
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

const (
	maxLimited  = 20_000      // keys a limiter remembers; the longest unused is forgotten
	tellRefusal = time.Minute // the log hears of one limit this seldom
)

// limiter allows each key so many in a time, all at once if need be. It is safe
// for concurrent use.
type limiter struct {
	setting string
	limit   int
	per     time.Duration
	now     func() time.Time
	told    *refusals
	keys    *lru.Cache[string, *rate.Limiter]
}

// newLimiter makes the limiter of a setting.
func (r *refusals) newLimiter(setting string, limit int, per time.Duration) (*limiter, error) {
	keys, err := lru.New[string, *rate.Limiter](maxLimited)
	return &limiter{setting, limit, per, r.now, r, keys}, err
}

// allow takes one call of key, and says whether it is within the limit.
func (l *limiter) allow(key string) bool { return l.allowN(key, 1) }

// allowN takes n, all or nothing.
func (l *limiter) allowN(key string, n int) bool {
	fresh := rate.NewLimiter(rate.Limit(float64(l.limit)/l.per.Seconds()), l.limit)
	if known, ok, _ := l.keys.PeekOrAdd(key, fresh); ok {
		l.keys.Get(key) // marks it as used
		fresh = known
	}
	if fresh.AllowN(l.now(), n) {
		return true
	}
	l.told.count(l.setting)
	return false
}

func throttled(message string) error {
	return &apiError{http.StatusTooManyRequests, "rate_limited", message + "; try again later"}
}

// refusals tells the log what limits refuse: of each setting seldom, with the
// number since, so that who floods us does not flood the log. It is safe for
// concurrent use.
type refusals struct {
	log *slog.Logger
	now func() time.Time

	mu       sync.Mutex
	settings map[string]tally
}

type tally struct {
	refused int
	told    time.Time
}

func newRefusals(log *slog.Logger, now func() time.Time) *refusals {
	return &refusals{log: log, now: now, settings: map[string]tally{}}
}

func (r *refusals) count(setting string) {
	now := r.now()
	r.mu.Lock()
	t := r.settings[setting]
	t.refused++
	tell := t.told.IsZero() || now.Sub(t.told) >= tellRefusal
	if tell {
		r.settings[setting] = tally{told: now}
	} else {
		r.settings[setting] = t
	}
	r.mu.Unlock()
	if tell {
		r.log.Warn("a limit refuses what customers send", "limit", setting, "refused", t.refused)
	}
}

// network is whom a limit by address counts: an IPv4 address, or the /64 of an
// IPv6 address, which one household has. It is not valid if address says nothing.
func network(address string) netip.Prefix {
	ip, err := netip.ParseAddr(address)
	if at, e := netip.ParseAddrPort(address); err != nil && e == nil {
		ip, err = at.Addr(), nil
	}
	if err != nil {
		return netip.Prefix{}
	}
	ip = ip.Unmap().WithZone("")
	bits := ip.BitLen()
	if ip.Is6() && !ip.IsLoopback() {
		bits = 64
	}
	p, _ := ip.Prefix(bits) // fails for other lengths only
	return p
}
