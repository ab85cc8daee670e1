package rules

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/expr-lang/expr/types"

	"github.com/openccsp/gateway/core"
)

// outlives is what to do about an event's fields in a flow.
const outlives = "a flow outlives its event; hand over what it needs as params"

// paramTypes are what a parameter of a flow may be, in expressions.
var paramTypes = map[core.ParamType]types.Type{
	core.TextParam: types.String, core.NumberParam: types.Float64, core.BoolParam: types.Bool,
}

// replyText is what accept and retry see of the customer's reply.
var replyText = &field{path: "reply.text", typ: types.String, get: func(e *env) any { return e.flow.Reply }}

// paramField is a parameter of a flow.
func paramField(p core.FlowParam) *field {
	return &field{path: "params." + p.Name, typ: paramTypes[p.Type], get: func(e *env) any { return fromJSON(e.flow.Params[p.Name]) }}
}

// varField is an answer that a step of a flow named with as.
func varField(name string, typ types.Type) *field {
	return &field{path: name, typ: typ, get: func(e *env) any { return fromJSON(e.flow.Vars[name]) }}
}

// fromJSON returns a value that the flow keeps; "" is none.
func fromJSON(text string) any {
	var v any
	if text == "" || json.Unmarshal([]byte(text), &v) != nil {
		return nil
	}
	return v
}

func fromJSONs(texts map[string]string) map[string]any {
	out := make(map[string]any, len(texts))
	for name, text := range texts {
		out[name] = fromJSON(text)
	}
	return out
}

// isGroup says whether name is the first word of paths.
func (s *scope) isGroup(name string) bool {
	return slices.Contains(groups, name) || s.flow && (name == "params" || name == "reply")
}

// words are what an expression can begin with.
func (s *scope) words() []string {
	if !s.flow {
		return append(slices.Clone(groups), "payload")
	}
	all := append(slices.DeleteFunc(slices.Clone(groups), func(g string) bool { return g == "event" }), "params")
	for _, name := range slices.Sorted(maps.Keys(s.declared)) {
		if !strings.Contains(name, ".") {
			all = append(all, name)
		}
	}
	return all
}

// answers are the names of a flow's answers that its expressions can see at a
// step, and whether they may be absent.
type answers map[string]bool

// both are the names after two ways that meet.
func (a answers) both(b answers) answers {
	all := answers{}
	for name, may := range a {
		other, ok := b[name]
		all[name] = may || other || !ok
	}
	for name := range b {
		if _, ok := a[name]; !ok {
			all[name] = true
		}
	}
	return all
}

// with is a and one name more.
func (a answers) with(name string) answers {
	if name == "" {
		return a
	}
	all := maps.Clone(a)
	all[name] = false
	return all
}
