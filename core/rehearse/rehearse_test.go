package rehearse_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/flow"
	"github.com/openccsp/gateway/core/rehearse"
	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

var world = rules.World{
	Services:     []string{"retail", "demo"},
	Channels:     map[string]rules.Channel{"web": {Type: "rtm", Service: "retail"}, "shop": {Type: "rtm", Service: "demo"}},
	Integrations: []string{"desk", "quiet"}, Endpoints: []string{"ops"},
}

func snap() *conversation.Snap {
	return &conversation.Snap{
		Engine: "1.0",
		Services: map[string]*conversation.Service{
			"retail": {Name: "retail", Integration: "desk", Channels: []string{"web"}, Forward: state.Owner_OWNER_CCSP,
				Timezone: "Europe/Zurich", IdleAfter: 1, UnattendedAfter: nil, CloseAfter: 1},
			"demo": {Name: "demo", Integration: "quiet", Channels: []string{"shop"}, Timezone: "UTC"},
		},
		Instances: map[string]*conversation.Instance{
			"web":  {Name: "web", Channel: true, Service: "retail", Caps: &pluginv1.Capabilities{ChannelType: "rtm"}},
			"shop": {Name: "shop", Channel: true, Service: "demo", Caps: &pluginv1.Capabilities{ChannelType: "rtm"}},
			"desk": {Name: "desk", MessageRouting: true}, "quiet": {Name: "quiet"},
		},
	}
}

func load(t *testing.T, text string) *rules.Set {
	t.Helper()
	set, ps := rules.Compile("rules.d", []rules.Source{{Path: "a.yaml", Text: text}}, world)
	if len(ps) > 0 {
		t.Fatal(ps)
	}
	return set
}

const retail = `rules:
  - name: nobody answers
    on: customer_unattended
    service: retail
    when: event.wait_time >= 15 and conversation.channel_type == "sms"
    do:
      - notify: { endpoint: ops }
      - send: Sorry for the wait, {{ customer.first_name ?? "there" }}.
  - name: closed
    on: chat_closed
    service: retail
    when: event.status == "closed" and chat.messages.agent > 0
    do:
      - set: { last: "{{ event.reason }}", n: "{{ chat.messages.agent }}" }
      - tag: [done, "2"]
      - notify: { endpoint: ops, body: { by: "{{ event.by ?? \"\" }}", at: "{{ str(now()) }}", deep: { n: 5 } } }
  - name: agent
    on: incoming_message
    do: [{ tag: answered }]
  - name: hello
    on: customer_message
    do: [{ forward: none }, { close: { reason: spam } }]
  - name: hole
    on: custom_event
    do: [{ send: "{{ payload.x }}" }]
  - name: off
    on: customer_message
    active: false
    do: [{ tag: x }]
tests:
`

func TestTestsThatPass(t *testing.T) {
	set := load(t, retail+`
  - name: a long wait on sms tells ops and the customer
    given: { service: retail, conversation: { channel_type: sms }, customer: { first_name: Ada } }
    events:
      - { at: +0m, type: customer_unattended, wait_time: "15" }
    expect:
      - { rule: nobody answers, notify: { endpoint: ops } }
      - { rule: nobody answers, send: "Sorry for the wait, Ada." }
  - name: a short wait
    given: { service: retail, channel: web }
    events: [{ type: customer_unattended, wait_time: 15 }]
    expect:
      - { rule: nobody answers, not: matched, because: "conversation.channel_type == 'sms'" }
      - { rule: closed, not: matched }
  - name: an agent answers, then the chat is closed
    given: { service: retail, chat: { messages: { agent: 2 } }, now: 2026-03-01 09:30 }
    events:
      - { type: incoming_message, text: hi, agent: Max }
      - { at: +1h, type: chat_closed, reason: solved, by: agent }
    expect:
      - { rule: agent, tag: answered }
      - { rule: closed, set: { last: solved, n: 3 } }
      - { rule: closed, tag: [done, 2] }
      - { rule: closed, notify: { endpoint: ops, body: { by: agent, at: "2026-03-01T10:30:00+01:00", deep: { n: 5 } } } }
  - name: a message, and another in the chat that it opens
    given: { service: retail, tags: [vip], attributes: { a: b } }
    events: [{ type: customer_message, text: hi }, { at: +2d }]
    expect:
      - { rule: hello, forward: none }
      - { rule: hello, close: spam }
      - { rule: off, not: matched, because: not active }
  - name: agents of another desk
    given: { service: demo }
    events: [{ type: incoming_message, text: hi }]
    expect:
      - { rule: agent, not: matched, because: message_routing }
`)
	results := rehearse.Tests(snap(), set)
	if len(results) != 5 {
		t.Fatalf("%d results", len(results))
	}
	if ps := rehearse.Problems(results); len(ps) > 0 {
		t.Error(ps)
	}
}

func TestTestsThatFail(t *testing.T) {
	set := load(t, retail+`
  - name: t1
    given: { service: retail, conversation: { channel_type: sms } }
    events: [{ type: customer_unattended, wait_time: 15 }]
    expect:
      - { rule: nobody answers, send: "Sorry for the wait, Ada." }
  - name: t2
    given: { service: retail }
    events: [{ type: customer_unattended, wait_time: 5 }]
    expect:
      - { rule: nobody answers, notify: { endpoint: ops } }
  - name: t3
    given: { service: retail }
    events: [{ type: custom_event, event_name: x }]
    expect:
      - { rule: closed, tag: done }
  - name: t4
    given: { service: retail }
    events: [{ type: customer_unattended, wait_time: 15 }]
    expect:
      - { rule: nobody answers, not: matched, because: event.wait_time >= 15 }
  - name: t5
    given: { service: demo }
    events: [{ type: incoming_message }]
    expect:
      - { rule: agent, tag: answered }
  - name: t6
    events: [{ type: incoming_message }]
    expect: []
  - name: t7
    given: { service: retial }
    events: [{ type: incoming_message }]
    expect: []
  - name: t8
    given: { service: retail }
    events: [{ type: incoming_message }]
    expect: [{ rule: agent, not: matched }]
  - name: t9
    given: { service: demo, channel: web }
    events: [{ type: incoming_message }]
    expect: []
`)
	var got []string
	for line := range strings.Lines(rehearse.Problems(rehearse.Tests(snap(), set)).Error()) {
		line, _ = strings.CutPrefix(strings.TrimSpace(line), "rules.d/a.yaml:")
		_, line, _ = strings.Cut(line, " ")
		got = append(got, line)
	}
	want := []string{
		`test "t1": want nothing here, got rule "nobody answers" to notify {"body":{"chat":{"assigned":false,"held":false,` +
			`"messages":{"agent":0,"customer":0},"number":0,"open":false,"state":"none"},"conversation":{"can_reply":true,"channel":"sms channel",` +
			`"channel_type":"sms","id":"00722964bde534a37b32d165c54e1a29","integration":"desk","owner":"none","service":"retail","tag…`,
		`test "t1": want rule "nobody answers" to send "Sorry for the wait, Ada.", got rule "nobody answers" to send "Sorry for the wait, there."`,
		`test "t2": want rule "nobody answers" to notify {"endpoint":"ops"}, got nothing; no: event.wait_time >= 15 was false (event.wait_time = 5); rest not needed`,
		`test "t3": want rule "closed" to tag "done", got rule "hole" failing to send: rules.d/a.yaml:25:30: a value is absent or of another type here: cannot fetch x from <nil>`,
		`test "t4": rule "nobody answers" does not match, but not because of event.wait_time >= 15: no: conversation.channel_type == "sms" was false (conversation.channel_type = "rtm")`,
		`test "t5": want rule "agent" to tag "answered", got nothing; message_routing of quiet is off: rules do not see its agents' messages`,
		`test "t6": given needs a service, as there are several; known: demo, retail`,
		`test "t7": unknown service "retial" in given; did you mean "retail"?`,
		`test "t8": want nothing here, got rule "agent" to tag "answered"`,
		`test "t8": want rule "agent" not to match, but it did`,
		`test "t9": the channel "web" belongs to the service "retail", not "demo"`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A play is the real thing: the message opens a chat, which opens.
func TestRun(t *testing.T) {
	set := load(t, "rules:\n  - {name: r, on: chat_opened, do: [{send: 'Welcome to {{ chat.chatid ?? \"\" }}'}]}\n")
	s := snap()
	s.Rules = set
	ev, ps := rules.ParseEvent("e.json", `{"type": "customer_message", "text": "hi", "given": {"service": "retail"}}`)
	if len(ps) > 0 {
		t.Fatal(ps)
	}
	play, err := rehearse.Run(s, &ev.Given, ev.Events)
	if err != nil {
		t.Fatal(err)
	}
	var types []string
	for _, r := range play.Records {
		types = append(types, r.View.Type)
	}
	if diff := cmp.Diff([]string{"customer_message", "chat_opened"}, types); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(play.Acted) != 1 || play.Acted[0].Text != "Welcome to chat-1" || play.Doc.TimerMs != 0 {
		t.Errorf("got %+v, timer %d", play.Acted, play.Doc.TimerMs)
	}
}

// A message that a flow takes is none of the rules', nor is what the flow hears
// from an endpoint.
func TestRunOfAFlow(t *testing.T) {
	set := load(t, `rules:
  - { name: begin, on: chat_closed, do: [{ flow: f }] }
  - { name: all, on: customer_message, do: [{ tag: seen }] }
flows:
  - name: f
    steps:
      - ask: Well?
      - notify: { endpoint: ops }
        as: said
      - send: "{{ said ?? \"nothing\" }}"
`)
	s := snap()
	s.Rules, s.Flows = set, flow.New(set.Flows(), nil)
	given := &rules.Given{Service: "retail", Chat: &state.Chat{Number: 1, State: state.ChatState_CHAT_OPEN}}
	play, err := rehearse.Run(s, given, []rules.TestEvent{
		{Event: &pluginv1.Event{Type: "chat_closed", Reason: "left"}}, {Event: &pluginv1.Event{Type: "customer_message", Text: "yes"}},
		{Event: &pluginv1.Event{Type: "customer_message", Text: "more"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range play.Records {
		got = append(got, r.View.Type+": "+rehearse.Unasked(r, s))
	}
	const taken = `the event went to the flow "f"`
	want := []string{"chat_closed: ", "customer_message: " + taken, "flow_answer: " + taken, "customer_message: ", "chat_opened: "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	var acted []string
	for _, a := range play.Acted {
		acted = append(acted, strings.TrimSpace(a.Rule+" "+string(a.Kind)+" "+a.Key+a.Text))
	}
	if diff := cmp.Diff([]string{"begin flow f", "flow f send Well?", "flow f notify", "flow f send nothing", "all tag seen"}, acted); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// BenchmarkTests runs 1,000 tests of two events each, as a reload does.
func BenchmarkTests(b *testing.B) {
	text := strings.Builder{}
	text.WriteString(retail)
	for i := range 1000 {
		fmt.Fprintf(&text, `
  - name: t%d
    given: { service: retail, conversation: { channel_type: sms }, customer: { first_name: Ada } }
    events: [{ type: customer_unattended, wait_time: 5 }, { at: +10m, type: customer_unattended, wait_time: 15 }]
    expect: [{ rule: nobody answers, notify: { endpoint: ops } }, { rule: nobody answers, send: "Sorry for the wait, Ada." }]
`, i)
	}
	set, ps := rules.Compile("rules.d", []rules.Source{{Path: "a.yaml", Text: text.String()}}, world)
	if len(ps) > 0 {
		b.Fatal(ps)
	}
	for b.Loop() {
		if ps := rehearse.Problems(rehearse.Tests(snap(), set)); len(ps) > 0 {
			b.Fatal(ps)
		}
	}
}
