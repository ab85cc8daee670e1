package rules_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

func jsonOf(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// loadText loads one file and checks what holds for all of them: there is a
// set or there are problems with places in the file.
func loadText(t *testing.T, text string) *rules.Set {
	t.Helper()
	dir(t, map[string]string{"a.yaml": text})
	set, problems := rules.Load("rules.d", world)
	if (set == nil) != (len(problems) > 0) {
		t.Fatalf("set %v and problems %v", set, problems)
	}
	lines := strings.Count(text, "\n") + 1
	for _, p := range problems {
		if p.File != "rules.d/a.yaml" || p.Line < 1 || p.Line > lines+1 || p.Column < 1 || p.Summary == "" {
			t.Errorf("%q: a problem without a good place: %v", text, p)
		}
		p.Text(text)
	}
	return set
}

func FuzzRuleText(f *testing.F) {
	for _, seed := range []string{
		"", "rules: []", "let: {a: b, b: 'a or true'}\nevents: {e: {p: number, q?: bool}}\nattributes: {customer: {t: bool}}\ntexts: {x: {en: '{{ a }}', de-CH: y}}\n",
		"events: {e: {p: number}}\n" + oneRule("custom_event", "event_name: e", "when: event.params.p > 5", "do: [{tag: x}]"), oneRule("chat_idle", "when: event.idle_time > 5", "do: [{send: 'x {{ customer.name ?? 1 }}'}]"),
		oneRule("customer_message", "when: |", "  true", "do:", "  - notify: {endpoint: ops, body: {a: ['{{ payload.a }}']}}"),
		oneRule("customer_message", "valid_from: 2026-12-01 08:00", "valid_to: 2026-12-01", "hours: {outside: [mon-fri 08:00-18:00, sat]}",
			"mode: canary", "canary: 5%", "after: 15m", "once: true", "cooldown: 1d", "throttle: 3 per 1h", "per: rule",
			"stop: false", "notify_url: ops", "do: [{send: x}]"),
		oneRule("chat_idle", "do: [{send_sms: {text: 'x{{ 1 }}', attachments: [{url: 'https://x/{{ 1 }}', mime: a}], quick_replies: [a, {title: b}]}}, "+
			"{call: {say: x}}, {push: {text: x, data: {a: b}}}, {transfer: {queue: a}}, {emit: {event: e, params: {a: b}, to: vendor}}]"),
		"let: {a: 'true'}\n" + oneRule("chat_idle", "do: [{flow: {name: f, params: {n: 1, t: '{{ customer.name }}'}}}]") + oneFlow("params: {n: number, t?: string}",
			"ends_on: [chat_closed, {keyword: [stop]}]", "steps:", "- ask: {text: x, quick_replies: [a]}", "  accept: reply.text == 'a' and a", "  within: 1h",
			"  retries: 1", "  as: x", "  else: [end]", "- when: params.n > 1", "  then: [{wait: 1d}]", "- notify: {endpoint: ops}", "  as: y", "- flow: f"),
		"rules:\n- &a\n  name: *a\n", "? a\n: b", "%YAML 1.2\n---\na: !!int x", "rules: {{", "a: \"\\x", "\t", "- - - -",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if set := loadText(t, text); set != nil {
			set.Evaluate(state.Bound(view(nil)))
		}
	})
}

func FuzzExpressions(f *testing.F) {
	for _, seed := range []string{
		`event.text ?? ""`, `any(event.attachments, .mime == "x")`, `let x = 1; x + 2`, `payload?.a?.b[1:2]`, `count(1..9, # > 3)`,
		`now().Format("2006")`, `num("5") ** 2`, `{"a": 1}.a`, `customer.attributes["x"]`, `"x" matches "("`, `1 / 0`, `-"x"`, `$env`, `..`,
		`map(payload.list, {# + "x"})`, `{{ }}`, "`", `chat.agent.name != nil and chat.agent.name == "x" ? 1 : 2`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 2000 {
			return // the limit of length has its own test
		}
		text = jsonOf(text)
		for _, lines := range [][]string{
			{"when: " + text, "do: [{tag: x}]"},
			{"do: [{send: " + text + "}]"},
			{"do: [{send: \"{{ " + text[1:len(text)-1] + " }}\"}]"},
		} {
			set := loadText(t, oneRule("customer_message", lines...))
			if set == nil {
				continue
			}
			start := time.Now()
			for _, a := range set.Evaluate(state.Bound(view(nil))).Actions {
				if a.Text == "" && a.Kind == "send" && a.Err == "" {
					t.Errorf("%s: a blank text is sent", text)
				}
			}
			for _, x := range set.Explain(state.Bound(view(nil))).Rules {
				agree(t, text, x)
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("%s: evaluated for %s", text, took)
			}
		}
	})
}

func FuzzPayload(f *testing.F) {
	f.Add("hello", []byte(`{"a":{"b":"c"},"list":[1,2]}`), "k", "v", 15.0)
	f.Add("\xff{{", []byte(`[[[[`), "", " ", -1.0)
	f.Add("", []byte(`"x`), "wait_time", "NaN", 0.0)
	set := func(tb testing.TB) *rules.Set {
		return load(tb, oneRule("[customer_message, custom_event, customer_unattended]",
			"when: 'num(payload.a) > 1 or payload?.list?.b == str(event.params[\"k\"] ?? 1) or (event.wait_time ?? 0) > 5'",
			"do: [{send: 'x{{ event.text ?? payload }}'}, {notify: {endpoint: ops}}, {set: {k: '{{ event.params.k ?? 5 }}'}}]"))
	}(f)
	f.Fuzz(func(t *testing.T, text string, payload []byte, key, value string, n float64) {
		for _, typ := range []string{"customer_message", "custom_event", "customer_unattended", "no_such_event"} {
			v := state.Bound(event(typ, &pluginv1.Event{
				Text: text, Payload: payload, Params: map[string]string{key: value}, EventName: text, WaitTime: &n,
			}))
			out := set.Evaluate(v)
			for _, verdict := range out.Verdicts {
				if (verdict.GetVerdict() == state.Verdict_ERROR) != (verdict.GetError() != "") {
					t.Errorf("got %v", verdict)
				}
			}
			for _, a := range out.Actions {
				if a.Kind == "notify" && a.Err == "" && !json.Valid(a.Body) {
					t.Errorf("the body is not JSON: %q", a.Body)
				}
			}
		}
	})
}

// A named expression means what it stands for.
func FuzzLet(f *testing.F) {
	for _, seed := range []string{
		`(event.text ?? "") == "Hello"`, `let t = 1; t == chat.number`, `any(event.attachments, .mime != "x")`, `num(payload.none) > 1`,
		`customer.last_name == nil`, `chat.number > 1 and chat.number < 1`, `payload`, `event.attachments[7].bytes == 1`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 500 {
			return // with the let it may be over the limits
		}
		quoted := jsonOf(text)
		plain := loadText(t, oneRule("customer_message", "when: "+quoted, "do: [{tag: x}]"))
		named := loadText(t, "let: { it: "+quoted+" }\n"+oneRule("customer_message", "when: it", "do: [{tag: x}]"))
		if (plain == nil) != (named == nil) {
			t.Fatalf("%q: only one of them loads", text)
		}
		if plain == nil {
			return
		}
		v := state.Bound(view(nil))
		a, b := plain.Evaluate(v).Verdicts[0], named.Evaluate(v).Verdicts[0]
		if a.GetVerdict() != b.GetVerdict() {
			t.Errorf("%q: %v, named %v", text, a, b)
		}
		agree(t, text, named.Explain(v).Rules[0])
	})
}
