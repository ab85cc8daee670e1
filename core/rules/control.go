package rules

import (
	"slices"

	"github.com/goccy/go-yaml/ast"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
)

// control changes who has the conversation.
type control struct {
	verb   string // offer, accept, pass, release
	to     state.Owner
	reason *template // nil: none
	params params
}

func (c *control) run(e *evaluator, r *rule) []core.Action {
	a := core.Action{Rule: r.name, Kind: core.Control, Key: c.verb, Owner: c.to}
	var err error
	if a.Reason, err = c.reason.orNone(e); err != nil {
		return failed(a, err)
	}
	if a.Params, err = c.params.texts(e); err != nil {
		return failed(a, err)
	}
	return []core.Action{a}
}

const release = "release"

// handOvers are the changes that are about a side.
var handOvers = []string{"offer", "pass", "accept"}

// control reads release, or a mapping that names a change and its side.
func (l *ruleLoader) control(p pair) action {
	if _, isMap := p.value.(*ast.MappingNode); !isMap {
		l.name(p, []string{release}, "change of control")
		return &control{verb: release}
	}
	a := &control{}
	n := 0
	keys := map[string]func(pair){
		"reason": func(q pair) { a.reason = l.templateOf(q) },
		"params": func(q pair) { a.params = l.params(q) },
	}
	for _, verb := range handOvers {
		keys[verb] = func(q pair) {
			a.verb, a.to = verb, state.OwnerOf(l.name(q, []string{"ccsp", "bot"}, "side"))
			n++
		}
	}
	if l.keys(p, keys); n != 1 {
		l.src.problem(p.pos, "or write control: release", "control needs one of offer, pass, accept")
		return nil
	}
	return a
}

// controlShown are the keys that a rule has for a change.
func controlShown(a *core.Action) map[string]any {
	keys := map[string]any{"reason": a.Reason, "params": textsShown(a.Params)}
	if slices.Contains(handOvers, a.Key) {
		keys[a.Key] = a.Owner.Word()
	} else {
		keys["do"] = a.Key
	}
	return keys
}
