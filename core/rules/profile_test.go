package rules_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

func TestSetOfTheProfile(t *testing.T) {
	set, problems := loadIn(t, able(), oneRule("customer_message", "do:",
		`  - set: { customer.name: "{{ customer.first_name }}", customer.locale: de-CH, customer.addresses.sms: "+41791111111" }`,
		`  - set: { customer.attributes.tier: gold, customer.first_name: "", topic: billing }`))
	if problems != "" {
		t.Fatal(problems)
	}
	var got []string
	for _, a := range set.Evaluate(state.Bound(view(nil))).Actions {
		if a.Kind != core.Set || a.Err != "" {
			t.Errorf("action %+v", a)
		}
		got = append(got, a.Key+"="+a.Value)
	}
	want := []string{
		"customer.name=Ada", "customer.locale=de-CH", "customer.addresses.sms=+41791111111",
		"customer.attributes.tier=gold", "customer.first_name=", "topic=billing",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("set (-want +got):\n%s", d)
	}
}

func TestProblemsOfTheProfile(t *testing.T) {
	tests := []struct{ name, set, want string }{
		{"unknown field", "customer.naem: x", `4:19: unknown field "customer.naem" of a customer; did you mean "customer.name"?`},
		{"unknown table", "customer.adresses.sms: x", `4:19: unknown field "customer.adresses.sms" of a customer; did you mean "customer.addresses.sms"?`},
		{"a table alone", "customer.attributes: x", `4:19: unknown field "customer.attributes" of a customer; known: customer.first_name, ` +
			`customer.last_name, customer.locale, customer.name, customer.timezone, customer.addresses.NAME, customer.attributes.NAME`},
		{"the address", "customer.address: x",
			`4:19: the address is who the customer is; it cannot be set; further addresses are set by type, such as customer.addresses.sms`},
		{"unknown type", "customer.addresses.smss: x", `4:19: unknown channel_type "smss"; did you mean "sms"?`},
		{"a type that only a channel has", "customer.addresses.letter: x", ""},
		{"bad locale", "customer.locale: Swiss German", `4:36: locale "Swiss German" is not one; write one such as "de-CH"`},
		{"bad zone", "customer.timezone: Mars/Olympus", `4:38: timezone "Mars/Olympus" is not known; write one such as "Europe/Zurich"`},
		{"a locale that is known later", `customer.locale: "{{ event.id }}"`, ""},
		{"an attribute that begins like it", "customer_name: x", ""},
	}
	for _, tt := range tests {
		_, got := loadIn(t, able(), oneRule("chat_idle", "do: [{ set: { "+tt.set+" } }]"))
		if got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

func TestDeclaredAttributesOfTheProfile(t *testing.T) {
	_, got := loadIn(t, able(), "attributes: { customer: { age: number } }\n"+
		oneRule("chat_idle", "do: [{ set: { customer.attributes.age: old } }, { set: { customer.attributes.age: 42, age: old } }]"))
	if want := `5:44: customer.attributes.age is declared to be a number, but is "old"`; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

func TestTextsThatAChannelRefuses(t *testing.T) {
	long := strings.TrimSpace(strings.Repeat("word ", 40)) // 199 letters: two SMS
	w := able()
	caps := &pluginv1.Capabilities{ToOutside: &pluginv1.TextLimit{Limit: 160}, Overflow: pluginv1.Overflow_REFUSE}
	w.Drivers["short"] = &pluginv1.Driver{Capabilities: caps}
	for text, want := range map[string]string{
		long:       `5:22: the text is too long for the channel "short", which refuses what is over its limit; shorten it`,
		long[:100]: "",
	} {
		if _, got := loadIn(t, w, oneRule("chat_idle", "service: demo", "do: [{ send_sms: "+text+" }]")); got != want {
			t.Errorf("%d letters:\n got %s\nwant %s", len(text), got, want)
		}
	}
}

func TestFlowsSetTheProfile(t *testing.T) {
	flow := func(set string) string {
		return "flows:\n  - name: f\n    steps:\n      - set: { " + set + " }\n" + oneRule("chat_idle", "do: [{ flow: f }]")
	}
	if _, got := loadIn(t, able(), flow("customer.name: Ada, customer.attributes.tier: gold")); got != "" {
		t.Error(got)
	}
	want := `4:16: unknown field "customer.naem" of a customer; did you mean "customer.name"?`
	if _, got := loadIn(t, able(), flow("customer.naem: Ada")); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}
