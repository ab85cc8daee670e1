package rules_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/core/state"
)

// ticker is a clock that goes on by the next of its steps at each look at it.
type ticker struct {
	mu    sync.Mutex
	now   time.Time
	steps []time.Duration
}

func (c *ticker) look() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.steps) > 0 {
		c.now = c.now.Add(c.steps[0])
		c.steps = c.steps[1:]
	}
	return c.now
}

// go on by these steps next.
func (c *ticker) set(steps ...time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.steps = steps
}

// timed is a watcher whose rules take as long as its clock says.
func timed(t *testing.T, files map[string]string) (*watching, *ticker) {
	t.Helper()
	dir(t, files)
	c := &ticker{now: time.Unix(0, 0)}
	return watchWith(t, func(w *rules.Watcher) { w.Clock(c.look) }), c
}

// The looks at the clock: before and after the whole, then before and after each
// rule, up to three times if it takes too long.
const long, short = 21 * time.Millisecond, 20 * time.Millisecond

var slowB = []time.Duration{0, long, 0, short, 0, long, 0, long, 0, long}

func (w *watching) slowNames() (names []string) {
	w.t.Helper()
	for _, r := range w.Set().Rules(nil) {
		if r.Slow {
			names = append(names, r.Name)
		}
	}
	return names
}

func idle() *state.View { return view(func(v *state.View) { v.Type = "chat_idle" }) }

func twoRules() map[string]string {
	return map[string]string{"a.yaml": tagRule("a"), "b.yaml": tagRule("b")}
}

func TestASlowRuleIsTakenOut(t *testing.T) {
	w, c := timed(t, twoRules())
	set := w.Set()
	v := idle()
	for range 3 {
		if len(w.sets) != 0 {
			t.Fatal("taken out before the third time")
		}
		c.set(slowB...)
		if got := verdicts(w.Guard(set).Evaluate(v)); !slices.Equal(got, []string{"a matched", "b matched"}) {
			t.Fatalf("the event itself is decided as %q", got)
		}
	}
	less := w.next()
	if got := verdicts(less.Evaluate(v)); !slices.Equal(got, []string{"a matched"}) {
		t.Errorf("then as %q", got)
	}
	if less.Hash() != set.Hash() || !slices.Equal(less.Out(), []string{"b"}) || !slices.Equal(w.slowNames(), []string{"b"}) {
		t.Errorf("out %q, slow %q", less.Out(), w.slowNames())
	}
	if n := testutil.ToFloat64(gauge(t, w.reg, "gateway_rules_over_budget")); n != 1 {
		t.Errorf("the metric says %v", n)
	}

	write(t, "c.yaml", tagRule("c")) // another file changes nothing for it
	if got := verdicts(w.next().Evaluate(v)); !slices.Equal(got, []string{"a matched", "c matched"}) {
		t.Errorf("after a save of another file %q", got)
	}
	write(t, "b.yaml", "# better\n"+tagRule("b"))
	if got := verdicts(w.next().Evaluate(v)); !slices.Equal(got, []string{"a matched", "b matched", "c matched"}) {
		t.Errorf("after a save of its file %q", got)
	}
	if n := testutil.ToFloat64(gauge(t, w.reg, "gateway_rules_over_budget")); n != 0 {
		t.Errorf("the metric says %v", n)
	}
}

func TestASlowRuleIsTakenOutWhileTheFilesAreBroken(t *testing.T) {
	w, c := timed(t, twoRules())
	write(t, "a.yaml", "rules: [")
	w.refused("a.yaml")
	for range 3 {
		c.set(slowB...)
		w.Guard(w.Set()).Evaluate(idle())
	}
	if got := verdicts(w.next().Evaluate(idle())); !slices.Equal(got, []string{"a matched"}) {
		t.Errorf("decided as %q", got)
	}
	if len(w.Status().Problems) == 0 {
		t.Error("the problems of the files are forgotten")
	}
}

// What takes long because the machine was busy does not do so three times in a
// row when it is measured alone.
func TestABusyMachineIsNoSlowRule(t *testing.T) {
	w, c := timed(t, twoRules())
	for _, steps := range [][]time.Duration{
		{0, short, 0, long, 0, long, 0, long},                         // the whole is in time
		{0, long, 0, short, 0, short},                                 // nothing is found
		{0, long, 0, long, 0, long, 0, short, 0, long, 0, 0, 0, long}, // and nothing that stays
	} {
		for range 4 {
			c.set(steps...)
			w.Guard(w.Set()).Evaluate(idle())
		}
	}
	if err := w.Load(); err != nil || len(w.sets) != 0 || len(w.slowNames()) != 0 {
		t.Errorf("%v, %d sets, slow %q", err, len(w.sets), w.slowNames())
	}
}

func TestWithout(t *testing.T) {
	dir(t, map[string]string{"a.yaml": "rules:\n" +
		"  - {name: a, on: customer_message, after: 1m, do: [{tag: x}]}\n  - {name: b, on: customer_message, do: [{tag: x}]}\n"})
	set, problems := rules.Load("rules.d", world)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	w := set.Evaluate(view(nil)).Waits[0]
	less := set.Without("b", "a")
	if e := less.Evaluate(view(nil)); len(e.Verdicts) != 0 {
		t.Errorf("verdicts %v", e.Verdicts)
	}
	v := view(nil)
	v.Waited, v.WaitedHash = w.Rule, w.Hash
	if got := verdicts(less.Evaluate(v)); fmt.Sprint(got) != "[a not_matched: the rule has changed]" {
		t.Errorf("its timer: %q", got)
	}
	if got := verdicts(set.Evaluate(v)); fmt.Sprint(got) != "[a matched]" || len(set.Out()) != 0 {
		t.Errorf("the set itself has changed: %q", got)
	}
}
