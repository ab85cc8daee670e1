package rules

import (
	"slices"
	"strconv"
	"strings"

	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/sdk"
)

// emitter is an action that puts a custom event into the conversation.
type emitter interface {
	emits() string // its name; "": it goes elsewhere
}

// loops warns of rules whose events lead back to them, also by way of flows. The
// loop guard would end such a loop, and a condition may, so that it may be meant.
func loops(rules []*rule, flows []*flow) (ps diag.Problems) {
	g := graphOf(rules, flows)
	told := map[*rule]bool{}
	for _, r := range g.emitting {
		if told[r] {
			continue
		}
		path := g.back(r)
		if path == nil {
			continue
		}
		names := make([]string, 0, len(path)+1)
		for _, p := range append(path, r) {
			told[p] = true
			names = append(names, quote(p.name))
		}
		ps = append(ps, &diag.Problem{
			Pos: r.pos, Severity: diag.Warning, Summary: "rules set each other off in a loop: " + strings.Join(names, ", "),
			Hint: "the loop guard ends it after some rounds",
		})
	}
	return ps
}

func quote(name string) string { return strconv.Quote(name) }

// graph is that of rules that emit events and rules that these set
// off.
type graph struct {
	emitting []*rule
	emits    map[*rule][]string // the names of their events
	byName   map[string][]*rule // of the rules on a custom event; "": on any
	flows    map[string]*flow
}

func graphOf(rules []*rule, flows []*flow) *graph {
	g := &graph{emits: map[*rule][]string{}, byName: map[string][]*rule{}, flows: map[string]*flow{}}
	for _, f := range flows {
		g.flows[f.def.Name] = f
	}
	for _, r := range rules {
		if !r.active || !slices.Contains(r.on, sdk.CustomEvent) {
			continue
		}
		names := r.eventNames
		if len(names) == 0 {
			names = []string{""}
		}
		for _, name := range names {
			g.byName[name] = append(g.byName[name], r)
		}
		if g.emits[r] = g.emitted(r); len(g.emits[r]) > 0 {
			g.emitting = append(g.emitting, r)
		}
	}
	return g
}

// emitted are the names of the events that a rule, and the flows that it begins,
// put into the conversation.
func (g *graph) emitted(r *rule) (names []string) {
	for _, a := range r.actions {
		switch a := a.(type) {
		case emitter:
			if a.emits() != "" {
				names = append(names, a.emits())
			}
		case *startFlow:
			names = append(names, g.emittedBy(a.name)...)
		}
	}
	return names
}

// emittedBy are those of a flow, and of flows that take its place: these do not
// lead back to it.
func (g *graph) emittedBy(name string) (names []string) {
	f := g.flows[name]
	if f == nil {
		return nil
	}
	names = slices.Clone(f.emits)
	for _, c := range f.calls {
		names = append(names, g.emittedBy(c.to)...)
	}
	return names
}

// next are the rules that r sets off: the event is of the same conversation.
func (g *graph) next(r *rule) (list []*rule) {
	for _, name := range g.emits[r] {
		for _, o := range slices.Concat(g.byName[name], g.byName[""]) {
			if meets(r.services, o.services) && meets(r.channels, o.channels) && meets(r.channelTypes, o.channelTypes) {
				list = append(list, o)
			}
		}
	}
	return list
}

// meets reports whether something can be within both limits.
func meets(a, b []string) bool {
	return len(a) == 0 || len(b) == 0 || slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

// back returns the shortest way from r back to it, r itself first.
func (g *graph) back(r *rule) []*rule {
	from := map[*rule]*rule{}
	queue := []*rule{r}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for _, o := range g.next(at) {
			if o == r {
				path := []*rule{at}
				for at != r {
					at = from[at]
					path = append(path, at)
				}
				slices.Reverse(path)
				return path
			}
			if from[o] == nil {
				from[o] = at
				queue = append(queue, o)
			}
		}
	}
	return nil
}
