package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// numbers returns prefix1 to prefixN.
func numbers(prefix string, n int) (texts []string) {
	for i := range n {
		texts = append(texts, fmt.Sprint(prefix, i+1))
	}
	return texts
}

// agentSays has the agent of ada's chat say texts, each its own request.
func (r *rig) agentSays(texts ...string) {
	r.Helper()
	for _, text := range texts {
		r.accept("desk", said("chat-1", text, text))
	}
}

// down makes an instance's calls find no plugin.
func (r *rig) down(instance string) {
	r.answer(func(c *call) {
		if c.instance == instance {
			c.done(nil, core.NoPlugin)
			return
		}
		c.ok()
	})
	r.e.InstanceDown(instance)
}

func (r *rig) up(instance string) {
	r.answer(nil)
	r.e.InstanceUp(instance)
	r.after(0)
}

func TestEventsOverflowIntoTheStoreInOrder(t *testing.T) {
	const n = 3 * maxQueue
	engine(t, nil, func(r *rig) {
		texts := numbers("m", n)
		open := r.disk.gate("commit")
		var ps []*pending
		for _, text := range texts { // none waits for the one before
			ps = append(ps, r.start("chan", from("ada", text, text)))
		}
		if mails, err := r.mem.Shard(r.e.shard(ada()).st.ID()).Mail(t.Context(), ada(), 0, n); err != nil || len(mails) < maxQueue {
			t.Fatalf("%d events are in the store, %v: the queue in memory is not bounded", len(mails), err)
		}
		open()
		r.after(time.Minute)
		for i, p := range ps {
			if n, err := p.outcome(); n != 1 || err != nil {
				t.Fatalf("Accept %d = %d, %v", i, n, err)
			}
		}
		if got := r.decided(ada(), sdk.CustomerMessage); !slices.Equal(got, texts) {
			t.Fatalf("decided %q", got)
		}
		r.want("desk", texts...)
		r.idle()
	})
}

func TestALaneKeepsItsOrderAcrossRetries(t *testing.T) {
	engine(t, nil, func(r *rig) {
		r.open()
		r.answer(func(c *call) {
			if c.Message.GetText() == "a1" && c.Attempt < 4 {
				c.outcome(pluginv1.Outcome_RETRY, time.Second)
				return
			}
			c.ok()
		})
		r.agentSays("a1", "a2", "a3")
		r.accept("chan", from("ada", "2", "another lane"), from("bob", "1", "another conversation"))
		r.want("chan", "a1")
		if got := r.texts("desk"); len(got) != 2 {
			t.Errorf("desk got %q: a lane that waits blocks another one", got)
		}
		r.after(time.Minute)
		r.want("chan", "a1", "a1", "a1", "a1", "a2", "a3")
		r.idle()
	})
}

func TestACallThatNeverLeftIsMadeAgainSoon(t *testing.T) {
	engine(t, nil, func(r *rig) {
		r.open()
		r.answer(func(c *call) {
			if len(r.all()) < 4 {
				c.done(nil, core.NotSent)
				return
			}
			c.ok()
		})
		r.agentSays("a1")
		r.after(time.Second)
		r.want("chan", "a1", "a1", "a1", "a1")
		for _, c := range r.all() {
			if c.Attempt != 1 {
				t.Errorf("attempt %d, want 1: nothing was attempted", c.Attempt)
			}
		}
		r.idle()
	})
}

func TestWithoutAPluginALaneWaits(t *testing.T) {
	engine(t, nil, func(r *rig) {
		r.open()
		r.down("chan")
		r.agentSays("a1", "a2")
		r.after(time.Hour)
		if n := len(r.texts("chan")); n > 1 {
			t.Errorf("%d calls to a plugin that is not there", n)
		}
		r.forget()
		r.up("chan")
		r.want("chan", "a1", "a2")
		r.idle()
	})
}

func TestThePluginIsLostDuringCalls(t *testing.T) {
	engine(t, nil, func(r *rig) {
		r.open()
		r.answer(func(c *call) { c.done(nil, core.NoPlugin) })
		r.agentSays("a1", "a2")
		r.after(time.Hour)
		r.want("chan", "a1")
		r.up("chan")
		r.want("chan", "a1", "a1", "a2")
		r.idle()
	})
}

func TestCallsAtOnceAreBounded(t *testing.T) {
	conf := func(r *rig) { r.opt.MaxFlying = 2 }
	engine(t, conf, func(r *rig) {
		held := make(chan *call, 10)
		r.answer(func(c *call) { held <- c })
		for i := range 7 {
			r.accept("chan", from(fmt.Sprint("c", i), "1", "hi"))
		}
		for left := 7; left > 0; left-- {
			r.after(0)
			if n := len(held); n != min(left, 2) {
				t.Fatalf("%d calls are under way, want %d", n, min(left, 2))
			}
			(<-held).ok()
		}
		r.idle()
	})
}

func TestRateOfAnInstance(t *testing.T) {
	conf := func(r *rig) { r.snap.Instances["desk"].Caps.RatePerSecond = 2 }
	engine(t, conf, func(r *rig) {
		begin := time.Now()
		for i := range 7 {
			r.accept("chan", from(fmt.Sprint("c", i), "1", "hi"))
		}
		r.after(10 * time.Second)
		calls := r.all()
		if len(calls) != 7 {
			t.Fatalf("%d calls, want 7", len(calls))
		}
		for i, c := range calls {
			if took := c.at.Sub(begin); took < time.Duration(i)*500*time.Millisecond || took > time.Duration(i+1)*time.Second {
				t.Errorf("call %d after %s", i, took)
			}
		}
		r.idle()
	})
}

func TestThrottledPausesTheInstance(t *testing.T) {
	engine(t, nil, func(r *rig) {
		begin := time.Now()
		r.answer(func(c *call) { c.outcome(pluginv1.Outcome_THROTTLED, 10*time.Second) })
		r.accept("chan", from("ada", "1", "hi"))
		r.answer(nil)
		r.accept("chan", from("bob", "1", "hi"))
		r.after(9 * time.Second)
		if n := len(r.all()); n != 1 {
			t.Errorf("%d calls while the instance is paused", n)
		}
		r.after(2 * time.Second)
		if n := len(r.all()); n != 3 {
			t.Errorf("%d calls %s after the pause began, want 3", n, time.Since(begin))
		}
		r.idle()
	})
}

func TestRefusedCredentialsWaitForAnOperator(t *testing.T) {
	engine(t, nil, func(r *rig) {
		r.answer(func(c *call) { c.outcome(pluginv1.Outcome_AUTH_CONFIG, 0) })
		r.accept("chan", from("ada", "1", "hi"))
		r.after(59 * time.Second)
		if n := len(r.all()); n != 1 {
			t.Errorf("%d calls within a minute, want 1", n)
		}
		if !r.logs.has("instance needs an operator") {
			t.Error("nobody was told")
		}
		r.answer(nil)
		r.after(2 * time.Minute)
		r.want("desk", "hi", "hi")
		r.idle()
	})
}

func TestAHeadOverItsAgeIsDeadAndTheLaneGoesOn(t *testing.T) {
	engine(t, nil, func(r *rig) {
		r.open()
		r.answer(func(c *call) {
			if c.Message.GetText() == "a1" {
				c.outcome(pluginv1.Outcome_RETRY, 0)
				return
			}
			c.ok()
		})
		r.agentSays("a1", "a2")
		r.after(23 * time.Hour)
		r.wantDead()
		r.after(2 * time.Hour)
		r.wantDead("a1: expired")
		if got := r.texts("chan"); got[len(got)-1] != "a2" {
			t.Errorf("the last message is %q, want a2", got[len(got)-1])
		}
		if got := r.texts("desk"); len(got) != 1 || !strings.Contains(got[0], "a1") {
			t.Errorf("the agent was told %q, want that a1 was not delivered", got)
		}
		r.idle()
	})
}

func TestLongLanesAreReadFromTheStore(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint("restart ", restart), func(t *testing.T) {
			engine(t, nil, func(r *rig) {
				r.open()
				r.down("chan")
				texts := numbers("a", 5*maxHeads+3)
				r.agentSays(texts[:4*maxHeads]...)
				if restart {
					r.crash()
					r.boot()
					r.down("chan")
				}
				r.agentSays(texts[4*maxHeads:]...)
				r.forget()
				r.up("chan")
				r.after(time.Minute)
				r.want("chan", texts...)
				r.idle()
			})
		})
	}
}

// notifyOps is a rule that posts every message of a customer to ops.
func notifyOps(v *state.View) (e core.Evaluation) {
	if v.Type == sdk.CustomerMessage {
		e.Actions = []core.Action{{Rule: "r", Kind: core.Notify, Endpoint: "ops", Body: []byte(v.Event.Text)}}
	}
	return e
}

func TestANotificationThatFailsBlocksNoOther(t *testing.T) {
	conf := func(r *rig) { r.refuse, r.rules = "one", notifyOps }
	engine(t, conf, func(r *rig) {
		r.accept("chan", from("ada", "1", "one"), from("ada", "2", "two"))
		if got, want := r.posted(), []string{"ops two"}; !slices.Equal(got, want) {
			t.Errorf("posted %q, want %q", got, want)
		}
		r.after(time.Minute)
		if got, want := r.posted(), []string{"ops two", "ops one"}; !slices.Equal(got, want) {
			t.Errorf("posted %q, want %q", got, want)
		}
		r.idle()
	})
}

// An endpoint that is left alone says when to come again, and is not asked before.
func TestANotificationThatNeverLeftComesAgainWhenItMay(t *testing.T) {
	conf := func(r *rig) { r.rests, r.rules = 3, notifyOps }
	engine(t, conf, func(r *rig) {
		r.accept("chan", from("ada", "1", "one"))
		for _, want := range []int{2, 1, 0} {
			r.mu.Lock()
			rests := r.rests
			r.mu.Unlock()
			if rests != want {
				t.Fatalf("it was asked too often or too rarely: %d left, want %d", rests, want)
			}
			r.after(10 * time.Second)
		}
		if got, want := r.posted(), []string{"ops one"}; !slices.Equal(got, want) {
			t.Errorf("posted %q, want %q", got, want)
		}
		r.idle()
	})
}

// A lane whose turn comes while the store cannot be read goes on once it can.
func TestALaneOutlivesAStoreThatCannotBeRead(t *testing.T) {
	engine(t, func(r *rig) { r.opt.CacheBytes = 1 }, func(r *rig) {
		r.open()
		r.down("chan")
		r.agentSays("one")
		r.after(0)
		r.forget()
		r.disk.refuse("load", 2, store.ErrUnavailable)
		r.up("chan")
		r.after(10 * time.Second)
		r.want("chan", "one")
		r.idle()
	})
}
