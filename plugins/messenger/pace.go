package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/openccsp/gateway/sdk"
)

const (
	slowFrom  = 80.0                  // percent of what Meta allows
	slowStep  = 50 * time.Millisecond // between two calls, for each percent above it
	slowFor   = 5 * time.Minute       // how long Meta's figures are believed
	maxRegain = 24 * time.Hour
	maxPause  = 2 * time.Second // a call waits no longer by itself
)

// pace keeps calls within what Meta allows: it slows down before Meta refuses.
// It is safe for concurrent use.
type pace struct {
	now   func() time.Time
	page  string
	heavy *rate.Limiter // messages with audio or video

	mu     sync.Mutex
	closed time.Time // until then nothing goes
	why    string
	gap    time.Duration // between two calls
	since  time.Time     // gap
	next   time.Time     // call
}

func newPace(page string, now func() time.Time) *pace {
	return &pace{now: now, page: page, heavy: rate.NewLimiter(heavyPerSec, heavyPerSec)}
}

// usage is one of Meta's figures: percent, and minutes.
type usage struct {
	Calls  float64 `json:"call_count"`
	CPU    float64 `json:"total_cputime"`
	Time   float64 `json:"total_time"`
	Regain float64 `json:"estimated_time_to_regain_access"`
}

func (u usage) percent() float64 { return max(u.Calls, u.CPU, u.Time) }

// usages reads the three headers. What cannot be read is none.
func (p *pace) usages(h http.Header) (all []usage) {
	for _, name := range []string{"X-App-Usage", "X-Page-Usage"} {
		var u usage
		if json.Unmarshal([]byte(h.Get(name)), &u) == nil {
			all = append(all, u)
		}
	}
	var cases map[string][]usage
	if json.Unmarshal([]byte(h.Get("X-Business-Use-Case-Usage")), &cases) == nil {
		all = append(all, cases[p.page]...)
	}
	return all
}

// heard takes in how much of what Meta allows is used, and returns for how long
// Meta wants nothing.
func (p *pace) heard(h http.Header) time.Duration {
	all := p.usages(h)
	if len(all) == 0 {
		return 0
	}
	var most usage
	for _, u := range all {
		most.Calls, most.Regain = max(most.Calls, u.percent()), max(most.Regain, u.Regain)
	}
	regain := time.Duration(min(most.Regain, maxRegain.Minutes()) * float64(time.Minute))
	if most.Calls >= 100 {
		regain = max(regain, minThrottle)
	}
	if regain > 0 {
		p.close(regain, fmt.Sprintf("%.0f %% of what Meta allows is used", most.Calls))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gap, p.since = time.Duration(max(0, min(most.Calls, 100)-slowFrom)*float64(slowStep)), p.now()
	return regain
}

// close lets nothing go for so long.
func (p *pace) close(d time.Duration, why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if until := p.now().Add(d); until.After(p.closed) {
		p.closed, p.why = until, why
	}
}

// await waits for the turn of a call. If that is long the gateway waits instead,
// and with it all that this instance would send.
func (p *pace) await(ctx context.Context, heavy bool) error {
	d, err := p.turn(heavy)
	switch {
	case err != nil:
		return err
	case d <= 0:
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return sdk.Retry(ctx.Err(), 0) // nothing was sent
	}
}

func (p *pace) turn(heavy bool) (time.Duration, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if d := p.closed.Sub(now); d > 0 {
		return 0, sdk.Throttled(errors.New(p.why), d)
	}
	at := now
	if p.gap > 0 && now.Sub(p.since) < slowFor && p.next.After(now) {
		at = p.next
	}
	d := at.Sub(now)
	var turn *rate.Reservation
	if heavy {
		turn = p.heavy.ReserveN(now, 1)
		d = max(d, turn.DelayFrom(now))
	}
	if d > maxPause {
		if turn != nil {
			turn.CancelAt(now)
		}
		return 0, sdk.Throttled(errors.New("close to what Meta allows"), d)
	}
	p.next = now.Add(d + p.gap)
	return d, nil
}
