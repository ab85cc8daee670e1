package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// able gives the service channels for calls and pushes and the desk all its
// abilities. Rules do the actions when ada writes "go".
func able(actions ...core.Action) func(r *rig) {
	return func(r *rig) {
		s := r.snap.Services["shop"]
		s.Channels = append(s.Channels, "phone", "app")
		r.snap.Instances["phone"] = &conversation.Instance{Name: "phone", Channel: true, Service: "shop",
			Abilities: []string{pluginv1.AbilityCall}, Caps: &pluginv1.Capabilities{ChannelType: "voice"}}
		r.snap.Instances["app"] = &conversation.Instance{Name: "app", Channel: true, Service: "shop",
			Caps: &pluginv1.Capabilities{ChannelType: "push"}}
		r.snap.Instances["desk"].Abilities = []string{pluginv1.AbilityTransfer, pluginv1.AbilitySendEvent}
		r.rules = func(v *state.View) core.Evaluation {
			if v.Type == sdk.CustomerMessage && v.Event.Text == "go" {
				return core.Evaluation{Actions: actions}
			}
			return core.Evaluation{}
		}
	}
}

var callAda = core.Action{Kind: core.Call, Rule: "r", Text: "Hello", To: "+41"}

// goes opens ada's chat and lets her rule act.
func (r *rig) goes() {
	r.Helper()
	r.open()
	ev := from("ada", "go", "go")
	ev.Customer.Addresses = map[string]string{"push": "token"}
	r.accept("chan", ev)
}

// to returns the calls to an instance with an operation.
func (r *rig) to(instance string, op pluginv1.Op) (all []*call) {
	for _, c := range r.all() {
		if c.instance == instance && c.Op == op {
			all = append(all, c)
		}
	}
	return all
}

// ended returns the ends of ada's commands of a kind, with their reasons.
func (r *rig) endsOf(kind state.CommandKind) (ends []string) {
	r.Helper()
	_, all := r.history(ada())
	for _, e := range all {
		if e.Command.Kind == kind {
			ends = append(ends, e.End+" "+e.Reason)
		}
	}
	return ends
}

func TestActionsReachTheirDrivers(t *testing.T) {
	actions := []core.Action{
		callAda,
		{Kind: core.Push, Rule: "r", Title: "News", Text: "Read it.", Params: map[string]string{"page": "7"}},
		{Kind: core.Transfer, Rule: "r", To: "agent:bob"},
		{Kind: core.Emit, Rule: "r", Key: "vip", Vendor: true, Params: map[string]string{"tier": "gold"}},
		{Kind: core.Emit, Rule: "r", Key: "release", Far: true, Params: map[string]string{"why": "done"}},
	}
	engine(t, able(actions...), func(r *rig) {
		r.snap.Instances["chan"].Abilities = append(r.snap.Instances["chan"].Abilities, pluginv1.AbilitySendEvent)
		r.goes()
		if c := r.to("phone", pluginv1.Op_CALL_OUT); len(c) != 1 || c[0].Customer.Address != "+41" || c[0].Message.Text != "Hello" || c[0].Message.Id != c[0].Key {
			t.Errorf("calls %v", c)
		}
		push := r.to("app", pluginv1.Op_SEND)
		if len(push) != 1 || push[0].Customer.Address != "token" || push[0].Message.Text != "Read it." {
			t.Fatalf("pushes %v", push)
		}
		if diff := cmp.Diff(map[string]string{sdk.PushTitle: "News", "page": "7"}, push[0].Message.Extras); diff != "" {
			t.Error(diff)
		}
		if c := r.to("desk", pluginv1.Op_TRANSFER); len(c) != 1 || c[0].Target != "agent:bob" || c[0].Chat.Ref != "chat-1" {
			t.Errorf("transfers %v", c)
		}
		if c := r.to("desk", pluginv1.Op_EVENT); len(c) != 1 || c[0].EventName != "vip" || c[0].Params["tier"] != "gold" || c[0].Chat.Ref != "chat-1" {
			t.Errorf("events %v", c)
		}
		if c := r.to("chan", pluginv1.Op_EVENT); len(c) != 1 || c[0].EventName != "release" || c[0].Params["why"] != "done" || c[0].Chat != nil || c[0].Customer.Address != "ada" {
			t.Errorf("events of the channel %v", c)
		}
		r.want("desk", "go", "[automatic push] News: Read it.") // the call is to another number than hers
		for _, kind := range []state.CommandKind{state.CommandKind_CALL, state.CommandKind_PUSH,
			state.CommandKind_CHAT_TRANSFER, state.CommandKind_CHAT_EVENT} {
			want := []string{"sent "}
			if kind == state.CommandKind_CHAT_EVENT {
				want = append(want, "sent ")
			}
			if got := r.endsOf(kind); !slices.Equal(got, want) {
				t.Errorf("%v ended %q", kind, got)
			}
		}
		if a := r.doc(ada()).Customer.Address; a != "ada" {
			t.Errorf("ada's address is %q", a)
		}
		r.idle()
	})
}

// A push token that a channel reports is registered at the push channel, before
// what is pushed; logs and what is stored of it have it nowhere in the clear.
func TestPushTokenReachesItsDriver(t *testing.T) {
	engine(t, able(), func(r *rig) {
		r.snap.Instances["app"].Abilities = []string{pluginv1.AbilityRegister}
		r.open()
		tries := 0
		r.answer(func(c *call) {
			if tries++; tries == 1 {
				c.outcome(pluginv1.Outcome_RETRY, time.Second)
				return
			}
			c.ok()
		})
		const token = "secret-of-the-app"
		r.accept("chan", &pluginv1.Event{Type: sdk.PushToken, Customer: &pluginv1.Customer{Address: "ada"},
			Params: map[string]string{"platform": "fcm", "token": token}})
		r.after(time.Minute)
		calls := r.to("app", pluginv1.Op_REGISTER)
		if len(calls) != 2 || calls[1].Target != "fcm:"+token || !calls[1].On || calls[1].Customer.Address != "ada" || calls[1].Resent {
			t.Errorf("registrations %v", calls)
		}
		if got := r.endsOf(state.CommandKind_REGISTER); !slices.Equal(got, []string{"sent "}) {
			t.Errorf("ended %q", got)
		}
		records, ends := r.history(ada())
		if text := fmt.Sprint(records, ends, r.doc(ada())); strings.Contains(text, token) || r.logs.has(token) {
			t.Errorf("the token is in the clear: %s", text)
		}
		r.idle()
	})
}

// callEnded is what a voice channel tells of a call, by the call's id and with
// the number that was called.
func callEnded(id, callID string) *pluginv1.Event {
	return &pluginv1.Event{Type: sdk.CallEnded, Id: id, CallId: callID, Ref: callID, Text: callID, Customer: &pluginv1.Customer{Address: "+41"}}
}

func TestTheOutcomeOfACallComesToWhoPlacedIt(t *testing.T) {
	engine(t, able(callAda), func(r *rig) {
		var placed *call
		r.answer(func(c *call) {
			if c.Op == pluginv1.Op_CALL_OUT {
				placed = c
				return
			}
			c.ok()
		})
		r.open()
		r.accept("chan", from("ada", "go", "go"), from("ada", "next", "next")) // a call that rings holds nothing up
		r.want("desk", "go", "next")
		if placed == nil {
			t.Fatal("no call was placed")
		}
		r.accept("phone", callEnded("e1", placed.Key)) // by our id: it need not wait
		if err := r.tryAccept("phone", callEnded("e2", "CA1")); core.CodeOf(err) != core.Unavailable {
			t.Errorf("before the answer Accept = %v, want unavailable", err)
		}
		placed.done(&pluginv1.Result{Outcome: pluginv1.Outcome_OK, MessageId: "CA1"}, core.Answered)
		r.after(0)
		r.accept("phone", callEnded("e2", "CA1"))
		if got := r.decided(ada(), sdk.CallEnded); !slices.Equal(got, []string{placed.Key, "CA1"}) {
			t.Errorf("ada's conversation heard %q", got)
		}
		if doc := r.doc(ada()); doc.Channel != "chan" || doc.Customer.Address != "ada" {
			t.Errorf("document %v", doc)
		}

		// A call that nobody here placed is its caller's.
		r.accept("phone", callEnded("e3", "CA9"))
		if got := r.decided(core.NewConversationID("phone", "+41"), sdk.CallEnded); !slices.Equal(got, []string{"CA9"}) {
			t.Errorf("the caller's conversation heard %q", got)
		}
		unknown := callEnded("e4", "CA9")
		unknown.Customer = nil
		if err := r.tryAccept("phone", unknown); core.CodeOf(err) != core.NotFound {
			t.Errorf("Accept = %v, want not found", err)
		}
		r.idle()
	})
}

func TestTheOutcomeIsFoundAfterARestart(t *testing.T) {
	engine(t, able(callAda), func(r *rig) {
		r.answer(func(c *call) {
			if c.Op == pluginv1.Op_CALL_OUT {
				c.done(&pluginv1.Result{Outcome: pluginv1.Outcome_OK, MessageId: "CA1"}, core.Answered)
				return
			}
			c.ok()
		})
		r.goes()
		r.restart()
		r.accept("phone", callEnded("e1", "CA1"))
		if got := r.decided(ada(), sdk.CallEnded); len(got) != 1 {
			t.Errorf("ada's conversation heard %q", got)
		}
	})
}

func TestACallWithoutAnAnswerIsDead(t *testing.T) {
	engine(t, able(callAda), func(r *rig) {
		lost := func(c *call) {
			if c.Op == pluginv1.Op_CALL_OUT {
				c.done(nil, core.Lost)
				return
			}
			c.ok()
		}
		r.open()
		r.answer(lost)
		r.accept("chan", from("ada", "go", "go"))
		r.after(time.Hour)
		if n := len(r.to("phone", pluginv1.Op_CALL_OUT)); n != 1 {
			t.Fatalf("%d calls were placed, want 1", n)
		}
		r.wantDead("Hello: ambiguous")
		_, ids := r.dead()
		r.answer(nil)
		if _, err := r.e.Replay(t.Context(), ids[0]); err != nil { // a person may say so
			t.Fatal(err)
		}
		r.after(0)
		if c := r.to("phone", pluginv1.Op_CALL_OUT); len(c) != 2 || !c[1].Message.Late || c[1].Customer.Address != "+41" || c[0].Key == c[1].Key {
			t.Errorf("calls %v", c)
		}
		r.idle()
	})
}

// What a driver cannot do it says; what nobody is there for waits.
func TestActionsOfAnUnknownDriver(t *testing.T) {
	conf := func(r *rig) {
		able(core.Action{Kind: core.Transfer, Rule: "r", To: "2"})(r)
		r.snap.Instances["desk"].Caps, r.snap.Instances["desk"].Abilities = nil, nil
	}
	engine(t, conf, func(r *rig) {
		r.open()
		r.answer(func(c *call) {
			if c.Op == pluginv1.Op_TRANSFER {
				c.outcome(pluginv1.Outcome_UNSUPPORTED, 0)
				return
			}
			c.ok()
		})
		r.accept("chan", from("ada", "go", "go"))
		if got := r.endsOf(state.CommandKind_CHAT_TRANSFER); !slices.Equal(got, []string{"dropped unsupported"}) {
			t.Errorf("the transfer ended %q", got)
		}
		r.idle()
	})
}

// A lane whose head waited for one push channel, and died, waits for that of its
// next command.
func TestTokenWaitsAtAnotherChannel(t *testing.T) {
	two := func(r *rig) {
		able()(r)
		first := r.snap.Instances["app"]
		first.Abilities = []string{pluginv1.AbilityRegister}
		second := *first
		second.Name = "tablet"
		r.snap.Instances["tablet"] = &second
		r.snap.Services["shop"].Channels = append(r.snap.Services["shop"].Channels, "tablet")
	}
	engine(t, two, func(r *rig) {
		r.open()
		r.down("app")
		r.down("tablet")
		token := func(name string) {
			r.accept("chan", &pluginv1.Event{Type: sdk.PushToken, Customer: &pluginv1.Customer{Address: "ada"},
				Params: map[string]string{"platform": "fcm", "token": name}})
		}
		token("one")
		r.after(25 * time.Hour)
		token("two") // now somebody sees how old the first is
		r.up("tablet")
		r.after(time.Second)
		if calls := r.to("tablet", pluginv1.Op_REGISTER); len(calls) != 1 || calls[0].Target != "fcm:one" {
			t.Errorf("registrations %v", calls)
		}
		r.up("app")
		r.after(time.Second)
		if calls := r.to("tablet", pluginv1.Op_REGISTER); len(calls) != 2 {
			t.Errorf("registrations %v", calls)
		}
		r.idle()
	})
}
