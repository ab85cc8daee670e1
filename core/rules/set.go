// Package rules loads, checks and evaluates the rule files of rules.d.
//
// [Load] reads a directory into a [Set], which never changes; [Watcher] keeps
// the set of a directory current. A set is evaluated on a [state.View] that
// [state.Bound] has cut to the limits.
package rules

import (
	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/core/state"
)

// Set is a checked set of rules. It does not change and is safe for concurrent
// use.
type Set struct {
	rules []*rule // in their order: file path, then position
	index map[eventKey]*eventIndex
	files []string // their paths as in problems, in order
	hash  string

	sources []Source
	tests   []*Test

	warnings diag.Problems
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

// Warnings are about what does not keep the set from being used.
func (s *Set) Warnings() diag.Problems { return s.warnings }

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

// Len is the number of rules, the inactive ones included.
func (s *Set) Len() int { return len(s.rules) }

// Info is one rule for people to read.
type Info struct {
	Name   string
	File   string // as in problems
	Line   int    // from 1
	On     []string
	Active bool
	Stats
}

// Rules lists the rules in their order. Counts come from c, which may be nil.
func (s *Set) Rules(c *Counters) []Info {
	infos := make([]Info, len(s.rules))
	for i, r := range s.rules {
		infos[i] = Info{Name: r.name, File: r.pos.File, Line: r.pos.Line, On: r.on, Active: r.active}
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
		matched, err := e.matches(r)
		switch {
		case err != nil:
			out.Verdicts = append(out.Verdicts, &state.RuleVerdict{
				Rule: r.name, Verdict: state.Verdict_ERROR, Error: err.Error(),
			})
		case !matched:
			out.Verdicts = append(out.Verdicts, r.notMatched)
		default:
			out.Verdicts = append(out.Verdicts, r.matched)
			for _, a := range r.actions {
				out.Actions = append(out.Actions, a.run(e, r)...)
			}
		}
	}
	return out
}
