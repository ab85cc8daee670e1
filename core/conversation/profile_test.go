package conversation_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// change is what an operator does to ada's profile.
func (w *world) change(changes ...*state.ProfileChange) *conversation.Decision {
	w.t.Helper()
	return w.mail(&state.Mail{Source: "api", Body: &state.Mail_Customer{Customer: &state.CustomerChanged{
		By: "operator", Channel: "web", Address: "ada", Changes: changes,
	}}})
}

func (w *world) wantProfile(want *pluginv1.Customer) {
	w.t.Helper()
	if d := cmp.Diff(want, w.doc.Customer, protocmp.Transform()); d != "" {
		w.t.Fatalf("profile (-want +got):\n%s", d)
	}
}

func TestContactCentersFillTheProfile(t *testing.T) {
	told := &pluginv1.Customer{Address: "eve", LastName: "Lovelace", Attributes: map[string]string{"tier": "gold"}}
	before := &pluginv1.Customer{Address: "ada", FirstName: "Ada"}
	after := &pluginv1.Customer{Address: "ada", FirstName: "Ada", LastName: "Lovelace", Attributes: map[string]string{"tier": "gold"}}
	tests := []struct {
		name, instance, ref string
		want                *pluginv1.Customer
	}{
		{"of its chat", "desk", "chat-1", after},
		{"of another chat", "desk", "chat-9", before},
		{"of another integration", "other", "chat-1", before},
		{"the bot", "bot", "", after},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.snap.Instances["other"] = &conversation.Instance{Name: "other", Caps: &pluginv1.Capabilities{}}
			w.chat()
			w.event(tt.instance, &pluginv1.Event{Type: sdk.CustomEvent, EventName: "edited", Ref: tt.ref, Customer: told})
			w.wantProfile(tt.want)
			if id := w.doc.Channel; id != "web" {
				t.Errorf("it lives on %q", id)
			}
		})
	}
}

func TestOrphansHaveNoProfile(t *testing.T) {
	w := newWorldOf(t, core.OrphanID("desk", "chat-7"))
	w.event("desk", &pluginv1.Event{Type: sdk.ChatAssigned, Ref: "chat-7", Customer: &pluginv1.Customer{Name: "Ada"}})
	if w.doc.Customer != nil {
		t.Errorf("an orphan has the customer %v", w.doc.Customer)
	}
	w.snap.Rules = on(sdk.ChatAssigned, core.Action{Kind: core.Set, Key: "customer.name", Value: "Ada"})
	w.event("desk", &pluginv1.Event{Type: sdk.ChatAssigned, Ref: "chat-7"})
	w.wantEnded("COMMAND_UNSPECIFIED dropped no_customer")
}

func TestRulesSetTheProfile(t *testing.T) {
	set := func(key, value string) core.Action { return core.Action{Kind: core.Set, Key: key, Value: value} }
	w := newWorld(t)
	w.snap.Rules = on(sdk.CustomerMessage,
		set("customer.name", "Ada Lovelace"), set("customer.locale", "Swiss German"), set("customer.timezone", "Europe/Zurich"),
		set("customer.addresses.sms", "+41791111111"), set("customer.attributes.tier", "gold"), set("topic", "billing"),
		set("customer.shoe", "38"))
	w.customer("hi")
	w.wantEnded("COMMAND_UNSPECIFIED dropped bad_locale: customer.locale", "COMMAND_UNSPECIFIED dropped unknown_field: customer.shoe")
	w.wantProfile(&pluginv1.Customer{
		Address: "ada", FirstName: "Ada", Name: "Ada Lovelace", Timezone: "Europe/Zurich",
		Addresses: map[string]string{"sms": "+41791111111"}, Attributes: map[string]string{"tier": "gold"},
	})
	if w.doc.Attributes["topic"] != "billing" || len(w.doc.Attributes) != 1 {
		t.Errorf("attributes %v", w.doc.Attributes)
	}
	if got := w.records()[0].View.Customer; got.Name != "" || got.Attributes != nil {
		t.Errorf("the record of what the rules saw has what they did: %v", got)
	}
	w.snap.Rules = nil
	w.customer("hi")
	if got := w.records()[0].View.Customer.Name; got != "Ada Lovelace" {
		t.Errorf("the next event sees the name %q", got)
	}
}

func TestSetInTheProfileIsBounded(t *testing.T) {
	var many []core.Action
	for i := range 120 {
		many = append(many, core.Action{Kind: core.Set, Key: "customer.attributes." + strings.Repeat("k", i+1), Value: strings.Repeat("v", 5000)})
	}
	w := asked(t, many...)
	if n := len(w.ended()); n != 20 || !strings.HasPrefix(w.ended()[0], "COMMAND_UNSPECIFIED dropped too_many_attributes: customer.attributes.k") {
		t.Errorf("%d are dropped: %.200q", n, w.ended())
	}
	if n := len(w.doc.Customer.Attributes["k"]); n != state.MaxText {
		t.Errorf("a value has %d bytes", n)
	}
}

func TestOperatorsChangeTheProfile(t *testing.T) {
	w := newWorld(t)
	w.customer("hi")
	seen := 0
	w.snap.Rules = rules(func(*state.View) []core.Action { seen++; return nil })
	w.change(&state.ProfileChange{Field: "first_name"}, &state.ProfileChange{Field: "name", Value: "Ada L."})
	w.wantProfile(&pluginv1.Customer{Address: "ada", Name: "Ada L."})
	r := w.records()[0]
	if seen != 0 || r.View.Type != "customer_changed" || r.View.Source != "api" || r.View.Event.By != "operator" {
		t.Errorf("record %v, seen by %d rules", r, seen)
	}
	if d := cmp.Diff(map[string]string{"first_name": "", "name": "Ada L."}, r.View.Event.Params); d != "" {
		t.Errorf("what the history says (-want +got):\n%s", d)
	}
	if w.doc.CustomerMs != w.now.UnixMilli() || w.doc.Chat.CustomerMessages != 1 {
		t.Errorf("it counts as a message: %v", w.doc)
	}
}

func TestOperatorsMakeCustomers(t *testing.T) {
	w := newWorld(t)
	d := w.change(&state.ProfileChange{Field: "name", Value: "Ada"})
	w.wantProfile(&pluginv1.Customer{Address: "ada", Name: "Ada"})
	if w.doc.Channel != "web" || w.doc.ChannelType != "rtm" || w.doc.Service != "retail" || w.doc.Chat != nil || !d.Indexed {
		t.Errorf("document %v, indexed %v", w.doc, d.Indexed)
	}
	w.want()
	w.customer("hi")
	w.want("chat:1 CHAT_OPEN_CMD hi")
}
