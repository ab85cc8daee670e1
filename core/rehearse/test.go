package rehearse

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
)

// Result is how a test went.
type Result struct {
	Test     *rules.Test
	Problems diag.Problems // none: it passed
}

// Tests runs all tests of a set. snap is what there is beside the rules.
func Tests(snap *conversation.Snap, set *rules.Set) []Result {
	own := *snap
	own.Rules = set
	results := make([]Result, 0, len(set.Tests()))
	for _, t := range set.Tests() {
		results = append(results, Result{t, test(&own, set, t)})
	}
	return results
}

// Problems are those of all results.
func Problems(results []Result) (ps diag.Problems) {
	for _, r := range results {
		ps = append(ps, r.Problems...)
	}
	return ps
}

// checker compares a play with what a test expects.
type checker struct {
	snap     *conversation.Snap
	set      *rules.Set
	test     *rules.Test
	play     *Play
	problems diag.Problems
}

func test(snap *conversation.Snap, set *rules.Set, t *rules.Test) diag.Problems {
	given := t.Given
	if given.At.Line == 0 {
		given.At = t.At
	}
	play, err := Run(snap, &given, t.Events)
	c := &checker{snap: snap, set: set, test: t, play: play}
	if err != nil {
		p, ok := errors.AsType[*diag.Problem](err)
		if !ok {
			p = diag.Errorf(t.At, "%s", err)
		}
		c.problem(p.Pos, p.Hint, "%s", p.Summary)
		return c.problems
	}
	c.actions()
	c.nots()
	return c.problems
}

func (c *checker) problem(at diag.Pos, hint, format string, args ...any) {
	p := diag.Errorf(at, "test %q: %s", c.test.Name, fmt.Sprintf(format, args...))
	p.Hint = hint
	c.problems = append(c.problems, p)
}

// actions compares what was done with the list of what is expected.
func (c *checker) actions() {
	var wants []rules.Expect
	for _, e := range c.test.Expect {
		if e.Not == "" {
			wants = append(wants, e)
		}
	}
	var gots []rules.Shown
	for _, a := range c.play.Acted {
		gots = append(gots, rules.Show(a))
	}
	for len(wants) > 0 && len(gots) > 0 {
		switch {
		case fits(wants[0], gots[0]):
			wants, gots = wants[1:], gots[1:]
		case later(len(gots), func(i int) bool { return fits(wants[0], gots[i]) }):
			c.unexpected(wants[0].At, gots[0])
			gots = gots[1:]
		case later(len(wants), func(i int) bool { return fits(wants[i], gots[0]) }):
			c.missing(wants[0])
			wants = wants[1:]
		case !near(wants[0], gots[0]) && later(len(gots), func(i int) bool { return near(wants[0], gots[i]) }):
			c.unexpected(wants[0].At, gots[0])
			gots = gots[1:]
		default:
			c.problem(wants[0].At, "", "want %s, got %s", wanted(wants[0]), done(gots[0]))
			wants, gots = wants[1:], gots[1:]
		}
	}
	for _, w := range wants {
		c.missing(w)
	}
	for _, g := range gots {
		c.unexpected(c.test.ExpectAt, g)
	}
}

// later reports whether f holds for one of the numbers from 1 to n-1.
func later(n int, f func(int) bool) bool {
	for i := 1; i < n; i++ {
		if f(i) {
			return true
		}
	}
	return false
}

func (c *checker) unexpected(at diag.Pos, g rules.Shown) {
	c.problem(at, "", "want nothing here, got %s", done(g))
}

func (c *checker) missing(w rules.Expect) {
	c.problem(w.At, c.why(w.Rule), "want %s, got nothing", wanted(w))
}

// why says what became of a rule.
func (c *checker) why(rule string) string {
	if rule == "" {
		return ""
	}
	said := "none of its events came"
	for _, r := range c.play.Records {
		x := c.set.ExplainRule(r.View, rule)
		for _, l := range x.LeftOut {
			said = "it was left out: " + l.Why
		}
		for _, e := range x.Rules {
			said = cmp.Or(Unasked(r, c.snap), e.Line)
		}
	}
	for _, e := range c.play.Ended {
		if e.Command.Rule == rule && e.Reason == conversation.WindowIsClosed {
			said = "it was dropped: the reply window is closed (" + e.Reason + ")"
		}
	}
	return said
}

// nots checks that rules have not matched, and why.
func (c *checker) nots() {
	for _, e := range c.test.Expect {
		if e.Not == "" {
			continue
		}
		if c.matched(e.Rule) {
			c.problem(e.At, "", "want rule %q not to match, but it did", e.Rule)
			continue
		}
		if e.Because == "" || c.because(e) {
			continue
		}
		c.problem(e.At, "", "rule %q does not match, but not because of %s: %s", e.Rule, e.Because, c.why(e.Rule))
	}
}

func (c *checker) matched(rule string) bool {
	for _, r := range c.play.Records {
		for _, v := range r.Verdicts {
			if v.Rule == rule && v.Verdict == state.Verdict_MATCHED {
				return true
			}
		}
	}
	return false
}

// because reports whether what is given is why a rule has not matched: a part of
// its condition, or the reason it was not asked for.
func (c *checker) because(e rules.Expect) bool {
	want := squeeze(e.Because)
	for _, r := range c.play.Records {
		if strings.Contains(Unasked(r, c.snap), e.Because) {
			return true
		}
		x := c.set.ExplainRule(r.View, e.Rule)
		for _, l := range x.LeftOut {
			if strings.Contains(l.Why, e.Because) {
				return true
			}
		}
		for _, rule := range x.Rules {
			if rule.Reason != "" && strings.Contains(rule.Reason, e.Because) || squeeze(rule.Failing()) == want {
				return true
			}
		}
	}
	return false
}

// squeeze is an expression without what does not matter.
func squeeze(s string) string {
	return strings.NewReplacer(" ", "", "\n", "", "\t", "", "'", `"`, "&&", "and", "||", "or").Replace(s)
}

// Unasked says why rules were not asked about an event; "" if they were. snap is
// what the event was decided with.
func Unasked(r *state.Record, snap *conversation.Snap) string {
	v := r.GetView()
	if r.GetDuplicateOf() != "" {
		return "the event was only recorded: " + r.DuplicateOf
	}
	if r.GetRoute() == conversation.FlowRoute || conversation.OfFlow(v.GetType()) {
		return fmt.Sprintf("the event went to the flow %q", v.GetFlow().GetName())
	}
	if inst := snap.Instances[v.GetInstance()]; v.GetType() == sdk.IncomingMessage && inst != nil && !inst.MessageRouting {
		return fmt.Sprintf("message_routing of %s is off: rules do not see its agents' messages", v.GetInstance())
	}
	return ""
}

func wanted(e rules.Expect) string {
	who := "rule " + fmt.Sprintf("%q", e.Rule)
	if e.Rule == "" {
		who = "flow " + fmt.Sprintf("%q", e.Flow)
	}
	return who + " to " + e.Do + text(e.With)
}

func done(s rules.Shown) string {
	who := "rule " + fmt.Sprintf("%q", s.Rule)
	if flow, ok := strings.CutPrefix(s.Rule, flowPrefix); ok {
		who = "flow " + fmt.Sprintf("%q", flow)
	}
	if s.Error != "" {
		return who + " failing to " + s.Do + ": " + s.Error
	}
	return who + " to " + s.Do + text(s.With)
}

// maxShown is how many letters of a value a problem shows.
const maxShown = 300

func text(v any) string {
	if v == nil {
		return ""
	}
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	if r := []rune(string(b)); len(r) > maxShown {
		return " " + string(r[:maxShown]) + "…"
	}
	return " " + string(b)
}
