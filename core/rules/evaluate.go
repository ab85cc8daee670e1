package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
)

// evaluate looks at one rule and adds to out what comes of it. It says whether
// the later rules are not looked at.
func (e *evaluator) evaluate(r *rule, out *core.Evaluation) (stop bool) {
	o := r.options
	if o != nil {
		if why := e.leftOut(r); why != "" {
			out.Verdicts = append(out.Verdicts, reasoned(r, why))
			return false
		}
	}
	matched, err := e.matches(r)
	switch {
	case err != nil:
		out.Verdicts = append(out.Verdicts, &state.RuleVerdict{
			Rule: r.name, Verdict: state.Verdict_ERROR, Error: err.Error(),
		})
	case !matched:
		out.Verdicts = append(out.Verdicts, r.notMatched)
	case o != nil && o.after > 0 && e.view.GetWaited() == "":
		out.Verdicts = append(out.Verdicts, reasoned(r, o.waits))
		out.Waits = append(out.Waits, core.Wait{Rule: r.name, After: o.after, Hash: o.waitHash})
	default:
		out.Verdicts = append(out.Verdicts, r.matched)
		return e.act(r, out)
	}
	return false
}

// leftOut says why a rule with options is left out before its condition, ""
// if it is not.
func (e *evaluator) leftOut(r *rule) string {
	o := r.options
	if o.canary > 0 && !o.among(r.name, e.view.GetConversation()) {
		return "canary"
	}
	if o.from.set || o.to.set || o.hours != nil {
		at := e.at(e.view.GetAtMs())
		if why := o.validity(at); why != "" {
			return why
		}
		if o.hours != nil && !o.hours.open(at) {
			return outsideHours
		}
	}
	if o.count == nil {
		return ""
	}
	for _, c := range e.view.GetCounts() {
		if c.GetRule() != r.name {
			continue
		}
		for _, lim := range o.limits {
			if lim.Reached(c.GetAtMs(), e.view.GetDecidedMs()) {
				return lim.Reason
			}
		}
	}
	return ""
}

// act adds the actions of a rule that matched.
func (e *evaluator) act(r *rule, out *core.Evaluation) (stop bool) {
	o := r.options
	if o != nil && o.shadow {
		return false
	}
	first := len(out.Actions)
	for _, a := range r.actions {
		out.Actions = append(out.Actions, a.run(e, r)...)
	}
	if o == nil {
		return false
	}
	if o.notify != "" {
		out.Actions = append(out.Actions, e.executed(r, slices.Clone(out.Actions[first:])))
	}
	if o.bound != nil {
		for i := range out.Actions[first:] {
			out.Actions[first+i].Bound = o.bound
		}
	}
	if o.count != nil {
		out.Counts = append(out.Counts, *o.count)
	}
	return o.stop
}

// evaluateWaited looks at a rule again whose time has come, and at no other. It
// must be the one that has waited.
func (s *Set) evaluateWaited(v *state.View) (out core.Evaluation) {
	r := s.waits[v.GetWaited()]
	if r == nil || r.options.waitHash != v.GetWaitedHash() || !r.concerns(v) {
		out.Verdicts = []*state.RuleVerdict{{
			Rule: v.GetWaited(), Verdict: state.Verdict_NOT_MATCHED, Reason: "the rule has changed",
		}}
		return out
	}
	e := newEvaluator(v)
	defer e.release()
	e.evaluate(r, &out)
	return out
}

// hashWait names what a rule waits for: which events, under which condition,
// for how long.
func hashWait(r *rule) string {
	h := sha256.New()
	on, names := slices.Sorted(slices.Values(r.on)), slices.Sorted(slices.Values(r.eventNames))
	when := ""
	if r.when != nil {
		r.when.again(func(t *parser.Tree, _ map[ast.Node][]use) { when = t.Node.String() })
	}
	_, _ = fmt.Fprintf(h, "%q %q %q %s", on, names, when, r.options.after) // a hash takes everything
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// waiting are the rules that wait, by name.
func waiting(s *Set) map[string]*rule {
	all := map[string]*rule{}
	for _, r := range s.rules {
		if r.active && !s.leaves(r) && r.options != nil && r.options.after > 0 {
			all[r.name] = r
		}
	}
	return all
}
