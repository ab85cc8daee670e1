package rules

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"path"
	"slices"

	"github.com/openccsp/gateway/core/diag"
)

// builder makes sets of files: it is the one validator, for check, start-up
// and reload. What it made of a file it keeps for the next time, so that a
// change of one file of many compiles that one. The zero value is ready; it is
// used by one goroutine.
type builder struct {
	kept  map[fileKey]*compiled
	flows map[string]flowTable // that are declared, by the text of their file
}

// fileKey names what a compiled file depends on: its path and text, what is
// shared between files, and the world. It also depends on the flows that it
// begins.
type fileKey [sha256.Size]byte

// compiled is what was made of a file that has no problems. It does not change.
type compiled struct {
	rules    []*rule
	flows    []*flow
	from     []Source // of the flows
	begins   flowTable
	tests    []*Test
	warnings diag.Problems
}

// compileFiles makes a set of files that are compiled this once.
func compileFiles(files []ruleFile, w World) (*Set, diag.Problems) {
	return new(builder).compile(files, w)
}

func (c *builder) compile(files []ruleFile, w World) (*Set, diag.Problems) {
	set := &Set{hash: hashFiles(files), flowFiles: map[string][]Source{}}
	b := newBuild(files, c.flowTable(files), &w)
	var flows []*flow
	kept := make(map[fileKey]*compiled, len(files))
	var problems diag.Problems
	for _, f := range files {
		set.sources = append(set.sources, Source{Path: f.rel, Text: f.text})
		set.files = append(set.files, f.name)
		key := b.key(f)
		made := c.kept[key]
		if made == nil || !b.flows.has(made.begins) {
			var ps diag.Problems
			made, ps = b.file(f)
			problems = append(problems, ps...)
			if len(ps) > 0 || b.shared != nil && len(b.shared.problems) > 0 {
				key = fileKey{} // it is not kept
			}
		}
		kept[key] = made
		set.rules = append(set.rules, made.rules...)
		set.tests = append(set.tests, made.tests...)
		flows = append(flows, made.flows...)
		set.addFlows(made)
		set.warnings = append(set.warnings, made.warnings...)
	}
	delete(kept, fileKey{})
	c.kept = kept
	problems = append(problems, sameRules(set.rules)...)
	problems = append(problems, sameFlows(flows)...)
	problems = append(problems, cycles(flows)...)
	problems = append(problems, set.unknownExpected()...)
	if len(problems) > 0 {
		return nil, problems
	}
	set.build()
	set.warnings = append(set.warnings, unreachable(set.rules, &w)...)
	set.warnings = append(set.warnings, loops(set.rules, flows)...)
	set.warnings = append(set.warnings, lateReplies(set.rules, flows, &w)...)
	set.warnings = onceEach(set.warnings)
	if w.Test == nil {
		return set, nil
	}
	problems, warnings := w.Test(set)
	if len(problems) > 0 {
		return nil, problems
	}
	set.warnings = append(set.warnings, warnings...)
	return set, nil
}

// build is one compilation of all files.
type build struct {
	world   *World
	context []byte // hash of what all files depend on
	base    *compilation
	flows   flowTable

	shared     *source // nil: there is no shared file
	sharedFile ruleFile
	pairs      []pair // of the shared file
}

func newBuild(files []ruleFile, flows flowTable, w *World) *build {
	b := &build{world: w, base: newCompilation(new(declarations)), flows: flows}
	b.base.locales = w.Locales
	h := sha256.New()
	known, _ := json.Marshal(w) // names and texts only: it cannot fail
	h.Write(known)
	for _, f := range files {
		if slices.Contains(sharedFiles, f.rel) && b.shared == nil {
			h.Write([]byte(f.name + "\x00" + f.text))
			b.shared, b.sharedFile = newSource(f.name, f.text), f
			b.pairs = b.shared.read()
			b.base = b.base.declare(b.shared, b.pairs)
		}
	}
	b.context = h.Sum(nil)
	return b
}

func (b *build) key(f ruleFile) (k fileKey) {
	h := sha256.New()
	h.Write(b.context)
	h.Write([]byte(f.name + "\x00" + f.text))
	h.Sum(k[:0])
	return k
}

// file compiles one file, or returns what is wrong with it.
func (b *build) file(f ruleFile) (*compiled, diag.Problems) {
	src, pairs, comp := b.shared, b.pairs, b.base
	if src == nil || src.name != f.name {
		src = newSource(f.name, f.text)
		pairs = src.read()
		comp = comp.declare(src, pairs)
	}
	if slices.Contains(sharedFiles, path.Base(f.rel)) && src != b.shared {
		src.problem(diag.Pos{File: src.name, Line: 1, Column: 1}, "", "there is one %s, in the top folder", sharedFiles[0])
	}
	made := &compiled{begins: flowTable{}}
	(&fileLoader{src, b.world, comp, b.flows}).load(pairs, made)
	if comp != b.base {
		comp.rest()
	}
	made.versioned(b.madeOf(f))
	made.tests, made.warnings = src.tests, src.warnings
	return made, src.problems
}

func sameRules(rules []*rule) diag.Problems {
	return sameNames("rule", len(rules), func(i int) (string, diag.Pos) { return rules[i].name, rules[i].namePos })
}

func sameFlows(flows []*flow) diag.Problems {
	return sameNames("flow", len(flows), func(i int) (string, diag.Pos) { return flows[i].def.Name, flows[i].namePos })
}

// sameNames reports those of n rules or flows that have the name of an earlier one.
func sameNames(what string, n int, at func(int) (name string, pos diag.Pos)) (ps diag.Problems) {
	first := make(map[string]diag.Pos, n)
	for i := range n {
		name, pos := at(i)
		if other, taken := first[name]; taken {
			ps = append(ps, diag.Errorf(pos, "the name %q is taken by the %s at %s", name, what, other))
		} else if name != "" {
			first[name] = pos
		}
	}
	return ps
}

// onceEach sorts warnings by their places and leaves out those that are there
// already: what stands in a shared let is found in each file that uses it.
func onceEach(ps diag.Problems) diag.Problems {
	slices.SortStableFunc(ps, func(a, b *diag.Problem) int {
		return cmp.Or(a.Compare(b.Pos), cmp.Compare(a.Summary, b.Summary))
	})
	return slices.CompactFunc(ps, func(a, b *diag.Problem) bool { return *a == *b })
}
