package rules

import (
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/diag"
)

// flowTable has the parameters of all flows, by their names. It is made before
// anything that names them is compiled; what is wrong with them is told when
// their files are. nil: it is not known which there are.
type flowTable map[string][]core.FlowParam

// flowTable finds out which flows there are. What it has found in a file it
// keeps for the next time.
func (c *builder) flowTable(files []ruleFile) flowTable {
	all, kept := flowTable{}, map[string]flowTable{}
	for _, f := range files {
		if !strings.Contains(f.text, "flows") {
			continue // most files have none, and need not be read twice
		}
		own, ok := c.flows[f.text]
		if !ok {
			own = declaredFlows(f)
		}
		kept[f.text] = own
		maps.Copy(all, own)
	}
	c.flows = kept
	return all
}

// has says whether the flows of o are as they are in t.
func (t flowTable) has(o flowTable) bool {
	for name, params := range o {
		if now, ok := t[name]; !ok || !slices.Equal(now, params) {
			return false
		}
	}
	return true
}

// declaredFlows are the flows of one file.
func declaredFlows(f ruleFile) flowTable {
	t := flowTable{}
	src := newSource(f.name, f.text)
	for _, p := range src.read() {
		if list, ok := p.value.(*ast.SequenceNode); ok && p.key == "flows" {
			for _, n := range list.Values {
				name, params := src.flowHead(n)
				t[name] = params
			}
		}
	}
	return t
}

// flowHead reads what is to be known of a flow by those who call it.
func (s *source) flowHead(n ast.Node) (name string, params []core.FlowParam) {
	pairs, _ := s.mapping(n, "a flow")
	for _, p := range pairs {
		switch p.key {
		case "name":
			if sc, ok := s.scalar(p.value, "name"); ok {
				name = strings.TrimSpace(sc.text)
			}
		case "params":
			params = s.flowParams(p)
		}
	}
	return name, params
}

// flowTypes are the types of parameters.
var flowTypes = []string{string(core.TextParam), string(core.NumberParam), string(core.BoolParam)}

// flowParams reads the parameters that a flow declares. A ? behind a name says
// that it may be left out.
func (s *source) flowParams(p pair) (params []core.FlowParam) {
	pairs, _ := s.mapping(p.value, "params")
	if len(pairs) > maxParams {
		s.problem(p.pos, "", "a flow has at most %d parameters", maxParams)
		return nil
	}
	for _, q := range pairs {
		name, optional := strings.CutSuffix(q.key, "?")
		if !plainName.MatchString(name) {
			s.problem(q.pos, "", "the name of a parameter is a plain word in lower case, such as agent")
			continue
		}
		sc, ok := s.scalar(q.value, "the type of a parameter")
		if !ok {
			continue
		}
		if !slices.Contains(flowTypes, sc.text) {
			s.problem(sc.pos, diag.DidYouMean(sc.text, flowTypes), "unknown type %q of a parameter", sc.text)
			continue
		}
		params = append(params, core.FlowParam{Name: name, Type: core.ParamType(sc.text), Optional: optional})
	}
	return params
}

// cycles reports flows that lead back to themselves.
func cycles(flows []*flow) (problems diag.Problems) {
	calls := map[string][]flowCall{}
	for _, f := range flows {
		calls[f.def.Name] = f.calls
	}
	done := map[string]bool{}
	var way []string
	var visit func(name string)
	visit = func(name string) {
		way = append(way, name)
		for _, c := range calls[name] {
			if i := slices.Index(way, c.to); i >= 0 {
				problems = append(problems, &diag.Problem{
					Pos: c.pos, Summary: "the flow leads back to itself: " + strings.Join(append(slices.Clone(way[i:]), c.to), " → "),
					Hint: "let a rule begin it anew",
				})
			} else if !done[c.to] {
				visit(c.to)
			}
		}
		way = way[:len(way)-1]
		done[name] = true
	}
	for _, f := range flows {
		if !done[f.def.Name] {
			visit(f.def.Name)
		}
	}
	return problems
}
