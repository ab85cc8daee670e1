package rules

import (
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/diag"
)

// startFlow is the action that begins a flow.
type startFlow struct {
	name   string
	params []flowArg
	all    *program // a group of named values that are the parameters; nil: params are

	waits map[string]time.Duration // see ruleLoader.waits
}

// flowArg is a parameter that is handed over.
type flowArg struct {
	name     string
	optional bool
	value    *template
}

func (s *startFlow) run(e *evaluator, r *rule) []core.Action {
	a := core.Action{Rule: r.name, Kind: core.Flow, Key: s.name, Params: map[string]string{}}
	if s.all != nil {
		if err := s.group(e, a.Params); err != nil {
			return failed(a, err)
		}
		return []core.Action{a}
	}
	for _, arg := range s.params {
		v, err := arg.value.given(e)
		if err == nil && v == nil && !arg.optional {
			err = diag.Errorf(r.pos, "the parameter %q has no value", arg.name)
		}
		if err == nil && v != nil {
			a.Params[arg.name], err = show(v)
		}
		if err != nil {
			return failed(a, err)
		}
	}
	return []core.Action{a}
}

// given is value, but nothing is nil and no mistake.
func (t *template) given(e *evaluator) (any, error) {
	if len(t.parts) == 1 && t.parts[0].expr != nil {
		return t.parts[0].expr.run(e)
	}
	return t.text(e)
}

// group hands over all values of a group.
func (s *startFlow) group(e *evaluator, to map[string]string) error {
	v, err := s.all.run(e)
	if err != nil {
		return err
	}
	values, ok := v.(map[string]any)
	if !ok && v != nil {
		return s.all.problem("the parameters are not a group of named values")
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if values[name] == nil {
			continue
		}
		if to[name], err = show(values[name]); err != nil {
			return s.all.problem("the parameter %q: %s", name, err)
		}
	}
	return nil
}

// flow reads the action of that name: flow: survey, or flow: { name: survey,
// params: … }.
func (l *ruleLoader) flow(p pair) action {
	a := &startFlow{waits: l.waits()}
	var params *pair
	at := l.src.pos(p.value)
	name := func(q pair) {
		sc, ok := l.src.scalar(q.value, q.key)
		if !ok {
			return
		}
		a.name, at = sc.text, sc.pos
		if l.flows != nil {
			l.mustKnow(sc, slices.Sorted(maps.Keys(l.flows)), "flow")
		}
	}
	if _, isMap := p.value.(*ast.MappingNode); isMap {
		l.keys(p, map[string]func(pair){"name": name, "params": func(q pair) { params = &q }})
		if a.name == "" {
			l.src.problem(p.pos, "", "flow needs the name of a flow")
			return nil
		}
	} else {
		name(p)
	}
	l.calls = append(l.calls, flowCall{a.name, at, l.quiet})
	declared, known := l.flows[a.name]
	l.begins[a.name] = declared
	switch {
	case params == nil:
	case isGroupOfParams(params.value):
		l.arguments(a, *params, declared, known)
	default:
		l.argumentGroup(a, *params)
		return a
	}
	for _, d := range declared {
		if !d.Optional && !slices.ContainsFunc(a.params, func(g flowArg) bool { return g.name == d.Name }) {
			l.src.problem(at, "", "the flow %q needs the parameter %q, a %s", a.name, d.Name, d.Type)
		}
	}
	return a
}

func isGroupOfParams(n ast.Node) bool {
	_, ok := n.(*ast.MappingNode)
	return ok
}

// arguments reads parameters that are written one by one.
func (l *ruleLoader) arguments(a *startFlow, p pair, declared []core.FlowParam, known bool) {
	pairs, _ := l.src.mapping(p.value, "params")
	for _, q := range pairs {
		t := l.templateOf(q)
		i := slices.IndexFunc(declared, func(d core.FlowParam) bool { return d.Name == q.key })
		if i < 0 {
			if known {
				var names []string
				for _, d := range declared {
					names = append(names, d.Name)
				}
				l.src.problem(q.pos, diag.DidYouMean(q.key, names), "the flow %q has no parameter %q", a.name, q.key)
			}
			if l.flows != nil {
				continue
			}
		}
		arg := flowArg{name: q.key, value: t, optional: i < 0 || declared[i].Optional}
		if t == nil {
			continue
		}
		if i >= 0 && !t.fits(declared[i].Type) {
			hint := ""
			if declared[i].Type == core.NumberParam {
				hint = "num(x) reads a number from a text"
			}
			l.src.problem(l.src.pos(q.value), hint, "the parameter %q of the flow %q is a %s, this is not", q.key, a.name, declared[i].Type)
		}
		a.params = append(a.params, arg)
	}
}

// fits says whether what t yields can be of a type, as far as that is known.
func (t *template) fits(typ core.ParamType) bool {
	switch {
	case len(t.parts) == 0:
		return typ == core.TextParam
	case len(t.parts) > 1:
		return typ == core.TextParam
	case t.parts[0].literal != "":
		return literalFits(strings.TrimSpace(t.parts[0].literal), typ)
	case t.parts[0].expr == nil:
		return true // it has a problem of its own
	}
	switch k := t.parts[0].expr.kind; {
	case k == reflect.Interface || k == reflect.Invalid:
		return true // found out when it is handed over
	case typ == core.NumberParam:
		return k == reflect.Float64 || k == reflect.Int
	case typ == core.BoolParam:
		return k == reflect.Bool
	default:
		return k != reflect.Map && k != reflect.Slice
	}
}

func literalFits(text string, typ core.ParamType) bool {
	switch typ {
	case core.NumberParam:
		n, err := strconv.ParseFloat(text, 64)
		return err == nil && !math.IsNaN(n) && !math.IsInf(n, 0)
	case core.BoolParam:
		return text == "true" || text == "false"
	}
	return true
}

// argumentGroup reads parameters that come as one group, such as
// event.flowparams. They are checked when the flow begins.
func (l *ruleLoader) argumentGroup(a *startFlow, p pair) {
	sc, ok := l.src.scalar(p.value, "params")
	if !ok {
		return
	}
	text, offset := sc.text, 0
	if inner, ok := strings.CutPrefix(text, "{{"); ok {
		if i := endOfExpression(inner); i >= 0 && strings.TrimSpace(inner[i+2:]) == "" {
			text, offset = inner[:i], 2
		}
	}
	a.all = l.comp.compile(sc, text, offset, l.scope, want{})
	if a.all == nil {
		return
	}
	if k := a.all.kind; k != reflect.Map && k != reflect.Interface && k != reflect.Invalid {
		l.src.problem(sc.pos, "such as event.flowparams", "params are named values, and this is none")
	}
}
