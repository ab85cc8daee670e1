package rules

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr/types"
	"github.com/goccy/go-yaml/ast"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
)

const (
	maxOps     = 500
	maxParams  = 50
	maxNames   = 50                   // of answers
	maxSpan    = 30 * 24 * time.Hour  // of one step
	maxLife    = 366 * 24 * time.Hour // of a flow
	maxRetries = 10
	askFor     = 24 * time.Hour  // unless the step says how long
	tellFor    = 2 * time.Minute // for an endpoint's answer, unless the step says how long
)

// flow is one checked flow. It does not change.
type flow struct {
	def     *core.FlowDef
	namePos diag.Pos
	calls   []flowCall // of flows that take its place
	emits   []string   // the names of events
	lates   []lateSend
}

// flowCall is a step that lets another flow take over.
type flowCall struct {
	to    string
	pos   diag.Pos
	quiet time.Duration // since the customer's last message
}

// flowRule and its name is what a flow is called where a rule's name stands.
const flowRule = "flow "

// plainName is what parameters and answers may be called.
var plainName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,40}$`)

var flowKeys = []string{"name", "params", "ends_on", "steps"}

// flowLoader reads one flow. What reads actions is that of rules; the flow
// stands in for the rule.
type flowLoader struct {
	ruleLoader
	def   *core.FlowDef
	own   map[string]*field // all names of the flow so far
	named bool              // the compilation is that of own, not of the file
	emits []string          // by its steps so far
}

// flow reads the flow n, or returns nil if it is not one at all.
func (l *fileLoader) flow(n ast.Node, begins flowTable) *flow {
	pairs, ok := l.src.mapping(n, "a flow")
	if !ok {
		return nil
	}
	f := &flowLoader{
		ruleLoader: ruleLoader{src: l.src, world: l.world, comp: l.comp, flows: l.flows, begins: begins, rule: &rule{pos: l.src.pos(n)}},
		own:        map[string]*field{replyText.path: replyText},
	}
	given := map[string]pair{}
	for _, p := range pairs {
		if !slices.Contains(flowKeys, p.key) {
			l.src.problem(p.pos, diag.DidYouMean(p.key, flowKeys), "unknown key %q of a flow", p.key)
			continue
		}
		given[p.key] = p
	}
	f.load(given)
	f.rest()
	return &flow{f.def, f.rule.namePos, f.calls, f.emits, f.lates}
}

func (l *flowLoader) load(given map[string]pair) {
	l.identity(given, "flow")
	l.def = &core.FlowDef{Name: l.rule.name, Place: l.rule.pos.String()}
	l.rule.name = flowRule + l.def.Name
	if p, ok := given["params"]; ok {
		l.def.Params = l.src.flowParams(p)
		for _, param := range l.def.Params {
			f := paramField(param)
			l.own[f.path] = f
		}
	}
	if p, ok := given["ends_on"]; ok {
		l.endsOn(p)
	}
	l.names()
	p, ok := given["steps"]
	if !ok {
		l.src.problem(l.rule.pos, "", "a flow needs steps")
		return
	}
	end := l.block(p, answers{}, nil)
	switch {
	case len(l.def.Ops) > maxOps:
		l.src.problem(l.rule.pos, "split it", "the flow has more than %d steps", maxOps)
	case end.life > maxLife:
		l.src.problem(l.rule.pos, "wait for less, or let a rule begin the next flow", "the flow could be under way for more than a year")
	}
	l.def.Life = end.life
}

// names lets expressions name what the flow has so far.
func (l *flowLoader) names() {
	l.rest()
	l.comp, l.named = newCompilation(l.comp.declared, slices.Collect(maps.Values(l.own))...), true
}

// rest is for when the compilation of the flow's own names is done.
func (l *flowLoader) rest() {
	if l.named {
		l.comp.rest()
	}
}

// endsOn reads what ends the flow: events, and keywords of the customer.
func (l *flowLoader) endsOn(p pair) {
	nodes := []ast.Node{p.value}
	if list, ok := p.value.(*ast.SequenceNode); ok {
		nodes = list.Values
	}
	for _, n := range nodes {
		if m, ok := n.(*ast.MappingNode); ok {
			l.keys(pair{key: "ends_on", pos: p.pos, value: m}, map[string]func(pair){"keyword": l.keywords})
			continue
		}
		sc, ok := l.src.scalar(n, "each entry of ends_on")
		switch {
		case !ok:
		case sc.text == sdk.CustomerMessage:
			l.src.problem(sc.pos, "write { keyword: STOP }", "every message of the customer would end the flow")
		case events[sc.text] == nil:
			hint := "a word of the customer is written { keyword: " + sc.text + " }"
			if near := diag.Suggest(sc.text, eventNames); near != "" {
				hint = `did you mean "` + near + `"?`
			}
			l.src.problem(sc.pos, hint, "unknown event %q", sc.text)
		default:
			l.def.EndsOn.Events = append(l.def.EndsOn.Events, sc.text)
		}
	}
}

func (l *flowLoader) keywords(p pair) {
	for _, sc := range l.src.words(p.value, "keyword") {
		l.plain(sc, "a keyword")
		word := strings.ToLower(strings.TrimSpace(sc.text))
		if word == "" {
			l.src.problem(sc.pos, "", "a keyword is blank")
			continue
		}
		l.def.EndsOn.Keywords = append(l.def.EndsOn.Keywords, word)
	}
}

// see sets what the next expressions can name.
func (l *flowLoader) see(names answers, sure []string, reply bool) {
	s := l.comp.newScope(nil, nil)
	s.flow, s.sure = true, sure
	for _, p := range l.def.Params {
		path := "params." + p.Name
		s.declared[path], s.absent[path] = l.own[path], p.Optional
	}
	for name, may := range names {
		s.declared[name], s.absent[name] = l.own[name], may
	}
	if reply {
		s.declared[replyText.path] = replyText
	}
	l.scope = s
}

// as reads what an answer is named.
func (l *flowLoader) as(p pair, typ types.Type) string {
	sc, ok := l.src.scalar(p.value, p.key)
	if !ok {
		return ""
	}
	name := sc.text
	switch old := l.own[name]; {
	case !plainName.MatchString(name):
		l.src.problem(sc.pos, "", "a name is a plain word in lower case, such as score")
		return ""
	case reserved(name):
		l.src.problem(sc.pos, "take another one", "%q has a meaning in expressions already", name)
		return ""
	case l.comp.declared.lets.index(name) >= 0:
		l.src.problem(sc.pos, "take another one", "%q is declared at %s already", name, l.comp.declared.places["let "+name])
		return ""
	case old != nil && old.typ != typ:
		l.src.problem(sc.pos, "take another one", "the name %q has another type elsewhere in the flow", name)
		return ""
	case old == nil && len(l.own) >= maxNames+maxParams:
		l.src.problem(sc.pos, "split it", "the flow has more than %d names", maxNames)
		return ""
	case old == nil:
		l.own[name] = varField(name, typ)
		l.names()
	}
	return name
}

// acts is what a compiled action does in a flow.
func (l *flowLoader) acts(a action) func(*state.View, *core.FlowScope) []core.Action {
	if a == nil {
		return nil
	}
	if e, ok := a.(emitter); ok && e.emits() != "" {
		l.emits = append(l.emits, e.emits())
	}
	r := l.rule
	return func(v *state.View, s *core.FlowScope) []core.Action {
		e := newEvaluator(v)
		defer e.release()
		e.flow = s
		return a.run(e, r)
	}
}

// tests is a compiled condition of a flow.
func (l *flowLoader) tests(p *program) func(*state.View, *core.FlowScope) (bool, error) {
	if p == nil {
		return nil
	}
	r := &rule{when: p}
	return func(v *state.View, s *core.FlowScope) (bool, error) {
		e := newEvaluator(v)
		defer e.release()
		e.flow = s
		return e.matches(r)
	}
}
