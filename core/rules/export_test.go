package rules

import (
	"slices"
	"time"
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
