package rules_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// loadFiles loads several files.
func loadFiles(t testing.TB, files map[string]string) (*rules.Set, string) {
	t.Helper()
	dir(t, files)
	set, problems := rules.Load("rules.d", world)
	return set, problems.Error()
}

// outcome is matched, not matched, or the error of the only rule.
func outcome(t *testing.T, set *rules.Set, v *state.View) string {
	t.Helper()
	verdicts := set.Evaluate(v).Verdicts
	if len(verdicts) != 1 {
		t.Fatalf("%d verdicts", len(verdicts))
	}
	if e := verdicts[0].GetError(); e != "" {
		return e
	}
	return map[state.Verdict]string{state.Verdict_MATCHED: "matched", state.Verdict_NOT_MATCHED: "not matched"}[verdicts[0].GetVerdict()]
}

func order(params map[string]string) *state.View {
	return event("custom_event", &pluginv1.Event{EventName: "order_paid", Params: params})
}

func TestDeclaredEvents(t *testing.T) {
	const declared = "events: { order_paid: { amount: number, order: string, gift?: bool }, refunded: { amount: number, order: number }, empty: {} }\n"
	rule := func(name, when string) string {
		return "rules:\n  - name: r\n    on: custom_event\n    event_name: " + name + "\n    when: " + asYAML(when) + "\n    do: [{tag: x}]\n"
	}
	full := map[string]string{"amount": "100.5", "order": "7", "gift": "TRUE"}
	tests := []struct {
		name, when string
		params     map[string]string
		want       string
	}{
		{"order_paid", `event.params.amount > 100`, full, "matched"},
		{"order_paid", `event.params["amount"] + 1 == 101.5`, full, "matched"},
		{"order_paid", `event.params.amount > 200`, full, "not matched"},
		{"order_paid", `event.params.order == "7"`, full, "matched"},
		{"order_paid", `event.params.gift ?? false`, full, "matched"},
		{"order_paid", `event.params.gift ?? false`, map[string]string{}, "not matched"},
		{"order_paid", `event.params.gift != nil and event.params.gift`, full, "matched"},
		{"order_paid", `"gift" in event.params`, full, "matched"},
		{"order_paid", `event.params.amount > 100`, map[string]string{"amount": "a lot"},
			`rules.d/a.yaml:6:11: event.params.amount is declared to be a number, but is "a lot"`},
		{"order_paid", `false and event.params.amount > 100`, map[string]string{"amount": "a lot"},
			`rules.d/a.yaml:6:21: event.params.amount is declared to be a number, but is "a lot"`},
		{"order_paid", `event.params.gift ?? false`, map[string]string{"gift": "maybe"},
			`rules.d/a.yaml:6:11: event.params.gift is declared to be true or false, but is "maybe"`},
		{"order_paid", `event.params.amount == 5`, map[string]string{"amount": " "},
			`rules.d/a.yaml:6:11: event.params.amount is absent, which its declaration does not allow`},
		{"order_paid", `event.params.gift`, full, `rules.d/a.yaml:6:11: event.params.gift may be absent; write (event.params.gift ?? false) or another value for that case`},
		{"order_paid", `event.params.amuont > 5`, full, `rules.d/a.yaml:6:11: event.params.amuont is not declared; did you mean "event.params.amount"?`},
		{"order_paid", `event.params.z == "x"`, full, `rules.d/a.yaml:6:11: event.params.z is not declared; declare it under events`},
		{"order_paid", `event.params.amount == "5"`, full,
			`rules.d/a.yaml:6:31: == cannot be used between a number and a text; a text has quotes, a number has none; num(x) reads a number from a text`},
		{"[order_paid, refunded]", `event.params.amount > 100`, full, "matched"},
		{"[order_paid, refunded]", `event.params.amount ?? 0 == 5`, full, `rules.d/a.yaml:6:36: ?? needs brackets around it here; write (x ?? "") == "y"`},
		{"[order_paid, refunded]", `event.params.gift == true`, full, `rules.d/a.yaml:6:11: event.params.gift may be absent; write (event.params.gift ?? false) or another value for that case`},
		{"[order_paid, refunded]", `event.params.order == "7"`, full,
			`rules.d/a.yaml:6:11: event.params.order has different types in the rule's events; limit the rule to one of the events`},
		{"[order_paid, unknown]", `num(event.params.amount ?? 0) > 100 and event.params.order == "7"`, full, "matched"},
		{"[order_paid, empty]", `(event.params.amount ?? 0) > 100`, full, "matched"},
		{"empty", `event.params.amount == nil`, full, `rules.d/a.yaml:6:11: event.params.amount is not declared; declare it under events`},
	}
	for _, tt := range tests {
		t.Run(tt.name+" "+tt.when, func(t *testing.T) {
			set, problems := loadFiles(t, map[string]string{"a.yaml": declared + rule(tt.name, tt.when)})
			got := problems
			if set != nil {
				got = outcome(t, set, order(tt.params))
			}
			if got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

// Two events have a value of one name and of different types.
func TestDeclaredTypesOfTwoEvents(t *testing.T) {
	set := load(t, `events: { order_paid: { id: number }, order: { id: string } }
rules:
  - { name: a, on: custom_event, event_name: order_paid, when: event.params.id > 5, do: [{ tag: "number" }] }
  - { name: b, on: custom_event, event_name: order, when: event.params.id startsWith "a", do: [{ tag: "text" }] }
  - { name: c, on: custom_event, when: event.params.id == "7", do: [{ tag: "untyped" }] }
`)
	var tags []string
	for _, a := range set.Evaluate(order(map[string]string{"id": "7"})).Actions {
		tags = append(tags, a.Key)
	}
	if d := cmp.Diff([]string{"number", "untyped"}, tags); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestDeclaredAttributes(t *testing.T) {
	const declared = "attributes: { customer: { tier: string, age: number, vip: bool }, conversation: { score: number } }\n"
	tests := []struct{ when, age, want string }{
		{`(customer.attributes.age ?? 0) >= 18`, "21", "matched"},
		{`(customer.attributes.age ?? 0) >= 18`, "", "not matched"},
		{`customer.attributes.age == 21`, "21.0", "matched"},
		{`customer.attributes.age == 21`, "", "not matched"},
		{`customer.attributes["age"] != nil and customer.attributes.age > 18`, "21", "matched"},
		{`customer.attributes.vip == true`, "21", "matched"},
		{`customer.attributes.tier == "gold"`, "21", "matched"},
		{`customer.attributes.other == "x"`, "21", "matched"},
		{`conversation.attributes.score == nil`, "21", "matched"},
		{`customer.attributes.age == 21`, "old", `rules.d/a.yaml:5:11: customer.attributes.age is declared to be a number, but is "old"`},
		{`(customer.attributes.age ?? 0) > 1`, "NaN", `rules.d/a.yaml:5:12: customer.attributes.age is declared to be a number, but is "NaN"`},
		{`customer.attributes.age >= 18`, "21", `rules.d/a.yaml:5:11: customer.attributes.age may be absent; write (customer.attributes.age ?? 0) or another value for that case`},
		{`customer.attributes.age == "21"`, "21",
			`rules.d/a.yaml:5:35: == cannot be used between a number and a text; a text has quotes, a number has none; num(x) reads a number from a text`},
	}
	for _, tt := range tests {
		t.Run(tt.when+" "+tt.age, func(t *testing.T) {
			set, problems := loadFiles(t, map[string]string{"a.yaml": declared + oneRule("customer_message", "when: "+asYAML(tt.when), "do: [{tag: x}]")})
			got := problems
			if set != nil {
				got = outcome(t, set, view(func(v *state.View) {
					v.Customer.Attributes = map[string]string{"age": tt.age, "vip": "1", "tier": "gold", "other": "x"}
				}))
			}
			if got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestLet(t *testing.T) {
	files := map[string]string{
		"_shared.yaml": "let:\n  is_gold: customer.attributes.tier == \"gold\"\n",
		"a.yaml": `let:
  greets: |
    let t = lower(event.text ?? "");
    t startsWith "hello" or t startsWith "hi"
  waits_long: event.wait_time >= limit
  limit: 10 + 5
  name: customer.first_name ?? "there"
  twice: customer.last_name + name
rules:
  - { name: a, on: customer_message, when: is_gold and greets, do: [{ send: "Hi {{ name }}" }] }
  - { name: b, on: customer_message, when: not greets, do: [{ tag: b }] }
  - { name: c, on: customer_unattended, when: waits_long, do: [{ tag: c }] }
  - { name: d, on: customer_message, when: let limit = 3; limit == 3, do: [{ tag: d }] }
  - { name: e, on: customer_message, when: "any(event.attachments, .name != name)", do: [{ tag: e }] }
  - { name: f, on: customer_message, when: customer.last_name != nil and twice != "", do: [{ tag: f }] }
`,
		"b.yaml": "let: { greets: 'true' }\nrules:\n  - { name: z, on: chat_idle, when: greets and is_gold, do: [{ tag: z }] }\n",
	}
	set, problems := loadFiles(t, files)
	if set == nil {
		t.Fatal(problems)
	}
	did := func(v *state.View) (did []string) {
		for _, a := range set.Evaluate(v).Actions {
			did = append(did, a.Rule+" "+a.Text+a.Key+a.Err)
		}
		return did
	}
	if d := cmp.Diff([]string{"a Hi Ada", "d d", "e e"}, did(view(nil))); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if d := cmp.Diff([]string{"c c"}, did(event("customer_unattended", &pluginv1.Event{WaitTime: ptr(15.0)}))); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if d := cmp.Diff([]string{"z z"}, did(event("chat_idle", &pluginv1.Event{}))); d != "" {
		t.Errorf("another file has its own: -want +got:\n%s", d)
	}
}

// A mistake that shows when it runs has the place where it stands, too.
func TestLetFailsAtItsPlace(t *testing.T) {
	set := load(t, "let:\n  big: num(payload.none) > 1\n"+oneRule("customer_message", "when: true and big", "do: [{tag: x}]"))
	if got, want := outcome(t, set, view(nil)), "rules.d/a.yaml:2:8: num: there is no value"; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

func TestTexts(t *testing.T) {
	in := world
	in.Locales = map[string]string{"demo": "fr-CH"}
	dir(t, map[string]string{
		"_shared.yaml": "texts: { bye: { en: Bye., fr: Salut. } }\n",
		"a.yaml": `let: { nick: customer.first_name ?? "you" }
texts:
  sorry:
    en: Sorry, {{ nick }}.
    de: Entschuldigung, {{ nick }}.
    de-AT: Servus!
  hole:
    en: "{{ customer.last_name }}"
rules:
  - name: r
    on: customer_message
    do:
      - send: "{{ texts.sorry }} {{ texts.bye }}"
      - send: { text: "{{ texts.hole }}" }
`,
	})
	set, problems := rules.Load("rules.d", in)
	if set == nil {
		t.Fatal(problems)
	}
	for locale, want := range map[string]string{
		"de": "Entschuldigung, Ada. Salut.", "de-CH": "Entschuldigung, Ada. Salut.", "de_at": "Servus! Salut.", "de-AT-x-y": "Servus! Salut.",
		"en-GB": "Sorry, Ada. Bye.", "it": "Sorry, Ada. Salut.", "": "Sorry, Ada. Salut.",
	} {
		out := set.Evaluate(view(func(v *state.View) { v.Customer.Locale = locale })).Actions
		if out[0].Text != want || out[0].Err != "" {
			t.Errorf("%s: got %q %s, want %q", locale, out[0].Text, out[0].Err, want)
		}
		if want := "rules.d/a.yaml:8:13: there is no value"; out[1].Err != want {
			t.Errorf("got %q %s, want %s", out[1].Text, out[1].Err, want)
		}
	}
	if got := set.Evaluate(view(func(v *state.View) { v.Service, v.Customer = "retail", nil })).Actions; got[0].Text != "Sorry, you. Bye." {
		t.Errorf("the first one is the default: got %q", got[0].Text)
	}
}

func TestDeclarationProblems(t *testing.T) {
	const use = "rules:\n  - { name: r, on: customer_message, when: a, do: [{ tag: x }] }\n"
	tests := []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"let", map[string]string{"a.yaml": "let: { 1a: 1, event: 2, upper: 3, keys: 4, b: [], c: '{{ 1 }}', d: '1 +', e: '', a-b: 1 }\n"}, `rules.d/a.yaml:1:8: "1a" cannot be a name in expressions; use letters, digits and _
rules.d/a.yaml:1:15: "event" has a meaning in expressions already
rules.d/a.yaml:1:25: "upper" has a meaning in expressions already
rules.d/a.yaml:1:35: "keys" has a meaning in expressions already
rules.d/a.yaml:1:47: a named expression must be a text, not a list
rules.d/a.yaml:1:54: a named expression is not a template; write it without {{ }}
rules.d/a.yaml:1:71: the expression ends too early
rules.d/a.yaml:1:79: an expression is missing here
rules.d/a.yaml:1:82: "a-b" cannot be a name in expressions; use letters, digits and _`},
		{"a mistake in a let is told once", map[string]string{"a.yaml": "let:\n  a: customer.nam == 'x'\n" + use +
			"  - { name: s, on: customer_message, when: a and not a, do: [{ send: '{{ a }}' }] }\n"},
			`rules.d/a.yaml:2:6: unknown field "customer.nam"; did you mean "customer.name"?`},
		{"types", map[string]string{"a.yaml": "let:\n  a: chat.number == 'x'\n" + use},
			`rules.d/a.yaml:2:18: == cannot be used between a number and a text; a text has quotes, a number has none; num(x) reads a number from a text`},
		{"type of the use", map[string]string{"a.yaml": "let: { a: chat.number }\n" + use},
			`rules.d/a.yaml:3:44: a condition must be true or false, but this is a number; compare it with something, such as x == "y"`},
		{"what is absent", map[string]string{"a.yaml": "let:\n  a: event.text startsWith 'x'\n" + use},
			`rules.d/a.yaml:2:6: event.text may be absent (used at rules.d/a.yaml:4:44); write (event.text ?? "") or another value for that case`},
		{"another event", map[string]string{"a.yaml": "let:\n  a: event.wait_time > 5\n" + use},
			`rules.d/a.yaml:2:6: customer_message has no event.wait_time (used at rules.d/a.yaml:4:44); it comes with customer_unattended`},
		{"cycle", map[string]string{"a.yaml": "let:\n  a: b or true\n  b: not c\n  c: a\n  d: d\n"}, `rules.d/a.yaml:4:6: a refers to itself: a, b, c, a
rules.d/a.yaml:5:6: d refers to itself: d, d`},
		{"too many parts", map[string]string{"a.yaml": "let:\n  a0: chat.number + 1\n  a1: a0 + a0\n  a2: a1 + a1\n  a3: a2 + a2\n  a4: a3 + a3\n  a5: a4 + a4\n  a6: a5 + a5\n  a7: a6 + a6\n"},
			`rules.d/a.yaml:8:12: with what its names stand for the expression has more than 500 parts; split the rule`},
		{"unknown", map[string]string{"a.yaml": "let: { is_vip: 'true' }\n" + oneRule("chat_idle", "when: is_vp", "do: [{tag: x}]")},
			`rules.d/a.yaml:5:11: unknown name "is_vp"; did you mean "is_vip"?`},
		{"of another file", map[string]string{"a.yaml": use, "b.yaml": "let: { a: 'true' }\n"}, `rules.d/a.yaml:2:44: unknown name "a"; known: event, conversation, customer, chat, service, texts, payload, now, num, str`},
		{"shared and own", map[string]string{
			"_shared.yaml": "let: { a: 'true' }\nevents: { e: {} }\nattributes: { customer: { t: bool } }\ntexts: { x: { en: X } }\n",
			"a.yaml":       "let: { a: 'true' }\nevents: { e: {} }\nattributes: { customer: { t: bool } }\ntexts: { x: { en: X } }\n",
		}, `rules.d/a.yaml:1:8: "a" is declared at rules.d/_shared.yaml:1:8 already
rules.d/a.yaml:2:11: "e" is declared at rules.d/_shared.yaml:2:11 already
rules.d/a.yaml:3:27: "customer.attributes.t" is declared at rules.d/_shared.yaml:3:27 already
rules.d/a.yaml:4:10: "x" is declared at rules.d/_shared.yaml:4:10 already`},
		{"a second shared file", map[string]string{"_shared.yaml": "", "_shared.yml": "", "sub/_shared.yaml": ""},
			`rules.d/_shared.yml:1:1: there is one _shared.yaml, in the top folder
rules.d/sub/_shared.yaml:1:1: there is one _shared.yaml, in the top folder`},
		{"broken shared file", map[string]string{"_shared.yaml": "let: 5\nlte: {}\n", "a.yaml": "rules: []\n"},
			`rules.d/_shared.yaml:1:6: let must be a mapping of keys to values, not a number
rules.d/_shared.yaml:2:1: unknown key "lte" of a rule file; known: rules, flows, tests, let, events, attributes, texts`},
		{"events", map[string]string{"a.yaml": "events: { chat_closed: {}, e: { a: numbr, a?: bool, b: 5, b: [] }, f: 5 }\n"}, `rules.d/a.yaml:1:11: "chat_closed" is an event of the gateway; events declares custom ones
rules.d/a.yaml:1:36: unknown type "numbr"; did you mean "number"?
rules.d/a.yaml:1:56: unknown type "5"; known: string, number, bool
rules.d/a.yaml:1:59: the key "b" stands in line 1 already
rules.d/a.yaml:1:71: the params of an event must be a mapping of keys to values, not a number`},
		{"attributes", map[string]string{"a.yaml": "attributes: { custmer: {}, chat: {}, customer: { a?: bool, b: date } }\n"}, `rules.d/a.yaml:1:15: "custmer" has no attributes; did you mean "customer"?
rules.d/a.yaml:1:28: "chat" has no attributes; known: conversation, customer
rules.d/a.yaml:1:50: an attribute may always be absent; it takes no ?; write a
rules.d/a.yaml:1:63: unknown type "date"; known: string, number, bool`},
		{"set what cannot be read", map[string]string{"a.yaml": "attributes: { conversation: { score: number, vip: bool, s: string } }\n" +
			oneRule("chat_idle", "do: [{set: { score: high, vip: 'yes', s: x, other: y }}, {set: { score: '4.5', vip: 1, s: 5 }}, {set: { score: '{{ event.idle_time }}' }}]")},
			`rules.d/a.yaml:5:25: conversation.attributes.score is declared to be a number, but is "high"
rules.d/a.yaml:5:36: conversation.attributes.vip is declared to be true or false, but is "yes"`},
		{"texts", map[string]string{"a.yaml": "texts:\n  a: x\n  b: {}\n  c: { xxxxxxxxxxx: y, en: '', en: z, EN: z }\n  d-e: { en: x }\n  f: { en: '{{ event.text }} {{ texts.g }}' }\n" +
			oneRule("chat_idle", "do: [{send: '{{ texts.ff }} {{ texts }}'}]")}, `rules.d/a.yaml:2:6: a text must be a mapping of keys to values, not a text
rules.d/a.yaml:3:6: the text "b" has no languages
rules.d/a.yaml:4:8: "xxxxxxxxxxx" is not a language; write one such as en or de-CH
rules.d/a.yaml:4:28: the text is empty
rules.d/a.yaml:4:32: the key "en" stands in line 4 already
rules.d/a.yaml:4:39: the language "EN" stands there already
rules.d/a.yaml:5:3: "d-e" cannot be a name in expressions; use letters, digits and _
rules.d/a.yaml:6:16: there is no event.text in a text of texts; it is for any event
rules.d/a.yaml:6:33: unknown field "texts.g"
rules.d/a.yaml:10:21: unknown field "texts.ff"; did you mean "texts.f"?
rules.d/a.yaml:10:36: texts is not a value but a group of them; name one of texts.c, texts.f`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			set, got := loadFiles(t, tt.files)
			if d := cmp.Diff(tt.want, got); d != "" || set != nil && tt.want != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

// What emit gives an event is checked against the event's declaration.
func TestEmitDeclared(t *testing.T) {
	const declared = "events: { order_paid: { amount: number, order: string, gift?: bool }, empty: {} }\n"
	tests := []struct{ emit, want string }{
		{`event: order_paid, params: { amount: 5, order: "7" }`, ""},
		{`event: order_paid, params: { amount: "{{ event.idle_time }}", order: "{{ 7 }}", gift: true }`, ""},
		{`event: order_paid, params: { amount: much, order: 7, gift: perhaps }`,
			`rules.d/a.yaml:5:49: event.params.amount is declared to be a number, but is "much"
rules.d/a.yaml:5:73: event.params.gift is declared to be true or false, but is "perhaps"`},
		{`event: order_paid, params: { order: 7, amont: 5 }`,
			`rules.d/a.yaml:5:27: the event "order_paid" is declared with the param "amount", which is missing here; write it, or declare it as amount?
rules.d/a.yaml:5:59: the event "order_paid" is declared without a param "amont"; did you mean "amount"?`},
		{`event: empty, params: { x: 1 }`, `rules.d/a.yaml:5:44: the event "empty" is declared without a param "x"`},
		{`event: order_paid, to: vendor`, ""},
		{`event: another, params: { x: 1 }`, ""},
	}
	for _, tt := range tests {
		_, got := loadFiles(t, map[string]string{"a.yaml": declared + oneRule("chat_idle", "do: [{ emit: { "+tt.emit+" } }]")})
		if got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.emit, got, tt.want)
		}
	}
}
