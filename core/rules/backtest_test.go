package rules_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/core/state"
)

func TestBacktest(t *testing.T) {
	set := load(t, `
rules:
  - {name: wider, on: customer_message, when: '(event.text ?? "") != ""', do: [{send: "Hi {{ customer.first_name ?? 'you' }}"}, {tag: a}]}
  - {name: same, on: customer_message, do: [{tag: b}]}
  - {name: narrower, on: customer_message, when: '(event.text ?? "") == "x"', do: [{tag: c}]}
  - {name: broken, on: customer_message, when: 'payload.z.z == 1', do: [{tag: d}]}
`)
	b := rules.NewBacktest(set)
	matched := func(names ...string) *state.Record {
		r := &state.Record{View: view(nil)}
		for _, n := range names {
			r.Verdicts = append(r.Verdicts, &state.RuleVerdict{Rule: n, Verdict: state.Verdict_MATCHED})
		}
		return r
	}
	for i, r := range []*state.Record{matched("same", "narrower", "gone"), matched("same", "wider")} {
		b.Add(r, func() string { return fmt.Sprint("e", i) })
	}
	got := b.Report()
	for i := range got.Rules {
		got.Rules[i].At.File = ""
	}
	place := func(c rules.Change, line int) rules.Change {
		if line > 0 {
			c.At.Line, c.At.Column = line, 5
		}
		return c
	}
	want := rules.BacktestReport{
		Set: set.Hash(), Events: 2, Differences: 5,
		Rules: []rules.Change{
			place(rules.Change{Rule: "wider", Newly: 1, Same: 1}, 3), place(rules.Change{Rule: "same", Same: 2}, 4),
			place(rules.Change{Rule: "narrower", NoLonger: 1}, 5), place(rules.Change{Rule: "broken", Errors: 2}, 6),
			{Rule: "gone", NoLonger: 1},
		},
		Actions: map[string]int{"send": 2, "tag": 4}, NewActions: map[string]int{"send": 1, "tag": 1}, Messages: 2, NewMessages: 1,
		Samples: []rules.Sample{
			{Event: "e0", Type: "customer_message", Rule: "wider", Change: "newly", Actions: []rules.Shown{
				{Rule: "wider", Do: "send", With: "Hi Ada"}, {Rule: "wider", Do: "tag", With: "a"},
			}},
			{Event: "e0", Type: "customer_message", Rule: "broken", Change: "error",
				Error: "rules.d/a.yaml:6:59: a value is absent or of another type here: cannot fetch z from <nil>"},
			{Event: "e0", Type: "customer_message", Rule: "narrower", Change: "no_longer"},
			{Event: "e0", Type: "customer_message", Rule: "gone", Change: "no_longer"},
			{Event: "e1", Type: "customer_message", Rule: "broken", Change: "error",
				Error: "rules.d/a.yaml:6:59: a value is absent or of another type here: cannot fetch z from <nil>"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// BenchmarkBacktest compares recorded events with a set of 100 rules, of which
// some are on the event.
func BenchmarkBacktest(b *testing.B) {
	for _, on := range []int{10, 34, 100} {
		b.Run(fmt.Sprintf("rules=100/on_the_event=%d", on), func(b *testing.B) {
			set := load(b, ruleset(on, 100-on))
			record := &state.Record{View: view(nil), Verdicts: set.Evaluate(view(nil)).Verdicts}
			test := rules.NewBacktest(set)
			b.ReportAllocs()
			for b.Loop() {
				test.Add(record, func() string { return "" })
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
