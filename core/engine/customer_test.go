package engine

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/profile"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

func setName(name string) *state.CustomerChanged {
	return &state.CustomerChanged{
		By: "operator", Channel: "chan", Address: "ada", Changes: []*state.ProfileChange{{Field: "name", Value: name}},
	}
}

// TestChatHasTheProfile: the desk is given all of it when a chat opens, and again
// when it changes.
func TestChatHasTheProfile(t *testing.T) {
	conf := func(r *rig) {
		r.snap.Instances["desk"].Abilities = []string{pluginv1.AbilityUpdate}
		r.rules = func(v *state.View) core.Evaluation {
			return core.Evaluation{Actions: []core.Action{{Rule: "r", Kind: core.Set, Key: "topic", Value: "billing"}}}
		}
	}
	engine(t, conf, func(r *rig) {
		want := &pluginv1.Customer{
			Address: "ada", Name: "Ada Lovelace", FirstName: "Ada", LastName: "Lovelace", Locale: "de-CH", Timezone: "Europe/Zurich",
			Addresses: map[string]string{"sms": "+41791111111"}, Attributes: map[string]string{"tier": "gold"},
		}
		ev := from("ada", "1", "hi")
		ev.Customer = want.CloneVT()
		r.accept("chan", ev)
		opened := r.all()[0]
		if d := cmp.Diff(want, opened.Chat.Customer, protocmp.Transform()); d != "" || opened.Op != pluginv1.Op_OPEN {
			t.Errorf("%v has the profile (-want +got):\n%s", opened.Op, d)
		}
		if opened.Chat.Attributes["topic"] != "billing" {
			t.Errorf("attributes %v", opened.Chat.Attributes)
		}
		r.forget()
		got, err := r.e.ChangeCustomer(r.Context(), setName("Ada King"), false)
		if err != nil {
			t.Fatal(err)
		}
		want.Name = "Ada King"
		if d := cmp.Diff(want, got, protocmp.Transform()); d != "" {
			t.Errorf("ChangeCustomer returns (-want +got):\n%s", d)
		}
		if d := cmp.Diff(want, r.doc(ada()).Customer, protocmp.Transform()); d != "" {
			t.Errorf("when it returns the document has (-want +got):\n%s", d)
		}
		r.after(0)
		calls := r.all()
		if len(calls) != 1 || calls[0].Op != pluginv1.Op_UPDATE || calls[0].Chat.Ref != "chat-1" || calls[0].Chat.Customer.Name != "Ada King" {
			t.Fatalf("calls %v, want one update", calls)
		}
		if r.logs.has("Ada King") || r.logs.has("+4179") {
			t.Error("the log has personal data")
		}
	})
}

func TestUpdatesWaitInTheChatsLane(t *testing.T) {
	conf := func(r *rig) { r.snap.Instances["desk"].Abilities = []string{pluginv1.AbilityUpdate} }
	engine(t, conf, func(r *rig) {
		r.open()
		r.down("desk")
		for _, name := range []string{"A", "B", "C"} {
			if _, err := r.e.ChangeCustomer(r.Context(), setName(name), false); err != nil {
				t.Fatal(err)
			}
		}
		r.restart()
		r.after(time.Minute)
		calls := r.all()
		if len(calls) == 0 || len(calls) > 2 {
			t.Fatalf("%d calls, want one or two", len(calls))
		}
		for _, c := range calls {
			if c.Op != pluginv1.Op_UPDATE || c.Chat.Customer.Name != "C" {
				t.Errorf("call %v", c.Call)
			}
		}
	})
}

func TestChangeCustomerRefuses(t *testing.T) {
	change := func(channel, address, field, value string) *state.CustomerChanged {
		return &state.CustomerChanged{Channel: channel, Address: address, Changes: []*state.ProfileChange{{Field: field, Value: value}}}
	}
	tests := []struct {
		name   string
		change *state.CustomerChanged
		create bool
		want   core.Code
		text   string
	}{
		{"unknown channel", change("nobody", "ada", "name", "A"), false, core.NotFound, `no channel "nobody"`},
		{"an integration", change("desk", "ada", "name", "A"), true, core.NotFound, `no channel "desk"`},
		{"unknown customer", change("chan", "bob", "name", "A"), false, core.NotFound, `channel "chan" has no such customer`},
		{"a new one who is there", change("chan", "ada", "name", "A"), true, core.Conflict, `channel "chan" has this customer already`},
		{"a new one on a channel that leaves", change("old", "ada", "name", "A"), true, core.Conflict, "being removed"},
		{"unknown field", change("chan", "ada", "nam_e", "A"), false, core.Invalid, `unknown field "nam_e" of a customer; known are `},
		{"bad locale", change("chan", "ada", "locale", "Swiss German"), false, core.Invalid, `locale "Swiss German" is not one; write one such as "de-CH"`},
		{"bad zone", change("chan", "new", "timezone", "Mars"), true, core.Invalid, `timezone "Mars" is not known`},
		{"a full profile", change("chan", "ada", "attributes.more", "x"), false, core.Conflict, "no room"},
	}
	conf := func(r *rig) {
		r.snap.Instances["old"] = &conversation.Instance{Name: "old", Channel: true, Caps: &pluginv1.Capabilities{}, Removed: true}
	}
	engine(t, conf, func(r *rig) {
		r.open()
		full := &state.CustomerChanged{Channel: "chan", Address: "ada"}
		for i := range profile.MaxFields {
			full.Changes = append(full.Changes, &state.ProfileChange{Field: "attributes." + strings.Repeat("k", i+1), Value: "x"})
		}
		if _, err := r.e.ChangeCustomer(r.Context(), full, false); err != nil {
			t.Fatal(err)
		}
		for _, tt := range tests {
			_, err := r.e.ChangeCustomer(r.Context(), tt.change, tt.create)
			if core.CodeOf(err) != tt.want || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("%s: %v, want %s: %s", tt.name, err, tt.want, tt.text)
			}
		}
		if doc := r.doc(core.NewConversationID("chan", "bob")); doc != nil {
			t.Errorf("a refused change made %v", doc)
		}
	})
}

func TestCustomersAreMade(t *testing.T) {
	engine(t, nil, func(r *rig) {
		ch := setName("Ada")
		if _, err := r.e.ChangeCustomer(r.Context(), ch, true); err != nil {
			t.Fatal(err)
		}
		r.restart()
		doc := r.doc(ada())
		if doc.GetChannel() != "chan" || doc.GetService() != "shop" || doc.GetCustomer().GetName() != "Ada" {
			t.Fatalf("document %v", doc)
		}
		r.accept("chan", from("ada", "1", "hi"))
		if c := r.all()[0]; c.Op != pluginv1.Op_OPEN || c.Chat.Customer.Name != "Ada" {
			t.Errorf("call %v", c.Call)
		}
		r.idle()
	})
}
