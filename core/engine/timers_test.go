package engine

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// unattended reports customers who wait for 15 minutes.
func unattended(r *rig) { r.snap.Services["shop"].UnattendedAfter = []time.Duration{15 * time.Minute} }

// fires returns the records of a conversation's customer_unattended events.
func (r *rig) fires(id core.ConversationID) (fires []*state.Record) {
	r.Helper()
	records, _ := r.history(id)
	for _, rec := range records {
		if rec.View.GetType() == sdk.CustomerUnattended {
			fires = append(fires, rec)
		}
	}
	return fires
}

func TestATimerFiresOnTime(t *testing.T) {
	engine(t, unattended, func(r *rig) {
		r.open()
		r.after(15*time.Minute - time.Second)
		if n := len(r.fires(ada())); n != 0 {
			t.Fatalf("%d fires before the time", n)
		}
		r.after(2 * time.Second)
		fires := r.fires(ada())
		if len(fires) != 1 || fires[0].View.LateBy != 0 || fires[0].View.Event.GetWaitTime() != 15 {
			t.Errorf("fires = %v, want one of 15 minutes, not late", fires)
		}
		r.after(time.Hour)
		if n := len(r.fires(ada())); n != 1 {
			t.Errorf("%d fires, want one", n)
		}
		r.idle()
	})
}

func TestATimerWhoseConditionIsGoneDoesNothing(t *testing.T) {
	engine(t, unattended, func(r *rig) {
		r.open()
		r.after(14 * time.Minute)
		r.agentSays("a1")
		r.after(time.Hour)
		if n := len(r.fires(ada())); n != 0 {
			t.Errorf("%d fires for a customer who was answered", n)
		}
		r.idle()
	})
}

func TestALateTimerSaysSo(t *testing.T) {
	engine(t, unattended, func(r *rig) {
		r.open()
		r.crash()
		time.Sleep(time.Hour)
		r.boot()
		r.after(time.Second)
		fires := r.fires(ada())
		if len(fires) != 1 || fires[0].View.LateBy < 2700 || fires[0].View.LateBy > 2702 {
			t.Errorf("fires = %v, want one that is 45 minutes late", fires)
		}
		r.idle()
	})
}

// polling lets the desk be polled, with answers by hand.
func polling(r *rig) { r.snap.Instances["desk"].Abilities = []string{pluginv1.AbilityPollChat} }

func TestALateTimerWaitsForTheFirstPoll(t *testing.T) {
	tests := []struct {
		name  string
		away  time.Duration // how long the gateway is; the timer is due after 15 minutes
		load  time.Duration // how long it takes to read the conversation
		after time.Duration // the answer to the first poll; negative: none comes
		reply bool          // it brings the agent's answer
		from  time.Duration // the fire is decided not before that
		till  time.Duration
		fires int
	}{
		{"nothing new", time.Hour, 0, 20 * time.Second, false, 20 * time.Second, 21 * time.Second, 1},
		{"the agent had answered", time.Hour, 0, 20 * time.Second, true, 0, 2 * time.Minute, 0},
		{"no answer", time.Hour, 0, -1, false, lateGrace, lateGrace + time.Second, 1},
		{"the store is slow", time.Hour, 5 * time.Second, 10 * time.Second, true, 0, 2 * time.Minute, 0},
		{"due soon after the start", 15*time.Minute - 5*time.Second, 0, 20 * time.Second, true, 0, 2 * time.Minute, 0},
		{"due later, no answer", 15*time.Minute - 5*time.Second, 0, -1, false, lateGrace, lateGrace + time.Second, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			engine(t, func(r *rig) { unattended(r); polling(r) }, func(r *rig) {
				r.open()
				r.crash()
				time.Sleep(tt.away)
				r.life = func(d *disk) {
					d.hook(func(op string, _ *store.Commit) error {
						if op == "load" {
							time.Sleep(tt.load)
						}
						return nil
					}, nil)
				}
				r.onPoll = func(p *pluginv1.Poll) (*pluginv1.PollAnswer, core.Fate, time.Duration) {
					a := &pluginv1.PollAnswer{Result: good, Cursor: p.Cursor}
					if tt.reply && len(p.Cursor) == 0 {
						a.Cursor, a.Events = []byte("1"), []*pluginv1.Event{said("", "1", "here I am")}
					}
					return a, core.Answered, tt.after
				}
				begin := time.Now()
				r.boot()
				r.after(2 * time.Minute)
				fires := r.fires(ada())
				if len(fires) != tt.fires {
					t.Fatalf("%d fires, want %d", len(fires), tt.fires)
				}
				for _, f := range fires {
					if at := time.UnixMilli(f.NowMs).Sub(begin); at < tt.from || at > tt.till {
						t.Errorf("decided %s after the start, want between %s and %s", at, tt.from, tt.till)
					}
				}
			})
		})
	}
}

// TestALateTimerComesBehindTheBacklog: what was accepted before it fired is
// decided first, and may make it void.
func TestALateTimerComesBehindTheBacklog(t *testing.T) {
	engine(t, unattended, func(r *rig) {
		r.open()
		id := ada()
		r.crash()
		mail := &state.Mail{AcceptedMs: time.Now().UnixMilli(), Instance: "desk", Source: "integration",
			Body: &state.Mail_Event{Event: said("chat-1", "1", "here I am")}}
		if _, err := r.mem.Append(t.Context(), storeEvent(id, mail)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		r.boot()
		r.after(time.Minute)
		if n := len(r.fires(id)); n != 0 {
			t.Errorf("%d fires, but the agent's answer was accepted before", n)
		}
		r.want("chan", "here I am")
		r.idle()
	})
}

func TestLateTimersAreNoFlood(t *testing.T) {
	const n = 1000
	engine(t, unattended, func(r *rig) {
		for i := range n {
			r.accept("chan", from(fmt.Sprint("c", i), "1", "hi"))
		}
		r.crash()
		time.Sleep(time.Hour)
		begin := time.Now()
		r.boot()
		r.after(10 * time.Minute)
		r.wantFires(n, 1)
		perSecond := map[int64]int{}
		for i := range n {
			for _, f := range r.fires(core.NewConversationID("chan", fmt.Sprint("c", i))) {
				perSecond[(f.NowMs-begin.UnixMilli())/1000]++
			}
		}
		for s, k := range perSecond {
			if k > 220 {
				t.Errorf("%d late timers in second %d, want about 200", k, s)
			}
		}
		r.idle()
	})
}

// wantFires fails the test unless each of n customers' timers has fired so
// many times.
func (r *rig) wantFires(n, times int) {
	r.Helper()
	bad := 0
	for i := range n {
		if k := len(r.fires(core.NewConversationID("chan", fmt.Sprint("c", i)))); k != times {
			if bad++; bad <= 3 {
				r.Errorf("timer %d has fired %d times, want %d", i, k, times)
			}
		}
	}
	if bad > 3 {
		r.Fatalf("and %d more", bad-3)
	}
}

// jumpyClock is a wall clock that somebody sets.
type jumpyClock struct {
	mu  sync.Mutex
	off time.Duration
}

func (c *jumpyClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.off)
}

func (c *jumpyClock) jump(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.off += d
}

func (*jumpyClock) AfterFunc(d time.Duration, f func()) func() { return wallClock{}.AfterFunc(d, f) }

// TestTimersWhileTheClockJumps sets the clock while many timers are armed.
// GATEWAY_CHAOS=1 gives the full dose.
func TestTimersWhileTheClockJumps(t *testing.T) {
	n := 1000
	if os.Getenv("GATEWAY_CHAOS") == "1" {
		n = 10_000
	}
	steps := slices.Repeat([]time.Duration{time.Second, -time.Second}, 60)
	tests := []struct {
		name  string
		jumps []time.Duration
		early int // fires of each within 10 minutes of the 15; negative: of some
	}{
		{"an hour ahead", []time.Duration{time.Hour}, 1},
		{"an hour back", []time.Duration{-time.Hour}, 0},
		{"a day ahead", []time.Duration{24 * time.Hour}, 1},
		{"by steps of a second", steps, 0},
		{"ahead and back", []time.Duration{time.Hour, -time.Hour, 24 * time.Hour, -24 * time.Hour}, -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			clock := &jumpyClock{}
			engine(t, func(r *rig) { unattended(r); r.opt.Clock = clock }, func(r *rig) {
				for i := range n {
					r.accept("chan", from(fmt.Sprint("c", i), "1", "hi"))
					r.after(100 * time.Second / time.Duration(n))
				}
				for _, d := range tt.jumps {
					clock.jump(d)
					r.after(time.Second)
				}
				r.after(8 * time.Minute)
				if tt.early >= 0 {
					r.wantFires(n, tt.early)
				}
				r.after(26 * time.Hour)
				r.wantFires(n, 1)
				r.idle()
			})
		})
	}
}

func TestAChatThatTimesOutIsClosed(t *testing.T) {
	conf := func(r *rig) { r.snap.Services["shop"].CloseAfter = 2 * time.Hour }
	engine(t, conf, func(r *rig) {
		r.open()
		r.after(time.Hour)
		r.agentSays("a1")
		r.after(time.Hour + time.Minute)
		if got := r.texts("desk"); len(got) != 0 {
			t.Fatalf("desk got %q", got)
		}
		r.after(time.Hour)
		calls := r.all()
		if last := calls[len(calls)-1]; last.Op != pluginv1.Op_CLOSE || last.Reason != "timed_out" {
			t.Errorf("the last call is %v, want one that closes the chat", last.Call)
		}
		records, _ := r.history(ada())
		types := make([]string, 0, len(records))
		for _, rec := range records {
			types = append(types, rec.View.GetType())
		}
		if !slices.Contains(types, sdk.ChatClosed) {
			t.Errorf("events: %s; want chat_closed", strings.Join(types, ", "))
		}
		r.idle()
	})
}
