package engine

import (
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// change puts another snap in force, as a save of gateway.hcl does.
func (r *rig) change(change func(*conversation.Snap)) {
	r.Helper()
	r.snap = testSnap()
	change(r.snap)
	r.e.SetSnap(r.snap)
	r.after(time.Millisecond)
}

func removed(names ...string) func(*conversation.Snap) {
	return func(s *conversation.Snap) {
		for _, name := range names {
			s.Instances[name].Removed = true
		}
	}
}

func without(name string) func(*conversation.Snap) {
	return func(s *conversation.Snap) { delete(s.Instances, name) }
}

// wantRemains fails the test if an instance has something else left.
func (r *rig) wantRemains(name string, want Remains) {
	r.Helper()
	all, err := r.e.Remains(r.Context(), name)
	if err != nil || all[name] != want {
		r.Errorf("%s has %+v left, %v; want %+v", name, all[name], err, want)
	}
}

func wantCode(t *testing.T, what string, err error, want core.Code) {
	t.Helper()
	if got := core.CodeOf(err); got != want {
		t.Errorf("%s: %v (code %q), want %q", what, err, got, want)
	}
}

// A removed integration finishes its chats; who writes next goes where the
// service sends them now.
func TestARemovedIntegrationDrains(t *testing.T) {
	engine(t, nil, func(r *rig) {
		r.open()
		other := func(s *conversation.Snap) {
			s.Instances["desk2"] = &conversation.Instance{Name: "desk2", Caps: &pluginv1.Capabilities{}}
			s.Services["shop"].Integration = "desk2"
		}
		r.change(func(s *conversation.Snap) { other(s); removed("desk")(s) })
		r.wantRemains("desk", Remains{Chats: 1})
		r.agentSays("a1")
		r.accept("chan", from("ada", "m2", "m2"))
		r.want("chan", "a1")
		r.want("desk", "m2")
		r.accept("chan", from("bob", "b1", "b1"))
		r.want("desk2", "b1")
		wantCode(t, "a chat of the removed desk's own", r.tryAccept("desk", said("new", "n1", "n1")), core.Unavailable)

		r.crash() // it goes on draining
		r.boot()
		r.forget()
		r.accept("desk", said("chat-1", "a2", "a2"), &pluginv1.Event{Type: sdk.ChatClosed, Id: "end", Ref: "chat-1"})
		r.want("chan", "a2")
		r.wantRemains("desk", Remains{})
		r.accept("chan", from("ada", "m3", "m3"))
		r.want("desk2", "m3")
		r.change(func(s *conversation.Snap) { other(s); delete(s.Instances, "desk") })
		wantCode(t, "an event of what is no more", r.tryAccept("desk", said("chat-1", "a3", "a3")), core.NotFound)
		r.wantDead()
		r.idle()
	})
}

// A removed channel takes from customers whose chat is open, and from nobody else.
func TestARemovedChannelDrains(t *testing.T) {
	engine(t, keeping, func(r *rig) {
		r.open()
		r.agentSays("a0")
		ids := r.undelivered("", "a0")
		r.forget()
		r.change(func(s *conversation.Snap) { removed("chan")(s); s.Instances["chan"].Caps.Receipts = true })
		wantCode(t, "a new customer", r.tryAccept("chan", from("bob", "b1", "b1")), core.Unavailable)
		r.accept("chan", from("ada", "m2", "m2"), receipt(ids[0]))
		r.agentSays("a1")
		r.want("desk", "m2")
		r.want("chan", "a1")
		r.wantRemains("chan", Remains{Chats: 1})
		r.accept("desk", &pluginv1.Event{Type: sdk.ChatClosed, Id: "end", Ref: "chat-1"})
		r.wantRemains("chan", Remains{})
		wantCode(t, "a customer whose chat has ended", r.tryAccept("chan", from("ada", "m3", "m3")), core.Unavailable)
		if doc := r.doc(core.NewConversationID("chan", "bob")); doc != nil {
			t.Errorf("bob has a conversation: %v", doc)
		}

		r.change(func(*conversation.Snap) {}) // it comes back
		r.accept("chan", from("ada", "m3", "m3"))
		r.want("desk", "m2", "m3")
		r.wantDead()
		r.idle()
	})
}

// Commands that wait for a plugin are counted, also after a restart, and end as
// dead letters once the instance is no more.
func TestWhatWaitsForARemovedInstance(t *testing.T) {
	for _, restart := range []bool{false, true} {
		engine(t, nil, func(r *rig) {
			r.open()
			r.down("chan")
			r.agentSays("a1", "a2")
			r.change(removed("chan"))
			r.wantRemains("chan", Remains{Chats: 1, Commands: 2})
			if restart {
				r.crash()
				r.boot()
				r.down("chan")
				r.after(time.Second)
				r.wantRemains("chan", Remains{Chats: 1, Commands: 2})
			}
			if n, err := r.e.CloseAll(t.Context(), "chan", "operator", "removed"); n != 1 || err != nil {
				t.Fatalf("CloseAll = %d, %v; want 1", n, err)
			}
			r.after(time.Second)
			r.wantRemains("chan", Remains{Commands: 2})
			if c := r.doc(ada()).Chat; c.State != state.ChatState_CHAT_CLOSED || c.Reason != "removed" {
				t.Errorf("chat %v, want it closed, reason removed", c)
			}
			last := r.all()[len(r.all())-1]
			if last.instance != "desk" || last.Op != pluginv1.Op_CLOSE || last.Reason != "removed" {
				t.Errorf("the last call is %v to %s, want the desk told", last.Op, last.instance)
			}
			r.change(without("chan"))
			r.after(time.Second)
			r.wantRemains("chan", Remains{})
			r.wantDead("a1: no_instance", "a2: no_instance")
			r.idle()
		})
	}
}

// A message that waits in a chat which ends is a dead letter, and not lost, if
// its channel takes no new chats.
func TestARemovedChannelOpensNoChats(t *testing.T) {
	engine(t, nil, func(r *rig) {
		r.open()
		r.answer(func(c *call) {
			if c.Op == pluginv1.Op_SEND {
				c.outcome(pluginv1.Outcome_RETRY, time.Minute)
				return
			}
			c.ok()
		})
		r.accept("chan", from("ada", "m2", "m2"))
		r.change(removed("chan"))
		r.accept("desk", &pluginv1.Event{Type: sdk.ChatClosed, Id: "end", Ref: "chat-1"})
		r.after(2 * time.Minute)
		r.wantDead("m2: channel_removed")
		r.wantRemains("chan", Remains{})
		r.idle()
	})
}

// Open chats follow their service's timers at once, in both directions.
func TestTimersChangeForOpenChats(t *testing.T) {
	engine(t, unattended, func(r *rig) {
		r.open()
		r.after(5 * time.Minute)
		r.change(func(s *conversation.Snap) { s.Services["shop"].UnattendedAfter = []time.Duration{time.Hour} })
		r.after(20 * time.Minute)
		if n := len(r.fires(ada())); n != 0 {
			t.Fatalf("%d fires after 25 minutes, want none before the hour", n)
		}
		r.change(func(s *conversation.Snap) {
			s.Services["shop"].UnattendedAfter = []time.Duration{30 * time.Minute, 40 * time.Minute}
		})
		r.after(5*time.Minute + time.Second)
		fires := r.fires(ada())
		if len(fires) != 1 || fires[0].View.Event.GetWaitTime() != 30 || fires[0].View.LateBy != 0 {
			t.Fatalf("fires = %v, want one of 30 minutes on time", fires)
		}
		r.change(func(s *conversation.Snap) { s.Services["shop"].CloseAfter = 10 * time.Minute })
		r.after(time.Second) // overdue by the new time
		if c := r.doc(ada()).Chat; c.State != state.ChatState_CHAT_CLOSED || c.Reason != "timed_out" {
			t.Errorf("chat %v, want it closed, reason timed_out", c)
		}
		r.idle()
	})
}

// A timer that there was none of runs from the save on, also for chats in which
// nothing happens.
func TestATimerIsAdded(t *testing.T) {
	engine(t, nil, func(r *rig) {
		r.open()
		r.after(time.Minute)
		r.change(func(s *conversation.Snap) { s.Services["shop"].UnattendedAfter = []time.Duration{15 * time.Minute} })
		r.after(14*time.Minute + time.Second)
		if n := len(r.fires(ada())); n != 1 {
			t.Errorf("%d fires, want one", n)
		}
		r.idle()
	})
}
