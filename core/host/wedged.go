package host

import (
	"fmt"
	"time"
)

// maxLate is how many calls without an answer are remembered.
const maxLate = 1024

// lateCall is a call that was given up, and that the plugin still has.
type lateCall struct {
	instance string
	started  time.Time
	hopeless time.Time // from then on it says that the instance is stuck
}

// lateness is what a link knows of calls that were not answered in time. A late
// call is no reason to end a plugin; it is one if an instance answers nothing
// else either.
type lateness struct {
	calls map[uint64]lateCall  // by seq
	last  map[string]time.Time // of instances that have late calls: their last answer
}

// add notes that f was given up. floor is the least time before it counts.
func (l *lateness) add(seq uint64, f *openFrame, floor time.Duration) {
	if l.calls == nil {
		l.calls, l.last = make(map[uint64]lateCall), make(map[string]time.Time)
	}
	if len(l.calls) >= maxLate {
		return
	}
	l.calls[seq] = lateCall{f.frame.Instance, f.started, f.started.Add(max(2*f.deadline.Sub(f.started), floor))}
}

// answered notes an answer of an instance to call seq.
func (l *lateness) answered(seq uint64, instance string, now time.Time) {
	if len(l.calls) == 0 {
		return
	}
	delete(l.calls, seq)
	l.last[instance] = now
	if len(l.calls) == 0 {
		clear(l.last)
	}
}

// stuck returns the instances that have a call for far too long, and have
// answered nothing since it began.
func (l *lateness) stuck(now time.Time) map[string]bool {
	var stuck map[string]bool
	for _, c := range l.calls {
		if now.Before(c.hopeless) || l.last[c.instance].After(c.started) {
			continue
		}
		if stuck == nil {
			stuck = make(map[string]bool)
		}
		stuck[c.instance] = true
	}
	return stuck
}

// wedged says that more than half of the open instances answer nothing, nil if
// not.
func (g *generation) wedged(now time.Time) error {
	g.link.mu.Lock()
	stuck := g.link.late.stuck(now)
	g.link.mu.Unlock()
	if len(stuck) == 0 {
		return nil
	}
	open, n := *g.serving.Load(), 0
	for name := range open {
		if stuck[name] {
			n++
		}
	}
	if 2*n <= len(open) {
		return nil
	}
	return fmt.Errorf("wedged: %d of %d instances have not answered a call for more than twice its time", n, len(open))
}
