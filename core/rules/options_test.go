package rules_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/core/state"
)

func TestOptionProblems(t *testing.T) {
	never := ": this rule would never match"
	tests := []struct {
		name, on string
		lines    []string
		want     string
	}{
		{"times", "chat_idle", []string{"valid_from: tomorrow", "valid_to: 2026-13-01", "do: [{tag: x}]"},
			`rules.d/a.yaml:4:17: valid_from "tomorrow" is not a time; write one such as 2026-12-01 or 2026-12-01 08:00, on the service's clock
rules.d/a.yaml:5:15: valid_to "2026-13-01" is not a time; write one such as 2026-12-01 or 2026-12-01 08:00, on the service's clock`},
		{"never valid", "chat_idle", []string{"valid_from: 2026-12-02", "valid_to: 2026-12-01", "do: [{tag: x}]"},
			"rules.d/a.yaml:5:15: valid_to is not after valid_from" + never},
		{"never valid on a day", "chat_idle", []string{"valid_from: 2026-12-01 08:00", "valid_to: 2026-12-01 08:00", "do: [{tag: x}]"},
			"rules.d/a.yaml:5:15: valid_to is not after valid_from" + never},
		{"hours", "chat_idle", []string{"hours: [mon-fri 8-18, mo 08:00-18:00, mon-fri 08:00-18:60, 25:00-26:00, mon 08:00-08:00, a b c]", "do: [{tag: x}]"},
			`rules.d/a.yaml:4:13: "mon-fri 8-18" are no hours; write days, a time or both, such as mon-fri 08:00-18:00
rules.d/a.yaml:4:27: "mo 08:00-18:00" are no hours; write days, a time or both, such as mon-fri 08:00-18:00
rules.d/a.yaml:4:43: "mon-fri 08:00-18:60" are no hours; write days, a time or both, such as mon-fri 08:00-18:00
rules.d/a.yaml:4:64: "25:00-26:00" are no hours; write days, a time or both, such as mon-fri 08:00-18:00
rules.d/a.yaml:4:77: "mon 08:00-08:00" are no hours; write days, a time or both, such as mon-fri 08:00-18:00
rules.d/a.yaml:4:94: "a b c" are no hours; write days, a time or both, such as mon-fri 08:00-18:00`},
		{"hours outside", "chat_idle", []string{"hours: { outsid: mon }", "do: [{tag: x}]"},
			`rules.d/a.yaml:4:14: unknown key "outsid" of hours; did you mean "outside"?`},
		{"no hours outside", "chat_idle", []string{"hours: {}", "do: [{tag: x}]"}, `rules.d/a.yaml:4:12: hours is empty`},
		{"no hours", "chat_idle", []string{"hours: []", "do: [{tag: x}]"}, `rules.d/a.yaml:4:12: hours is an empty list`},
		{"after", "chat_idle", []string{"after: 15", "do: [{tag: x}]"},
			`rules.d/a.yaml:4:12: after "15" is not a time; write one such as 30s, 15m, 2h or 1d`},
		{"after too short", "chat_idle", []string{"after: 10ms", "do: [{tag: x}]"}, `rules.d/a.yaml:4:12: after 10ms is not from 1s to 90d`},
		{"after too long", "chat_idle", []string{"after: 91d", "do: [{tag: x}]"}, `rules.d/a.yaml:4:12: after 91d is not from 1s to 90d`},
		{"after and what cannot wait", "customer_message", []string{"after: 15m", "stop: true", "do: [{tag: x}, {forward: bot}]"},
			`rules.d/a.yaml:5:5: stop does not go with after: the rules behind it are looked at when the event comes
rules.d/a.yaml:6:21: forward does not go with after: by then the message has gone where it goes`},
		{"truth", "chat_idle", []string{"once: 1", "stop: maybe", "do: [{tag: x}]"},
			"rules.d/a.yaml:4:11: once is true or false\nrules.d/a.yaml:5:11: stop is true or false"},
		{"cooldown", "chat_idle", []string{"cooldown: 10 minutes", "do: [{tag: x}]"},
			`rules.d/a.yaml:4:15: cooldown "10 minutes" is not a time; write one such as 30s, 15m, 2h or 1d`},
		{"throttle", "chat_idle", []string{"throttle: 3/h", "do: [{tag: x}]"},
			`rules.d/a.yaml:4:15: throttle "3/h" is not a limit; write a number of times per a time, such as 3 per 1h`},
		{"throttle never", "chat_idle", []string{"throttle: 0 per 1h", "do: [{tag: x}]"},
			`rules.d/a.yaml:4:15: throttle takes a number from 1 to 100, not "0"`},
		{"throttle often", "chat_idle", []string{"throttle: 1001 per 1h", "per: rule", "do: [{send: x}]"},
			`rules.d/a.yaml:4:15: throttle takes a number from 1 to 1000, not "1001"`},
		{"throttle per what", "chat_idle", []string{"throttle: 3 per hour", "do: [{tag: x}]"},
			`rules.d/a.yaml:4:15: throttle "hour" is not a time; write one such as 30s, 15m, 2h or 1d`},
		{"per nothing", "chat_idle", []string{"per: customer", "do: [{tag: x}]"},
			`rules.d/a.yaml:4:5: per goes with once, cooldown or throttle only`},
		{"per whom", "chat_idle", []string{"once: true", "per: person", "do: [{tag: x}]"},
			`rules.d/a.yaml:5:10: unknown per "person"; known: conversation, customer, rule`},
		{"per customer at once", "customer_message", []string{"once: true", "per: customer", "do: [{send: x}, {tag: x}, {forward: bot}]"},
			`rules.d/a.yaml:6:22: tag is done at once and cannot be counted per customer; put it into a rule without per, or count per: conversation
rules.d/a.yaml:6:32: forward is done at once and cannot be counted per customer; put it into a rule without per, or count per: conversation`},
		{"mode", "chat_idle", []string{"mode: shade", "do: [{tag: x}]"}, `rules.d/a.yaml:4:11: unknown mode "shade"; did you mean "shadow"?`},
		{"canary without a share", "chat_idle", []string{"mode: canary", "do: [{tag: x}]"},
			`rules.d/a.yaml:4:5: mode canary needs the share of conversations; write canary: 5%`},
		{"share without canary", "chat_idle", []string{"canary: 5%", "do: [{tag: x}]"},
			`rules.d/a.yaml:4:5: canary goes with mode: canary only; write mode: canary`},
		{"share", "chat_idle", []string{"mode: canary", "canary: 5", "do: [{tag: x}]"},
			`rules.d/a.yaml:5:13: canary "5" is not a share of the conversations: from 0.01% to 100%; write one such as 5%`},
		{"share of more than all", "chat_idle", []string{"mode: canary", "canary: 101%", "do: [{tag: x}]"},
			`rules.d/a.yaml:5:13: canary "101%" is not a share of the conversations: from 0.01% to 100%; write one such as 5%`},
		{"notify_url", "chat_idle", []string{"notify_url: https://ops.example.com/hook", "do: [{tag: x}]"},
			`rules.d/a.yaml:4:17: notify_url takes the name of an endpoint, not a URL; make it an endpoint of gateway.hcl, which also signs what is posted, and write its name here`},
		{"notify_url nowhere", "chat_idle", []string{"notify_url: opps", "do: [{tag: x}]"},
			`rules.d/a.yaml:4:17: unknown endpoint "opps"; did you mean "ops"?`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := oneRule(tt.on, tt.lines...)
			dir(t, map[string]string{"a.yaml": text})
			_, problems := rules.Load("rules.d", world)
			if diff := cmp.Diff(tt.want, problems.Error()); diff != "" {
				t.Errorf("-want +got:\n%s\n%s", diff, text)
			}
		})
	}
}

// Whatever stands where a value should is a problem with a place.
func TestOddValuesOfOptions(t *testing.T) {
	for _, lines := range [][]string{
		{"hours: {outside: [{a: }]}", "do: [{tag: x}]"},
		{"hours: [a: , ? b]", "do: [{tag: x}]"},
		{"hours: {outside: [{? }]}", "do: [{tag: x}]"},
		{"hours: {outside: }", "do: [{tag: x}]"},
		{"hours:", "do: [{tag: x}]"},
		{"hours: {outside: [{<<: x}, {[a]: [b]}, {a: {b: c}}, {a: &x y}, *x]}", "do: [{tag: x}]"},
		{"after: 1m", "per: rule", "once: true", "do: [{[a]: b}, {<<: x}, {? : }, {a: }, [x], x, {&a b: c}]"},
		{"after:", "once:", "throttle:", "per:", "mode:", "canary:", "notify_url:", "valid_from:", "stop:", "do:"},
		{"after: []", "once: []", "throttle: {}", "per: []", "mode: []", "canary: []", "notify_url: []", "valid_from: {}", "do: {}"},
		{"mode: canary", "canary: 1e308%", "do: [{tag: x}]"},
		{"mode: canary", "canary: NaN%", "do: [{tag: x}]"},
		{"cooldown: 99999999999999d", "do: [{tag: x}]"},
		{"throttle: 99999999999999999999 per 1h", "do: [{tag: x}]"},
		{"cooldown: -5m", "do: [{tag: x}]"},
	} {
		if loadText(t, oneRule("customer_message", lines...)) != nil {
			t.Errorf("%q was loaded", lines)
		}
	}
}

// verdicts writes them as "rule verdict reason".
func verdicts(e core.Evaluation) (all []string) {
	for _, v := range e.Verdicts {
		s := v.GetRule() + " " + strings.ToLower(v.GetVerdict().String())
		if v.GetReason() != "" {
			s += ": " + v.GetReason()
		}
		if v.GetShadow() {
			s += ", shadow"
		}
		all = append(all, s)
	}
	return all
}

// at is a customer's message at a time on a service's clock.
func at(t *testing.T, zone, clock string) *state.View {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	when, err := time.ParseInLocation("2006-01-02 15:04", clock, loc)
	if err != nil {
		t.Fatal(err)
	}
	return view(func(v *state.View) { v.AtMs, v.Timezone = when.UnixMilli(), zone })
}

// 2026-12-01 is a Tuesday.
func TestWhenARuleIsLookedAt(t *testing.T) {
	const zurich = "Europe/Zurich"
	in, out := "r matched", "r not_matched: outside its hours"
	tests := []struct{ key, zone, clock, want string }{
		{"valid_from: 2026-12-01", zurich, "2026-11-30 23:59", "r not_matched: not valid yet"},
		{"valid_from: 2026-12-01", zurich, "2026-12-01 00:00", in},
		{"valid_from: 2026-12-01 08:00", zurich, "2026-12-01 07:59", "r not_matched: not valid yet"},
		{"valid_from: 2026-12-01 08:00", "Asia/Tokyo", "2026-12-01 08:00", in}, // each service has its own clock
		{"valid_to: 2026-12-01", zurich, "2026-12-01 23:59", in},
		{"valid_to: 2026-12-01", zurich, "2026-12-02 00:00", "r not_matched: no longer valid"},
		{"valid_to: 2026-12-01 08:00", zurich, "2026-12-01 07:59", in},
		{"valid_to: 2026-12-01 08:00", zurich, "2026-12-01 08:00", "r not_matched: no longer valid"},
		{"hours: mon-fri 08:00-18:00", zurich, "2026-12-01 08:00", in},
		{"hours: mon-fri 08:00-18:00", "America/New_York", "2026-12-01 17:59", in},
		{"hours: mon-fri 08:00-18:00", zurich, "2026-12-01 18:00", out},
		{"hours: mon-fri 08:00-18:00", zurich, "2026-12-05 12:00", out},
		{"hours: [mon-fri 08:00-18:00, sat 09:00-12:00]", zurich, "2026-12-05 11:59", in},
		{"hours: { outside: [mon-fri 08:00-18:00, sat 09:00-12:00] }", zurich, "2026-12-05 11:59", out},
		{"hours: { outside: mon-fri 08:00-18:00 }", zurich, "2026-12-05 12:00", in},
		{"hours: 08:00-18:00", zurich, "2026-12-06 12:00", in},
		{"hours: sat-sun", zurich, "2026-12-06 23:59", in},
		{"hours: sat-sun", zurich, "2026-12-07 00:00", out},
		{"hours: fri-mon", zurich, "2026-12-06 12:00", in},
		{"hours: fri-mon", zurich, "2026-12-01 12:00", out},
		{"hours: mon,wed-thu 08:00-24:00", zurich, "2026-12-03 23:59", in},
		{"hours: mon,wed-thu 08:00-24:00", zurich, "2026-12-01 12:00", out},
		{"hours: fri 22:00-06:00", zurich, "2026-12-04 22:00", in},
		{"hours: fri 22:00-06:00", zurich, "2026-12-05 05:59", in},
		{"hours: fri 22:00-06:00", zurich, "2026-12-05 06:00", out},
		{"hours: fri 22:00-06:00", zurich, "2026-12-04 05:00", out},
		{"hours: sun 22:00-06:00", zurich, "2026-12-07 05:00", in},
		{"hours: 02:00-04:00", zurich, "2026-03-29 03:30", in}, // 02:30 does not exist there
		{"mode: live", zurich, "2026-12-01 08:00", in},
		{"mode: shadow", zurich, "2026-12-01 08:00", "r matched, shadow"},
		{"{mode: canary, canary: 100%}", zurich, "2026-12-01 08:00", in},
		{"{mode: canary, canary: 0.01%}", zurich, "2026-12-01 08:00", "r not_matched: canary"},
		{"after: 1h30m", zurich, "2026-12-01 08:00", "r not_matched: waits 1h30m"},
		{"{after: 1d, when: event.text == nil}", zurich, "2026-12-01 08:00", "r not_matched"},
		{"{hours: sat, when: num(payload.none) > 1}", zurich, "2026-12-01 08:00", out}, // the condition is not evaluated
	}
	for _, tt := range tests {
		t.Run(tt.key+" at "+tt.clock, func(t *testing.T) {
			keys := strings.Split(strings.Trim(tt.key, "{}"), ", ")
			if !strings.HasPrefix(tt.key, "{") {
				keys = []string{tt.key}
			}
			set := load(t, oneRule("customer_message", append(keys, "do: [{tag: x}]")...))
			e := set.Evaluate(at(t, tt.zone, tt.clock))
			if diff := cmp.Diff([]string{tt.want}, verdicts(e)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if done := len(e.Actions) > 0; done != (tt.want == in) {
				t.Errorf("%s, and the actions are %v", tt.want, e.Actions)
			}
		})
	}
}

func TestCanaryIsAShareOfTheConversations(t *testing.T) {
	share := func(text, name string) map[string]bool {
		set := load(t, strings.ReplaceAll(oneRule("customer_message", "mode: canary", "canary: "+text, "do: [{tag: x}]"), "name: r", "name: "+name))
		in := map[string]bool{}
		for i := range 20_000 {
			id := fmt.Sprintf("%032x", i*7919)
			if e := set.Evaluate(view(func(v *state.View) { v.Conversation = id })); len(e.Actions) > 0 {
				in[id] = true
			}
		}
		return in
	}
	five, ten, other := share("5%", "r"), share("10%", "r"), share("5%", "q")
	if len(five) < 850 || len(five) > 1150 || len(ten) < 1800 || len(ten) > 2200 {
		t.Errorf("5%% are %d and 10%% are %d of 20,000", len(five), len(ten))
	}
	same := 0
	for id := range five {
		if !ten[id] {
			t.Fatalf("%s is of the smaller share and not of the larger", id)
		}
		if other[id] {
			same++
		}
	}
	if same > len(five)/5 {
		t.Errorf("two rules share %d of %d conversations", same, len(five))
	}
}

func TestLimitsPerConversation(t *testing.T) {
	const now = 1_700_000_000_000
	minute := time.Minute.Milliseconds()
	tests := []struct {
		keys, at string // minutes before now
		want     string
		count    core.Count
	}{
		{"once: true", "", "r matched", core.Count{Rule: "r", Keep: 1}},
		{"once: true", "600000", "r not_matched: once", core.Count{}},
		{"once: false", "1", "r matched", core.Count{}},
		{"cooldown: 10m", "10", "r matched", core.Count{Rule: "r", Keep: 1, For: 10 * time.Minute}},
		{"cooldown: 10m", "9", "r not_matched: cooldown", core.Count{}},
		{"throttle: 3 per 1h", "59 1", "r matched", core.Count{Rule: "r", Keep: 3, For: time.Hour}},
		{"throttle: 3 per 1h", "59 2 1", "r not_matched: throttled", core.Count{}},
		{"throttle: 3 per 1h", "60 2 1", "r matched", core.Count{Rule: "r", Keep: 3, For: time.Hour}},
		{"throttle: 3 per 1h, cooldown: 1d", "1441", "r matched", core.Count{Rule: "r", Keep: 3, For: 24 * time.Hour}},
		{"throttle: 3 per 1h, cooldown: 5m", "4", "r not_matched: cooldown", core.Count{}},
		{"throttle: 3 per 1h, once: true", "", "r matched", core.Count{Rule: "r", Keep: 3}},
		{"once: true, mode: shadow", "1", "r matched, shadow", core.Count{}},
		{"once: true, per: rule", "1", "r matched", core.Count{}},
	}
	for _, tt := range tests {
		t.Run(tt.keys+" after "+tt.at, func(t *testing.T) {
			set := load(t, oneRule("customer_message", append(strings.Split(tt.keys, ", "), "do: [{send: x}]")...))
			v := view(func(v *state.View) {
				v.DecidedMs = now
				v.Counts = []*state.RuleCount{{Rule: "other", AtMs: []int64{now, now, now}}}
				for f := range strings.FieldsSeq(tt.at) {
					var n int64
					fmt.Sscan(f, &n)
					if len(v.Counts) == 1 {
						v.Counts = append(v.Counts, &state.RuleCount{Rule: "r"})
					}
					v.Counts[1].AtMs = append(v.Counts[1].AtMs, now-n*minute)
				}
			})
			e := set.Evaluate(v)
			var want []core.Count
			if tt.count.Rule != "" {
				want = []core.Count{tt.count}
			}
			if diff := cmp.Diff([]string{tt.want}, verdicts(e)) + cmp.Diff(want, e.Counts); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestLimitsBeyondTheConversationGoWithTheActions(t *testing.T) {
	for per, customer := range map[string]bool{"customer": true, "rule": false} {
		set := load(t, oneRule("customer_message", "throttle: 3 per 1h", "once: true", "per: "+per, "do: [{send: x}, {notify: {endpoint: ops}}]"))
		e := set.Evaluate(view(nil))
		want := &core.Bound{PerCustomer: customer, Limits: []core.Limit{
			{Times: 1, Reason: "once"}, {Times: 3, Within: time.Hour, Reason: "throttled"},
		}}
		if len(e.Actions) != 2 || len(e.Counts) != 0 {
			t.Fatalf("%d actions, counts %v", len(e.Actions), e.Counts)
		}
		for _, a := range e.Actions {
			if diff := cmp.Diff(want, a.Bound); diff != "" {
				t.Errorf("per %s: -want +got:\n%s", per, diff)
			}
		}
	}
}

func TestStop(t *testing.T) {
	set := load(t, `rules:
  - {name: a, on: customer_message, stop: true, when: event.text == nil, do: [{tag: a}]}
  - {name: b, on: customer_message, stop: true, mode: shadow, do: [{tag: b}]}
  - {name: c, on: customer_message, stop: true, hours: { outside: mon-sun }, do: [{tag: c}]}
  - {name: d, on: customer_message, stop: true, when: event.text != nil, do: [{tag: d}]}
  - {name: e, on: customer_message, do: [{tag: e}]}
`)
	want := []string{"a not_matched", "b matched, shadow", "c not_matched: outside its hours", "d matched"}
	e := set.Evaluate(view(nil))
	if diff := cmp.Diff(want, verdicts(e)); diff != "" || len(e.Actions) != 1 || e.Actions[0].Key != "d" {
		t.Errorf("-want +got:\n%sactions %v", diff, e.Actions)
	}
}

func TestNotifyURL(t *testing.T) {
	set := load(t, oneRule("chat_closed", "notify_url: ops",
		`do: [{send: "Bye {{ customer.first_name }}"}, {tag: done}, {set: {agent: "{{ chat.agent.name }}"}}]`))
	e := set.Evaluate(view(func(v *state.View) { v.Type, v.Event.Status, v.Event.Text = "chat_closed", "closed", "" }))
	if len(e.Actions) != 4 {
		t.Fatalf("actions %v", e.Actions)
	}
	last := e.Actions[3]
	want := `{"type":"chat_closed","timestamp":"2023-11-14T22:13:20Z","data":{"rule":"r",` +
		`"event":{"at":"2023-11-14T23:13:20+01:00","id":"e1","instance":"webshop","source":"channel",` +
		`"status":"closed","timed_out":false,"type":"chat_closed"},` +
		`"actions":[{"action":"send","with":{"text":"Bye Ada"}},{"action":"tag","with":{"name":"done"}},` +
		`{"action":"set","error":"rules.d/a.yaml:5:82: there is no value"}]}}`
	if diff := cmp.Diff(want, string(last.Body)); diff != "" || last.Kind != core.Notify || last.Endpoint != "ops" || last.Rule != "r" {
		t.Errorf("-want +got:\n%s%+v", diff, last)
	}
}

// waits returns what the only rule of a file waits with when the view comes.
func waits(t *testing.T, text string, v *state.View) core.Wait {
	t.Helper()
	e := load(t, text).Evaluate(v)
	if len(e.Waits) != 1 || len(e.Actions) != 0 {
		t.Fatalf("waits %v, actions %v", e.Waits, e.Actions)
	}
	return e.Waits[0]
}

func TestARuleWhoseTimeHasCome(t *testing.T) {
	text := oneRule("customer_message", "after: 15m", "when: event.text != nil and chat.open", "do: [{tag: x}]") +
		"  - {name: other, on: customer_message, do: [{tag: y}]}\n"
	set := load(t, text)
	first := set.Evaluate(view(nil))
	if diff := cmp.Diff([]string{"r not_matched: waits 15m", "other matched"}, verdicts(first)); diff != "" {
		t.Fatalf("-want +got:\n%s", diff)
	}
	w := first.Waits[0]
	if w.Rule != "r" || w.After != 15*time.Minute || len(w.Hash) != 16 {
		t.Fatalf("waits %v", w)
	}
	come := func(change func(*state.View)) *state.View {
		return view(func(v *state.View) {
			v.Waited, v.WaitedHash = w.Rule, w.Hash
			if change != nil {
				change(v)
			}
		})
	}
	changed := "r not_matched: the rule has changed"
	tests := []struct {
		name, text string
		view       *state.View
		want       string
	}{
		{"it still holds", text, come(nil), "r matched"},
		{"it does not hold any more", text, come(func(v *state.View) { v.Chat = nil }), "r not_matched"},
		{"its looks have changed", strings.Replace(text, "!= nil and", "!=  (nil)   and", 1), come(nil), "r matched"},
		{"its actions have changed", strings.Replace(text, "tag: x", "tag: z", 1), come(nil), "r matched"},
		{"it is out of its hours since", strings.Replace(text, "after:", "hours: { outside: mon-sun }\n    after:", 1), come(nil), "r not_matched: outside its hours"},
		{"another condition", strings.Replace(text, "event.text != nil", "event.id != nil", 1), come(nil), changed},
		{"another time", strings.Replace(text, "15m", "16m", 1), come(nil), changed},
		{"another event too", strings.Replace(text, "on: customer_message", "on: [customer_message, chat_idle]", 1), come(nil), changed},
		{"no time", strings.Replace(text, "after: 15m\n    ", "", 1), come(nil), changed},
		{"inactive", strings.Replace(text, "after:", "active: false\n    after:", 1), come(nil), changed},
		{"not for this service", strings.Replace(text, "after:", "service: retail\n    after:", 1), come(nil), changed},
		{"gone", "rules: []\n", come(nil), changed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := load(t, tt.text).Evaluate(tt.view)
			if diff := cmp.Diff([]string{tt.want}, verdicts(e)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if done := len(e.Actions) > 0; done != (tt.want == "r matched") || len(e.Waits) > 0 {
				t.Errorf("actions %v, waits %v", e.Actions, e.Waits)
			}
		})
	}
}

func TestWaitHash(t *testing.T) {
	base := oneRule("[customer_message, chat_idle]", "after: 15m", "do: [{tag: x}]")
	same := oneRule("[chat_idle, customer_message]", "after: 15m", "channel: webshop", "do: [{tag: y}]")
	if a, b := waits(t, base, view(nil)), waits(t, same, view(nil)); a != b {
		t.Errorf("%v and %v differ", a, b)
	}
}
