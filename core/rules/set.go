// Package rules loads, checks and evaluates the rule files of rules.d.
//
// [Load] reads a directory into a [Set], which never changes; [Watcher] keeps
// the set of a directory current. A set is evaluated on a [state.View] that
// [state.Bound] has cut to the limits.
package rules

import (
	"slices"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/core/state"
)

// Set is a checked set of rules. It does not change and is safe for concurrent
// use.
type Set struct {
	rules []*rule // in their order: file path, then position
	index map[eventKey]*eventIndex
	waits map[string]*rule // those that wait, by name
	files []string         // their paths as in problems, in order
	hash  string

	sources   []Source
	tests     []*Test
	warnings  diag.Problems
	out       []string // rules that are not looked at, sorted
	flows     []*core.FlowDef
	flowFiles map[string][]Source // by version
}

// Source is one rule file as it was read.
type Source struct {
	Path string // below the directory
	Text string
}

// Hash names the set: equal for equal files, whatever the machine.
func (s *Set) Hash() string { return s.hash }

// Sources are the files themselves, in order.
func (s *Set) Sources() []Source { return s.sources }

// Compile is [Load] for files that were read before; dir is how problems call
// their directory.
func Compile(dir string, files []Source, w World) (*Set, diag.Problems) {
	return compileFiles(filesOf(dir, files), w)
}

// Read returns the rule files under dir as Load reads them.
func Read(dir string) ([]Source, error) {
	files, err := readTree(dir)
	if err != nil {
		return nil, unreadable(dir, err)
	}
	var list []Source
	for _, f := range files {
		list = append(list, Source{Path: f.rel, Text: f.text})
	}
	return list, nil
}

// Hash names files as Set.Hash names the set that is made of them.
func Hash(files []Source) string { return hashFiles(filesOf("", files)) }

// Warnings are what may be a mistake in the files and keeps nothing from
// working.
func (s *Set) Warnings() diag.Problems { return s.warnings }

// Len is the number of rules, the inactive ones included.
func (s *Set) Len() int { return len(s.rules) }

// Info is one rule for people to read.
type Info struct {
	Name   string
	File   string // as in problems
	Line   int    // from 1
	Column int    // from 1
	On     []string
	Active bool
	Slow   bool // it was over its time budget, and is not looked at
	Stats
}

// build makes what rules are found by.
func (s *Set) build() { s.index, s.waits = buildIndex(s), waiting(s) }

// leaves says whether the set does not look at r, which took too long.
func (s *Set) leaves(r *rule) bool {
	_, out := slices.BinarySearch(s.out, r.name)
	return out
}

// Rules lists the rules in their order. Counts come from c, which may be nil.
func (s *Set) Rules(c *Counters) []Info {
	infos := make([]Info, len(s.rules))
	for i, r := range s.rules {
		infos[i] = Info{Name: r.name, File: r.pos.File, Line: r.pos.Line, Column: r.pos.Column, On: r.on, Active: r.active, Slow: s.leaves(r)}
		if c != nil {
			infos[i].Stats = c.Stats(r.name)
		}
	}
	return infos
}

// Evaluate decides all rules that can match v, in their order, and fills in
// the actions of those that do. It has no effects, and its outcome depends on
// the set and v alone. A rule whose condition fails has the verdict error, and
// its place is in the text. v must have been through [state.Bound]. The verdicts are
// shared between evaluations and must not be changed.
func (s *Set) Evaluate(v *state.View) core.Evaluation {
	if v.GetWaited() != "" {
		return s.evaluateWaited(v)
	}
	var out core.Evaluation
	candidates := s.candidates(v)
	first, ok := candidates.next(s, v)
	if !ok {
		return out
	}
	e := newEvaluator(v)
	defer e.release()
	out.Verdicts = make([]*state.RuleVerdict, 0, candidates.left()+1)
	for r := first; ok; r, ok = candidates.next(s, v) {
		if e.evaluate(r, &out) {
			break
		}
	}
	return out
}
