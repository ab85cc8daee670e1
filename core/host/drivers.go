package host

import (
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// claimed is a driver and the slot that serves it.
type claimed struct {
	slot   *slot
	driver *pluginv1.Driver
}

// claim gives the drivers of m to s, except those another slot has: they are
// returned.
func (h *Host) claim(s *slot, m *manifest) (clashes []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.claimLocked(s, m)
}

func (h *Host) claimLocked(s *slot, m *manifest) (clashes []string) {
	for name, c := range h.drivers {
		if c.slot == s && m.drivers[name] == nil {
			delete(h.drivers, name)
		}
	}
	for _, d := range m.Drivers {
		if c := h.drivers[d.Name]; c != nil && c.slot != s && !c.slot.gone() {
			clashes = append(clashes, d.Name)
			continue
		}
		h.drivers[d.Name] = &claimed{slot: s, driver: d}
	}
	return clashes
}

// reclaim has the slots look again whether they can have the drivers that
// another one had.
func (h *Host) reclaim() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.slots {
		s.stir()
	}
}

// owner returns the slot that serves a driver, nil if none does.
func (h *Host) owner(driver string) *slot {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c := h.drivers[driver]; c != nil {
		return c.slot
	}
	return nil
}

// missing says why a driver has no generation.
func (h *Host) missing(driver string, s *slot) string {
	if s == nil {
		return fmt.Sprintf("no plugin offers driver %q", driver)
	}
	return s.absence()
}

// driver returns the driver of that name, nil if no plugin has offered it. The
// value is shared: it must not be changed.
func (h *Host) driver(name string) *pluginv1.Driver {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c := h.drivers[name]; c != nil {
		return c.driver
	}
	return nil
}

// Drivers returns the drivers that plugins have offered, by name. They stay
// while their plugin restarts.
func (h *Host) Drivers() []*pluginv1.Driver {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []*pluginv1.Driver
	for _, name := range slices.Sorted(maps.Keys(h.drivers)) {
		all = append(all, proto.CloneOf(h.drivers[name].driver))
	}
	return all
}

// reclaim takes drivers that another plugin has given up.
func (a *actor) reclaim() {
	a.mu.Lock()
	n := len(a.clashes)
	a.mu.Unlock()
	if n == 0 {
		return
	}
	clashes := a.h.claim(a.slot, a.cur.mf)
	a.mu.Lock()
	a.clashes = clashes
	a.mu.Unlock()
	if len(clashes) < n {
		a.h.stirInstances()
	}
}
