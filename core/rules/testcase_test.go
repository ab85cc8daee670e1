package rules_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

func TestReadTests(t *testing.T) {
	set := load(t, `
rules: [{name: r, on: chat_closed, do: [{tag: a}]}]
tests:
  - name: all there is
    given:
      service: demo
      conversation: { channel_type: sms, owner: bot, tags: [a], attributes: { n: 5 } }
      customer: { first_name: Ada, addresses: { sms: "+41" } }
      chat: { state: closed, chatid: C1, agent: Max, queue: q, messages: { agent: 2, customer: 1 } }
      now: 2026-03-01 09:30
    events:
      - { type: custom_event, event_name: paid, params: { amount: 150 }, payload: { a: [1, true, null, x] } }
      - { at: +15m, type: chat_queued, position: 3, est_wait: "1.5", agent: { id: "7" } }
      - { at: +2d }
    expect:
      - { rule: r, tag: [a, b] }
      - { rule: r, set: { y: 1, x: "2" } }
      - { flow: f, send: Hi }
      - { rule: r, not: matched, because: event.status == "x" }
flows: [{name: f, steps: [{send: Hi}]}]
`)
	tests := set.Tests()
	if len(tests) != 1 {
		t.Fatalf("%d tests", len(tests))
	}
	at := func(line, column int) diag.Pos { return diag.Pos{File: "rules.d/a.yaml", Line: line, Column: column} }
	bot := state.Owner_OWNER_BOT
	want := &rules.Test{
		Name: "all there is", At: at(4, 5), ExpectAt: at(15, 5),
		Given: rules.Given{
			At: at(5, 5), Service: "demo", ChannelType: "sms", Owner: &bot, Tags: []string{"a"}, Attributes: map[string]string{"n": "5"}, Now: "2026-03-01 09:30",
			Customer: &pluginv1.Customer{FirstName: "Ada", Addresses: map[string]string{"sms": "+41"}},
			Chat: &state.Chat{Number: 1, State: state.ChatState_CHAT_CLOSED, Ref: "C1", Queue: "q", Agent: &pluginv1.Agent{Name: "Max"},
				AgentMessages: 2, CustomerMessages: 1},
		},
		Events: []rules.TestEvent{
			{At: at(12, 9), Event: &pluginv1.Event{Type: "custom_event", EventName: "paid", Params: map[string]string{"amount": "150"}, Payload: []byte(`{"a":[1,true,null,"x"]}`)}},
			{At: at(13, 9), After: 15 * time.Minute, Event: &pluginv1.Event{Type: "chat_queued", Position: ptr(int32(3)), EstWait: ptr(1.5), Agent: &pluginv1.Agent{Id: "7"}}},
			{At: at(14, 9), After: 48 * time.Hour},
		},
		Expect: []rules.Expect{
			{At: at(16, 9), Rule: "r", Do: "tag", With: "a"}, {At: at(16, 9), Rule: "r", Do: "tag", With: "b"},
			{At: at(17, 9), Rule: "r", Do: "set", With: map[string]any{"x": "2"}}, {At: at(17, 9), Rule: "r", Do: "set", With: map[string]any{"y": 1.0}},
			{At: at(18, 9), Flow: "f", Do: "send", With: "Hi"},
			{At: at(19, 9), Rule: "r", Not: "matched", Because: `event.status == "x"`},
		},
	}
	if diff := cmp.Diff(want, tests[0], protocmp.Transform()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestProblemsOfTests(t *testing.T) {
	event := "    events: [{ type: chat_closed }]\n"
	tests := []struct{ lines, want string }{
		{"  - name: a\n    expect: []\n", "2:5: a test needs events"},
		{"  - name: a\n" + event, "2:5: a test needs what it expects; write expect: [] if nothing is to be done"},
		{"  - expect: []\n" + event, "2:5: a test needs a name"},
		{"  - name: a\n    expcet: []\n" + event, `3:5: unknown key "expcet" of a test; did you mean "expect"?`},
		{"  - name: a\n    events: [{ at: +5x }]\n    expect: []\n", `3:20: "+5x" is not a time since the test began; write it as +0s, +15m, +2h or +3d`},
		{"  - name: a\n    events: [{ at: +5m }, { at: +4m }]\n    expect: []\n", `3:27: the event comes before the one above it`},
		{"  - name: a\n    events: [{ type: chat_close }]\n    expect: []\n", `3:22: unknown event "chat_close"; did you mean "chat_closed"?`},
		{"  - name: a\n    events: [{ status: x }]\n    expect: []\n", `an event needs a type`},
		{"  - name: a\n    events: [{ type: customer_unattended, wait_tme: 5 }]\n    expect: []\n", `3:43: unknown field "wait_tme" of an event; did you mean "wait_time"?`},
		{"  - name: a\n    events: [{ type: customer_unattended, wait_time: long }]\n    expect: []\n", `3:54: wait_time is a number, not "long"`},
		{"  - name: a\n    given: { servce: x }\n    expect: []\n" + event, `3:14: unknown key "servce" of given; did you mean "service"?`},
		{"  - name: a\n    given: { now: today }\n    expect: []\n" + event, `3:19: "today" is not a time; write it as 2026-01-05 10:00`},
		{"  - name: a\n    given: { chat: open }\n    expect: []\n" + event, `3:20: chat is none, or a mapping of its fields`},
		{"  - name: a\n    given: { chat: { state: opened } }\n    expect: []\n" + event, `3:29: unknown state "opened" of a chat; known: none, opening, open, closing, closed`},
		{"  - name: a\n    given: { conversation: { owner: me } }\n    expect: []\n" + event, `3:37: unknown owner "me"; known: none, ccsp, bot, bot+ccsp`},
		{"  - name: a\n    expect: [{ tag: a }]\n" + event, `3:14: what is expected names one rule or one flow`},
		{"  - name: a\n    expect: [{ rule: r }]\n" + event, `3:14: what is expected is one action, or that the rule has not matched; write send: text, or not: matched`},
		{"  - name: a\n    expect: [{ rule: x, tag: a }]\n" + event, `3:14: there is no rule "x"; known: r`},
		{"  - name: a\n    expect: [{ flow: x, tag: a }]\n" + event, `3:14: there is no flow "x"`},
		{"  - name: a\n    expect: [{ rule: r, tags: a }]\n" + event, `3:25: unknown action "tags"; did you mean "tag"?`},
		{"  - name: a\n    expect: [{ rule: r, tag: a, send: b }]\n" + event, `3:33: what is expected is one action, this has tag too; begin each with a dash`},
	}
	for _, tt := range tests {
		dir(t, map[string]string{"a.yaml": "tests:\n" + tt.lines, "z.yaml": "rules: [{name: r, on: chat_closed, do: [{tag: a}]}]\n"})
		_, ps := rules.Load("rules.d", world)
		if len(ps) == 0 || !strings.Contains(ps.Error(), tt.want) {
			t.Errorf("%s\ngot  %v\nwant %s", tt.lines, ps, tt.want)
		}
	}
	dir(t, map[string]string{"a_test.yaml": "rules: []\n"})
	if _, ps := rules.Load("rules.d", world); len(ps) != 1 || !strings.Contains(ps[0].Error(), `a file of tests has the key tests only, not "rules"`) {
		t.Errorf("got %v", ps)
	}
}

func TestParseEvent(t *testing.T) {
	e, ps := rules.ParseEvent("e.json", `{"type": "chat_closed", "status": "open", "chatid": "C", "given": {"service": "demo"}}`)
	if len(ps) > 0 || e.Given.Service != "demo" || e.Events[0].Event.GetRef() != "C" || e.Events[0].Event.GetStatus() != "open" {
		t.Errorf("got %+v, %v", e, ps)
	}
	for text, want := range map[string]string{
		"": "e.json:1:1: there is no event in it", "[]": "must be a mapping", `{"type": "x"}`: `unknown event "x"`, "{": "e.json:",
	} {
		if _, ps := rules.ParseEvent("e.json", text); len(ps) == 0 || !strings.Contains(ps.Error(), want) {
			t.Errorf("%q: %v, want %s", text, ps, want)
		}
	}
}

// A saved test plays the same event: read again, it is what it was written from.
func TestTestOf(t *testing.T) {
	v := view(func(v *state.View) { v.Chat.Agent = &pluginv1.Agent{Name: "Max: \"x\"\n"} })
	set := load(t, "rules: [{name: r, on: chat_closed, do: [{tag: a}]}]\n")
	text := set.TestOf("it's: \"odd\"", v, []rules.Shown{{Rule: "r", Do: "send", With: "Hi\n# there {{ x }}"}, {Rule: "flow f", Do: "close"}})
	file, ok := rules.AddTest("", text)
	if !ok {
		t.Fatal(file)
	}
	if file, ok = rules.AddTest(file, text); !ok {
		t.Fatal(file)
	}
	dir(t, map[string]string{"a_test.yaml": file, "r.yaml": "rules: [{name: r, on: chat_closed, do: [{tag: a}]}]\nflows: [{name: f, steps: [{close: }]}]\n"})
	set, ps := rules.Load("rules.d", world)
	if len(ps) > 0 {
		t.Fatalf("%s\n%v", file, ps)
	}
	tests := set.Tests()
	if len(tests) != 2 || tests[1].Name != "it's: \"odd\"" {
		t.Fatalf("got %+v", tests)
	}
	got := tests[1]
	chat := v.Chat.CloneVT()
	chat.CustomerMessages-- // the event counts it again
	ev := v.Event.CloneVT()
	ev.Type = v.Type
	ev.Payload = got.Events[0].Event.Payload // of the same JSON, other bytes
	if diff := cmp.Diff([]any{v.Customer, chat, ev, v.Tags, v.Attributes}, []any{got.Given.Customer, got.Given.Chat, got.Events[0].Event, got.Given.Tags, got.Given.Attributes},
		protocmp.Transform()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if e := got.Expect; len(e) != 2 || e[0].With != "Hi\n# there {{ x }}" || e[1].Flow != "f" || e[1].With != nil {
		t.Errorf("got %+v", e)
	}
}

func TestAddTest(t *testing.T) {
	const entry = "  - name: \"b\"\n    events:\n      - {\"type\":\"chat_closed\"}\n    expect: []\n"
	const first = "- name: a\n  events: [{type: chat_closed}]\n  expect: []\n"
	const inLine = "{name: a, events: [{type: chat_closed}], expect: []}"
	for file, want := range map[string]int{
		"":         1,
		"tests:\n": 1,
		"tests:\n  - " + inLine + "\n# the end\n\n":        2,
		"tests:\n" + first:                                 2,
		"---\nrules: []\ntests:\n" + first:                 2,
		"tests:\n  - name: a\nrules: []\n":                 0, // it does not end with its tests
		"tests: []\n":                                      0, // nothing can be added to
		"tests: [" + inLine + "]\n":                        0,
		"rules: []\n":                                      0,
		"tests: {\n":                                       0,
		"let: {x: 'true'}\ntests:\n    - " + inLine + "\n": 0, // indented otherwise
	} {
		text, ok := rules.AddTest(file, entry)
		if ok != (want > 0) || strings.Count(text, "name:") != want {
			t.Errorf("%q: %v, %q, want %d tests", file, ok, text, want)
			continue
		}
		if !ok {
			continue
		}
		dir(t, map[string]string{"a.yaml": text})
		if set, ps := rules.Load("rules.d", world); len(ps) > 0 || len(set.Tests()) != want {
			t.Errorf("%q becomes %q: %v", file, text, ps)
		}
	}
}

func FuzzParseEvent(f *testing.F) {
	f.Add(`{"type": "chat_closed", "status": "open", "given": {"service": "demo", "chat": {"messages": {"agent": 1}}}}`)
	f.Add(`{"type": "custom_event", "params": {"a": 1}, "payload": [[[{}]]], "given": {"now": "2026-01-05 10:00", "conversation": {"owner": "bot"}}}`)
	f.Add("type: customer_message\nattachments: [{url: x}]\nagent: y\n")
	f.Fuzz(func(t *testing.T, text string) {
		e, ps := rules.ParseEvent("e", text)
		if (e == nil) != (len(ps) > 0) {
			t.Fatalf("%q: %v, %v", text, e, ps)
		}
		for _, p := range ps {
			if p.Line < 1 || p.Column < 1 {
				t.Errorf("%q: a problem without a place: %v", text, p)
			}
		}
		if e == nil {
			return
		}
		// what can be read can be written as a test and read again
		v := state.Bound(&state.View{Type: e.Events[0].Event.Type, Event: e.Events[0].Event, Customer: e.Given.Customer, Chat: e.Given.Chat})
		if entry := new(rules.Set).TestOf("x", v, nil); !strings.HasPrefix(entry, "  - name: \"x\"\n") {
			t.Errorf("got %s", entry)
		}
	})
}
