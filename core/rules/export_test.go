package rules

import (
	"slices"
	"time"

	"github.com/expr-lang/expr/vm"

	"github.com/openccsp/gateway/core/state"
)

// Rescan changes how often the files are read without a change being told.
// Call it before Run.
func (w *Watcher) Rescan(every time.Duration) { w.rescan = every }

// Clock replaces the clock that evaluations are timed with. Call it before Run.
func (w *Watcher) Clock(now func() time.Time) { w.clock = now }

// Common counts the rules that two sets have in common: those of files that
// were not compiled again.
func Common(a, b *Set) (n int) {
	in := map[*rule]bool{}
	for _, r := range a.rules {
		in[r] = true
	}
	for _, r := range b.rules {
		if in[r] {
			n++
		}
	}
	return n
}

// Bare returns what runs the programs of s's conditions on v with nothing around
// them: the expression machine alone.
func Bare(s *Set, v *state.View) func() error {
	e := &evaluator{env: env{view: v, values: map[string]any{}}}
	var programs []*vm.Program
	for _, r := range s.rules {
		e.fill(r.when.needs)
		programs = append(programs, r.when.code)
	}
	return func() error {
		for _, p := range programs {
			if _, err := e.vm.Run(p, e.values); err != nil {
				return err
			}
		}
		return nil
	}
}

// What the loader knows: the keys of a file and of a rule, and the actions.
var (
	FileKeys    = topKeys
	RuleKeys    = slices.Concat(ruleKeys, optionKeys)
	ActionNames = actionNames
	EventNames  = eventNames
	FlowKeys    = flowKeys
	StepNames   = slices.Concat(stepNames, actionNames)
	StepKeys    = stepKeys
)
