package flow_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/flow"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// hash is the content of a message, for comparing.
func hash(m proto.Message) string {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// triggered is a rule that begins the flow f with the vendor's parameters, and
// the flow's lines.
func triggered(lines ...string) string {
	return "rules:\n  - {name: r, on: flow_triggered, do: [{flow: {name: f, params: event.flowparams}}]}\n" +
		"flows:\n  - name: f\n    " + strings.Join(lines, "\n    ") + "\n"
}

func TestSteps(t *testing.T) {
	tests := []struct {
		name  string
		lines []string
		play  func(l *life)
		want  []string
	}{
		{"actions", []string{"steps:", "- send: hello", "- tag: seen", "- set: { topic: x }", "- forward: none", "- close:"},
			func(l *life) { l.starts(nil) },
			[]string{"dropped no_chat", "a.yaml:4:5: begins", "a.yaml:6:7 send: done", "a.yaml:7:7 tag: done", "a.yaml:8:7 set: done",
				"a.yaml:9:7 forward: done", "a.yaml:10:7 close: done", "a.yaml:4:5: ends", "customer gets hello"}},
		{"end", []string{"steps:", "- when: true", "  then: [end]", "- send: no"}, func(l *life) { l.starts(nil) },
			[]string{"a.yaml:4:5: begins", "a.yaml:6:7 when: true", "a.yaml:7:14 end: ends"}},
		{"wait", []string{"steps:", "- send: one", "- wait: 10m", "- send: two"},
			func(l *life) { l.starts(nil); l.waits(9 * time.Minute); l.write("ten"); l.waits(time.Minute) },
			[]string{"a.yaml:4:5: begins", "a.yaml:6:7 send: done", "a.yaml:7:7 wait: waits 10m", "customer gets one", "ten",
				"a.yaml:7:7 wait: goes on", "a.yaml:8:7 send: done", "a.yaml:4:5: ends", "customer gets two"}},
		{"a message while it waits is not the flow's", []string{"steps:", "- wait: 10m", "- send: two"},
			func(l *life) { l.starts(nil); l.log = nil; l.says("hi"); l.waits(time.Hour) },
			[]string{"-> ccsp", "a.yaml:6:7 wait: goes on", "a.yaml:7:7 send: done", "a.yaml:4:5: ends", "customer gets two"}},
		{"when", []string{"params: { n: number }", "steps:", "- when: params.n > 2", "  then: [send: many]", "  else: [send: few]", "- tag: x"},
			func(l *life) {
				l.starts(map[string]string{"n": " 3 "})
				l.log = l.log[1:]
				l.write("now")
				l.starts(map[string]string{"n": "1.5"})
			},
			[]string{"a.yaml:7:7 when: true", "a.yaml:8:14 send: done", "a.yaml:10:7 tag: done", "a.yaml:4:5: ends", "customer gets many", "now",
				"a.yaml:4:5: begins", "a.yaml:7:7 when: false", "a.yaml:9:14 send: done", "a.yaml:10:7 tag: done", "a.yaml:4:5: ends", "customer gets few"}},
		{"ask", []string{"steps:", "- ask: 1 to 5?", `  accept: reply.text matches "^[1-5]$"`, "  as: score", `- send: "Thanks for {{ score }}."`},
			func(l *life) { l.starts(nil); l.says(" 4\n"); l.says("5") },
			[]string{"a.yaml:4:5: begins", "a.yaml:6:7 ask: waits up to 24h for the answer", "customer gets 1 to 5?",
				"a.yaml:6:7 ask: accepts the reply", "a.yaml:9:7 send: done", "a.yaml:4:5: ends", "-> flow", "customer gets Thanks for 4.", "-> ccsp"}},
		{"ask again", []string{"steps:", "- ask: 1 to 5?", `  accept: reply.text == "1"`, "  retries: 1", `  retry: "{{ reply.text }}? 1 to 5, please."`, "- tag: x"},
			func(l *life) { l.starts(nil); l.log = nil; l.says("nine"); l.says("ten"); l.says("1") },
			[]string{"a.yaml:6:7 ask: does not accept the reply, asks again: 1 of 1", "-> flow", "customer gets nine? 1 to 5, please.",
				"a.yaml:6:7 ask: ends: does not accept the reply, it goes on", "-> ccsp", "-> ccsp"}},
		{"the question is asked again if there is no other text", []string{"steps:", "- ask: yes?", `  accept: reply.text == "yes"`, "  retries: 2"},
			func(l *life) { l.starts(nil); l.log = nil; l.says("no"); l.waits(time.Hour); l.says("yes") },
			[]string{"a.yaml:6:7 ask: does not accept the reply, asks again: 1 of 2", "-> flow", "customer gets yes?",
				"a.yaml:6:7 ask: accepts the reply", "a.yaml:4:5: ends", "-> flow"}},
		{"nobody replies", []string{"steps:", "- ask: hm?", "  within: 2h"}, func(l *life) { l.starts(nil); l.log = nil; l.waits(3 * time.Hour) },
			[]string{"a.yaml:6:7 ask: ends: no reply within 2h"}},
		{"nobody replies, and else", []string{"steps:", "- ask: hm?", "  within: 90m", "  else: [send: pity]", "- send: after"},
			func(l *life) { l.starts(nil); l.log = nil; l.waits(3 * time.Hour) },
			[]string{"a.yaml:6:7 ask: no reply within 1h30m", "a.yaml:8:14 send: done", "a.yaml:9:7 send: done", "a.yaml:4:5: ends",
				"customer gets pity", "customer gets after"}},
		{"a condition that fails is an error", []string{"steps:", "- ask: hm?", "  accept: num(reply.text) > 1"},
			func(l *life) { l.starts(nil); l.log = nil; l.says("x"); l.says("y") },
			[]string{`error flow f: DIR/a.yaml:7:15: num: "x" is not a number`,
				`a.yaml:6:7 ask: ends as an error: DIR/a.yaml:7:15: num: "x" is not a number`, "-> ccsp", "-> ccsp"}},
		{"a question with a hole is an error", []string{"steps:", `- ask: "Dear {{ customer.first_name }}?"`}, func(l *life) { l.starts(nil) },
			[]string{"error flow f: DIR/a.yaml:6:21: there is no value", "a.yaml:4:5: begins",
				"a.yaml:6:7 ask: ends as an error: DIR/a.yaml:6:21: there is no value"}},
		{"an action with a hole is left out", []string{"steps:", `- send: "Dear {{ customer.first_name }}"`, "- send: hi"}, func(l *life) { l.starts(nil) },
			[]string{"dropped template: DIR/a.yaml:6:22: there is no value", "a.yaml:4:5: begins", "a.yaml:6:7 send: done", "a.yaml:7:7 send: done", "a.yaml:4:5: ends", "customer gets hi"}},
		{"notify goes on at once", []string{"steps:", "- notify: { endpoint: crm, body: { a: 1 } }", "- tag: x"}, func(l *life) { l.starts(nil) },
			[]string{"a.yaml:4:5: begins", "a.yaml:6:7 notify: done", "a.yaml:7:7 tag: done", "a.yaml:4:5: ends", `crm gets {"a":1}`}},
		{"the answer to a notification", []string{"steps:", "- notify: { endpoint: crm, body: { a: 1 } }", "  as: said", `- send: "{{ said.name }} has {{ said.list[1] }}"`},
			func(l *life) { l.starts(nil); l.answers(conversation.Sent, `{"name":"Ada","list":[1,2.5]}`) },
			[]string{"a.yaml:4:5: begins", "a.yaml:6:7 notify: waits up to 2m for the answer", `crm gets {"a":1}`,
				"a.yaml:6:7 notify: answered", "a.yaml:8:7 send: done", "a.yaml:4:5: ends", "customer gets Ada has 2.5"}},
		{"a notification that is refused", []string{"steps:", "- notify: { endpoint: crm, body: {} }", "  within: 1h", "  else: [send: sorry]"},
			func(l *life) { l.starts(nil); l.log = nil; l.answers(conversation.Dead, "") },
			[]string{"dead rejected: 400", "a.yaml:6:7 notify: the notification is dead: rejected: 400", "a.yaml:8:14 send: done", "a.yaml:4:5: ends", "customer gets sorry"}},
		{"an answer that is no JSON, without else", []string{"steps:", "- notify: { endpoint: crm, body: {} }", "  as: said", "- tag: x"},
			func(l *life) { l.starts(nil); l.log = nil; l.answers(conversation.Sent, "") },
			[]string{"error flow f: the answer is not JSON of at most 16384 bytes",
				"a.yaml:6:7 notify: ends as an error: the answer is not JSON of at most 16384 bytes"}},
		{"an answer that comes too late", []string{"steps:", "- notify: { endpoint: crm, body: {} }", "  within: 1m", "  else: [wait: 1h, send: late]"},
			func(l *life) {
				l.starts(nil)
				l.log = nil
				l.waits(2 * time.Minute)
				l.answers(conversation.Sent, "1")
				l.waits(time.Hour)
			},
			[]string{"a.yaml:6:7 notify: no answer within 1m", "a.yaml:8:14 wait: waits 1h", "a.yaml:8:14 wait: goes on", "a.yaml:8:24 send: done",
				"a.yaml:4:5: ends", "customer gets late"}},
		{"an event ends it as declared", []string{"ends_on: [agent_joined, { keyword: [Stop, no more] }]", "steps:", "- ask: hm?", "- send: never"},
			func(l *life) {
				l.starts(nil)
				l.log = nil
				l.event("desk", &pluginv1.Event{Type: sdk.AgentJoined})
				l.says("hi")
			},
			[]string{"a.yaml:7:7 ask: ends: agent_joined", "-> ccsp"}},
		{"a keyword ends it, and goes on", []string{"ends_on: [agent_joined, { keyword: [Stop, no more] }]", "steps:", "- ask: hm?", "- send: never"},
			func(l *life) { l.starts(nil); l.log = nil; l.says(" No more ") },
			[]string{`a.yaml:7:7 ask: ends: the customer wrote "no more"`, "-> ccsp"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newLife(t, compile(t, triggered(tt.lines...)))
			tt.play(l)
			for i := range l.log {
				l.log[i] = inDir(l.log[i])
			}
			l.wants(tt.want...)
		})
	}
}

func TestFlowInPlaceOfTheRest(t *testing.T) {
	l := newLife(t, compile(t, `
rules:
  - {name: r, on: flow_triggered, do: [{flow: { name: f, params: { n: 3 }}}]}
flows:
  - name: f
    params: { n: number }
    steps:
      - when: params.n == 3
        then: [flow: { name: g, params: { m: "{{ params.n }}", who: Bo } }]
      - send: never
  - name: g
    params: { m: number, who?: string }
    steps:
      - wait: 1h
      - send: "{{ params.who ?? \"-\" }} has {{ params.m }}"
`))
	l.starts(nil)
	l.waits(time.Hour)
	l.wants("a.yaml:5:5: begins", "a.yaml:8:9 when: true", `a.yaml:9:16 flow: goes on as the flow "g"`, "a.yaml:11:5: begins", "a.yaml:14:9 wait: waits 1h",
		"a.yaml:14:9 wait: goes on", "a.yaml:15:9 send: done", "a.yaml:11:5: ends", "customer gets Bo has 3")
}

// inDir takes the temporary folder out of places.
func inDir(line string) string {
	for {
		i := strings.Index(line, "/tmp/")
		j := strings.Index(line, "/a.yaml")
		if i < 0 || j < i {
			return line
		}
		line = line[:i] + "DIR" + line[j:]
	}
}

func TestParameters(t *testing.T) {
	set := compile(t, triggered("params: { who: string, n: number, vip?: bool }", "steps:", `- send: "{{ params.who }} {{ params.n }} {{ params.vip ?? \"-\" }}"`))
	tests := []struct {
		params map[string]string
		want   string
	}{
		{map[string]string{"who": "Ada", "n": "2.50", "vip": "TRUE", "more": "x"}, "customer gets Ada 2.5 true"},
		{map[string]string{"who": "Ada", "n": "1e2"}, "customer gets Ada 100 -"},
		{map[string]string{"who": "Ada"}, `error flow f: the parameter "n" is missing`},
		{map[string]string{"who": " ", "n": "1"}, `error flow f: the parameter "who" is missing`},
		{map[string]string{"who": "Ada", "n": "many"}, `error flow f: the parameter "n" is "many", not a number`},
		{map[string]string{"who": "Ada", "n": "NaN"}, `error flow f: the parameter "n" is "NaN", not a number`},
		{map[string]string{"who": "Ada", "n": "1", "vip": "perhaps"}, `error flow f: the parameter "vip" is "perhaps", not true or false`},
		{map[string]string{"who": strings.Repeat("x", 4000), "n": "1"}, "customer gets " + strings.Repeat("x", 4000) + " 1 -"},
	}
	for _, tt := range tests {
		l := newLife(t, set)
		l.starts(tt.params)
		var got string
		for _, line := range l.log {
			if strings.HasPrefix(line, "customer") || strings.HasPrefix(line, "error") {
				got = line
			}
		}
		if got != tt.want || l.doc.Flow != nil {
			t.Errorf("%.60v: got %.80q, want %.80q; flow %v", tt.params, got, tt.want, l.doc.Flow)
		}
	}
}

// A flow that ends at once does not disturb the one that waits; one that waits
// takes its place.
func TestTwoFlows(t *testing.T) {
	set := compile(t, `
rules:
  - {name: a, on: custom_event, event_name: ask, do: [{flow: ask}]}
  - {name: b, on: custom_event, event_name: tell, do: [{flow: tell}]}
  - {name: c, on: custom_event, event_name: wait, do: [{flow: wait}]}
flows:
  - {name: ask, steps: [ask: hm?, send: well]}
  - {name: tell, steps: [send: by the way]}
  - {name: wait, steps: [wait: 1h]}
`)
	l := newLife(t, set)
	custom := func(name string) {
		l.event("web", &pluginv1.Event{Type: sdk.CustomEvent, EventName: name, Customer: &pluginv1.Customer{Address: "ada"}})
	}
	custom("ask")
	custom("tell")
	if f := l.doc.Flow; f.GetName() != "ask" || f.Number != 1 {
		t.Fatalf("got %v, want ask", l.doc.Flow)
	}
	l.log = nil
	custom("wait")
	l.wants("a.yaml:9:5: begins", "a.yaml:9:26 wait: waits 1h", `: ends: the flow "wait" takes its place`)
	if f := l.doc.Flow; f.GetName() != "wait" || f.Number != 2 {
		t.Fatalf("got %v, want wait", l.doc.Flow)
	}
	l.says("hi")
	l.wants("-> ccsp")
}

// An accepted reply goes no further: rules do not see it either.
func TestAcceptedReplyGoesNoFurther(t *testing.T) {
	l := newLife(t, compile(t, `
rules:
  - {name: r, on: flow_triggered, do: [{flow: f}]}
  - {name: s, on: customer_message, do: [{tag: seen}]}
flows:
  - {name: f, steps: [ask: hm?]}
`))
	l.starts(nil)
	l.says("yes")
	if len(l.doc.Tags) != 0 {
		t.Error("a rule saw the accepted reply")
	}
	l.says("hello")
	if len(l.doc.Tags) != 1 {
		t.Error("no rule saw the next message")
	}
}

// What a flow forwards counts for the message that began it.
func TestForwardOfAFlow(t *testing.T) {
	l := newLife(t, compile(t, `
rules:
  - {name: r, on: customer_message, do: [{flow: f}]}
flows:
  - {name: f, steps: [forward: none, send: later]}
`))
	l.says("hi")
	l.wants("a.yaml:5:5: begins", "a.yaml:5:23 forward: done", "a.yaml:5:38 send: done", "a.yaml:5:5: ends", "-> none", "customer gets later")
}

// broken is a flow whose steps panic.
func broken(name string) *core.FlowDef {
	boom := func(*state.View, *core.FlowScope) []core.Action { panic("boom") }
	ask := func(*state.View, *core.FlowScope) []core.Action { return []core.Action{{Kind: core.Send, Text: "hm?"}} }
	return &core.FlowDef{Name: name, Version: "v", Ops: []core.FlowOp{
		{Kind: core.OpAsk, Name: "ask", Place: "a.yaml:1:1", Do: ask, Within: time.Hour, Next: 1, Else: -1}, {Kind: core.OpDo, Name: "send", Do: boom, Next: 2},
	}}
}

func TestPanicInAStep(t *testing.T) {
	set := compile(t, "rules:\n  - {name: s, on: customer_message, do: [{tag: seen}]}\n")
	l := newLife(t, set)
	l.snap.Flows = flow.New([]*core.FlowDef{broken("f")}, nil)
	l.doc.Flow = &state.Flow{Name: "f", Version: "v", At: "1:1", DueMs: begin.Add(time.Hour).UnixMilli()}
	l.says("5")
	l.wants("error flow f: it broke: boom", "a.yaml:1:1 ask: accepts the reply", ": ends as an error: it broke: boom", "-> ccsp")
	if l.doc.Flow != nil || len(l.doc.Tags) != 1 {
		t.Errorf("flow %v, tags %v: the message did not go on", l.doc.Flow, l.doc.Tags)
	}
}

func TestVersions(t *testing.T) {
	text := triggered("steps:", "- send: one", "- wait: 1h", "- send: two")
	old, now := compile(t, text), compile(t, strings.ReplaceAll(text, "two", "three"))
	if old.Flows()[0].Version == now.Flows()[0].Version {
		t.Fatal("another text has the same version")
	}
	l := newLife(t, old)
	l.starts(nil)
	l.log = nil
	l.snap.Rules, l.snap.Flows = now, flow.New(now.Flows(), old.Flows())
	before := l.doc
	l.waits(time.Hour)
	l.wants("a.yaml:7:7 wait: goes on", "a.yaml:8:7 send: done", "a.yaml:4:5: ends", "customer gets two")
	l.starts(nil)
	l.waits(time.Hour)
	if got := l.log[len(l.log)-1]; got != "customer gets three" {
		t.Errorf("the next flow: %s", got)
	}
	// The old version is gone.
	l.log, l.doc, l.snap.Flows = nil, before, flow.New(now.Flows(), nil)
	l.says("hello")
	version := old.Flows()[0].Version
	l.wants("error flow f: the version "+version+" that it began with is gone",
		": ends as an error: the version "+version+" that it began with is gone", "-> ccsp")
	if l.doc.Flow != nil {
		t.Errorf("it goes on: %v", l.doc.Flow)
	}
}

// A later gateway may number the steps otherwise, or know the rules at another
// path: what counts is the line.
func TestStepIsFoundByItsLine(t *testing.T) {
	set := compile(t, triggered("steps:", "- send: one", "- wait: 1h", "- send: two"))
	for at, want := range map[string]string{"7:7": "customer gets two", "70:7": "error flow f: it waits at a step that there is not"} {
		l := newLife(t, set)
		l.starts(nil)
		l.doc.Flow.Step, l.doc.Flow.At = 17, at
		l.log = nil
		l.waits(time.Hour)
		if !slices.Contains(l.log, want) || l.doc.Flow != nil {
			t.Errorf("at %s: %q, want %q", at, l.log, want)
		}
	}
}

// A timer of a flow that has gone since, in the same turn, is not another one's.
func TestStaleTimer(t *testing.T) {
	l := newLife(t, compile(t, `
rules:
  - {name: r, on: flow_triggered, do: [{flow: a}]}
  - {name: i, on: chat_idle, do: [{flow: b}]}
flows:
  - {name: a, steps: [wait: 10m, send: a]}
  - {name: b, steps: [wait: 10m, send: b]}
`))
	l.snap.Services["shop"].IdleAfter = 10 * time.Minute
	l.says("hi")
	l.now = l.now.Add(time.Second)
	l.starts(nil)
	l.log = nil
	l.now = l.now.Add(10 * time.Minute)
	l.decide(conversation.Input{Mail: &state.Mail{Source: "timer", Body: &state.Mail_Fired{Fired: &state.Fired{}}}})
	l.wants("a.yaml:7:5: begins", "a.yaml:7:23 wait: waits 10m", `: ends: the flow "b" takes its place`)
	if f := l.doc.Flow; f.GetName() != "b" || f.DueMs != l.now.Add(10*time.Minute).UnixMilli() {
		t.Errorf("the flow is %v", f)
	}
}

// A flow cannot remember without limit.
func TestMemory(t *testing.T) {
	var lines []string
	for i := range 6 {
		lines = append(lines, "- notify: { endpoint: crm, body: {} }", fmt.Sprintf("  as: a%d", i))
	}
	l := newLife(t, compile(t, triggered(append([]string{"steps:"}, lines...)...)))
	l.starts(nil)
	part := `"` + strings.Repeat("x", 3800) + `"`
	said := "[" + part + "," + part + "," + part + "," + part + "]"
	for len(l.asks) > 0 {
		l.answers(conversation.Sent, said)
	}
	if got := strings.Join(l.log, "\n"); !strings.Contains(got, "error flow f: its parameters and answers grow beyond 65536 bytes") || l.doc.Flow != nil {
		t.Errorf("%s\n%d bytes", got, l.doc.SizeVT())
	}
}
