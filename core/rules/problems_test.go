package rules_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core/rules"
)

func TestProblems(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"keys", `ruls:
  - x
tests: []
let: {}
rules:
  - nam: x
    on: chat_idle
    onec: true
    do: [{tag: x}]
`, `rules.d/a.yaml:1:1: unknown key "ruls" of a rule file; did you mean "rules"?
rules.d/a.yaml:6:5: unknown key "nam" of a rule; did you mean "name"?
rules.d/a.yaml:6:5: a rule needs a name
rules.d/a.yaml:8:5: unknown key "onec" of a rule; did you mean "once"?`},
		{"nothing in it", "rules:\n  - name: x\n  - on: [chat_idle, chat_idle]\n    do: []\n  - 5\n", `rules.d/a.yaml:2:5: a rule needs an event; write on: with the name of an event
rules.d/a.yaml:3:5: a rule needs a name
rules.d/a.yaml:3:21: the event "chat_idle" is named twice
rules.d/a.yaml:4:9: do is an empty list
rules.d/a.yaml:5:5: a rule must be a mapping of keys to values, not a number`},
		{"events", oneRule("chat_close", "do: [{tag: x}]"), `rules.d/a.yaml:3:9: unknown event "chat_close"; did you mean "chat_closed"?`},
		{"own event", oneRule("order_paid", "do: [{tag: x}]"),
			`rules.d/a.yaml:3:9: unknown event "order_paid"; an event of a vendor's own is on: custom_event with event_name: order_paid`},
		{"event_name", oneRule("chat_idle", "event_name: x", "do: [{tag: x}]"), `rules.d/a.yaml:4:5: event_name goes with on: custom_event only`},
		{"blank event_name", oneRule("custom_event", "event_name: [a, '']", "do: [{tag: x}]"),
			`rules.d/a.yaml:4:21: an event_name is blank; leave event_name out, if any custom event is meant`},
		{"world", oneRule("customer_message", "service: rettail", "channel: webshp", "integration: X", "channel_type: rtn",
			"do: [{notify: {endpoint: opps}}, {send: {text: x, channel: nowhere}}, {forward: cccp}]"), `rules.d/a.yaml:4:14: unknown service "rettail"; did you mean "retail"?
rules.d/a.yaml:5:14: unknown channel "webshp"; did you mean "webshop"?
rules.d/a.yaml:6:18: unknown integration "X"; known: ChatEngineEnghouse
rules.d/a.yaml:7:19: unknown channel type "rtn"; did you mean "rtm"?
rules.d/a.yaml:8:30: unknown endpoint "opps"; did you mean "ops"?
rules.d/a.yaml:8:64: unknown channel "nowhere"; known: short, webshop
rules.d/a.yaml:8:85: unknown receiver "cccp"; did you mean "ccsp"?`},
		{"agent's message on a channel", oneRule("incoming_message", "channel: webshop", "do: [{tag: x}]"),
			`rules.d/a.yaml:4:5: channel does not go with incoming_message, which is the agent's message and comes from an integration; the customer's message is customer_message`},
		{"never matches", oneRule("customer_message", "service: retail", "channel: webshop", "channel_type: sms", "do: [{tag: x}]"),
			`rules.d/a.yaml:5:5: the channel "webshop" belongs to the service "demo": this rule would never match
rules.d/a.yaml:5:5: the channel "webshop" has the type "rtm": this rule would never match`},
		{"actions", oneRule("chat_idle", "do:", "  - call: x", "  - sned: x", "  - send: {txt: x}", "  - {tag: x, send: y}", "  - tag: '{{ 1 }}'",
			"  - send: ''", "  - notify: {}", "  - set: {}", "  - send: '{{ 1'", "  - tag: ['']"),
			`rules.d/a.yaml:5:15: call must be a mapping of keys to values, not a text
rules.d/a.yaml:6:9: unknown action "sned"; did you mean "send"?
rules.d/a.yaml:7:9: send needs a text
rules.d/a.yaml:7:16: unknown key "txt" of send; did you mean "text"?
rules.d/a.yaml:8:9: an action has one key, this has 2; begin each action with a dash
rules.d/a.yaml:9:14: a tag cannot have {{ }} in it; set takes templates
rules.d/a.yaml:10:15: the text to send is empty
rules.d/a.yaml:11:9: notify needs an endpoint; endpoints are configured in gateway.hcl
rules.d/a.yaml:12:14: set is empty
rules.d/a.yaml:13:16: {{ without }}
rules.d/a.yaml:14:15: a tag is blank`},
		{"number and text", oneRule("customer_unattended", `when: event.wait_time >= "15"`, "do: [{tag: x}]"),
			`rules.d/a.yaml:4:27: >= cannot be used between a number and a text; a text has quotes, a number has none; num(x) reads a number from a text`},
		{"number is text", oneRule("customer_unattended", `when: event.wait_time == "15"`, "do: [{tag: x}]"),
			`rules.d/a.yaml:4:27: == cannot be used between a number and a text; a text has quotes, a number has none; num(x) reads a number from a text`},
		{"not a condition", oneRule("customer_unattended", `when: event.wait_time + 1`, "do: [{tag: x}]"),
			`rules.d/a.yaml:4:11: a condition must be true or false, but this is a number; compare it with something, such as x == "y"`},
		{"unknown field", oneRule("customer_unattended", `when: event.wait_tme >= 15 and evnt.x == 1`, "do: [{tag: x}]"),
			`rules.d/a.yaml:4:11: unknown field "event.wait_tme"; did you mean "event.wait_time"?
rules.d/a.yaml:4:36: unknown name "evnt"; did you mean "event"?`},
		{"field of another event", oneRule("chat_closed", `when: event.wait_time >= 15`, "do: [{tag: x}]"),
			`rules.d/a.yaml:4:11: chat_closed has no event.wait_time; it comes with customer_unattended`},
		{"field of some events", oneRule("[chat_closed, chat_idle]", `when: event.idle_time >= 15 or event.reason == "x"`, "do: [{tag: x}]"),
			`rules.d/a.yaml:4:11: event.idle_time may be absent; write (event.idle_time ?? 0) or another value for that case
rules.d/a.yaml:4:36: event.reason may be absent; write (event.reason ?? "") or another value for that case`},
		{"a contact center that does not say which agent",
			"rules:\n  - name: a\n    on: chat_assigned\n    do: [{ send: \"{{ event.agent.name }} is here\" }]\n",
			`rules.d/a.yaml:4:22: event.agent.name may be absent; write (event.agent.name ?? "") or another value for that case`},
		{"without its group", oneRule("customer_unattended", `when: wait_time >= 15`, "do: [{tag: x}]"),
			`rules.d/a.yaml:4:11: unknown name "wait_time"; did you mean "event.wait_time"?`},
		{"group", oneRule("chat_closed", `when: chat.agent == "x"`, "do: [{send: '{{ customer }}'}]"),
			`rules.d/a.yaml:4:11: chat.agent is not a value but a group of them; name one of chat.agent.id, chat.agent.name
rules.d/a.yaml:5:21: customer is not a value but a group of them; name one of customer.address, customer.addresses, customer.attributes, customer.first_name, customer.last_name, customer.locale, customer.name, customer.timezone`},
		{"functions", oneRule("chat_closed", `when: uper("x") == keys({}) or now == now(1) or "x".Local()`, "do: [{tag: x}]"),
			`rules.d/a.yaml:4:11: unknown function "uper"; did you mean "upper"?
rules.d/a.yaml:4:24: keys() cannot be used in a rule: the order of names is not fixed
rules.d/a.yaml:4:36: now is a function; write now()
rules.d/a.yaml:4:43: now() takes nothing
rules.d/a.yaml:4:57: "Local" cannot be called; only times have such functions`},
		{"comment", oneRule("chat_closed", `when: any(payload.items, # == 5)`, "do: [{tag: x}]"),
			`rules.d/a.yaml:4:28: the expression ends too early; a # after a space begins a comment in YAML; put quotes around the expression`},
		{"early end", oneRule("chat_closed", `when: event.status ==`, "do: [{tag: x}]"), `rules.d/a.yaml:4:25: the expression ends too early`},
		{"template in when", oneRule("chat_closed", `when: "{{ chat.open }}"`, "do: [{tag: x}]"),
			`rules.d/a.yaml:4:11: when is an expression, not a template; write it without {{ }}`},
		{"single quoted", oneRule("chat_closed", `when: 'event.status == ''x'' and evnt'`, "do: [{tag: x}]"),
			`rules.d/a.yaml:4:38: unknown name "evnt"; did you mean "event"?`},
		{"double quoted", oneRule("chat_closed", `when: "event.status == \"\u00e9\" and evnt"`, "do: [{tag: x}]"),
			`rules.d/a.yaml:4:43: unknown name "evnt"; did you mean "event"?`},
		{"plain over lines", oneRule("chat_closed", "when: event.status == '\u5ba2' and", "    evnt or", "", "  chatt.open", "do: [{tag: x}]"),
			`rules.d/a.yaml:5:9: unknown name "evnt"; did you mean "event"?
rules.d/a.yaml:7:7: unknown name "chatt"; did you mean "chat"?`},
		{"literal block", oneRule("chat_closed", "when: |  # why", "  event.status == 'x'", "    and evnt", "", "  or chatt.open", "do: [{tag: x}]"),
			`rules.d/a.yaml:6:13: unknown name "evnt"; did you mean "event"?
rules.d/a.yaml:8:10: unknown name "chatt"; did you mean "chat"?`},
		{"folded block", oneRule("chat_closed", "when: >-", "  event.status == 'x'", "  and evnt", "do:", "  - send: >", "      hello", "      you {{ chatt }}"),
			`rules.d/a.yaml:6:11: unknown name "evnt"; did you mean "event"?
rules.d/a.yaml:10:18: unknown name "chatt"; did you mean "chat"?`},
		{"template block", oneRule("chat_closed", "do:", "  - send: |", "      Hello", "", "        {{ evnt }}", "      {{ chatt }}"),
			`rules.d/a.yaml:8:16: unknown name "evnt"; did you mean "event"?
rules.d/a.yaml:9:14: unknown name "chatt"; did you mean "chat"?`},
		{"windows line ends", strings.ReplaceAll(oneRule("chat_closed", "when: |", "  true", "  and evnt", "do: [{tag: x}]"), "\n", "\r\n"),
			`rules.d/a.yaml:6:11: unknown name "evnt"; did you mean "event"?`},
		{"yaml syntax", "rules:\n  - name: [\n", `rules.d/a.yaml:2:11: sequence end token ']' not found`},
		{"duplicate key", "rules: []\nrules: []\n", `rules.d/a.yaml:2:1: the key "rules" stands in line 1 already`},
		{"unquoted template", oneRule("chat_closed", "do:", "  - send: {{ x }} y"),
			"rules.d/a.yaml:5:16: could not find flow map content; put quotes around a value that begins with {{"},
		{"tab", "rules:\n\t- x\n", `rules.d/a.yaml:2:1: found character '\t' that cannot start any token; indent with spaces`},
		{"documents", "rules: []\n---\nrules: []\n", `rules.d/a.yaml:3:1: a rule file holds one YAML document; put it into a file of its own`},
		{"anchors", oneRule("chat_idle", "when: &a true", "do: *b", "<<: {}"), `rules.d/a.yaml:4:11: when must be a text, not an anchor or alias
rules.d/a.yaml:5:9: do must be a list, not an anchor or alias
rules.d/a.yaml:6:5: a key must be a plain word`},
		{"not utf-8", "rules: \xff", `rules.d/a.yaml:1:1: the file is not UTF-8; save it as UTF-8`},
		{"line ends of old", "rules: []\r# x\r", `rules.d/a.yaml:1:1: the file has carriage returns without line feeds; save it with the line ends of Unix or Windows`},
		{"too deep", "rules: " + strings.Repeat("[", 5000), `rules.d/a.yaml:1:1: the file is nested deeper than 64 levels`},
		{"too deep in dashes", strings.Repeat("- ", 9000), `rules.d/a.yaml:1:1: the file is nested deeper than 64 levels`},
		{"too large", "# " + strings.Repeat("x", 1<<19), `rules.d/a.yaml:1:1: the file is larger than 524288 bytes; split it`},
		{"too many expressions", oneRule("chat_idle", "do:", "  - send: '"+strings.Repeat("{{ now() }} ", 101)+"'"), `rules.d/a.yaml:5:15: the text has more than 100 expressions in it`},
		{"too long a text", oneRule("chat_idle", "do:", "  - send: "+strings.Repeat("x", 70000)), `rules.d/a.yaml:5:15: send is longer than 65536 bytes`},
		{"a list", "- a\n", `rules.d/a.yaml:1:1: a rule file must be a mapping of keys to values, not a list`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir(t, map[string]string{"a.yaml": tt.text})
			set, problems := rules.Load("rules.d", world)
			if diff := cmp.Diff(tt.want, problems.Error()); diff != "" || set != nil {
				t.Errorf("-want +got:\n%s\n%s", diff, tt.text)
			}
		})
	}
}

func TestProblemsOfAllFilesAtOnce(t *testing.T) {
	dir(t, map[string]string{
		"b.yaml": oneRule("chat_idle", "do: [{tag: x}]"),
		"a.yaml": oneRule("chat_idel", "do: [{tag: x}]"),
		"c.yaml": "rules: 5\n",
	})
	_, problems := rules.Load("rules.d", world)
	want := `rules.d/a.yaml:3:9: unknown event "chat_idel"; did you mean "chat_idle"?
rules.d/b.yaml:2:11: the name "r" is taken by the rule at rules.d/a.yaml:2:11
rules.d/c.yaml:1:8: rules must be a list, not a number`
	if diff := cmp.Diff(want, problems.Error()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestMissingDirectory(t *testing.T) {
	t.Chdir(t.TempDir())
	_, problems := rules.Load("rules.d", world)
	if got, want := problems.Error(), "rules.d: there is no such directory; create it, or set rules_dir"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := os.Mkdir("rules.d", 0o755); err != nil {
		t.Fatal(err)
	}
	if set, problems := rules.Load("rules.d", world); len(problems) > 0 || set.Len() != 0 {
		t.Errorf("an empty directory: got %v", problems)
	}
}

// What would keep the expression machine busy for seconds is refused at load.
func TestExpensiveExpressions(t *testing.T) {
	tests := map[string]string{
		`count(payload.a, {count(payload.b, {count(payload.c, {# > 0}) > 0}) > 0}) > 0`: "{ } must not be nested more than 2 deep",
		`count(1..900, {(event.text ?? "") matches "(a|aa)+b"}) > 0`:                    "matches cannot stand inside { }, where it would run once per element",
		`count(1..900, {len(split(event.text ?? "", "a")) > 0}) > 0`:                    "split() cannot stand inside { }, where it would run once per element",
		`any(payload.a, {reduce(payload.b, # + #acc) > 0})`:                             "reduce() cannot stand inside { }, where it would run once per element",
		`count(1..1000, {count(1..1000, {# > 0}) > 0}) > 0`:                             "the expression could take too long",
		`len(1..100000) > 0`:          "a range must not have more than 1000 elements",
		`len(1..payload.n) > 0`:       "the ends of a range must be plain numbers",
		`repeat("x", 1000000) == ""`:  "repeat() cannot be used in a rule: it can fill the memory",
		`payload.a matches payload.b`: "the pattern of matches must be a text in quotes",
		`replace(event.text ?? "", "", replace(event.text ?? "", "", event.text ?? "")) == ""`:               "the value could grow beyond 4194304 bytes",
		`let a = join(map(1..1000, {event.text ?? ""}), ""); len(join(map(1..1000, {a}), "")) > 0`:           "the value could grow beyond 4194304 bytes",
		`let a = (event.text ?? "") + "x"; ` + doublings(20) + ` len(a20) > 0`:                               "the value could grow beyond 4194304 bytes",
		strings.Repeat("1 + ", 400) + "1 > 0":                                                                "the expression has more than 500 parts",
		strings.Repeat("(", 4000) + "1" + strings.Repeat(")", 4000) + " > 0 and " + strings.Repeat("x", 800): "the expression is longer than 8192 bytes",
		strings.Repeat("not ", 1500) + "true":                                                                "the expression has more than 500 parts",
	}
	for when, want := range tests {
		t.Run(when[:min(len(when), 60)], func(t *testing.T) {
			dir(t, map[string]string{"a.yaml": oneRule("customer_message", "when: '"+when+"'", "do: [{tag: x}]")})
			_, problems := rules.Load("rules.d", world)
			if len(problems) != 1 || problems[0].Summary != want {
				t.Errorf("\n got %v\nwant %s", problems, want)
			}
		})
	}
}

// doublings declares a1 to aN, each twice as long as the one before it.
func doublings(n int) string {
	var b strings.Builder
	prev := "a"
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&b, "let a%d = %s + %s; ", i, prev, prev)
		prev = fmt.Sprintf("a%d", i)
	}
	return b.String()
}

// Reading a pipe that nobody writes to would hang, and the gateway with it.
func TestWhatIsNoFileIsNotRead(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe.yaml"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, ps := rules.Load(dir, rules.World{})
	if len(ps) != 1 || !strings.Contains(ps.Error(), "pipe.yaml is not a file") {
		t.Errorf("a pipe: %v", ps)
	}
}
