package host

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// Plugin says how a plugin file is.
type Plugin struct {
	ID         string // "" until it has said so
	Version    string
	Path       string
	State      string // Starting, Running, Backoff, Failed, Standby
	Since      time.Time
	PID        int    // 0: no process
	Generation uint64 // counts all plugin processes of the gateway
	Restarts   int
	LastError  string   // of the last start or end, also when it runs again
	Clashes    []string // drivers that it offers and another plugin has
	Drivers    []string
	Log        []string // last lines it wrote
	Instances  []InstanceStatus
}

// Plugins returns all plugin files, by id, active before standby, and path.
func (h *Host) Plugins() []Plugin {
	h.mu.Lock()
	slots := slices.Collect(maps.Values(h.slots))
	var all []Plugin
	for _, p := range h.pending {
		all = append(all, Plugin{Path: p.file.path, State: p.state, Since: p.since,
			LastError: text(p.err), Log: p.tail.all()})
	}
	h.mu.Unlock()
	for _, s := range slots {
		all = append(all, s.report()...)
	}
	slices.SortStableFunc(all, func(a, b Plugin) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Path, b.Path))
	})
	return all
}

func rank(p Plugin) int {
	if p.State == Standby {
		return 1
	}
	return 0
}

func (s *slot) report() []Plugin {
	drivers, instances := s.h.served(s)
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Plugin
	for n, f := range s.files {
		p := Plugin{ID: s.id, Version: f.text, Path: f.path, Log: f.tail.all(), State: Standby}
		if n == 0 {
			p.State, p.Since, p.PID, p.Generation = s.state, s.since, s.pid, s.number
			p.Restarts, p.LastError = max(s.starts-1, 0), text(s.err)
			p.Clashes, p.Drivers, p.Instances = slices.Clone(s.clashes), drivers, instances
		}
		all = append(all, p)
	}
	return all
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return clip(err.Error(), 1024)
}

// served returns the drivers of s and the instances of them.
func (h *Host) served(s *slot) (drivers []string, instances []InstanceStatus) {
	h.mu.Lock()
	for name, c := range h.drivers {
		if c.slot == s {
			drivers = append(drivers, name)
		}
	}
	h.mu.Unlock()
	slices.Sort(drivers)
	for _, i := range h.Instances() {
		if slices.Contains(drivers, i.Driver) {
			instances = append(instances, i)
		}
	}
	return drivers, instances
}

// Instances returns the state of all instances, by name.
func (h *Host) Instances() []InstanceStatus {
	all := *h.instances.Load()
	out := make([]InstanceStatus, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		out = append(out, all[name].report())
	}
	return out
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
