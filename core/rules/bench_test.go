package rules_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"

	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/core/state"
)

// ruleset is n false rules on the event and others that cannot match it.
func ruleset(n, others int) string {
	var b strings.Builder
	if n+others == 0 {
		return ""
	}
	b.WriteString("rules:\n")
	for i := range n {
		fmt.Fprintf(&b, "  - {name: m%d, on: customer_message, when: '(event.text ?? \"\") contains \"w%d\" and conversation.channel_type == \"rtm\"', do: [{tag: x}]}\n", i, i)
	}
	for i := range others {
		switch i % 3 {
		case 0:
			fmt.Fprintf(&b, "  - {name: o%d, on: chat_idle, when: event.idle_time > %d, do: [{tag: x}]}\n", i, i)
		case 1:
			fmt.Fprintf(&b, "  - {name: o%d, on: customer_message, service: retail, when: event.text == nil, do: [{tag: x}]}\n", i)
		default:
			fmt.Fprintf(&b, "  - {name: o%d, on: customer_message, channel: short, do: [{tag: x}]}\n", i)
		}
	}
	return b.String()
}

func BenchmarkEvaluate(b *testing.B) {
	for _, size := range []struct{ n, others int }{{0, 0}, {0, 1000}, {1, 0}, {10, 0}, {10, 1000}, {10, 10_000}} {
		b.Run(fmt.Sprintf("false=%d/others=%d", size.n, size.others), func(b *testing.B) {
			files := map[string]string{"a.yaml": ruleset(size.n, 0)}
			for i := range size.others / 1000 {
				files[fmt.Sprintf("o%d.yaml", i)] = strings.ReplaceAll(ruleset(0, 1000), "name: o", fmt.Sprintf("name: o%d_", i))
			}
			dir(b, files)
			set, problems := rules.Load("rules.d", world)
			if len(problems) > 0 {
				b.Fatal(problems)
			}
			v := view(nil)
			b.ReportAllocs()
			for b.Loop() {
				if out := set.Evaluate(v); len(out.Verdicts) != size.n {
					b.Fatal(out)
				}
			}
		})
	}
}

// BenchmarkBareVM is the expression machine alone on ten conditions like those
// of BenchmarkEvaluate.
func BenchmarkBareVM(b *testing.B) {
	env := map[string]any{"text": "Hello", "channel_type": "rtm"}
	var programs []*vm.Program
	for i := range 10 {
		p, err := expr.Compile(fmt.Sprintf(`(text ?? "") contains "w%d" and channel_type == "rtm"`, i), expr.Env(env), expr.AsBool())
		if err != nil {
			b.Fatal(err)
		}
		programs = append(programs, p)
	}
	var m vm.VM
	b.ReportAllocs()
	for b.Loop() {
		for _, p := range programs {
			if out, err := m.Run(p, env); err != nil || out != false {
				b.Fatal(out, err)
			}
		}
	}
}

func BenchmarkActions(b *testing.B) {
	set := load(b, oneRule("customer_message", "do:", `  - send: Hi {{ customer.first_name ?? "there" }}`, "  - notify: { endpoint: ops, body: { t: '{{ event.text ?? 0 }}' } }"))
	v := view(nil)
	b.ReportAllocs()
	for b.Loop() {
		if out := set.Evaluate(v); len(out.Actions) != 2 {
			b.Fatal(out)
		}
	}
}

func BenchmarkBound(b *testing.B) {
	v := view(func(v *state.View) { v.Event.Text = strings.Repeat("x", 200) })
	b.ReportAllocs()
	for b.Loop() {
		if state.Bound(v) != v {
			b.Fatal("cut")
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	dir(b, map[string]string{"a.yaml": ruleset(10, 990)})
	for b.Loop() {
		if _, problems := rules.Load("rules.d", world); len(problems) > 0 {
			b.Fatal(problems)
		}
	}
}
