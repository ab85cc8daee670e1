package conversation_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// asked is a world in which a customer's message makes a rule ask for actions.
func asked(t *testing.T, actions ...core.Action) *world {
	t.Helper()
	w := newWorld(t)
	w.snap.Services["retail"].Forward = none
	w.snap.Rules = on(sdk.CustomerMessage, actions...)
	w.event("web", &pluginv1.Event{Type: sdk.CustomerMessage, Text: "hi", Customer: &pluginv1.Customer{
		Address: "ada", Addresses: map[string]string{"sms": "+41"},
	}})
	return w
}

func TestSendElsewhere(t *testing.T) {
	tests := []struct {
		name   string
		action core.Action
		target core.ConversationID // zero: this conversation
	}{
		{"here", core.Action{Text: "x"}, core.ConversationID{}},
		{"here by channel", core.Action{Text: "x", Channel: "web"}, core.ConversationID{}},
		{"here by type", core.Action{Text: "x", ChannelType: "rtm"}, core.ConversationID{}},
		{"here by address", core.Action{Text: "x", To: "ada"}, core.ConversationID{}},
		{"profile's address by type", core.Action{Text: "x", ChannelType: "sms"}, core.NewConversationID("sms", "+41")},
		{"profile's address by channel", core.Action{Text: "x", Channel: "sms"}, core.NewConversationID("sms", "+41")},
		{"another address", core.Action{Text: "x", Channel: "sms", To: "+49"}, core.NewConversationID("sms", "+49")},
		{"another customer of the channel", core.Action{Text: "x", To: "bob"}, core.NewConversationID("web", "bob")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.action.Kind = core.Send
			w := asked(t, tt.action)
			if tt.target == (core.ConversationID{}) {
				w.want("customer DELIVER x")
				return
			}
			c := w.one(state.CommandKind_APPEND)
			if core.ConversationID(c.Target) != tt.target || len(w.pending) != 1 {
				t.Fatalf("command %v", c)
			}
			mail := &state.Mail{}
			if err := mail.UnmarshalVT(c.Body); err != nil {
				t.Fatal(err)
			}
			out := mail.GetOutbound()
			if mail.Hops != 1 || out.Id != c.GetMessage().GetId() && out.Id == "" || out.Message.Text != "x" || out.Rule != "r" {
				t.Fatalf("mail %v", mail)
			}

			// The other conversation writes to its customer, and no rule sees it.
			there := newWorldOf(t, tt.target)
			there.snap.Rules = rules(func(*state.View) []core.Action { return []core.Action{{Kind: core.Tag, Key: "seen"}} })
			there.mail(mail)
			there.want("customer DELIVER x")
			d := there.pending[0]
			if d.Hops != 1 || there.doc.Customer.Address != out.Address || there.doc.Channel != out.Channel || len(there.doc.Tags) != 0 {
				t.Errorf("command %v, document %v", d, there.doc)
			}
		})
	}
}

func TestDroppedActions(t *testing.T) {
	tests := []struct {
		name   string
		action core.Action
		want   string
	}{
		{"no address", core.Action{Kind: core.Send, Text: "x", ChannelType: "voice", Channel: "voice"}, "APPEND dropped no_address"},
		{"no such channel", core.Action{Kind: core.Send, Text: "x", Channel: "fax"}, "APPEND dropped no_channel"},
		{"an integration is no channel", core.Action{Kind: core.Send, Text: "x", Channel: "desk", To: "a"}, "APPEND dropped no_channel"},
		{"no channel of the type", core.Action{Kind: core.Send, Text: "x", ChannelType: "fax"}, "APPEND dropped no_channel"},
		{"template of a send", core.Action{Kind: core.Send, Err: "boom"}, "DELIVER dropped template: boom"},
		{"template of a notify", core.Action{Kind: core.Notify, Err: "boom"}, "NOTIFY dropped template: boom"},
		{"template of a set", core.Action{Kind: core.Set, Key: "k", Err: "boom"}, "COMMAND_UNSPECIFIED dropped template: boom"},
		{"template of a forward", core.Action{Kind: core.Forward, Owner: bot, Err: "boom"}, "COMMAND_UNSPECIFIED dropped template: boom"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.snap.Instances["voice"] = &conversation.Instance{Name: "voice", Channel: true, Caps: &pluginv1.Capabilities{ChannelType: "voice"}}
			w.snap.Services["retail"].Forward = none
			w.snap.Rules = on(sdk.CustomerMessage, tt.action, core.Action{Kind: core.Send, Text: "next"})
			w.customer("hi")
			w.wantEnded(tt.want)
			w.want("customer DELIVER next") // independent in failure
			if r := w.records()[0]; len(r.Commands) != 2 {
				t.Errorf("the record names %v", r.Commands)
			}
			if len(w.doc.Attributes) != 0 {
				t.Errorf("attributes %v", w.doc.Attributes)
			}
		})
	}
}

func TestLoopGuard(t *testing.T) {
	w := newWorld(t)
	w.snap.Rules = rules(func(v *state.View) []core.Action {
		return []core.Action{{Kind: core.Emit, Key: "again", Params: map[string]string{"hops": fmt.Sprint(v.Hops)}}}
	})
	w.snap.Services["retail"].Forward = none
	w.customer("hi")
	if got := w.records(); len(got) != 8 || got[7].View.Hops != 7 || got[7].View.Event.Params["hops"] != "6" {
		t.Errorf("%d records", len(got))
	}
	w.wantEnded("COMMAND_UNSPECIFIED dropped loop_guard")

	w = newWorld(t)
	w.snap.Rules = on("custom_event", core.Action{Kind: core.Send, Channel: "sms", To: "+1", Text: "x"})
	w.mail(&state.Mail{Instance: "web", Hops: 6, Body: &state.Mail_Event{Event: &pluginv1.Event{Type: sdk.CustomEvent}}})
	if c := w.one(state.CommandKind_APPEND); c.Hops != 6 {
		t.Errorf("command %v", c)
	}
	w.mail(&state.Mail{Instance: "web", Hops: 7, Body: &state.Mail_Event{Event: &pluginv1.Event{Type: sdk.CustomEvent}}})
	w.wantEnded("APPEND dropped loop_guard")
}

// Rules that emit several events each must not make one event a million.
func TestEmitStorm(t *testing.T) {
	w := newWorld(t)
	storm := slices.Repeat([]core.Action{{Kind: core.Emit, Key: "x"}}, 20)
	w.snap.Rules = rules(func(*state.View) []core.Action { return storm })
	w.snap.Services["retail"].Forward = none
	w.customer("hi")
	if n := len(w.records()); n > 100 {
		t.Errorf("%d events of one", n)
	}
	if !slices.Contains(w.ended(), "COMMAND_UNSPECIFIED dropped loop_guard") {
		t.Error("nothing says that events were dropped")
	}
}

func TestEmit(t *testing.T) {
	w := asked(t, core.Action{Kind: core.Emit, Key: "vip_wrote", Params: map[string]string{"a": "b"}})
	w.wantTypes(sdk.CustomerMessage, sdk.CustomEvent)
	v := w.records()[1].View
	if v.Event.EventName != "vip_wrote" || v.Event.Params["a"] != "b" || v.Hops != 1 || v.Source != "rule" {
		t.Errorf("view %v", v)
	}
}

func TestSetAndTagAreBounded(t *testing.T) {
	var many []core.Action
	for i := range 120 {
		many = append(many, core.Action{Kind: core.Set, Key: fmt.Sprint("k", i), Value: strings.Repeat("v", 5000)},
			core.Action{Kind: core.Tag, Key: fmt.Sprint("t", i)}, core.Action{Kind: core.Tag, Key: fmt.Sprint("t", i)})
	}
	many = append(many, core.Action{Kind: core.Set, Key: "k0", Value: "new"})
	w := asked(t, many...)
	if len(w.doc.Attributes) != 100 || w.doc.Attributes["k0"] != "new" || len(w.doc.Attributes["k1"]) != 4096 {
		t.Errorf("%d attributes, k0 %q, k1 of %d bytes", len(w.doc.Attributes), w.doc.Attributes["k0"], len(w.doc.Attributes["k1"]))
	}
	if len(w.doc.Tags) != 50 || w.doc.Tags[49] != "t49" {
		t.Errorf("%d tags", len(w.doc.Tags))
	}
	ends := w.ended()
	if n := len(ends); n != 20+2*70 || !slices.Contains(ends, "COMMAND_UNSPECIFIED dropped too_many_attributes") ||
		!slices.Contains(ends, "COMMAND_UNSPECIFIED dropped too_many_tags") {
		t.Errorf("%d actions dropped", n)
	}
}

func TestNotify(t *testing.T) {
	a := core.Action{Kind: core.Notify, Endpoint: "ops", Body: []byte(`{"a":1}`)}
	w := asked(t, a, a)
	w.want("notify:1 NOTIFY", "notify:2 NOTIFY") // a lane each: they are unordered
	if c := w.pending[1]; c.Endpoint != "ops" || string(c.Body) != `{"a":1}` || c.Number != 2 {
		t.Errorf("command %v", c)
	}
	d := w.dead(w.pending[0], "rejected")
	w.mail(&state.Mail{Source: "api", Body: &state.Mail_Replay{Replay: &state.Replay{Commands: []*state.Command{d.Dead[0].Command}}}})
	w.want("notify:2 NOTIFY", "notify:3 NOTIFY")
}

func TestUnknownEventsAreCustomEvents(t *testing.T) {
	for _, typ := range []string{"order_paid", "", "outbound_requested", "replay_requested", conversation.FlowDue} {
		w := newWorld(t)
		w.snap.Rules = on(sdk.CustomEvent, core.Action{Kind: core.Tag, Key: "seen"})
		w.event("web", &pluginv1.Event{Type: typ, Customer: &pluginv1.Customer{Address: "ada"}})
		if v := w.records()[0].View; v.Type != sdk.CustomEvent || v.Event.EventName != typ || len(w.doc.Tags) != 1 {
			t.Errorf("%q became %v", typ, v)
		}
	}
}

func TestProfileIsBounded(t *testing.T) {
	long := strings.Repeat("客", 5000)
	many := map[string]string{}
	for i := range 300 {
		many[fmt.Sprintf("%03d", i)] = long
	}
	w := newWorld(t)
	w.event("web", &pluginv1.Event{Type: sdk.CustomEvent, Customer: &pluginv1.Customer{
		Address: "ada", Name: long, Attributes: many, Addresses: many,
	}})
	c := w.doc.Customer
	if len(c.Name) > 4096 || len(c.Attributes) != 100 || c.Attributes["099"] == "" || len(c.Addresses) != 100 || len(c.Attributes["000"]) > 4096 {
		t.Errorf("name of %d bytes, %d attributes, %d addresses", len(c.Name), len(c.Attributes), len(c.Addresses))
	}
	w.event("web", &pluginv1.Event{Type: sdk.CustomEvent, Customer: &pluginv1.Customer{Address: "ada", Locale: "de"}})
	if c := w.doc.Customer; c.Locale != "de" || c.Name == "" {
		t.Error("a profile without a name takes the name away")
	}
}

func TestViewIsBounded(t *testing.T) {
	w := newWorld(t)
	w.snap.Services["retail"].Forward = none
	var seen *state.View
	w.snap.Rules = rules(func(v *state.View) []core.Action {
		seen = v
		return nil
	})
	text := strings.Repeat("客", 3000)
	w.snap.Services["retail"].Forward = ccsp
	w.snap.Instances["desk"].Caps = nil
	w.customer(text)
	if !seen.Cut || len(seen.Event.Text) > 4096 || !strings.HasPrefix(text, seen.Event.Text) {
		t.Errorf("rules saw %d bytes, cut %v", len(seen.Event.Text), seen.Cut)
	}
	if got := w.records()[0].View; got.Event.Text != seen.Event.Text || !got.Cut {
		t.Error("what is recorded is not what rules saw")
	}
	if got := w.one(state.CommandKind_CHAT_OPEN_CMD).Message.Text; got != text {
		t.Errorf("the agent gets %d bytes of %d", len(got), len(text))
	}
}

// What is recorded is what the rules saw, not what they made of it: else the
// record could not be explained.
func TestTheRecordHasTheAttributesThatTheRulesSaw(t *testing.T) {
	w := newWorld(t)
	w.snap.Rules = rules(func(v *state.View) []core.Action {
		return []core.Action{{Kind: core.Set, Key: "topic", Value: v.Event.Text}}
	})
	for i, text := range []string{"billing", "returns", "thanks"} {
		w.customer(text)
		if got, want := w.records()[0].View.Attributes["topic"], []string{"", "billing", "returns"}[i]; got != want {
			t.Errorf("%s: the record says %q, want %q", text, got, want)
		}
	}
	if w.doc.Attributes["topic"] != "thanks" {
		t.Errorf("attributes %v", w.doc.Attributes)
	}
}
