package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
)

// Explanation says of one event what became of each rule, and why.
type Explanation struct {
	Set     string      `json:"set"` // its hash
	Event   string      `json:"event"`
	Rules   []Explained `json:"rules"`        // that were looked at: what matched, then errors, then the nearest miss first
	LeftOut []LeftOut   `json:"left_out"`     // rules on the event that were not looked at, in their order
	Others  int         `json:"other_events"` // rules on other events
}

// Explained is a rule that was looked at.
type Explained struct {
	Rule    string   `json:"rule"`
	At      diag.Pos `json:"at"`
	Verdict string   `json:"verdict"`          // matched, not_matched or error
	Reason  string   `json:"reason,omitempty"` // why it was not asked, or nothing was done, with what decided that
	Error   string   `json:"error,omitempty"`
	Line    string   `json:"line"`           // all of it in one line
	When    *Node    `json:"when,omitempty"` // nil: it has no condition
	True    int      `json:"true"`           // parts of the condition, at its top level, that hold
	Parts   int      `json:"parts"`          // that it has there
	Actions []Shown  `json:"actions,omitempty"`
}

// LeftOut is a rule that was not looked at.
type LeftOut struct {
	Rule string   `json:"rule"`
	At   diag.Pos `json:"at"`
	Why  string   `json:"why"`
}

// Explain evaluates v as [Set.Evaluate] does and says why the outcome is what it
// is. v must have been through [state.Bound].
func (s *Set) Explain(v *state.View) Explanation { return s.explain(v, s.rules) }

// ExplainRule is Explain for one rule; nothing is said of the others.
func (s *Set) ExplainRule(v *state.View, name string) Explanation {
	i := slices.IndexFunc(s.rules, func(r *rule) bool { return r.name == name })
	if i < 0 {
		return s.explain(v, nil)
	}
	return s.explain(v, s.rules[i:i+1])
}

func (s *Set) explain(v *state.View, rules []*rule) Explanation {
	out := Explanation{Set: s.hash, Event: v.GetType(), Rules: []Explained{}, LeftOut: []LeftOut{}}
	outcome := s.Evaluate(v)
	verdicts := make(map[string]*state.RuleVerdict, len(outcome.Verdicts))
	for _, verdict := range outcome.Verdicts {
		verdicts[verdict.GetRule()] = verdict
	}
	actions := map[string][]Shown{}
	for i := range outcome.Actions {
		a := Show(&outcome.Actions[i])
		actions[a.Rule] = append(actions[a.Rule], a)
	}
	e := newEvaluator(v)
	defer e.release()
	var used compiledWith
	defer used.next(nil)
	for _, r := range rules {
		verdict := verdicts[r.name]
		switch {
		case verdict != nil:
			used.next(r)
			x := r.explain(e, verdict)
			x.Actions = actions[r.name]
			out.Rules = append(out.Rules, x)
		case !slices.Contains(r.on, v.GetType()):
			out.Others++
		default:
			out.LeftOut = append(out.LeftOut, LeftOut{r.name, r.pos, s.leftOut(r, v, outcome.Verdicts)})
		}
	}
	if w := verdicts[v.GetWaited()]; w != nil && !s.has(v.GetWaited()) {
		out.Rules = append(out.Rules, Explained{
			Rule: w.GetRule(), Verdict: w.GetVerdict().Word(), Reason: w.GetReason(), Line: "no: the rule is gone",
		})
	}
	slices.SortStableFunc(out.Rules, nearest)
	return out
}

// compiledWith is what the condition was compiled with that was looked at last.
type compiledWith struct{ comp *compilation }

// next lets it rest unless r needs it, too.
func (c *compiledWith) next(r *rule) {
	var comp *compilation
	if r != nil {
		if r.when == nil {
			return
		}
		comp = r.when.comp
	}
	if c.comp != nil && c.comp != comp {
		c.comp.rest()
	}
	c.comp = comp
}

func (s *Set) has(name string) bool {
	return slices.ContainsFunc(s.rules, func(r *rule) bool { return r.name == name })
}

// nearest orders what matched, then errors, then those of which the fewest parts
// did not hold.
func nearest(a, b Explained) int {
	rank := map[string]int{"matched": 0, "error": 1, "not_matched": 2}
	asked := func(x Explained) int { return min(len(x.Reason), 1) }
	return cmp.Or(
		cmp.Compare(rank[a.Verdict], rank[b.Verdict]), cmp.Compare(asked(a), asked(b)),
		cmp.Compare(b.True, a.True), cmp.Compare(a.Parts, b.Parts),
	)
}

// leftOut says why r, which is on v's event, has no verdict.
func (s *Set) leftOut(r *rule, v *state.View, verdicts []*state.RuleVerdict) string {
	switch why := r.elsewhere(v); {
	case !r.active:
		return "it is not active"
	case s.leaves(r):
		return "it was over its time budget and was taken out until its file changes"
	case why != "":
		return why
	case v.GetWaited() != "":
		return fmt.Sprintf("only the rule %q, whose time has come, was looked at", v.GetWaited())
	case len(verdicts) == 0:
		return "it was not looked at"
	}
	last := verdicts[len(verdicts)-1].GetRule()
	i := slices.IndexFunc(s.rules, func(r *rule) bool { return r.name == last })
	return fmt.Sprintf("the rule %q (%s) before it matched and has stop: true", last, s.rules[i].pos)
}

// elsewhere says why r, which is on v's event, is no candidate; "" if it is one.
func (r *rule) elsewhere(v *state.View) string {
	if name := v.GetEvent().GetEventName(); v.GetType() == sdk.CustomEvent && len(r.eventNames) > 0 && !slices.Contains(r.eventNames, name) {
		return fmt.Sprintf("it is on the event_name %s, not %q", strings.Join(r.eventNames, ", "), name)
	}
	for _, limit := range []struct {
		what string
		of   []string
		is   string
	}{
		{"service", r.services, v.GetService()}, {"integration", r.integrations, v.GetIntegration()},
		{"channel", r.channels, v.GetChannel()}, {"channel type", r.channelTypes, v.GetChannelType()},
	} {
		if len(limit.of) > 0 && !slices.Contains(limit.of, limit.is) {
			return fmt.Sprintf("it is for the %s %s, not %q", limit.what, strings.Join(limit.of, ", "), limit.is)
		}
	}
	return ""
}

// explain says why r has the verdict.
func (r *rule) explain(e *evaluator, verdict *state.RuleVerdict) Explained {
	x := Explained{
		Rule: r.name, At: r.pos, Verdict: verdict.GetVerdict().Word(), Reason: r.reason(e, verdict), Error: verdict.GetError(),
	}
	var conjuncts []*Node
	if r.when != nil {
		x.When = r.when.explain(e)
		x.settle(len(r.when.typed) > 0)
		conjuncts = x.When.conjuncts()
	}
	x.Parts = len(conjuncts)
	for _, c := range conjuncts {
		if c.holds() {
			x.True++
		}
	}
	x.Line = x.line(conjuncts)
	return x
}

// settle makes the condition as a whole say what the verdict says: the compiler
// leaves out parts that cannot matter, and a declared value that cannot be read is
// an error wherever it stands.
func (x *Explained) settle(declared bool) {
	switch {
	case declared && x.Error != "" && x.When.Error == "":
		x.When.Value, x.When.Error = nil, x.Error
	case x.Error == "" && x.Reason == "" && x.When.Error != "":
		x.When.Value, x.When.Error = x.Verdict == "matched", ""
	}
}

func (x *Explained) line(conjuncts []*Node) string {
	held := "it has no condition"
	if x.When != nil {
		held = x.When.Source + " was true" + x.When.because()
	}
	switch {
	case x.Error != "":
		return "error: " + x.Error
	case x.Verdict == "matched" && x.Reason != "":
		return "yes: " + held + "; " + x.Reason
	case x.Verdict == "matched":
		return "yes: " + held
	case strings.HasPrefix(x.Reason, waitsWord):
		return "not yet: " + held + "; it " + x.Reason
	case x.Reason != "":
		return "no: " + x.Reason
	}
	for i, c := range conjuncts {
		if c.holds() {
			continue
		}
		line := "no: " + c.Source + " was false" + c.because()
		if i < len(conjuncts)-1 {
			line += "; rest not needed"
		}
		return line
	}
	return "no"
}

// Failing returns the first part of the condition, at its top level, that does not hold, as
// it is written; "" if there is none.
func (x *Explained) Failing() string {
	for _, c := range x.When.conjuncts() {
		if !c.holds() {
			return c.Source
		}
	}
	return ""
}
