package host

import (
	"slices"
	"time"
)

// Swap is one replacement of a plugin's process by another version, or an
// attempt at it.
type Swap struct {
	At                   time.Time
	From, To             string // versions
	FromDigest, ToDigest string
	Exclusive            bool
	Gap                  time.Duration // while callers found no generation, or no open instance
	Took                 time.Duration // from the start of the new process to its first call
	Err                  string        // why the new one did not take over, "" if it did
}

// maxSwaps is how many are remembered.
const maxSwaps = 16

// handOver makes the new process the one that serves, without a pause. What the
// old one has it answers; see barrier and instance.move.
func (a *actor) handOver(t *attempt) {
	old := a.cur
	t.g.prev.Store(old)
	gap := a.publish(t.g, old)
	a.dismiss(old)
	a.swapped(t, old, gap)
}

func (a *actor) swapped(t *attempt, old *generation, gap time.Duration) {
	a.noteSwap(t, old, nil)
	a.mu.Lock()
	s := &a.swaps[len(a.swaps)-1]
	s.Gap = gap
	took := s.Took
	a.mu.Unlock()
	kind := "parallel"
	if t.g.exclusive {
		kind = "exclusive"
	}
	a.h.m.swaps.WithLabelValues(a.id, kind).Inc()
	a.h.m.gap.WithLabelValues(a.id).Observe(gap.Seconds())
	t.g.log.Info("plugin has been replaced", "from", old.mf.Version, "to", t.g.mf.Version, "from_generation", old.number,
		"handover", kind, "gap", gap.Round(time.Microsecond).String(), "took", took.Round(time.Millisecond).String())
}

func (a *actor) noteSwap(t *attempt, old *generation, err error) {
	s := Swap{At: time.Now(), From: old.mf.Version, To: t.offer.mf.Version, FromDigest: old.Digest,
		ToDigest: t.offer.Digest, Took: time.Since(t.since), Err: text(err)}
	if t.g != nil {
		s.Exclusive = t.g.exclusive
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.swaps) == maxSwaps {
		a.swaps = slices.Delete(a.swaps, 0, 1)
	}
	a.swaps = append(a.swaps, s)
}

// publish lets callers and instances find g, instead of old if that is not nil.
// It returns how long they found neither. Who waits for the plugin is told by
// succeed, once all of it is written down.
func (a *actor) publish(g, old *generation) (gap time.Duration) {
	clashes := a.h.claim(a.slot, g.mf)
	if f := a.old; f != nil && g.prev.Load() == nil {
		g.prev.Store(f.g) // it replaces one that crashed while its own predecessor had calls
	}
	a.h.m.up.WithLabelValues(a.id).Set(1)
	a.h.m.held.WithLabelValues(a.id).Set(0)
	if a.fell {
		a.h.m.restarts.WithLabelValues(a.id).Inc()
	}
	a.mu.Lock() // whoever finds the generation finds what is said of it
	begin := time.Now()
	if old != nil {
		old.link.seal() // from here on callers come again, until they find the new one
	}
	a.gen.Store(g)
	gap = time.Since(begin)
	other := a.digest != g.Digest
	a.clashes, a.pid, a.number, a.digest = clashes, g.proc.pid, g.number, g.Digest
	if other {
		a.err = nil // it was another program's
	}
	if a.fell {
		a.restarts++
	}
	a.mu.Unlock()
	a.next.CompareAndSwap(g, nil)
	if other {
		a.suspects.clear()
	}
	a.cur, a.up, a.fell = g, time.Now(), false
	g.log.Info("plugin is up", "path", g.Path, "digest", short(g.Digest), "took", time.Since(g.since).Round(time.Microsecond).String())
	for _, c := range clashes {
		g.log.Error("driver is offered by two plugins", "driver", c, "kept_by", a.h.owner(c).id)
	}
	a.manifest.Store(g.mf)
	a.h.saveManifests()
	return gap
}
