package host

import (
	"time"

	"github.com/openccsp/gateway/core"
)

// Rollback rejects the version of a plugin that runs and goes back to what ran
// before, or to the next best file. It does not wait for that. Errors:
// core.NotFound (no such plugin), core.Conflict (it does not run, or there is
// nothing to go back to).
func (h *Host) Rollback(plugin string) error {
	s, err := h.slotOf(plugin)
	if err != nil {
		return err
	}
	g := s.gen.Load()
	if g == nil {
		return core.Errorf(core.Conflict, "plugin %s does not run", plugin)
	}
	s.mu.Lock()
	o := s.shelf.find(g.Digest)
	back := s.shelf.best(func(other *offer) bool { return other.Digest != g.Digest && s.fit(other) })
	proven := s.past.Good == g.Digest
	switch {
	case o == nil || back == nil:
		err = core.Errorf(core.Conflict, "plugin %s %s has no other version to go back to", plugin, g.mf.Version)
	case proven && back.mf.StateSchema < g.mf.StateSchema:
		err = core.Errorf(core.Conflict, "plugin %s %s has written state of schema %d, which version %s does not read",
			plugin, g.mf.Version, g.mf.StateSchema, back.mf.Version)
	default:
		s.past.reject(o, h.cfg.HostVersion, "an operator went back to version "+back.mf.Version, time.Now())
	}
	s.mu.Unlock()
	if err != nil {
		return err
	}
	h.log.Warn("operator rolls a plugin back", "plugin", plugin, "from", g.mf.Version, "to", back.mf.Version)
	h.keep(s)
	s.stir()
	return nil
}

// Quarantine drains and stops a plugin until Release, also after a restart of
// the gateway. It does not wait for the end. Error: core.NotFound.
func (h *Host) Quarantine(plugin string) error {
	s, err := h.slotOf(plugin)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.past.Operator = true
	s.mu.Unlock()
	h.m.held.WithLabelValues(plugin).Set(1)
	h.log.Warn("operator puts a plugin into quarantine", "plugin", plugin)
	h.keep(s)
	s.stir()
	return nil
}

// Release ends what keeps a plugin from being started: a quarantine, rejections
// of its files, a configuration it found wrong. Errors: core.NotFound,
// core.Conflict (there is nothing of the kind).
func (h *Host) Release(plugin string) error {
	s, err := h.slotOf(plugin)
	if err != nil {
		return err
	}
	s.mu.Lock()
	nothing := s.past.held(time.Now()) == nil && len(s.past.Rejected) == 0 && s.idle == nil
	if !nothing {
		s.past.release()
		s.idle, s.err = nil, nil
	}
	s.mu.Unlock()
	if nothing {
		return core.Errorf(core.Conflict, "plugin %s is neither in quarantine nor rejected", plugin)
	}
	h.m.held.WithLabelValues(plugin).Set(0)
	h.log.Info("operator releases a plugin", "plugin", plugin)
	h.keep(s)
	s.stir()
	return nil
}
