package rules_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/core/state"
)

// A rule that is left out before its condition, or waits, says so with the values
// that decided it. The view is of Tue 2023-11-14 23:13:20 in Zurich.
func TestExplainReasons(t *testing.T) {
	at := view(nil).AtMs
	counts := func(ago ...int64) func(*state.View) {
		return func(v *state.View) {
			c := &state.RuleCount{Rule: "r"}
			for _, s := range ago {
				c.AtMs = append(c.AtMs, at-s*1000)
			}
			v.Counts, v.DecidedMs = []*state.RuleCount{c}, at
		}
	}
	tests := []struct {
		lines  string
		change func(*state.View)
		want   string
	}{
		{"hours: mon-fri 08:00-18:00", nil, "no: outside its hours (Tue 23:13 in Europe/Zurich)"},
		{"hours: { outside: tue }", nil, "no: outside its hours (Tue 23:13 in Europe/Zurich)"},
		{"valid_from: 2026-12-01 08:00", nil, "no: not valid yet (it is from 2026-12-01 08:00; it was 2023-11-14 23:13 in Europe/Zurich)"},
		{"valid_to: 2023-11-13", nil, "no: no longer valid (it was until 2023-11-14 00:00; it was 2023-11-14 23:13 in Europe/Zurich)"},
		{"mode: canary\n    canary: 0.01%", nil, "no: canary (it is for 0.01% of the conversations, and this is none of them)"},
		{"once: true", counts(60), "no: once (it matched at 2023-11-14 23:12:20)"},
		{"cooldown: 10m", counts(60), "no: cooldown (it matched at 2023-11-14 23:12:20, and at most 1 in 10m; it was 2023-11-14 23:13:20)"},
		{"throttle: 2 per 1h", counts(5000, 120, 60),
			"no: throttled (it matched at 2023-11-14 23:11:20, 2023-11-14 23:12:20, and at most 2 in 1h; it was 2023-11-14 23:13:20)"},
		{"throttle: 5 per 1d", counts(500, 400, 120, 60, 30),
			"no: throttled (it matched at 2023-11-14 23:11:20, 2023-11-14 23:12:20, 2023-11-14 23:12:50 and 2 times before, " +
				"and at most 5 in 1d; it was 2023-11-14 23:13:20)"},
		{"after: 15m\n    when: chat.open", nil, "not yet: chat.open was true; it waits 15m"},
		{"after: 15m", nil, "not yet: it has no condition; it waits 15m"},
		{"mode: shadow\n    when: chat.number == 2", nil, "yes: chat.number == 2 was true (chat.number = 2); nothing is done: it is in mode shadow"},
		{"after: 15m", func(v *state.View) { v.Waited, v.WaitedHash = "r", "other" }, "no: the rule has changed"},
		{"after: 15m", func(v *state.View) { v.Waited, v.WaitedHash = "s", "other" }, "no: the rule is gone"},
	}
	for _, tt := range tests {
		x := load(t, oneRule("customer_message", tt.lines, "do: [{tag: a}]")).Explain(view(tt.change))
		if len(x.Rules) != 1 {
			t.Errorf("%s: %d rules", tt.lines, len(x.Rules))
			continue
		}
		if got := x.Rules[0].Line; got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.lines, got, tt.want)
		}
	}
}

// lines writes what is explained: a rule and its line, or why it was left out.
func lines(x rules.Explanation) (all []string) {
	for _, r := range x.Rules {
		all = append(all, r.Rule+" "+r.Line)
	}
	for _, r := range x.LeftOut {
		all = append(all, r.Rule+" left out: "+r.Why)
	}
	return all
}

func TestExplainWhoStopped(t *testing.T) {
	set := load(t, `
rules:
  - {name: a, on: customer_message, do: [{tag: a}]}
  - {name: b, on: customer_message, stop: true, do: [{tag: a}]}
  - {name: c, on: customer_message, when: chat.open, do: [{tag: a}]}
  - {name: d, on: customer_message, active: false, do: [{tag: a}]}
`)
	want := []string{
		"a yes: it has no condition", "b yes: it has no condition",
		`c left out: the rule "b" (rules.d/a.yaml:4:5) before it matched and has stop: true`, "d left out: it is not active",
	}
	if diff := cmp.Diff(want, lines(set.Explain(view(nil)))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	want[1] = "b left out: it was over its time budget and was taken out until its file changes"
	want = []string{"c yes: chat.open was true", want[0], want[1], want[3]}
	if diff := cmp.Diff(want, lines(set.Without("b").Explain(view(nil)))); diff != "" {
		t.Errorf("without b: -want +got:\n%s", diff)
	}
}

// Where a rule's time has come no other is looked at.
func TestExplainWaited(t *testing.T) {
	text := oneRule("customer_message", "after: 15m", "do: [{tag: a}]") + "  - {name: s, on: customer_message, do: [{tag: a}]}\n"
	set := load(t, text)
	hash := set.Evaluate(view(nil)).Waits[0].Hash
	x := set.Explain(view(func(v *state.View) { v.Waited, v.WaitedHash = "r", hash }))
	want := []string{"r yes: it has no condition", `s left out: only the rule "r", whose time has come, was looked at`}
	if diff := cmp.Diff(want, lines(x)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A named expression is shown by its name, with what it stands for below, where that
// is written.
func TestExplainLet(t *testing.T) {
	set := load(t, `let:
  limit: 5
  gold: customer.attributes.tier == "gold"
  long: chat.messages.agent > limit
  good: gold and not long
rules:
  - name: r
    on: customer_message
    when: event.text != nil and (good or long) and chat.number == limit
    do: [{tag: a}]
`)
	x := set.Explain(view(nil)).Rules[0]
	if want := "no: chat.number == limit was false (chat.number = 2, limit = 5)"; x.Line != want {
		t.Errorf("\n got %s\nwant %s", x.Line, want)
	}
	want := `9:11 event.text != nil and (good or long) and chat.number == limit = false
  9:11 event.text != nil and (good or long) = true
    9:11 event.text != nil = true
      9:11 event.text = "Hello"
    9:34 good or long = true
      9:34 good = true
        5:9 gold and not long = true
          5:9 gold = true
            3:9 customer.attributes.tier == "gold" = true
              3:9 customer.attributes.tier = "gold"
          5:18 not long = true
            5:22 long = false
              4:9 chat.messages.agent > limit = false
                4:9 chat.messages.agent = 3
                4:31 limit = 5
      9:42 long = false (not needed)
        4:9 chat.messages.agent > limit = false (not needed)
          4:9 chat.messages.agent = 3 (not needed)
          4:31 limit = 5 (not needed)
  9:52 chat.number == limit = false
    9:52 chat.number = 2
    9:67 limit = 5
`
	if diff := cmp.Diff(want, placed(x.When, "")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// placed is tree with lines, too.
func placed(n *rules.Node, indent string) string {
	var b strings.Builder
	for line := range strings.Lines(tree(&rules.Node{Source: n.Source, At: n.At, Value: n.Value, Error: n.Error, NotNeeded: n.NotNeeded}, "")) {
		_, rest, _ := strings.Cut(line, " ")
		b.WriteString(indent + strings.TrimPrefix(n.At.String(), "rules.d/a.yaml:") + " " + rest)
	}
	for _, p := range n.Parts {
		b.WriteString(placed(p, indent+"  "))
	}
	return b.String()
}

// A declared value that cannot be read is an error with its place, also where
// nothing comes to it.
func TestExplainDeclared(t *testing.T) {
	const declared = `events: { order_paid: { amount: number, gift: bool }, refunded: { amount: string } }
attributes: { customer: { age: number } }
texts: { hello: { en: Hello, de: "Hallo {{ payload.x }}" } }
`
	tests := []struct {
		when   string
		params map[string]string
		want   string // the line, and the tree
	}{
		{`event.params.amount > 50 and event.params.gift`, map[string]string{"amount": "20", "gift": "true"},
			`no: event.params.amount > 50 was false (event.params.amount = 20); rest not needed
8:11 event.params.amount > 50 and event.params.gift = false
  8:11 event.params.amount > 50 = false
    8:11 event.params.amount = 20
  8:40 event.params.gift = true (not needed)
`},
		{`event.params.amount > 50 and chat.open`, map[string]string{"amount": "much", "gift": "true"},
			`error: rules.d/a.yaml:8:11: event.params.amount is declared to be a number, but is "much"
8:11 event.params.amount > 50 and chat.open = error: event.params.amount is declared to be a number, but is "much"
  8:11 event.params.amount > 50 = error: event.params.amount is declared to be a number, but is "much"
    8:11 event.params.amount = error: event.params.amount is declared to be a number, but is "much"
  8:40 chat.open = true (not needed)
`},
		{`not chat.open and event.params.gift`, map[string]string{"amount": "1"},
			`error: rules.d/a.yaml:8:29: event.params.gift is absent, which its declaration does not allow
8:11 not chat.open and event.params.gift = error: rules.d/a.yaml:8:29: event.params.gift is absent, which its declaration does not allow
  8:11 not chat.open = false
    8:15 chat.open = true
  8:29 event.params.gift = absent (not needed)
`},
		{`texts.hello == "Hello" and customer.attributes.age == nil`, map[string]string{"amount": "1", "gift": "0"},
			`error: rules.d/a.yaml:3:52: a value is absent or of another type here: cannot fetch x from <nil>
8:11 texts.hello == "Hello" and customer.attributes.age == nil = error: rules.d/a.yaml:3:52: a value is absent or of another type here: cannot fetch x from <nil>
  8:11 texts.hello == "Hello" = error: rules.d/a.yaml:3:52: a value is absent or of another type here: cannot fetch x from <nil>
    8:11 texts.hello = error: rules.d/a.yaml:3:52: a value is absent or of another type here: cannot fetch x from <nil>
  8:38 customer.attributes.age == nil = true (not needed)
    8:38 customer.attributes.age = absent (not needed)
`},
	}
	for _, tt := range tests {
		set := load(t, declared+oneRule("custom_event", "event_name: order_paid", "when: "+asYAML(tt.when), "do: [{tag: a}]"))
		x := set.Explain(order(tt.params)).Rules[0]
		if diff := cmp.Diff(tt.want, x.Line+"\n"+placed(x.When, "")); diff != "" {
			t.Errorf("%s: -want +got:\n%s", tt.when, diff)
		}
	}
}
