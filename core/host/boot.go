package host

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/openccsp/gateway/core/host/stage"
)

// Open starts all plugins and returns when each is up or has failed once, and
// the instances that can be open are; at the latest after 10 s. A plugin that
// does not start is no error. After Open, also after its error, Run must be
// called to stop what there is.
func (h *Host) Open(ctx context.Context) error {
	if err := h.prepare(); err != nil {
		return err
	}
	stager, err := stage.New(stage.Config{
		Dirs: h.cfg.Dirs, Optional: h.cfg.Optional, Store: filepath.Join(h.cfg.DataDir, "plugins", "store"), Trust: h.cfg.Trust,
		Log: h.log, Keep: h.inUse, Quiet: h.t.quiet, MaxQuiet: h.t.quiet, Absent: h.t.absent,
	})
	if err != nil {
		return err
	}
	h.launcher = newLauncher()
	h.openLimits(h.instBase)
	ctx, cancel := context.WithTimeout(ctx, h.t.boot)
	defer cancel()
	staged := make(chan error, 1)
	h.wg.Go(func() { staged <- stager.Run(h.base, h.apply); h.changed() })
	var broken error
	h.await(ctx, func() bool {
		select {
		case broken = <-staged:
		default:
		}
		return h.cataloged || broken != nil
	})
	if broken != nil {
		return broken
	}
	gather, done := context.WithTimeout(ctx, h.t.gather)
	h.await(gather, h.settledFiles)
	done()
	h.boot()
	h.await(ctx, func() bool { return h.settledFiles() && h.settledSlots() && h.settledInstances() })
	return nil
}

// prepare makes the folders, and reads what is known of the plugins.
func (h *Host) prepare() (err error) {
	if h.cfg.DataDir, err = filepath.Abs(h.cfg.DataDir); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if h.socketDir, err = openSocketDir(h.cfg.SocketDir, h.cfg.DataDir); err != nil {
		return err
	}
	ledger := ledgerPath(h.cfg.DataDir)
	if err := os.MkdirAll(filepath.Dir(ledger), 0o700); err != nil {
		return fmt.Errorf("data folder of plugins: %w", err)
	}
	if h.ledger, err = openLedger(ledger); err != nil {
		h.log.Error("what was known of plugins cannot be read, it begins anew", "err", err)
	}
	h.recallOwn()
	return nil
}

// settledFiles says that every file has said what it is or has failed once.
func (h *Host) settledFiles() bool {
	for _, p := range h.places {
		if p.digest == "" && p.file.State == stage.Settling || p.digest != "" && !p.tried {
			return false
		}
	}
	return true
}

// boot starts the slots in the order of plugin ids: so the first plugin keeps a
// driver that two offer.
func (h *Host) boot() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.booting = false
	for _, s := range slices.SortedFunc(maps.Values(h.slots), func(a, b *slot) int { return cmp.Compare(a.id, b.id) }) {
		s.mu.Lock()
		best := s.shelf.best(s.fit)
		s.mu.Unlock()
		if best != nil {
			h.claimLocked(s, best.mf)
		}
		h.enterLocked(s)
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
