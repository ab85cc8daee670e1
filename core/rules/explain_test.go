package rules_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

func explainOne(t *testing.T, v *state.View, when string) rules.Explained {
	t.Helper()
	x := load(t, oneRule(v.Type, "when: "+asYAML(when), "do: [{tag: a}]")).Explain(v)
	if len(x.Rules) != 1 {
		t.Fatalf("%d rules in %+v", len(x.Rules), x)
	}
	return x.Rules[0]
}

func TestExplainLine(t *testing.T) {
	closed := event("chat_closed", &pluginv1.Event{Status: "open", Reason: "left"})
	tests := []struct {
		when, want string
	}{
		{`event.status == "closed" and chat.messages.agent > 0`,
			`no: event.status == "closed" was false (event.status = "open"); rest not needed`},
		{`event.status == "open" and chat.messages.agent > 5`,
			`no: chat.messages.agent > 5 was false (chat.messages.agent = 3)`},
		{`event.status == "open"`, `yes: event.status == "open" was true (event.status = "open")`},
		{`(event.status == "a" or event.status == "b") and true`,
			`no: event.status == "a" or event.status == "b" was false (event.status = "open"); rest not needed`},
		{`chat.open and not chat.open`, `no: not chat.open was false (chat.open = true)`},
		{`customer.last_name == "x"`, `no: customer.last_name == "x" was false (customer.last_name = absent)`},
		{`(event.by ?? "nobody") == "agent"`, `no: (event.by ?? "nobody") == "agent" was false (event.by = absent)`},
		{`payload.z.b == "c"`, `error: rules.d/a.yaml:4:19: a value is absent or of another type here: cannot fetch z from <nil>`},
		{`any(conversation.tags, # == "x")`, `no: any(conversation.tags, # == "x") was false (conversation.tags = ["vip"])`},
		{`let n = chat.messages.agent; n > 5 and n < 9`,
			`no: let n = chat.messages.agent; n > 5 and n < 9 was false (chat.messages.agent = 3, n = 3)`},
		{`chat.open ? event.status == "x" : true`, `no: chat.open ? event.status == "x" : true was false (chat.open = true, event.status = "open")`},
	}
	for _, tt := range tests {
		if got := explainOne(t, closed, tt.when).Line; got != tt.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tt.when, got, tt.want)
		}
	}
}

// tree writes a node and its parts, one a line.
func tree(n *rules.Node, indent string) string {
	s := fmt.Sprintf("%s%d %s = %s", indent, n.At.Column, n.Source, n.Text())
	if n.NotNeeded {
		s += " (not needed)"
	}
	s += "\n"
	for _, p := range n.Parts {
		s += tree(p, indent+"  ")
	}
	return s
}

func TestExplainTree(t *testing.T) {
	x := explainOne(t, view(nil), `event.text != nil and event.text == "x" and (chat.messages.agent + 1 > 3 or num(payload.none) == 1)`)
	want := `11 event.text != nil and event.text == "x" and (chat.messages.agent + 1 > 3 or num(payload.none) == 1) = false
  11 event.text != nil and event.text == "x" = false
    11 event.text != nil = true
      11 event.text = "Hello"
    33 event.text == "x" = false
      33 event.text = "Hello"
  56 chat.messages.agent + 1 > 3 or num(payload.none) == 1 = true (not needed)
    56 chat.messages.agent + 1 > 3 = true (not needed)
      56 chat.messages.agent + 1 = 4 (not needed)
        56 chat.messages.agent = 3 (not needed)
    87 num(payload.none) == 1 = absent (not needed)
      87 num(payload.none) = absent (not needed)
        91 payload.none = absent (not needed)
`
	if diff := cmp.Diff(want, tree(x.When, "")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if x.True != 2 || x.Parts != 3 {
		t.Errorf("%d of %d parts hold, want 2 of 3", x.True, x.Parts)
	}
}

// What explain says of a condition as a whole is what Evaluate found.
func TestExplainAgrees(t *testing.T) {
	for _, when := range []string{
		`(event.text ?? "") contains "ell"`, `event.text != nil ? event.text startsWith "H" : false`, `"vip" in conversation.tags`,
		`len(event.attachments) > 0 and any(event.attachments, .mime startsWith "image/")`, `customer.locale in ["de", "fr"]`,
		`payload?.z?.b == nil`, `num(payload["wait_time"]) + payload.n == 18`, `now().Hour() >= 8`, `not (event.text == nil) && true`,
		`event.attachments[7].bytes == 9`, `str(payload.n) matches "^3"`, `-chat.messages.agent < 0`, `payload.n`, `(event.text ?? "")[0:2] == "He"`,
		`count(conversation.tags, len(#) > 2) == 1 || false`, `event.at > now() - duration("1h")`, `{"a": 1}["a"] == 1`,
		`payload.n and true`, `true and payload.n`, `payload.none or true`, `not payload.n`, `payload.n ? true : false`, `not false`, `1 / 0 > 1`,
		`let x = payload.n; x > 1 and x < 9`, `(payload?.x?.y ?? 1) == 1`, `payload.n ?? false`,
	} {
		x := explainOne(t, view(nil), when)
		agree(t, when, x)
	}
}

// agree checks that the verdict is what the parts of the condition say.
func agree(t *testing.T, when string, x rules.Explained) {
	t.Helper()
	if x.When == nil {
		return
	}
	_, isBool := x.When.Value.(bool)
	says := "error"
	if x.When.Error == "" && isBool {
		says = map[bool]string{true: "matched", false: "not_matched"}[x.When.Value == true]
	}
	if x.Verdict != says {
		t.Errorf("%s: the verdict is %s %s, the tree says %v %s", when, x.Verdict, x.Error, x.When.Value, x.When.Error)
	}
}

func TestExplainOrderAndLeftOut(t *testing.T) {
	set := load(t, `
rules:
  - {name: far, on: customer_message, when: 'event.text == nil and chat.number == 9', do: [{tag: a}]}
  - {name: near, on: customer_message, when: 'event.text != nil and chat.number == 9', do: [{tag: a}]}
  - {name: broken, on: customer_message, when: 'payload.z.b == 1', do: [{tag: a}]}
  - {name: yes, on: customer_message, do: [{tag: a}, {send: 'Hi {{ customer.first_name ?? "you" }}'}, {send: '{{ payload.x }}'}]}
  - {name: off, on: customer_message, active: false, do: [{tag: a}]}
  - {name: service, on: customer_message, service: retail, do: [{tag: a}]}
  - {name: channel, on: customer_message, channel: short, do: [{tag: a}]}
  - {name: type, on: customer_message, channel_type: [sms, facebook], do: [{tag: a}]}
  - {name: another, on: chat_closed, do: [{tag: a}]}
`)
	x := set.Explain(view(nil))
	var got []string
	for _, r := range x.Rules {
		got = append(got, r.Rule+" "+r.Verdict)
	}
	for _, r := range x.LeftOut {
		got = append(got, r.Rule+": "+r.Why)
	}
	want := []string{
		"yes matched", "broken error", "near not_matched", "far not_matched", "off: it is not active", `service: it is for the service retail, not "demo"`,
		`channel: it is for the channel short, not "webshop"`, `type: it is for the channel type sms, facebook, not "rtm"`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if x.Others != 1 || x.Set != set.Hash() {
		t.Errorf("others %d, set %s", x.Others, x.Set)
	}
	wantActions := []rules.Shown{{Rule: "yes", Do: "tag", With: "a"}, {Rule: "yes", Do: "send", With: "Hi Ada"},
		{Rule: "yes", Do: "send", Error: "rules.d/a.yaml:6:114: there is no value"}}
	if diff := cmp.Diff(wantActions, x.Rules[0].Actions); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	custom := load(t, "rules:\n  - {name: paid, on: custom_event, event_name: order_paid, do: [{tag: a}]}\n").
		Explain(event("custom_event", &pluginv1.Event{EventName: "other"}))
	if len(custom.LeftOut) != 1 || !strings.Contains(custom.LeftOut[0].Why, `event_name order_paid, not "other"`) {
		t.Errorf("got %+v", custom.LeftOut)
	}
}

// Explain runs beside Evaluate and itself, also where files have declarations of
// their own.
func TestExplainConcurrently(t *testing.T) {
	set, problems := loadFiles(t, map[string]string{
		"a.yaml": "let: { early: chat.number < 5 }\n" + ruleset(20, 0),
		"b.yaml": "let: { late: chat.number > 4 }\n" + strings.ReplaceAll(ruleset(20, 0), "name: m", "name: n"),
	})
	if set == nil {
		t.Fatal(problems)
	}
	done := make(chan string)
	for range 4 {
		go func() {
			s := ""
			for range 20 {
				set.Evaluate(view(nil))
				s = set.Explain(view(nil)).Rules[0].Line
			}
			done <- s
		}()
	}
	for range 4 {
		if got, want := <-done, `no: (event.text ?? "") contains "w0" was false (event.text = "Hello"); rest not needed`; got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	}
}

// BenchmarkExplain explains one event over 1,000 rules on it.
func BenchmarkExplain(b *testing.B) {
	set := load(b, ruleset(1000, 0))
	v := view(nil)
	b.ReportAllocs()
	for b.Loop() {
		if x := set.Explain(v); len(x.Rules) != 1000 {
			b.Fatal(len(x.Rules))
		}
	}
}
