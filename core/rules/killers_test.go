package rules_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// Expressions that keep the machine busy for seconds or fill the memory, as it
// cannot be interrupted, and those that are merely too much.
var killers = []struct{ name, expression, want string }{
	{"predicates nested three deep", `count(payload.a, {count(payload.b, {count(payload.c, {# > 0}) > 0}) > 0}) > 0`, "{ } must not be nested more than 2 deep"},
	{"a large range", `count(1..1001, {# > 0}) > 0`, "a range must not have more than 1000 elements"},
	{"a regular expression for each element", `count(1..900, {"aaaaaaaaaaaaaaaaaaaaaaaa!" matches "^(a|aa)+$"}) > 0`,
		"matches cannot stand inside { }, where it would run once per element"},
	{"split for each element", `count(1..900, {len(split(str(payload.a), "")) > 0}) > 0`, "split() cannot stand inside { }, where it would run once per element"},
	{"reduce for each element", `any(payload.a, {reduce(payload.b, # + #acc) > 0})`, "reduce() cannot stand inside { }, where it would run once per element"},
	{"repeat", `any(1..900, {len(repeat("x", 1000000)) > 0})`, "repeat() cannot be used in a rule: it can fill the memory"},
	{"10,000 nodes", strings.Repeat("1+", 2000) + "1 > 0", "the expression has more than 500 parts"},
	{"deep nesting", strings.Repeat("(", 2000) + "1" + strings.Repeat(")", 2000) + strings.Repeat(" + 1", 600) + " > 0", "the expression has more than 500 parts"},
	{"deep nesting of lists", strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + " == 1", "the expression has more than 500 parts"},
	{"a pattern that the customer writes", `"x" matches str(payload.a)`, "the pattern of matches must be a text in quotes"},
	{"a pattern too large", `str(payload.a) matches "((a{100}){100}){100}"`, "error parsing regexp: invalid repeat count: `{100}`"},
	{"all of it twice in a loop", `count(1..1000, {count(1..1000, {# > 0}) > 0}) > 0`, "the expression could take too long"},
}

// None of them is loaded, wherever it stands.
func TestKillers(t *testing.T) {
	for _, k := range killers {
		quoted := "'" + strings.ReplaceAll(k.expression, "'", "''") + "'"
		template := "'{{ " + strings.ReplaceAll(k.expression, "'", "''") + " }}'"
		for place, text := range map[string]string{
			"when": oneRule("customer_message", "when: "+quoted, "do: [{tag: x}]"),
			"send": oneRule("customer_message", "do: [{send: "+template+"}]"),
			"body": oneRule("customer_message", "do: [{notify: {endpoint: ops, body: [{a: "+template+"}]}}]"),
			"let":  "let: { a: " + quoted + " }\n" + oneRule("customer_message", "when: a", "do: [{tag: x}]"),
			"text": "texts: { a: { en: " + template + " } }\n" + oneRule("customer_message", "do: [{send: '{{ texts.a }}'}]"),
		} {
			t.Run(k.name+" in "+place, func(t *testing.T) {
				dir(t, map[string]string{"a.yaml": text})
				set, problems := rules.Load("rules.d", world)
				if set != nil || len(problems) != 1 || problems[0].Summary != k.want {
					t.Errorf("\n got %v\nwant %s", problems, k.want)
				}
			})
		}
	}
}

// The limits hold for the whole, also if its parts come from lets.
func TestKillersInParts(t *testing.T) {
	tests := map[string]string{
		`let: { inner: 'count(payload.c, {# > 0}) > 0', outer: 'count(payload.a, {count(payload.b, {inner}) > 0}) > 0' }`: "{ } must not be nested more than 2 deep",
		`let: { a: '"x" matches "y"', b: 'any(payload.a, {a})' }`:                                                         "matches cannot stand inside { }, where it would run once per element",
		`let: { a: 'count(1..1000, {# > 0}) > 0', b: 'count(1..1000, {a}) > 0' }`:                                         "the expression could take too long",
	}
	for text, want := range tests {
		_, problems := loadFiles(t, map[string]string{"a.yaml": text + "\n"})
		if !strings.Contains(problems, want) || strings.Contains(problems, "\n") {
			t.Errorf("%s\n got %s\nwant %s", text, problems, want)
		}
	}
}

// What fails inside the machine is the verdict error, and the rules after it
// are decided.
func TestPanicsAreErrors(t *testing.T) {
	for _, when := range []string{
		`chat.number % (chat.number - 2) == 1`, `[1, 2][chat.number + 7] == 1`, `payload.list[9].x`, `payload.n.x.y == 1`,
		`fromJSON("{") == 1`, `date("x").Year() == 1`, `duration("x").Hours() > 1`, `payload.a > 5`,
		`sum(payload.list) > 1`, `fromBase64("*") == ""`,
	} {
		set := load(t, oneRule("customer_message", "when: '"+when+"'", "do: [{tag: x}]")+
			"  - { name: after, on: customer_message, do: [{ tag: x }] }\n")
		out := set.Evaluate(view(nil))
		if len(out.Verdicts) != 2 || out.Verdicts[0].GetVerdict() != state.Verdict_ERROR || out.Verdicts[1].GetVerdict() != state.Verdict_MATCHED {
			t.Errorf("%s: got %v", when, out.Verdicts)
		}
	}
}

// What is read is cut before it is evaluated: 4 KB of a text, 100 of a list.
func TestWhatIsReadIsBounded(t *testing.T) {
	set := load(t, oneRule("customer_message", `when: len(event.text ?? "") == 4096 and len(event.attachments) == 100 and len(conversation.tags) == 100`, "do: [{tag: x}]"))
	v := view(func(v *state.View) {
		v.Event.Text = strings.Repeat("x", 1<<20)
		for i := range 1000 {
			v.Event.Attachments = append(v.Event.Attachments, &pluginv1.Attachment{Url: fmt.Sprint(i)})
			v.Tags = append(v.Tags, fmt.Sprint(i))
		}
	})
	if got := outcome(t, set, state.Bound(v)); got != "matched" {
		t.Errorf("got %s", got)
	}
}
