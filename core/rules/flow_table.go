package rules

import (
	"path"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/diag"
)

// flowTable has the flows of a load.
type flowTable struct {
	known map[string][]core.FlowParam // of all files; nil: what is called is not checked
	named map[string]diag.Pos
	calls map[string][]flowCall // by the flow that calls
	defs  []*core.FlowDef
	files map[string][]Source // that a version was made of

	version string   // of the flows of the file in hand
	from    []Source // what it is the hash of
	opened  int      // files so far
}

// flowCall is a step that lets another flow take over.
type flowCall struct {
	to  string
	pos diag.Pos
}

// newFlowTable finds out which flows there are, before anything that names
// them is compiled. What is wrong with them is told later.
func newFlowTable(files []ruleFile) *flowTable {
	t := &flowTable{
		known: map[string][]core.FlowParam{}, named: map[string]diag.Pos{}, calls: map[string][]flowCall{}, files: map[string][]Source{},
	}
	for _, f := range files {
		if !strings.Contains(f.text, "flows") {
			continue // most files have none, and need not be read twice
		}
		src := newSource(f.name, f.text)
		root, ok := src.parse().(*ast.MappingNode)
		if !ok {
			continue
		}
		pairs, _ := src.mapping(root, "a rule file")
		for _, p := range pairs {
			if list, ok := p.value.(*ast.SequenceNode); ok && p.key == "flows" {
				t.declare(src, list.Values)
			}
		}
	}
	return t
}

func (t *flowTable) declare(src *source, nodes []ast.Node) {
	for _, n := range nodes {
		pairs, _ := src.mapping(n, "a flow")
		var name string
		var params []core.FlowParam
		for _, p := range pairs {
			switch p.key {
			case "name":
				if sc, ok := src.scalar(p.value, "name"); ok {
					name = strings.TrimSpace(sc.text)
				}
			case "params":
				params = src.flowParams(p)
			}
		}
		t.known[name] = params
	}
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
func (t *flowTable) cycles() (problems diag.Problems) {
	done := map[string]bool{}
	var way []string
	var visit func(name string)
	visit = func(name string) {
		way = append(way, name)
		for _, c := range t.calls[name] {
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
	for _, d := range t.defs {
		if !done[d.Name] {
			visit(d.Name)
		}
	}
	return problems
}

// shared reports whether a file's declarations are for all files.
func shared(rel string) bool {
	name, _, _ := strings.Cut(path.Base(rel), ".")
	return name == "_shared"
}

// earlier says whether an earlier version of flows is compiled, not a set.
func (t *flowTable) earlier() bool { return t.known == nil }

// open begins with the next file. The version of its flows is the hash of what
// they are made of: the file and those that are shared.
func (t *flowTable) open(f ruleFile, all []ruleFile) {
	t.opened++
	t.version, t.from = "", nil
	if t.earlier() || !strings.Contains(f.text, "flows") {
		return
	}
	made := []ruleFile{f}
	for _, g := range all {
		if shared(g.rel) && g.rel != f.rel {
			made = append(made, g)
		}
	}
	t.version = hashFiles(made)
	for _, g := range made {
		t.from = append(t.from, Source{Path: g.rel, Text: g.text})
	}
}

// loadFlows reads the flows of a file. Of an earlier version those of the first
// file are meant; the others are what it shares.
func (l *ruleLoader) loadFlows(p pair) {
	if l.flows.earlier() && l.flows.opened > 1 {
		return
	}
	nodes, _ := l.src.sequence(p.value, "flows")
	for _, n := range nodes {
		if l.src.hopeless() {
			break
		}
		l.loadFlow(n)
	}
	if !l.flows.earlier() {
		l.flows.files[l.flows.version] = l.flows.from
	}
}

// Flows are the flows, in their order.
func (s *Set) Flows() []*core.FlowDef { return s.flows }

// FlowFiles are the files that a version of the set's flows was made of; nil if
// none of its flows has it.
func (s *Set) FlowFiles(version string) []Source { return s.flowFiles[version] }

// CompileFlows compiles an earlier version of flows from the files that
// [Set.FlowFiles] has returned. Whether the flows that they call still exist
// is found out when they are called.
func CompileFlows(dir string, sources []Source, w World) ([]*core.FlowDef, diag.Problems) {
	if len(sources) == 0 {
		return nil, nil
	}
	files := filesOf(dir, sources)
	set, flows := &Set{}, &flowTable{named: map[string]diag.Pos{}, calls: map[string][]flowCall{}}
	if problems := set.compile(files, &w, flows); len(problems) > 0 {
		return nil, problems
	}
	for _, d := range set.flows {
		d.Version = hashFiles(files)
	}
	return set.flows, nil
}
