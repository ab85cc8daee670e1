package rules_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/core/rules"
)

// warnings loads files that have no problems.
func warnings(t *testing.T, files map[string]string) string {
	t.Helper()
	dir(t, files)
	set, problems := rules.Load("rules.d", world)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for _, w := range set.Warnings() {
		if w.Severity != diag.Warning {
			t.Errorf("%s: severity %q", w, w.Severity)
		}
	}
	return set.Warnings().Error()
}

func TestConstantConditions(t *testing.T) {
	tests := []struct{ on, when, want string }{
		{"chat_closed", `event.status == "a" and event.status == "b"`,
			`4:35: the condition is never true; event.status == "a" and event.status == "b" exclude each other`},
		{"chat_closed", `"a" == event.status and chat.open and event.status in ["b", "c"]`,
			`4:50: the condition is never true; "a" == event.status and event.status in ["b", "c"] exclude each other`},
		{"chat_closed", `event.status in []`, "4:11: the condition is never true"},
		{"chat_closed", `not (event.status != "a" or event.status == "a")`,
			`4:39: the condition is never true; not (event.status != "a") and not (event.status == "a") exclude each other`},
		{"chat_closed", `event.status == "a" and (chat.open or event.timed_out) and not (event.status == "a")`,
			`4:75: the condition is never true; event.status == "a" and not (event.status == "a") exclude each other`},
		{"chat_closed", `chat.open or customer.name == nil and customer.name == "x"`,
			`4:49: this part of the condition is never true; customer.name == nil and customer.name == "x" exclude each other`},
		{"chat_closed", `chat.open and not chat.open`, "4:29: the condition is never true; chat.open and not (chat.open) exclude each other"},
		{"chat_closed", `chat.open == false and chat.open`, "4:34: the condition is never true; chat.open == false and chat.open exclude each other"},
		{"customer_unattended", `event.wait_time > 15 and event.wait_time < 10`,
			`4:36: the condition is never true; event.wait_time > 15 and event.wait_time < 10 exclude each other`},
		{"customer_unattended", `event.wait_time > 15 and 15 >= event.wait_time`,
			`4:36: the condition is never true; event.wait_time > 15 and 15 >= event.wait_time exclude each other`},
		{"customer_unattended", `event.wait_time >= 15 and event.wait_time <= 15`, ""},
		{"customer_unattended", `event.wait_time == 5 and event.wait_time > 15`,
			`4:36: the condition is never true; event.wait_time == 5 and event.wait_time > 15 exclude each other`},
		{"customer_unattended", `event.wait_time >= -5 and event.wait_time != 15 and event.wait_time < 20`, ""},
		{"customer_unattended", `event.wait_time < 15 or event.wait_time >= 15`, `4:11: the condition is always true; leave it out`},
		{"customer_unattended", `chat.open and (event.wait_time < 15 or event.wait_time >= 10)`, `4:26: this part of the condition is always true; leave it out`},
		{"customer_unattended", `event.wait_time < 15 or event.wait_time > 15`, ""},
		{"chat_closed", `event.reason startsWith "a" and not (event.reason startsWith "a")`,
			`4:48: the condition is never true; event.reason startsWith "a" and not (event.reason startsWith "a") exclude each other`},
		{"chat_closed", `event.reason == "a" and event.status == "b" or event.status == "c"`, ""},
		{"chat_closed", "true", "4:11: the condition is always true; leave it out"},
		{"chat_closed", "false", "4:11: the condition is never true"},
		{"chat_closed", "1 > 2 or 3 == 4", "4:11: the condition is never true"},
		{"chat_closed", "chat.open and 1 > 2", "4:11: the condition is never true"},
		{"chat_closed", "count(1..3, # > 1) == 2", "4:12: the condition is always true; leave it out"},
		{"chat_closed", `len("ab") == 3`, "4:11: the condition is never true; active: false leaves the rule out"},
		{"chat_closed", `num("x") == 3`, "4:11: the condition fails always: rules.d/a.yaml:4:11: num: \"x\" is not a number"},
		{"chat_closed", `event.type == "chat_close"`, `4:11: the condition is never true; the rule's on and event.type == "chat_close" exclude each other`},
		{"chat_closed", `event.type == "chat_closed"`, ""},
		{"chat_closed", `conversation.service == "demo" and chat.open`, ""},
		{"chat_closed", `conversation.service == "retail"`,
			`4:11: the condition is never true; the rule's service and conversation.service == "retail" exclude each other`},
		{"chat_closed", `chat.state == "close"`,
			`4:11: the condition is never true; chat.state in none, opening, open, closing, closed and chat.state == "close" exclude each other`},
		{"chat_closed", `conversation.owner in ["agent", "bot"]`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.when, func(t *testing.T) {
			got := warnings(t, map[string]string{"a.yaml": oneRule(tt.on, "when: "+asYAML(tt.when), "service: demo", "do: [{tag: x}]")})
			if got = strings.TrimPrefix(got, "rules.d/a.yaml:"); got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

// A warning in a named expression is told once, where it stands.
func TestWarningInALet(t *testing.T) {
	got := warnings(t, map[string]string{
		"_shared.yaml": "let: { never: chat.number > 5 and chat.number < 3 }\nattributes: { customer: { tier: string } }\n",
		"a.yaml": `rules:
  - { name: a, on: chat_idle, when: never, do: [{ tag: x }] }
  - { name: b, on: chat_idle, when: never or chat.open, do: [{ tag: x }] }
  - { name: c, on: chat_idle, when: customer.attributes.teir == "gold", do: [{ tag: x }] }
`,
	})
	want := `rules.d/_shared.yaml:1:35: the condition is never true; chat.number > 5 and chat.number < 3 exclude each other
rules.d/_shared.yaml:1:35: this part of the condition is never true; chat.number > 5 and chat.number < 3 exclude each other
rules.d/a.yaml:4:57: customer.attributes.teir is not declared and is a text; did you mean "customer.attributes.tier"?`
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// The search for parts that exclude each other takes no longer than the rest,
// however a condition is nested.
func TestAnalysisOfDeepConditions(t *testing.T) {
	when := "chat.open"
	for i := range 40 {
		when = fmt.Sprintf("(chat.number > %d or (chat.number < %d and %s))", 500-i, i+100, when)
	}
	start := time.Now()
	warnings(t, map[string]string{"a.yaml": oneRule("chat_idle", "when: "+when, "do: [{tag: x}]")})
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("loaded in %s", took)
	}
}

// A warning is logged when it is new, and not again with each save.
func TestNewWarningsAreLogged(t *testing.T) {
	never := oneRule("chat_idle", "when: chat.number > 5 and chat.number < 3", "do: [{tag: x}]")
	dir(t, map[string]string{"a.yaml": never})
	var log bytes.Buffer
	w := rules.NewWatcher(rules.WatchConfig{Dir: "rules.d", World: world, Log: slog.New(slog.NewTextHandler(&log, nil))})
	for _, step := range []struct {
		file, text string
		want       int // warnings logged
	}{
		{"", "", 1},
		{"b.yaml", tagRule("b"), 0},
		{"b.yaml", strings.ReplaceAll(never, "name: r", "name: b"), 1},
		{"a.yaml", "rules: 5\n", 0},
		{"a.yaml", "# \n" + never, 1}, // it stands elsewhere
	} {
		if step.file != "" {
			write(t, step.file, step.text)
		}
		log.Reset()
		_ = w.Load() // a problem is meant
		if got := strings.Count(log.String(), `level=WARN msg="warning in rules"`); got != step.want {
			t.Errorf("%s: %d warnings, want %d:\n%s", step.file, got, step.want, log.String())
		}
	}
	if n := len(w.Status().Warnings); n != 2 {
		t.Errorf("the status has %d warnings", n)
	}
}
