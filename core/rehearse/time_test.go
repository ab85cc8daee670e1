package rehearse_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core/rehearse"
	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/core/state"
)

// The time axis goes through what rules wait for and count.
func TestTimeAxis(t *testing.T) {
	set := load(t, `rules:
  - name: patience
    on: customer_message
    after: 15m
    when: conversation.attributes.topic == nil
    do: [{ tag: waited }]
  - { name: first, on: chat_idle, once: true, do: [{ tag: first }] }
  - { name: seldom, on: chat_idle, cooldown: 10m, do: [{ tag: seldom }] }
  - { name: twice, on: chat_idle, throttle: 2 per 1h, do: [{ tag: twice }] }
  - { name: day, on: chat_held, hours: mon-fri 08:00-18:00, do: [{ tag: day }] }
  - { name: seen, on: chat_held, mode: shadow, do: [{ tag: seen }] }
  - { name: topic, on: chat_resumed, do: [{ set: { topic: x } }] }
tests:
  - name: fires after its time
    given: { service: demo }
    events: [{ at: +0m, type: customer_message, text: hi }, { at: +15m }]
    expect: [{ rule: patience, tag: waited }]
  - name: not before it
    given: { service: demo }
    events: [{ at: +0m, type: customer_message, text: hi }, { at: +14m }]
    expect: [{ rule: patience, not: matched, because: waits 15m }]
  - name: another event begins the wait anew
    given: { service: demo }
    events: [{ type: customer_message, text: hi }, { at: +10m, type: customer_message, text: you }, { at: +16m }]
    expect: []
  - name: the condition is asked again
    given: { service: demo }
    events: [{ type: customer_message, text: hi }, { at: +10m, type: chat_resumed }, { at: +16m }]
    expect:
      - { rule: topic, set: { topic: x } }
      - { rule: patience, not: matched, because: conversation.attributes.topic == nil }
  - name: how often
    given: { service: demo }
    events:
      - { type: chat_idle, idle_time: 5 }
      - { at: +5m, type: chat_idle, idle_time: 10 }
      - { at: +10m, type: chat_idle, idle_time: 15 }
      - { at: +1h, type: chat_idle, idle_time: 65 }
    expect:
      - { rule: first, tag: first }
      - { rule: seldom, tag: seldom }
      - { rule: twice, tag: twice }
      - { rule: twice, tag: twice }
      - { rule: seldom, tag: seldom }
      - { rule: seldom, tag: seldom }
      - { rule: twice, tag: twice }
  - name: they matched before
    given: { service: demo, matched: { first: -3d, seldom: [-10m, -15m], twice: [-59m, -1s] } }
    events: [{ type: chat_idle, idle_time: 5 }]
    expect:
      - { rule: seldom, tag: seldom }
      - { rule: first, not: matched, because: once }
      - { rule: twice, not: matched, because: "2026-01-05 09:01:00, 2026-01-05 09:59:59" }
  - name: by night
    given: { service: retail, now: 2026-01-10 20:10 }
    events: [{ type: chat_held }]
    expect: [{ rule: day, not: matched, because: "outside its hours (Sat 20:10 in Europe/Zurich)" }]
`)
	if ps := rehearse.Problems(rehearse.Tests(snap(), set)); len(ps) > 0 {
		t.Error(ps)
	}
}

func TestMatchedProblems(t *testing.T) {
	const file = `rules:
  - { name: first, on: chat_idle, once: true, do: [{ tag: first }] }
tests:
  - name: t
    given: { service: demo, matched: { %s } }
    events: [{ type: chat_idle }]
    expect: []
`
	for given, want := range map[string]string{
		"first: 3d":              `rules.d/a.yaml:5:47: "3d" is not a time before the test begins; write it as -90s, -10m or -3d`,
		"first: [-1m, -x]":       `rules.d/a.yaml:5:53: "-x" is not a time before the test begins; write it as -90s, -10m or -3d`,
		"first: -1m, furst: -1m": `rules.d/a.yaml:5:5: there is no rule "furst"; did you mean "first"?`,
	} {
		_, ps := rules.Compile("rules.d", []rules.Source{{Path: "a.yaml", Text: fmt.Sprintf(file, given)}}, world)
		if got := ps.Error(); got != want {
			t.Errorf("%s:\n got %s\nwant %s", given, got, want)
		}
	}
}

// A test that is made of a record leads to what the record led to: what was counted
// before it counts again.
func TestSavedTestRepeats(t *testing.T) {
	set := load(t, `rules:
  - { name: first, on: chat_idle, once: true, do: [{ tag: first }] }
  - { name: twice, on: chat_idle, throttle: 2 per 1h, do: [{ tag: twice }] }
  - { name: late, on: chat_idle, after: 15m, do: [{ tag: late }] }
`)
	s := snap()
	s.Rules = set
	events := make([]rules.TestEvent, 0, 4)
	for i, text := range []string{"5", "10", "15", "90"} {
		e, ps := rules.ParseEvent("e", `{"type": "chat_idle", "idle_time": `+text+`}`)
		if len(ps) > 0 {
			t.Fatal(ps)
		}
		e.Events[0].After = time.Duration(i) * 16 * time.Minute
		events = append(events, e.Events[0])
	}
	play, err := rehearse.Run(s, &rules.Given{Service: "demo"}, append(events, rules.TestEvent{After: 2 * time.Hour}))
	if err != nil {
		t.Fatal(err)
	}
	if len(play.Records) != 8 { // four events, and the time of late after each
		t.Fatalf("%d records", len(play.Records))
	}
	for i, r := range play.Records {
		again, ps := rules.ParseTest("saved", set.TestOf("again", r.View, nil))
		if again == nil {
			t.Fatal(ps)
		}
		replay, err := rehearse.Run(s, &again.Given, again.Events)
		if err != nil {
			t.Fatal(err)
		}
		got := replay.Records[len(replay.Records)-1]
		if diff := cmp.Diff(saidBy(r), saidBy(got)); diff != "" {
			t.Errorf("record %d: -was +again:\n%s\n%s", i, diff, set.TestOf("again", r.View, nil))
		}
	}
}

// saidBy are the verdicts of a record.
func saidBy(r *state.Record) string {
	var b strings.Builder
	for _, v := range r.Verdicts {
		fmt.Fprintf(&b, "%s %s %s\n", v.Rule, v.Verdict, v.Reason)
	}
	return b.String()
}
