package rules_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// demo is the world of gateway.hcl as it is shipped: no endpoints.
var demo = rules.World{
	Services:     []string{"demo"},
	Channels:     map[string]rules.Channel{"webshop": {Type: "rtm", Service: "demo"}},
	Integrations: []string{"ChatEngineEnghouse"},
}

func TestShippedRules(t *testing.T) {
	set, problems := rules.Load("../../rules.d", demo)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	tests := []struct {
		event *state.View
		want  []string // rules and what they do
	}{
		{event("customer_message", &pluginv1.Event{Text: "Hello there"}), []string{"note a greeting tag greeted"}},
		{event("customer_message", &pluginv1.Event{Text: "Order 5"}), nil},
		{event("customer_unattended", &pluginv1.Event{WaitTime: ptr(15.0)}),
			[]string{"nobody answers send Sorry for the wait, Ada. An agent will be with you soon.", "nobody answers tag waited"}},
		{event("customer_unattended", &pluginv1.Event{WaitTime: ptr(5.0)}), nil},
		{event("chat_closed", &pluginv1.Event{Status: "closed", Reason: "agent_left", By: "agent"}),
			[]string{"thank for the chat send Thank you for chatting with us.", "thank for the chat set last_reason agent_left",
				"ask how it was flow survey"}},
		{event("chat_closed", &pluginv1.Event{Status: "closed", Reason: "left", By: "customer"}), nil},
	}
	for _, tt := range tests {
		var got []string
		out := set.Evaluate(tt.event)
		for _, a := range out.Actions {
			got = append(got, strings.Join(strings.Fields(strings.Join(
				[]string{a.Rule, string(a.Kind), a.Key, a.Text, a.Value, a.Err}, " ")), " "))
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: -want +got:\n%s%v", tt.event.Type, diff, out.Verdicts)
		}
	}
	for _, r := range set.Rules(nil) {
		if !strings.HasSuffix(r.File, ".yaml") || r.Line == 0 || len(r.On) == 0 {
			t.Errorf("got %+v", r)
		}
	}
	other := event("customer_unattended", &pluginv1.Event{WaitTime: ptr(15.0)})
	other.Service = "retail"
	if out := set.Evaluate(other); len(out.Verdicts) > 0 {
		t.Errorf("the demo's rules concern another service: %v", out.Verdicts)
	}
}
