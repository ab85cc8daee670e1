package engine

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// typers can show typing on both sides.
func typers(r *rig) {
	r.snap.Instances["chan"].Abilities = []string{pluginv1.AbilityTypingToCustomer}
	r.snap.Instances["desk"].Abilities = []string{pluginv1.AbilityTypingToChat}
}

func TestTyping(t *testing.T) {
	customer, agent := &pluginv1.Typing{Address: "ada", On: true}, &pluginv1.Typing{ChatRef: "chat-1", On: true}
	tests := []struct {
		name     string
		conf     func(r *rig)
		before   func(r *rig)
		from     string
		typing   *pluginv1.Typing
		to       string // "": dropped
		inMemory bool
	}{
		{name: "of a customer", from: "chan", typing: customer, to: "desk"},
		{name: "of an agent", from: "desk", typing: agent, to: "chan"},
		{name: "of an unknown customer", from: "chan", typing: &pluginv1.Typing{Address: "bob"}},
		{name: "in an unknown chat", from: "desk", typing: &pluginv1.Typing{ChatRef: "chat-9"}},
		{name: "at an unknown instance", from: "nobody", typing: customer},
		{
			name: "after the chat", from: "chan", typing: customer,
			before: func(r *rig) {
				if err := r.e.Close(r.Context(), ada(), "operator", ""); err != nil {
					r.Fatal(err)
				}
				r.after(0)
			},
		},
		{
			name: "behind a message to the same side", from: "desk", typing: agent,
			before: func(r *rig) { r.answer(func(*call) {}); r.agentSays("a1") }, inMemory: true,
		},
		{
			name: "behind a message that waits for its plugin", from: "desk", typing: agent,
			before: func(r *rig) { r.down("chan"); r.agentSays("a1"); r.after(0) }, inMemory: true,
		},
		{
			name: "beside a message to the other side", from: "chan", typing: customer, to: "desk",
			before: func(r *rig) { r.answer(func(*call) {}); r.agentSays("a1") }, inMemory: true,
		},
		{
			name: "beside a notification that waits", from: "chan", typing: customer, to: "desk",
			conf:   func(r *rig) { r.refuse, r.rules = "ping", notifyOps },
			before: func(r *rig) { r.accept("chan", from("ada", "2", "ping")) }, inMemory: true,
		},
		{
			name: "that the driver cannot show", from: "chan", typing: customer,
			conf: func(r *rig) { r.snap.Instances["desk"].Abilities = nil },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			conf := func(r *rig) {
				typers(r)
				if tt.conf != nil {
					tt.conf(r)
				}
			}
			engine(t, conf, func(r *rig) {
				r.open()
				if tt.before != nil {
					tt.before(r)
				}
				r.forget()
				writes := len(r.disk.made()) + r.disk.appends
				r.e.Typing(tt.from, tt.typing)
				r.after(0)
				calls := r.all()
				switch {
				case tt.to == "" && len(calls) != 0:
					t.Errorf("%d calls, want none", len(calls))
				case tt.to != "" && (len(calls) != 1 || calls[0].instance != tt.to || calls[0].Op != pluginv1.Op_TYPING || !calls[0].On):
					t.Errorf("calls = %v, want one to %s", calls, tt.to)
				}
				dropped := 1.0
				if tt.to != "" {
					dropped = 0
				}
				r.wantMetric("gateway_typing_dropped_total", "", dropped)
				if n := len(r.disk.made()) + r.disk.appends - writes; n != 0 {
					t.Errorf("%d writes for what is never stored", n)
				}
				if !tt.inMemory {
					r.idle()
				}
			})
		})
	}
}

func TestTypingIsBounded(t *testing.T) {
	engine(t, typers, func(r *rig) {
		r.open()
		r.answer(func(*call) {})
		for range maxTyping + 10 {
			r.e.Typing("chan", &pluginv1.Typing{Address: "ada"})
		}
		r.after(0)
		if n := len(r.all()); n != maxTyping {
			t.Errorf("%d calls are under way, want %d", n, maxTyping)
		}
		r.wantMetric("gateway_typing_dropped_total", "", 10)
		for _, c := range r.all() {
			c.ok()
		}
		r.answer(nil)
		r.forget()
		r.e.Typing("chan", &pluginv1.Typing{Address: "ada"})
		r.after(0)
		if n := len(r.all()); n != 1 {
			t.Errorf("%d calls once there is room, want 1", n)
		}
	})
}

func TestTypingIsNoEvent(t *testing.T) {
	conf := func(r *rig) {
		typers(r)
		r.snap.Services["shop"].Forward = state.Owner_OWNER_NONE
	}
	engine(t, conf, func(r *rig) {
		r.e.Typing("chan", &pluginv1.Typing{Address: "ada", On: true})
		r.after(0)
		if doc := r.doc(ada()); doc != nil {
			t.Errorf("typing made a conversation: %v", doc)
		}
		r.idle()
	})
}

func TestTypingExpires(t *testing.T) {
	on := func(r *rig) { r.e.Typing("chan", &pluginv1.Typing{Address: "ada", On: true}) }
	tests := []struct {
		name string
		ttl  time.Duration
		do   func(r *rig)
		want []time.Duration // from the start, when a stop is shown
	}{
		{"after the driver's time", 20 * time.Second, func(r *rig) { on(r) }, []time.Duration{20 * time.Second}},
		{"after 4 s if it names none", 0, func(r *rig) { on(r) }, []time.Duration{4 * time.Second}},
		{"after a minute at most", time.Hour, func(r *rig) { on(r) }, []time.Duration{time.Minute}},
		{"later if it goes on", 0, func(r *rig) { on(r); r.after(3 * time.Second); on(r) }, []time.Duration{7 * time.Second}},
		{"not after a stop", 0, func(r *rig) {
			on(r)
			r.after(time.Second)
			r.e.Typing("chan", &pluginv1.Typing{Address: "ada"})
		}, []time.Duration{time.Second}},
		{"not after the chat", 0, func(r *rig) {
			on(r)
			r.after(time.Second)
			if err := r.e.Close(r.Context(), ada(), "operator", ""); err != nil {
				r.Fatal(err)
			}
		}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			conf := func(r *rig) {
				typers(r)
				r.snap.Instances["chan"].Caps.TypingTtlMs = uint32(tt.ttl.Milliseconds())
			}
			engine(t, conf, func(r *rig) {
				r.open()
				start := time.Now()
				tt.do(r)
				r.after(2 * time.Minute)
				var got []time.Duration
				for _, c := range r.all() {
					if c.Op == pluginv1.Op_TYPING && !c.On {
						got = append(got, c.at.Sub(start))
					}
				}
				if !slices.Equal(got, tt.want) {
					t.Errorf("stops after %v, want %v", got, tt.want)
				}
				if n := len(r.e.typists.all); n != 0 {
					t.Errorf("%d are still typing", n)
				}
			})
		})
	}
}

func TestTypistsAreBounded(t *testing.T) {
	var s typists
	for i := range maxTypists {
		if !s.begin(wallClock{}, typist{address: fmt.Sprint(i)}, time.Hour, func() {}) {
			t.Fatalf("typist %d has no room", i)
		}
	}
	if s.begin(wallClock{}, typist{address: "more"}, time.Hour, func() {}) {
		t.Error("there is no limit")
	}
	if !s.begin(wallClock{}, typist{address: "7"}, time.Hour, func() {}) {
		t.Error("one who goes on has no room")
	}
	s.stop(typist{address: "7"})
	if !s.begin(wallClock{}, typist{address: "more"}, time.Hour, func() {}) {
		t.Error("no room after a stop")
	}
	for i := range maxTypists {
		s.stop(typist{address: fmt.Sprint(i)})
	}
	s.stop(typist{address: "more"})
}
