package rules

import (
	"slices"

	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
)

// eventKey is what rules are indexed by first. name is the event_name that a
// rule on custom_event asks for, "" for any.
type eventKey struct{ event, name string }

// eventIndex has the numbers of an event's active rules, ascending. Each rule
// stands under the narrowest thing it is limited to, and there only.
type eventIndex struct {
	any           []int
	byChannel     map[string][]int
	byService     map[string][]int
	byIntegration map[string][]int
	byType        map[string][]int
}

func buildIndex(s *Set) map[eventKey]*eventIndex {
	index := map[eventKey]*eventIndex{}
	for i, r := range s.rules {
		if !r.active || s.leaves(r) {
			continue
		}
		for _, event := range r.on {
			names := r.eventNames
			if event != sdk.CustomEvent || len(names) == 0 {
				names = []string{""}
			}
			for _, name := range names {
				key := eventKey{event, name}
				if index[key] == nil {
					index[key] = &eventIndex{}
				}
				index[key].add(i, r)
			}
		}
	}
	return index
}

func (x *eventIndex) add(i int, r *rule) {
	under := func(m *map[string][]int, keys []string) {
		if *m == nil {
			*m = map[string][]int{}
		}
		for _, k := range keys {
			(*m)[k] = append((*m)[k], i)
		}
	}
	switch {
	case len(r.channels) > 0:
		under(&x.byChannel, r.channels)
	case len(r.services) > 0:
		under(&x.byService, r.services)
	case len(r.integrations) > 0:
		under(&x.byIntegration, r.integrations)
	case len(r.channelTypes) > 0:
		under(&x.byType, r.channelTypes)
	default:
		x.any = append(x.any, i)
	}
}

// candidates merges the lists that an event falls under.
type candidates struct {
	lists [10][]int
	n     int
}

func (s *Set) candidates(v *state.View) candidates {
	var c candidates
	c.add(s.index[eventKey{v.GetType(), ""}], v)
	if v.GetType() == sdk.CustomEvent {
		if name := v.GetEvent().GetEventName(); name != "" {
			c.add(s.index[eventKey{sdk.CustomEvent, name}], v)
		}
	}
	return c
}

func (c *candidates) add(x *eventIndex, v *state.View) {
	if x == nil {
		return
	}
	for _, list := range [...][]int{
		x.any, x.byChannel[v.GetChannel()], x.byService[v.GetService()],
		x.byIntegration[v.GetIntegration()], x.byType[v.GetChannelType()],
	} {
		if len(list) > 0 {
			c.lists[c.n] = list
			c.n++
		}
	}
}

func (c *candidates) left() int {
	n := 0
	for _, list := range c.lists[:c.n] {
		n += len(list)
	}
	return n
}

// next returns the next rule whose limits let v through.
func (c *candidates) next(s *Set, v *state.View) (*rule, bool) {
	for {
		from, least := -1, len(s.rules)
		for i := range c.n {
			if list := c.lists[i]; len(list) > 0 && list[0] < least {
				from, least = i, list[0]
			}
		}
		if from < 0 {
			return nil, false
		}
		r := s.rules[least]
		c.lists[from] = c.lists[from][1:]
		if r.sole || r.concerns(v) {
			return r, true
		}
	}
}

// concerns reports whether r's service, integration, channel and channel_type
// let v through.
func (r *rule) concerns(v *state.View) bool {
	among := func(name string, names []string) bool {
		return len(names) == 0 || slices.Contains(names, name)
	}
	return among(v.GetChannel(), r.channels) && among(v.GetService(), r.services) &&
		among(v.GetIntegration(), r.integrations) && among(v.GetChannelType(), r.channelTypes)
}
