package host

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/openccsp/gateway/core/host/sandbox"
	"github.com/openccsp/gateway/core/host/stage"
)

// Plugin says how a plugin file is: what lies in the plugin directories, and
// what runs although something else lies there now.
type Plugin struct {
	ID         string // "" until it has said so
	Version    string
	Path       string
	State      string // Starting, Running, Swapping, Backoff, Failed, Standby, Rejected, Quarantined, Stopped
	Since      time.Time
	PID        int      // 0: no process
	Generation uint64   // counts all plugin processes of the gateway
	Restarts   int      // after ends that nobody asked for; a swap is none
	LastError  string   // of its last end or of the last version that was refused, also while it runs; a new version or Release clears it
	Clashes    []string // drivers that it offers and another plugin has
	Drivers    []string
	Log        []string // last lines it wrote
	Instances  []InstanceStatus

	Digest     string // SHA-256 of the program, hex
	SDK        string // what it was made with, such as "openccsp-go 1.0.0"
	Handover   string // parallel or exclusive
	File       string // what lies at Path: settling, ready, refused; "" if that is something else
	FileReason string // of settling and refused
	Rejected   string // why it does not run, "" if it is not rejected
	RejectedAt time.Time
	Crashes    int            // of the plugin, in the last 10 minutes
	Quarantine time.Time      // until then; zero: it is in none
	Operator   bool           // quarantined by an operator, until it is released
	Probation  time.Time      // until then; zero: it is not on probation
	Swaps      []Swap         // of the plugin, oldest first
	Memory     int64          // bytes resident; 0: not known
	Sandbox    sandbox.Report // what the process may not do; nil: it has no sandbox
	Claim      stage.Claim
	Warnings   []string
}

// Plugins returns all plugin files, by id, active before standby, and path.
func (h *Host) Plugins() []Plugin {
	h.mu.Lock()
	slots := slices.Collect(maps.Values(h.slots))
	places := make(map[string]place, len(h.places))
	for path, p := range h.places {
		places[path] = *p
	}
	h.mu.Unlock()
	var all []Plugin
	for _, s := range slots {
		all = append(all, s.report(places)...)
	}
	for path, p := range places {
		if slices.ContainsFunc(all, func(r Plugin) bool { return r.Path == path && r.File != "" }) {
			continue
		}
		r := Plugin{Path: path, State: p.state, Since: p.since, LastError: text(p.err), Digest: p.digest, Log: p.tail.texts()}
		if p.digest == "" {
			r.State, r.Since, r.LastError = Stopped, p.file.Since, p.file.Reason
		}
		r.lies(p.file)
		all = append(all, r)
	}
	slices.SortStableFunc(all, func(a, b Plugin) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Path, b.Path), cmp.Compare(b.File, a.File))
	})
	return all
}

func rank(p Plugin) int {
	switch p.State {
	case Standby:
		return 1
	case Rejected:
		return 2
	}
	return 0
}

// lies fills in what lies at the path.
func (p *Plugin) lies(f stage.File) {
	p.File, p.FileReason = string(f.State), f.Reason
	p.Claim, p.Warnings = f.Claim, f.Warnings
}

func (s *slot) report(places map[string]place) []Plugin {
	drivers, instances := s.h.served(s)
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.gen.Load()
	active := ""
	if best := s.shelf.best(s.fit); best != nil {
		active = best.Digest
	}
	if g != nil {
		active = g.Digest
	}
	var all []Plugin
	seen := false
	for path, list := range s.shelf.paths {
		for n, o := range list {
			if n > 0 && (o.Digest != active || seen) {
				continue
			}
			p := s.entry(o, now)
			if o.Digest == places[path].digest {
				p.lies(places[path].file)
			}
			if o.Digest == active && !seen { // the same content may lie at two paths
				seen = true
				s.fill(&p, g, now)
				p.Drivers, p.Instances = drivers, instances
			}
			all = append(all, p)
		}
	}
	if g != nil && !seen { // its file is gone, or it is just being replaced
		p := s.entry(&offer{program: g.program, mf: g.mf}, now)
		s.fill(&p, g, now)
		p.Drivers, p.Instances = drivers, instances
		all = append(all, p)
	}
	return all
}

// entry reports an offer that does not run. The caller holds s.mu.
func (s *slot) entry(o *offer, now time.Time) Plugin {
	p := Plugin{ID: s.id, Version: o.mf.Version, Path: o.Path, Digest: o.Digest, State: Standby, Handover: "parallel"}
	p.SDK = strings.TrimSpace(o.mf.SdkName + " " + o.mf.SdkVersion)
	if o.mf.exclusive() {
		p.Handover = "exclusive"
	}
	if r := s.past.rejected(o, s.h.cfg.HostVersion); r != nil {
		p.State, p.Rejected, p.RejectedAt = Rejected, r.Reason, r.At
	}
	return p
}

// fill adds what is of the whole slot. The caller holds s.mu.
func (s *slot) fill(p *Plugin, g *generation, now time.Time) {
	p.State, p.Since, p.PID, p.Generation = s.state, s.since, s.pid, s.number
	p.Restarts, p.LastError, p.Log = s.restarts, text(s.err), s.log.texts()
	p.Clashes, p.Swaps = slices.Clone(s.clashes), slices.Clone(s.swaps)
	p.Crashes, p.Operator, p.Probation = s.past.recent(now, crashMemory), s.past.Operator, s.trial
	if g != nil && s.pid != 0 {
		p.Sandbox, p.Memory = g.proc.report, resident(g.proc.pid)
	}
	if now.Before(s.past.Until) {
		p.Quarantine = s.past.Until
	}
}

// Alarm is trouble with a plugin directory, or with the lock file. What came of
// it before stays in force.
type Alarm struct {
	Dir     string
	Message string
	Since   time.Time
}

// Alarms returns the present troubles with plugin directories.
func (h *Host) Alarms() []Alarm {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []Alarm
	for _, a := range h.alarms {
		all = append(all, Alarm{Dir: a.Dir, Message: a.Err.Error(), Since: a.Since})
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
