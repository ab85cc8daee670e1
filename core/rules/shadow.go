package rules

import (
	"slices"

	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/sdk"
)

// conditionKeys are those with which a rule may leave events to later ones.
var conditionKeys = []string{
	"when", "after", "once", "throttle", "cooldown", "valid_from", "valid_to", "hours", "mode", "canary",
}

// unreachable warns of rules that an earlier one always stops: it has stop, no
// condition of any kind, and the same limits or wider ones.
func unreachable(rules []*rule, w *World) (ps diag.Problems) {
	stops := map[string][]*rule{} // by event
	for _, r := range rules {
		if !r.active || len(r.on) == 0 {
			continue
		}
		for _, s := range stops[r.on[0]] {
			if s.covers(r, w) {
				ps = append(ps, &diag.Problem{
					Pos: r.pos, Severity: diag.Warning, Summary: "the rule " + quote(r.name) + " is never reached",
					Hint: "the rule " + quote(s.name) + " at " + s.pos.String() + " stops all of its events",
				})
				r = nil
				break
			}
		}
		if r == nil || !r.always || !r.options.stopsAlways() {
			continue
		}
		for _, event := range r.on {
			stops[event] = append(stops[event], r)
		}
	}
	return ps
}

// covers reports whether r matches whatever o is looked at for.
func (r *rule) covers(o *rule, w *World) bool {
	within := func(own, others []string) bool {
		return len(own) == 0 || len(others) > 0 && !slices.ContainsFunc(others, func(s string) bool { return !slices.Contains(own, s) })
	}
	return within(r.on, o.on) && (!slices.Contains(o.on, sdk.CustomEvent) || within(r.eventNames, o.eventNames)) &&
		within(r.services, o.servicesIn(w)) && within(r.integrations, o.integrations) &&
		within(r.channels, o.channels) && within(r.channelTypes, o.typesIn(w))
}

// servicesIn are those that the rule is limited to, by its channels, too.
func (r *rule) servicesIn(w *World) []string {
	if len(r.services) > 0 {
		return r.services
	}
	return r.ofChannels(w, func(c Channel) string { return c.Service })
}

func (r *rule) typesIn(w *World) []string {
	if len(r.channelTypes) > 0 {
		return r.channelTypes
	}
	return r.ofChannels(w, func(c Channel) string { return c.Type })
}

func (r *rule) ofChannels(w *World, of func(Channel) string) (names []string) {
	for _, name := range r.channels {
		names = append(names, of(w.Channels[name]))
	}
	return names
}
