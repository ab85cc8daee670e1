package rules_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/core/state"
)

const declaredForFlows = `
let:
  gold: customer.attributes.tier == "gold"
  waited: event.wait_time > 5
attributes:
  customer: { age: number }
  conversation: { score: number }
texts:
  sorry: { en: "Sorry, {{ customer.first_name ?? \"you\" }}.", de: Entschuldigung. }
`

// What files declare holds in the steps of their flows, too.
func TestFlowsSeeWhatIsDeclared(t *testing.T) {
	text := oneFlow("params: { n: number }", "steps:",
		"- when: gold and (customer.attributes.age ?? 0) > params.n", "  then: [tag: old]",
		`- ask: "{{ texts.sorry }}"`, "  accept: gold and reply.text != texts.sorry", "  as: score",
		`- send: "{{ texts.sorry }} {{ score }}"`, "- set: { score: \"{{ num(score) }}\" }")
	for name, files := range map[string]map[string]string{
		"of the file": {"a.yaml": declaredForFlows + text},
		"shared":      {"a.yaml": text, "_shared.yaml": declaredForFlows},
	} {
		t.Run(name, func(t *testing.T) {
			set, problems := loadFiles(t, files)
			if set == nil {
				t.Fatal(problems)
			}
			earlier, ps := rules.CompileFlows("rules.d", set.FlowFiles(set.Flows()[0].Version), world)
			if ps != nil {
				t.Fatal(ps)
			}
			for _, f := range []*core.FlowDef{set.Flows()[0], earlier[0]} {
				checkDeclaredIn(t, f)
			}
		})
	}
}

func checkDeclaredIn(t *testing.T, f *core.FlowDef) {
	t.Helper()
	customer := func(locale, age string) *state.View {
		return view(func(v *state.View) {
			v.Customer.Locale = locale
			v.Customer.Attributes = map[string]string{"tier": "gold", "age": age}
		})
	}
	scope := &core.FlowScope{Params: map[string]string{"n": "30"}, Vars: map[string]string{"score": `"4"`}, Reply: "Sorry."}
	for age, want := range map[string]string{"31": "true <nil>", "30": "false <nil>", "": "false <nil>", "old": `false customer.attributes.age is declared to be a number, but is "old"`} {
		holds, err := f.Ops[0].Test(customer("en", age), scope)
		got := fmt.Sprint(holds, " ", err)
		if _, message, ok := strings.Cut(got, ": "); ok {
			got = "false " + message // without the place
		}
		if got != want {
			t.Errorf("of age %q: %s, want %s", age, got, want)
		}
	}
	if accepted, err := f.Ops[2].Test(customer("en", ""), scope); !accepted || err != nil {
		t.Errorf("the reply is accepted: %t, %v", accepted, err)
	}
	for locale, want := range map[string]string{"de-CH": "Entschuldigung.", "fr": "Sorry, Ada."} {
		v := customer(locale, "")
		if got := f.Ops[2].Do(v, scope)[0].Text; got != want {
			t.Errorf("in %s it asks %q, want %q", locale, got, want)
		}
		if got := f.Ops[3].Do(v, scope)[0].Text; got != want+" 4" {
			t.Errorf("in %s it sends %q", locale, got)
		}
	}
	if got := f.Ops[4].Do(customer("", ""), scope)[0]; got.Value != "4" || got.Err != "" {
		t.Errorf("set: %+v", got)
	}
}

func TestProblemsOfDeclarationsInFlows(t *testing.T) {
	tests := []struct{ name, steps, want string }{
		{"a let about the event", "- when: waited\n      then: [end]",
			"rules.d/a.yaml:4:11: a flow has no event.wait_time (used at rules.d/a.yaml:13:13); a flow outlives its event; hand over what it needs as params"},
		{"an answer with the name of a let", "- ask: x\n      as: gold",
			"rules.d/a.yaml:14:11: \"gold\" is declared at rules.d/a.yaml:3:3 already; take another one"},
		{"an attribute of another type", "- set: { score: high }",
			"rules.d/a.yaml:13:21: conversation.attributes.score is declared to be a number, but is \"high\""},
		{"a text that there is not", `- send: "{{ texts.sory }}"`,
			`rules.d/a.yaml:13:17: unknown field "texts.sory"; did you mean "texts.sorry"?`},
		{"an attribute that may be absent", "- when: customer.attributes.age > 3\n      then: [end]",
			"rules.d/a.yaml:13:13: customer.attributes.age may be absent; write (customer.attributes.age ?? 0) or another value for that case"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, got := loadFiles(t, map[string]string{"a.yaml": declaredForFlows + oneFlow("steps:", tt.steps)}); got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

// An empty answer is nil, and that is no mistake where ?? says what then.
func TestEmptyAnswer(t *testing.T) {
	set := load(t, oneFlow("steps:", "- notify: { endpoint: ops }", "  as: ticket", `- send: "{{ ticket ?? \"none\" }}"`))
	got := set.Flows()[0].Ops[1].Do(view(nil), &core.FlowScope{Vars: map[string]string{"ticket": "null"}})
	if len(got) != 1 || got[0].Text != "none" || got[0].Err != "" {
		t.Errorf("got %+v", got)
	}
}

// All actions of rules are steps, too.
func TestActionsAreSteps(t *testing.T) {
	steps := []struct {
		step string
		want core.Action
	}{
		{`send_sms: { text: "Hello {{ params.who }}", channel: short }`, core.Action{Kind: core.Send, Text: "Hello Ada", Channel: "short"}},
		{`send_facebook: Hello`, core.Action{Kind: core.Send, Text: "Hello", ChannelType: "facebook"}},
		{`call: { say: "It is {{ params.who }}" }`, core.Action{Kind: core.Call, Text: "It is Ada"}},
		{`call: { text: "{{ params.who }}, your code?", digits: 4 }`, core.Action{Kind: core.Call, Text: "Ada, your code?", Digits: "4"}},
		{`push: { title: T, text: "{{ params.who }}" }`, core.Action{Kind: core.Push, Title: "T", Text: "Ada"}},
		{`emit: { event: told, params: { who: "{{ params.who }}" } }`, core.Action{Kind: core.Emit, Key: "told", Params: map[string]string{"who": "Ada"}}},
		{`emit: { event: told, to: vendor }`, core.Action{Kind: core.Emit, Key: "told", Vendor: true}},
		{`transfer: { queue: "{{ params.who }}" }`, core.Action{Kind: core.Transfer, To: "Ada"}},
		{`transfer: { service: retail }`, core.Action{Kind: core.Transfer, Service: "retail"}},
	}
	lines := []string{"params: { who: string }", "steps:"}
	for _, s := range steps {
		lines = append(lines, "- "+s.step)
	}
	set, problems := loadIn(t, able(), oneFlow(lines...))
	if set == nil {
		t.Fatal(problems)
	}
	scope := &core.FlowScope{Params: map[string]string{"who": `"Ada"`}}
	for i, s := range steps {
		s.want.Rule = "flow f"
		if d := cmp.Diff([]core.Action{s.want}, set.Flows()[0].Ops[i].Do(view(nil), scope)); d != "" {
			t.Errorf("%s: -want +got:\n%s", s.step, d)
		}
	}
}

// A file is compiled again when the flows that it can begin have other
// parameters, and not when these only do something else.
func TestFlowsThatAreKept(t *testing.T) {
	flow := oneFlow("params: { n: number }", "steps: [wait: 1h, tag: one]")
	dir(t, map[string]string{"a.yaml": oneRule("chat_idle", "do: [flow: { name: f, params: { n: 1 } }]"), "b.yaml": tagRule("b"), "f.yaml": flow})
	w := rules.NewWatcher(rules.WatchConfig{Dir: "rules.d", World: world, Log: slog.New(slog.DiscardHandler)})
	do(t, w.Load())
	tests := []struct {
		name, file, text string
		common           int  // rules that are not compiled again
		same             bool // the flow is not, too
		err              string
	}{
		{"another rule", "c.yaml", tagRule("c"), 2, true, ""},
		{"other steps", "f.yaml", strings.ReplaceAll(flow, "one", "two"), 3, false, ""},
		{"another parameter", "f.yaml", strings.ReplaceAll(flow, "n: number", "n: number, m?: string"), 2, false, ""},
		{"a parameter that is needed", "f.yaml", strings.ReplaceAll(flow, "n: number", "n: number, m: string"), 0, false,
			`rules.d/a.yaml:4:24: the flow "f" needs the parameter "m", a string`},
		{"as it was", "f.yaml", flow, 2, false, ""},
		{"no flow", "f.yaml", "flows: []\n", 0, false, `rules.d/a.yaml:4:24: unknown flow "f"`},
	}
	for _, tt := range tests {
		before := w.Set()
		write(t, tt.file, tt.text)
		err := w.Load()
		if got := ""; err != nil || tt.err != "" {
			if err != nil {
				got = err.Error()
			}
			if got != tt.err {
				t.Errorf("%s: %s, want %s", tt.name, got, tt.err)
			}
			continue
		}
		if n := rules.Common(before, w.Set()); n != tt.common || (before.Flows()[0] == w.Set().Flows()[0]) != tt.same {
			t.Errorf("%s: %d rules are the same, want %d, and the flow: %t", tt.name, n, tt.common, !tt.same)
		}
	}
}
