package notify

import (
	"cmp"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// Limits of a gate.
const (
	trip      = 5                // failures in a row after which an endpoint is left alone
	firstRest = 15 * time.Second // for so long, and twice as long after each attempt that fails
	maxRest   = 5 * time.Minute
	quietFor  = 5 * time.Second      // after a 429 that does not say how long
	maxHold   = 2 * time.Second      // how long an attempt waits in its place for the pace; else it comes again
	probeFor  = time.Second          // when to come again while another attempt sees how things are
	crowdFor  = time.Second / 4      // when to come again if there is no place
	spacing   = 5 * time.Millisecond // between two that come again: thousands must not come at once
	closest   = time.Millisecond     // the same while there are places again and again
	maxLater  = time.Minute          // of those who come again one after another; more of them come beside the first
)

// gate stands before an endpoint: it keeps the pace, lets no more through at once
// than there are connections, and nothing while the endpoint does not answer, has
// asked for quiet, or is disabled. It is safe for concurrent use.
type gate struct {
	most int // attempts at once

	mu       sync.Mutex
	flying   int           // attempts under way
	moved    time.Time     // when one last began or ended
	last     time.Time     // when the last of those comes who are to come again
	own      float64       // attempts in a second that the operator wants, 0: any number
	allowed  float64       // the same that the endpoint wants
	limit    *rate.Limiter // keeps to both; nil: none
	asks     bool          // the endpoint must say first that it wants notifications
	agreed   bool          // it has
	failures int           // in a row
	failing  time.Time     // since when; zero: it answers
	quiet    time.Time     // until when nothing goes
	probing  bool          // one attempt sees whether it answers again
	off      *Disabled     // nil: it is enabled
}

func newGate(perSecond float64, asks bool, most int) *gate {
	g := &gate{most: most}
	g.set(perSecond, asks)
	return g
}

// set says how many attempts go in a second, 0 for any number, and whether the
// endpoint is asked first.
func (g *gate) set(perSecond float64, asks bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.own, g.asks = perSecond, asks
	g.pace()
}

// consent takes in that the endpoint wants notifications, and how many in a second.
func (g *gate) consent(perSecond float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.agreed, g.allowed = true, perSecond
	g.pace()
}

// pace has limit keep to what both sides want. The caller holds g.mu.
func (g *gate) pace() {
	perSecond := g.own
	if g.asks && g.allowed > 0 && (perSecond <= 0 || g.allowed < perSecond) {
		perSecond = g.allowed
	}
	if perSecond <= 0 {
		g.limit = nil
	} else if g.limit == nil || g.limit.Limit() != rate.Limit(perSecond) {
		g.limit = rate.NewLimiter(rate.Limit(perSecond), max(int(perSecond), 1))
	}
}

// mustAsk says that the endpoint has yet to say that it wants notifications.
func (g *gate) mustAsk() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.unasked()
}

// unasked is mustAsk for who holds g.mu.
func (g *gate) unasked() bool { return g.asks && !g.agreed }

// enter asks for one attempt. It may go after hold, or, if again is not 0, it must
// come again after that. off says that it never may.
func (g *gate) enter(now time.Time) (hold, again time.Duration, off *Disabled) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.off != nil:
		return 0, 0, g.off
	case now.Before(g.quiet):
		return 0, g.later(now, g.quiet.Sub(now), spacing), nil
	case g.probing:
		return 0, g.later(now, probeFor, spacing), nil
	case g.flying >= g.most: // the longer nothing comes back, the fewer look whether something has
		return 0, g.later(now, crowdFor, min(max(now.Sub(g.moved), closest), crowdFor)), nil
	}
	if g.limit != nil {
		r := g.limit.ReserveN(now, 1)
		if hold = r.DelayFrom(now); hold > maxHold {
			r.CancelAt(now)
			return 0, g.later(now, hold, time.Duration(float64(time.Second)/float64(g.limit.Limit()))), nil
		}
	}
	g.probing = g.failures >= trip || g.unasked()
	g.flying++
	g.moved = now
	return hold, 0, nil
}

// later is in how long one comes again who has no place now: in d or more, and apart
// from the one before, since a thousand who are turned away are not to come again all
// at once. The caller holds g.mu.
func (g *gate) later(now time.Time, d, apart time.Duration) time.Duration {
	after := max(d, g.last.Add(apart).Sub(now))
	if after > d+maxLater {
		after = d
	}
	g.last = now.Add(after)
	return after
}

// leave takes in what became of an attempt. It says that the endpoint is to be
// disabled: it has failed for longer than limit.
func (g *gate) leave(now time.Time, r *pluginv1.Result, limit time.Duration) (tooLong bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.flying--
	g.moved = now
	rested := !now.Before(g.quiet) // else the attempt began before the rest
	g.probing = false
	after := time.Duration(r.GetAfterMs()) * time.Millisecond
	switch r.GetOutcome() {
	case pluginv1.Outcome_THROTTLED:
		after = cmp.Or(after, quietFor)
	case pluginv1.Outcome_RETRY:
		if rested {
			g.failures++
		}
		if g.failures >= trip && rested {
			after = max(after, min(firstRest<<min(g.failures-trip, 10), maxRest))
		}
	default: // it answers
		g.failures, g.failing = 0, time.Time{}
		return false
	}
	if g.failing.IsZero() {
		g.failing = now
	}
	if until := now.Add(after); until.After(g.quiet) {
		g.quiet = until
	}
	return now.Sub(g.failing) >= limit
}

// gaveUp is leave for an attempt that was not made after all.
func (g *gate) gaveUp() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.flying--
	g.probing = false
}

// disable lets nothing more through. It says no if that is so already.
func (g *gate) disable(d *Disabled) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.off != nil {
		return false
	}
	g.off = d
	return true
}

// enable lets everything through again, as if nothing had been.
func (g *gate) enable() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.failures, g.failing, g.quiet, g.last, g.probing, g.off = 0, time.Time{}, time.Time{}, time.Time{}, false, nil
	g.agreed, g.allowed = false, 0
	g.pace()
}
