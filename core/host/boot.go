package host

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"
)

// Open starts all plugins and returns when each is up or has failed once, and
// the instances that can be open are; at the latest after 10 s. A plugin that
// does not start is no error. After Open, also after its error, Run must be
// called to stop what there is.
func (h *Host) Open(ctx context.Context) error {
	if err := h.prepare(); err != nil {
		return err
	}
	files, missing, err := scan(h.cfg.Dirs)
	if err != nil {
		return err
	}
	for _, dir := range missing {
		h.log.Warn("plugin folder does not exist", "dir", dir)
	}
	h.launcher = newLauncher()
	ctx, cancel := context.WithTimeout(ctx, h.t.boot)
	defer cancel()
	h.mu.Lock()
	h.booting = true
	for _, f := range files {
		h.pending[f.path] = &pendingFile{file: f, state: Starting, since: time.Now(), tail: &tail{}}
	}
	h.mu.Unlock()
	starts := make(chan struct{}, 4) // at once, while booting
	for _, f := range files {
		h.wg.Go(func() { h.identify(h.base, f, starts) })
	}
	gather, done := context.WithTimeout(ctx, h.t.gather)
	h.await(gather, h.settledFiles)
	done()
	h.boot()
	h.await(ctx, func() bool { return h.settledFiles() && h.settledSlots() && h.settledInstances() })
	return nil
}

// settledFiles says that every file has said what it is or has failed once.
func (h *Host) settledFiles() bool {
	for _, p := range h.pending {
		if !p.tried {
			return false
		}
	}
	return true
}

// prepare makes the folders.
func (h *Host) prepare() (err error) {
	if h.cfg.DataDir, err = filepath.Abs(h.cfg.DataDir); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	h.socketDir, err = openSocketDir(h.cfg.SocketDir, h.cfg.DataDir)
	return err
}

// identify starts f until it has said what it is, and hands it on.
func (h *Host) identify(ctx context.Context, f file, starts chan struct{}) {
	wait := newRestartWait()
	for {
		select {
		case starts <- struct{}{}:
		case <-ctx.Done():
			return
		}
		h.mu.Lock()
		p := h.pending[f.path]
		h.mu.Unlock()
		g, err := startGeneration(ctx, h, f, p.tail)
		<-starts
		if err == nil {
			h.adopt(ctx, g)
			return
		}
		if ctx.Err() != nil {
			return
		}
		final := isFinal(err)
		h.missed(p, err, final)
		if final || !sleep(ctx, wait.next()) {
			return
		}
	}
}

// missed records that a file did not start.
func (h *Host) missed(p *pendingFile, err error, final bool) {
	h.log.Error("plugin does not start", "path", p.file.path, "err", err, "final", final)
	h.mu.Lock()
	defer h.mu.Unlock()
	p.err, p.tried, p.since, p.state = err, true, time.Now(), Backoff
	if final {
		p.state = Failed
	}
	h.changedLocked()
}

// adopt gives a described process to its slot. While booting it waits for the
// others, so that the best of each plugin comes first.
func (h *Host) adopt(ctx context.Context, g *generation) {
	h.mu.Lock()
	if h.booting {
		h.found = append(h.found, g)
		h.pending[g.file.path].tried = true
		h.changedLocked()
		h.mu.Unlock()
		return
	}
	s := h.placeLocked(ctx, g)
	h.mu.Unlock()
	h.offer(ctx, s, g)
}

// placeLocked puts g's file into its slot. It returns the slot if it was there
// before: then g is to be offered to it.
func (h *Host) placeLocked(ctx context.Context, g *generation) *slot {
	defer h.changedLocked()
	delete(h.pending, g.file.path)
	s := h.slots[g.mf.PluginId]
	if s != nil {
		s.add(g)
		return s
	}
	s = newSlot(h, g.mf.PluginId)
	s.add(g)
	h.slots[s.id] = s
	h.claimLocked(s, g.mf)
	h.wg.Go(func() { s.run(ctx, g) })
	return nil
}

func (h *Host) offer(ctx context.Context, s *slot, g *generation) {
	if s == nil {
		return
	}
	select {
	case s.offers <- g:
	case <-ctx.Done():
		g.kill()
	}
}

// boot makes the slots of what was found, in the order of plugin ids, best
// version first: so the first plugin keeps a driver that two offer.
func (h *Host) boot() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.booting = false
	slices.SortFunc(h.found, func(a, b *generation) int {
		if c := cmp.Compare(a.mf.PluginId, b.mf.PluginId); c != 0 {
			return c
		}
		return compareOffers(offer{file: a.file, version: a.mf.semver}, offer{file: b.file, version: b.mf.semver})
	})
	for _, g := range h.found {
		if s := h.placeLocked(h.base, g); s != nil {
			h.wg.Go(func() { h.offer(h.base, s, g) })
		}
	}
	h.found = nil
}

// changed wakes those in await.
func (h *Host) changed() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.changedLocked()
}

func (h *Host) changedLocked() {
	close(h.news)
	h.news = make(chan struct{})
}

// await returns when ok, called with mu held, is true, or ctx ends.
func (h *Host) await(ctx context.Context, ok func() bool) {
	for {
		h.mu.Lock()
		done, news := ok(), h.news
		h.mu.Unlock()
		if done {
			return
		}
		select {
		case <-news:
		case <-ctx.Done():
			return
		}
	}
}

// settledSlots says that every plugin is up or has failed once.
func (h *Host) settledSlots() bool {
	for _, s := range h.slots {
		s.mu.Lock()
		starting := s.state == Starting && s.err == nil
		s.mu.Unlock()
		if starting {
			return false
		}
	}
	return true
}

// settledInstances says that every instance whose plugin is up is open or has
// failed once.
func (h *Host) settledInstances() bool {
	for _, i := range *h.instances.Load() {
		r := i.report()
		c := h.drivers[r.Driver]
		if c == nil || c.slot.gen.Load() == nil {
			continue
		}
		if r.State == Waiting || r.State == Opening && r.Message == "" {
			return false
		}
	}
	return true
}

// sleep returns false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
