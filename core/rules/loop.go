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

// loops warns of rules whose events lead back to them. The loop guard would end
// such a loop, and a condition may, so that it may be meant.
func loops(rules []*rule) (ps diag.Problems) {
	g := graphOf(rules)
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
	byName   map[string][]*rule // of the rules on a custom event; "": on any
}

func graphOf(rules []*rule) *graph {
	g := &graph{byName: map[string][]*rule{}}
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
		if len(r.emits()) > 0 {
			g.emitting = append(g.emitting, r)
		}
	}
	return g
}

// emits are the names of the events that a rule puts into the conversation.
func (r *rule) emits() (names []string) {
	for _, a := range r.actions {
		if e, ok := a.(emitter); ok && e.emits() != "" {
			names = append(names, e.emits())
		}
	}
	return names
}

// next are the rules that r sets off: the event is of the same conversation.
func (g *graph) next(r *rule) (list []*rule) {
	for _, name := range r.emits() {
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
