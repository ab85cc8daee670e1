package conversation_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
	ruleset "github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// loadRules makes the rules of a file those of the world.
func (w *world) loadRules(text string) {
	w.t.Helper()
	dir := w.t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.yaml"), []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
	set, problems := ruleset.Load(dir, ruleset.World{
		Services: []string{"retail"}, Integrations: []string{"desk"}, Endpoints: []string{"ops"},
		Channels: map[string]ruleset.Channel{"web": {Type: "rtm", Service: "retail"}, "sms": {Type: "sms", Service: "retail"}},
	})
	if len(problems) > 0 {
		w.t.Fatalf("%s\n%s", text, problems)
	}
	w.snap.Rules = set
}

// ruled is an open chat with one rule, named r.
func ruled(t *testing.T, on string, lines ...string) *world {
	t.Helper()
	w := newWorld(t)
	w.chat()
	w.loadRules("rules:\n  - name: r\n    on: " + on + "\n    " + strings.Join(lines, "\n    ") + "\n")
	return w
}

// verdicts are those of the last decision, as "verdict reason".
func (w *world) verdicts() (all []string) {
	for _, v := range w.last.Verdicts {
		s := strings.ToLower(v.Verdict.String())
		if v.Reason+v.Error != "" {
			s += ": " + v.Reason + v.Error
		}
		if v.Shadow {
			s += ", shadow"
		}
		all = append(all, s)
	}
	return all
}

func (w *world) wantVerdicts(lines ...string) {
	w.t.Helper()
	if got := w.verdicts(); !slices.Equal(got, lines) {
		w.t.Fatalf("verdicts %q, want %q", got, lines)
	}
}

// wrote counts the notifications so far.
func (w *world) wrote() int { return len(w.all(state.CommandKind_NOTIFY)) }

const ops = "do: [{notify: {endpoint: ops}}]"

func TestLimitsPerConversation(t *testing.T) {
	tests := []struct {
		key  string
		at   []string // times of the customer's messages
		want []string
	}{
		{"once: true", []string{"0m", "1m", "24000h"}, []string{"matched", "not_matched: once", "not_matched: once"}},
		{"cooldown: 10m", []string{"0m", "9m", "11m", "20m", "21m"},
			[]string{"matched", "not_matched: cooldown", "matched", "not_matched: cooldown", "matched"}},
		{"throttle: 2 per 1h", []string{"0m", "10m", "20m", "60m", "61m", "70m"},
			[]string{"matched", "matched", "not_matched: throttled", "matched", "not_matched: throttled", "matched"}},
	}
	for _, tt := range tests {
		t.Run(tt.key, func(t *testing.T) {
			w, matched := ruled(t, "customer_message", tt.key, ops), 0
			for i, at := range tt.at {
				d, err := time.ParseDuration(at)
				if err != nil {
					t.Fatal(err)
				}
				w.now = start.Add(d)
				w.customer(fmt.Sprint("text ", i))
				w.wantVerdicts(tt.want[i])
				if tt.want[i] == "matched" {
					matched++
				}
				if w.wrote() != matched {
					t.Fatalf("%s: %d notifications, want %d", at, w.wrote(), matched)
				}
			}
		})
	}
}

// What is recorded is what the rule saw, so that it can be explained: the
// matches before, not the one that it led to.
func TestTheRecordHasTheCountsThatTheRuleSaw(t *testing.T) {
	w := ruled(t, "customer_message", "throttle: 3 per 1h", ops)
	for i := range 5 {
		w.now = start.Add(time.Duration(i) * time.Minute)
		w.customer("x")
		v := w.records()[0].View
		seen := 0
		for _, c := range v.Counts {
			seen += len(c.AtMs)
		}
		if want := min(i, 3); seen != want || i > 0 && v.DecidedMs != w.now.UnixMilli() {
			t.Errorf("message %d: the view counts %d at %d, want %d", i, seen, v.DecidedMs, want)
		}
	}
}

func TestOtherConversationsCountApart(t *testing.T) {
	w := ruled(t, "customer_message", "once: true", ops)
	w.customer("x")
	w.wantVerdicts("matched")
	other := newWorldOf(t, core.NewConversationID("web", "bob"))
	other.snap = w.snap
	other.customer("x")
	other.wantVerdicts("matched")
}

func TestAShadowIsRecordedAndNotDone(t *testing.T) {
	w := ruled(t, "customer_message", "mode: shadow", "once: true", ops)
	for range 2 {
		w.customer("x")
		w.wantVerdicts("matched, shadow")
	}
	if w.wrote() != 0 || len(w.doc.Counts) != 0 {
		t.Errorf("%d notifications, counts %v", w.wrote(), w.doc.Counts)
	}
}

// Counts that are over are forgotten, and at most so many rules are counted.
func TestCountsAreBounded(t *testing.T) {
	w := newWorld(t)
	w.chat()
	text := "rules:\n"
	for i := range 150 {
		text += fmt.Sprintf("  - {name: r%d, on: customer_message, once: true, when: (event.text ?? \"\") == \"%d\", do: [{tag: x}]}\n", i, i)
	}
	text += "  - {name: short, on: customer_message, cooldown: 1m, do: [{tag: x}]}\n"
	w.loadRules(text)
	for i := range 150 {
		w.now = start.Add(time.Duration(i) * time.Hour)
		w.customer(fmt.Sprint(i))
	}
	if n := len(w.doc.Counts); n != 100 {
		t.Errorf("%d rules are counted, want 100", n)
	}
	w.customer("149")
	if got := w.last.Verdicts[149].Reason; got != "once" {
		t.Errorf("the last rule that matched is looked at again: %q", got)
	}
	short := 0
	for _, c := range w.doc.Counts {
		if c.Rule == "short" {
			short++
		}
	}
	if short != 1 {
		t.Errorf("a rule is counted %d times", short)
	}
}

func TestLimitsBeyondTheConversationGoWithTheCommands(t *testing.T) {
	w := ruled(t, "customer_message", "throttle: 3 per 1h", "per: customer", "notify_url: ops",
		`do: [{send: "`+strings.Repeat("word ", 30)+`"}, {notify: {endpoint: ops}}]`)
	w.snap.Instances["web"].Caps.ToOutside = &pluginv1.TextLimit{Limit: 40}
	limits := func() (all []*state.CommandLimit) {
		w.customer("x")
		for _, c := range w.last.Commands {
			if c.Rule == "" != (c.Limit == nil) {
				t.Errorf("command %v of rule %q has the limit %v", c.Kind, c.Rule, c.Limit)
			}
			if c.Limit != nil {
				all = append(all, c.Limit)
			}
		}
		return all
	}
	first, second := limits(), limits()
	if len(first) < 8 { // parts to the customer and to the agent, two notifications
		t.Fatalf("%d commands", len(first))
	}
	want := core.CounterID("r", "rtm", "ada")
	for _, l := range append(first, second...) {
		if core.ConversationID(l.Counter) != want || len(l.Limits) != 1 || l.Limits[0].Times != 3 || l.Limits[0].WithinMs != time.Hour.Milliseconds() {
			t.Errorf("limit %v", l)
		}
	}
	for i := range first {
		if first[i].Match != first[0].Match || second[i].Match != second[0].Match || first[i].Match == second[i].Match {
			t.Fatalf("matches %v and %v", first, second)
		}
	}
	if w.doc.Counts != nil {
		t.Errorf("counted in the document: %v", w.doc.Counts)
	}
}

func TestWhomALimitCounts(t *testing.T) {
	counter := func(per string, id core.ConversationID, ev func(*world)) core.ConversationID {
		w := newWorldOf(t, id)
		w.loadRules("rules:\n  - {name: r, on: [customer_message, chat_closed], once: true, per: " + per + ", do: [{notify: {endpoint: ops}}]}\n")
		ev(w)
		return core.ConversationID(w.one(state.CommandKind_NOTIFY).Limit.Counter)
	}
	from := func(channel, address string) func(*world) {
		return func(w *world) {
			w.event(channel, &pluginv1.Event{Type: sdk.CustomerMessage, Text: "x", Customer: &pluginv1.Customer{Address: address}})
		}
	}
	orphan := func(w *world) { w.event("desk", &pluginv1.Event{Type: sdk.ChatClosed, Ref: "unknown"}) }
	ada, bob := core.NewConversationID("web", "ada"), core.NewConversationID("web", "bob")
	adas := counter("customer", ada, from("web", "ada"))
	tests := []struct {
		name string
		got  core.ConversationID
		same bool
	}{
		{"the same customer", counter("customer", ada, from("web", "ada")), true},
		{"another customer", counter("customer", bob, from("web", "bob")), false},
		{"the address on another type of channel", counter("customer", bob, from("sms", "ada")), false},
		{"nobody", counter("customer", core.OrphanID("desk", "unknown"), orphan), false},
		{"all", counter("rule", ada, from("web", "ada")), false},
	}
	for _, tt := range tests {
		if same := tt.got == adas; same != tt.same {
			t.Errorf("%s: one counter %v, want %v", tt.name, same, tt.same)
		}
	}
	if a, b := counter("rule", ada, from("web", "ada")), counter("rule", bob, from("web", "bob")); a != b {
		t.Error("per rule: two customers count apart")
	}
}
