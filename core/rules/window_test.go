package rules_test

import (
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// windowed is the world of able, where page and oa have reply windows.
func windowed() rules.World {
	w := able()
	w.Drivers["page"].Capabilities.ReplyWindow = &pluginv1.ReplyWindow{OpenMs: uint64((24 * time.Hour).Milliseconds())}
	w.Drivers["oa"].Capabilities.ReplyWindow = &pluginv1.ReplyWindow{OpenMs: uint64((48 * time.Hour).Milliseconds()), Messages: 5}
	w.Timers = map[string]rules.Timers{"demo": {Idle: 30 * time.Hour, Unattended: []time.Duration{15 * time.Minute, 26 * time.Hour}}}
	return w
}

// What is sent after a longer wait than a channel's window is told at load, with
// its place.
func TestLateMessagesAreTold(t *testing.T) {
	const (
		page    = `the channel "page" takes nothing later than 1d after the customer's last message, and this goes `
		after   = " after it or later; look at conversation.can_reply, or write on another channel"
		another = `the channel "page" takes nothing later than 1d after a customer's last message, ` +
			"and whoever this goes to may not have written since; it ends dropped, window_closed"
	)
	flow := func(steps string) string {
		return "rules:\n  - {name: r, on: chat_closed, channel_type: facebook, do: [{flow: f}]}\n" +
			"flows:\n  - name: f\n    steps:\n" + steps
	}
	rule := func(keys string) string { return "rules:\n  - {name: r, " + keys + "}\n" }
	tests := []struct {
		name, text, want string
	}{
		{"soon", rule("on: customer_message, channel: page, after: 23h, do: [{send: x}]"), ""},
		{"after a day", rule("on: customer_message, channel: page, after: 1d, do: [{send: x}]"), "2:69: " + page + "1d" + after},
		{"on any channel", rule("on: customer_message, after: 1d, do: [{tag: y}, {send: x}]"), "2:64: " + page + "1d" + after},
		{"on channels without a window", rule("on: customer_message, channel_type: [sms, rtm], after: 9d, do: [{send: x}]"), ""},
		{"by its type", rule("on: customer_message, channel_type: facebook, after: 2d, do: [{send_facebook: x}]"), "2:78: " + page + "2d" + after},
		{"the rule minds", rule("on: customer_message, after: 2d, when: conversation.can_reply, do: [{send: x}]"), ""},
		{"idle for longer", rule("on: chat_idle, channel: page, do: [{send: x}]"), "2:51: " + page + "30h" + after},
		{"unattended for longer", rule("on: customer_unattended, channel: page, do: [{send: x}]"), "2:61: " + page + "26h" + after},
		{"another person", rule(`on: customer_message, channel_type: sms, service: demo, do: [{send_facebook: {to: "4711", text: x}}]`), "2:77: " + another},
		{"another person, and the channel takes always", rule(`on: customer_message, service: demo, do: [{send_twitter: {to: "4711", text: x}}]`), ""},
		{"a flow that waits", flow("      - send: a\n      - wait: 2d\n      - send: b\n"), "8:9: " + page + "2d" + after},
		{"a flow that waits in parts", flow("      - wait: 13h\n      - send: a\n      - wait: 13h\n      - send: b\n"), "9:9: " + page + "26h" + after},
		{"a reply opens it again", flow("      - wait: 13h\n      - ask: a\n      - wait: 13h\n      - send: b\n"), ""},
		{"no reply for a day", flow("      - ask: a\n        else:\n          - send: b\n          - end\n      - send: c\n"), "8:13: " + page + "1d" + after},
		{"asked again after a reply", flow("      - ask: a\n        within: 3d\n        accept: reply.text == \"1\"\n        retries: 1\n        retry: b\n"), ""},
		{"the flow minds", flow("      - wait: 2d\n      - when: conversation.can_reply\n        then:\n          - send: b\n"), ""},
		{"a flow for others", strings.Replace(flow("      - wait: 2d\n      - send: b\n"), "facebook", "sms", 1), ""},
		{"a rule that waits, and a flow", strings.Replace(flow("      - wait: 13h\n      - send: b\n"), "do:", "after: 12h, do:", 1), "7:9: " + page + "25h" + after},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			set, problems := loadIn(t, windowed(), tt.text)
			if problems != "" {
				t.Fatal(problems)
			}
			var got []string
			for _, w := range set.Warnings() {
				got = append(got, strings.TrimPrefix(w.Error(), "rules.d/a.yaml:"))
			}
			if got := strings.Join(got, "\n"); got != tt.want {
				t.Errorf("warnings\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

// More buttons, or longer ones, than a channel shows are told at load.
func TestQuickRepliesThatDoNotFit(t *testing.T) {
	w := able()
	w.Drivers["page"].Capabilities.MaxQuickReplies, w.Drivers["page"].Capabilities.MaxQuickReplyTitle = 2, 5
	tests := []struct{ replies, want string }{
		{"[Yes, No]", ""},
		{"[a, b, c]", `the channel "page" shows at most 2 quick replies`},
		{"[Yes, Perhaps]", `the channel "page" shows at most 5 letters of a quick reply, and "Perhaps" has more`},
		{`[Ünïçø, {title: "Agreed", payload: y}]`, `and "Agreed" has more`},
		{`["{{ customer.name ?? \"Who?\" }}"]`, ""},
	}
	for _, tt := range tests {
		_, problems := loadIn(t, w, "rules:\n  - {name: r, on: chat_closed, channel: page, do: [{send: {text: x, quick_replies: "+tt.replies+"}}]}\n")
		if tt.want == "" && problems != "" || !strings.Contains(problems, tt.want) {
			t.Errorf("%s: problems %q, want %q", tt.replies, problems, tt.want)
		}
	}
}
