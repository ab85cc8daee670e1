package rules

import (
	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/diag"
)

// madeOf are the files that the flows of f depend on: it, and the shared one.
func (b *build) madeOf(f ruleFile) []ruleFile {
	if b.shared == nil || b.shared.name == f.name {
		return []ruleFile{f}
	}
	return []ruleFile{f, b.sharedFile}
}

// versioned gives the flows that were made of files their version, the hash of
// those.
func (m *compiled) versioned(files []ruleFile) {
	if len(m.flows) == 0 {
		return
	}
	for _, g := range files {
		m.from = append(m.from, Source{Path: g.rel, Text: g.text})
	}
	version := hashFiles(files)
	for _, f := range m.flows {
		f.def.Version = version
	}
}

// addFlows adds those of one file.
func (s *Set) addFlows(m *compiled) {
	for _, f := range m.flows {
		s.flows = append(s.flows, f.def)
		s.flowFiles[f.def.Version] = m.from
	}
}

// Flows are the flows, in their order.
func (s *Set) Flows() []*core.FlowDef { return s.flows }

// FlowFiles are the files that a version of the set's flows was made of; nil if
// none of its flows has it.
func (s *Set) FlowFiles(version string) []Source { return s.flowFiles[version] }

// CompileFlows compiles an earlier version of flows from the files that
// [Set.FlowFiles] has returned. Whether the flows that they call, and what else
// they name, still exist is found out when they come to it.
func CompileFlows(dir string, sources []Source, w World) (defs []*core.FlowDef, problems diag.Problems) {
	if len(sources) == 0 {
		return nil, nil
	}
	w.Past = true
	files := filesOf(dir, sources)
	b := newBuild(files, nil, &w)
	made, problems := b.file(files[0])
	if b.shared != nil && b.shared.name != files[0].name {
		problems = append(problems, b.shared.problems...)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	for _, f := range made.flows {
		defs = append(defs, f.def)
	}
	return defs, nil
}
