package rules_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestUnreachableRules(t *testing.T) {
	tests := []struct {
		stopping, later string
		never           bool
	}{
		{"on: chat_closed", "on: chat_closed", true},
		{"on: chat_closed", "on: chat_closed, service: demo, when: chat.open", true},
		{"on: [chat_closed, chat_idle]", "on: chat_idle", true},
		{"on: chat_closed", "on: [chat_closed, chat_idle]", false},
		{"on: chat_closed", "on: chat_idle", false},
		{"on: chat_closed, when: chat.open", "on: chat_closed", false},
		{"on: chat_closed, active: false", "on: chat_closed", false},
		{"on: chat_closed", "on: chat_closed, active: false", false},
		{"on: chat_closed, service: demo", "on: chat_closed", false},
		{"on: chat_closed, service: demo", "on: chat_closed, service: [demo, retail]", false},
		{"on: chat_closed, service: [demo, retail]", "on: chat_closed, service: demo", true},
		{"on: chat_closed, service: demo", "on: chat_closed, channel: webshop", true},
		{"on: chat_closed, service: demo", "on: chat_closed, channel: short", false},
		{"on: chat_closed, channel_type: rtm", "on: chat_closed, channel: webshop", true},
		{"on: chat_closed, channel: webshop", "on: chat_closed, service: demo", false},
		{"on: chat_closed, integration: ChatEngineEnghouse", "on: chat_closed", false},
		{"on: custom_event", "on: custom_event, event_name: a", true},
		{"on: custom_event, event_name: a", "on: custom_event, event_name: a", true},
		{"on: custom_event, event_name: a", "on: custom_event", false},
		{"on: custom_event, event_name: a", "on: custom_event, event_name: b", false},
	}
	for _, tt := range tests {
		t.Run(tt.stopping+" before "+tt.later, func(t *testing.T) {
			set := load(t, fmt.Sprintf("rules:\n  - { name: first, %s, stop: true, do: [{ tag: x }] }\n  - { name: later, %s, do: [{ tag: x }] }\n", tt.stopping, tt.later))
			want := ""
			if tt.never {
				want = `rules.d/a.yaml:3:5: the rule "later" is never reached; the rule "first" at rules.d/a.yaml:2:5 stops all of its events`
			}
			if got := set.Warnings().Error(); got != want {
				t.Errorf("\n got %s\nwant %s", got, want)
			}
		})
	}
}

func TestLoops(t *testing.T) {
	rule := func(name, limits, do string) string {
		return "  - { name: " + name + ", " + limits + ", do: [{ " + do + " }] }\n"
	}
	emit := func(event string) string { return "emit: { event: " + event + " }" }
	flow := func(name, step string) string {
		return "  - { name: " + name + ", steps: [{ wait: 1d }, { " + step + " }] }\n"
	}
	tests := []struct {
		name  string
		rules []string
		flows []string
		want  string
	}{
		{"itself", []string{rule("a", "on: custom_event, event_name: e", emit("e"))}, nil, `2:5 "a", "a"`},
		{"itself, on any event", []string{rule("a", "on: custom_event", emit("e"))}, nil, `2:5 "a", "a"`},
		{"another event", []string{rule("a", "on: custom_event, event_name: e", emit("f"))}, nil, ""},
		{"to the vendor", []string{rule("a", "on: custom_event", "emit: { event: e, to: vendor }")}, nil, ""},
		{"no custom event", []string{rule("a", "on: chat_idle", emit("e"))}, nil, ""},
		{"over three", []string{
			rule("a", "on: custom_event, event_name: [e, x]", emit("f")), rule("b", "on: custom_event, event_name: f", emit("g")),
			rule("c", "on: [custom_event, chat_idle], event_name: g, when: chat.open", emit("e")), rule("d", "on: custom_event, event_name: f", emit("z")),
		}, nil, `2:5 "a", "b", "c", "a"`},
		{"two loops", []string{
			rule("a", "on: custom_event, event_name: e", emit("e")), rule("b", "on: custom_event, event_name: f", emit("g")),
			rule("c", "on: custom_event, event_name: g", emit("f")),
		}, nil, "2:5 \"a\", \"a\"\n3:5 \"b\", \"c\", \"b\""},
		{"of different services", []string{
			rule("a", "on: custom_event, event_name: e, service: demo", emit("f")), rule("b", "on: custom_event, event_name: f, service: retail", emit("e")),
		}, nil, ""},
		{"inactive", []string{rule("a", "on: custom_event, active: false", emit("e"))}, nil, ""},
		{"over a flow", []string{rule("a", "on: custom_event, event_name: e", "flow: f")}, []string{flow("f", emit("e"))}, `2:5 "a", "a"`},
		{"over a flow that takes over", []string{
			rule("a", "on: custom_event, event_name: e", "flow: f"), rule("b", "on: custom_event, event_name: g", emit("e")),
		}, []string{flow("f", "flow: h"), flow("h", emit("g"))}, `2:5 "a", "b", "a"`},
		{"a flow with another event", []string{rule("a", "on: custom_event, event_name: e", "flow: f")}, []string{flow("f", emit("g"))}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			set := load(t, "rules:\n"+strings.Join(tt.rules, "")+"flows:\n"+strings.Join(append(tt.flows, flow("any", "tag: x")), ""))
			var got []string
			for _, p := range set.Warnings() {
				names, ok := strings.CutPrefix(p.Summary, "rules set each other off in a loop: ")
				if !ok || p.Severity != "warning" {
					t.Errorf("got %s", p)
				}
				got = append(got, fmt.Sprintf("%d:%d %s", p.Line, p.Column, names))
			}
			if s := strings.Join(got, "\n"); s != tt.want {
				t.Errorf("\n got %s\nwant %s", s, tt.want)
			}
		})
	}
}
