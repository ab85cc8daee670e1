package host

import (
	"context"
	"errors"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/openccsp/gateway/core/host/stage"
)

// place is a path of the catalog, and what came of it.
type place struct {
	file   stage.File
	digest string // that was taken up
	slot   *slot  // that has its offer, nil before it is known which

	// While it is not known which plugin it is:
	ask   context.CancelFunc
	state string
	since time.Time
	err   error
	tried bool
	tail  *tail
}

// apply takes the files as they should be now.
func (h *Host) apply(c stage.Catalog) {
	h.mu.Lock()
	defer h.mu.Unlock()
	defer h.changedLocked()
	h.alarms = c.Alarms
	here := make(map[string]bool)
	for _, f := range c.Files {
		here[f.Path] = true
		h.takeLocked(f)
	}
	for _, path := range slices.Sorted(maps.Keys(h.places)) {
		if !here[path] && !h.places[path].attached() {
			h.dropLocked(path)
		}
	}
	h.cataloged = true
}

// takeLocked takes up one file.
func (h *Host) takeLocked(f stage.File) {
	p := h.places[f.Path]
	if p == nil {
		p = &place{tail: &tail{}, state: Starting, since: time.Now()}
		h.places[f.Path] = p
	}
	again := f.Digest == p.digest && f.ModTime.Equal(p.file.ModTime) && f.Sidecar == p.file.Sidecar
	p.file = f
	if again || f.State != stage.Ready && f.Digest == p.digest {
		return
	}
	p.stopAsking()
	p.digest = f.Digest
	if f.Digest == "" { // nothing may run
		h.leaveSlotLocked(p)
		return
	}
	if mf := h.ledger.manifest(f.Digest); mf != nil {
		h.placeLocked(p, &offer{program: programOf(f), mf: mf}, nil)
		return
	}
	h.askLocked(p)
}

// askLocked has a program started until it has said what it is.
func (h *Host) askLocked(p *place) {
	p.stopAsking()
	ctx, cancel := context.WithCancel(h.base)
	p.ask, p.tried, p.state, p.since, p.err = cancel, false, Starting, time.Now(), nil
	prog := programOf(p.file)
	h.wg.Go(func() { h.identify(ctx, p, prog) })
}

// reconfiguredLocked gives those another chance that found their configuration
// wrong.
func (h *Host) reconfiguredLocked() {
	for _, s := range h.slots {
		s.reconfigured()
	}
	for _, p := range h.places {
		if errors.Is(p.err, errConfiguration) {
			h.askLocked(p)
		}
	}
}

// dropLocked takes a path out that is no more.
func (h *Host) dropLocked(path string) {
	p := h.places[path]
	p.stopAsking()
	h.leaveSlotLocked(p)
	delete(h.places, path)
}

func (p *place) stopAsking() {
	if p.ask != nil {
		p.ask()
		p.ask = nil
	}
}

// attached says that the place is of a process that somebody else runs.
func (p *place) attached() bool { return p.file.State == "attached" }

func (h *Host) leaveSlotLocked(p *place) {
	if p.slot != nil {
		p.slot.withdraw(p.file.Path)
		p.slot = nil
	}
}

// placeLocked gives an offer to its slot; g, if not nil, is a process of it.
func (h *Host) placeLocked(p *place, o *offer, g *generation) {
	s := h.slots[o.mf.PluginId]
	if s == nil {
		s = newSlot(h, o.mf.PluginId)
		h.slots[s.id] = s
	}
	if p.slot != nil && p.slot != s {
		p.slot.withdraw(o.Path) // the path has become another plugin's
	}
	if p.slot != s {
		h.recallLocked(s, o)
	}
	p.slot, p.ask, p.tried, p.err = s, nil, true, nil
	s.offer(o, g, !h.booting)
	h.wg.Go(func() { h.keep(s) })
	if !h.booting {
		h.enterLocked(s)
	}
	h.changedLocked()
}

// recallLocked puts what ran from a path before the gateway's last end on the
// shelf, to be run again if o does not pass. Only where all files are trusted:
// nobody has looked at it since.
func (h *Host) recallLocked(s *slot, o *offer) {
	before, ok := s.past.Before[o.Path]
	mf := h.ledger.manifest(before.Digest)
	if !ok || mf == nil || mf.PluginId != s.id || before.Digest == o.Digest || h.strict() {
		return
	}
	if _, err := os.Stat(before.Dir); err != nil {
		return // the store has cleared it away
	}
	s.mu.Lock()
	s.shelf.put(&offer{program: before, mf: mf}, s.fit)
	s.mu.Unlock()
}

// enterLocked starts the slot's actor, unless it runs.
func (h *Host) enterLocked(s *slot) {
	if s.entering || h.base.Err() != nil {
		return
	}
	s.entering = true
	h.wg.Go(func() { s.run(h.base) })
}

// identify starts p until it has said what it is, and hands it on.
func (h *Host) identify(ctx context.Context, p *place, prog program) {
	wait := newRestartWait()
	id := h.guess(p, prog)
	for n := 1; ; n++ {
		g, err := h.introduce(ctx, p, prog, id)
		if err == nil && g.mf.PluginId != id {
			// Its folder is another plugin's, or nobody's, and so are its limits:
			// once more with its own.
			id = g.mf.PluginId
			g.kill()
			g, err = h.introduce(ctx, p, prog, id)
		}
		if err == nil {
			h.adopt(p, g)
			return
		}
		if ctx.Err() != nil {
			return
		}
		state, d := Backoff, time.Duration(0)
		switch {
		case isFinal(err), errors.Is(err, errConfiguration):
			state = Failed
		case n < crashLimits[0].n:
			d = wait.next()
		default:
			state, d = Quarantined, min(h.t.trial<<min(n-crashLimits[0].n, 10), 30*time.Minute)
		}
		h.missed(p, prog, err, state)
		if state == Failed || !sleep(ctx, d) {
			return
		}
	}
}

// introduce starts a process, a few at a time while booting.
func (h *Host) introduce(ctx context.Context, p *place, prog program, id string) (*generation, error) {
	select {
	case h.starts <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-h.starts }()
	return startGeneration(ctx, h, prog, id, p.tail)
}

// guess is the id that a program probably has.
func (h *Host) guess(p *place, prog program) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case prog.claim.ID != "":
		return prog.claim.ID
	case p.slot != nil:
		return p.slot.id
	}
	return ""
}

// missed records that a file did not start.
func (h *Host) missed(p *place, prog program, err error, state string) {
	h.log.Error("plugin does not start", "path", prog.Path, "err", err, "state", state)
	h.mu.Lock()
	defer h.mu.Unlock()
	if p.digest == prog.Digest {
		p.err, p.tried, p.since, p.state = err, true, time.Now(), state
		h.changedLocked()
	}
}

// adopt gives a described process to its slot.
func (h *Host) adopt(p *place, g *generation) {
	if err := h.ledger.learn(g.Digest, g.mf, h.inUse()); err != nil {
		h.log.Warn("what a plugin says of itself is not kept", "path", g.Path, "err", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if p.digest != g.Digest || h.base.Err() != nil {
		h.stopSoon(g)
		return
	}
	h.placeLocked(p, &offer{program: g.program, mf: g.mf}, g)
}
