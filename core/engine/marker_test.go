package engine

import (
	"slices"
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// marks returns, for each commit that wrote a command of text, whether it was
// marked.
func (r *rig) marks(text string) (marks []bool) {
	for _, c := range r.disk.made() {
		for _, o := range c.Out {
			if p := pendingOf(o.Body); p.Command.GetMessage().GetText() == text {
				marks = append(marks, p.Attempts.GetMarked())
			}
		}
	}
	return marks
}

func (r *rig) wantMarks(text string, want ...bool) {
	r.Helper()
	if got := r.marks(text); !slices.Equal(got, want) {
		r.Errorf("writes of %q are marked %v, want %v", text, got, want)
	}
}

// checkMarked answers calls, and fails the test if one comes without a durable
// marker.
func (r *rig) checkMarked(c *call) {
	if p := r.stored(c.Key); p == nil || !p.Attempts.Marked {
		r.Errorf("%q goes out and its marker is not durable: %v", c.Message.GetText(), p)
	}
	c.ok()
}

func TestTheMarkerRidesInTheCommitOfTheCommand(t *testing.T) {
	engine(t, nil, func(r *rig) {
		r.open()
		r.answer(r.checkMarked)
		r.agentSays("a1")
		r.wantMarks("a1", true)
		r.idle()
	})
}

func TestTheMarkerOfTheNextRidesInTheEndOfTheOneBefore(t *testing.T) {
	engine(t, nil, func(r *rig) {
		r.open()
		var first *call
		r.answer(func(c *call) { first = c })
		r.agentSays("a1", "a2")
		r.answer(r.checkMarked)
		before := len(r.disk.made())
		first.ok()
		r.after(0)
		r.wantMarks("a1", true)
		r.wantMarks("a2", false, true)
		if n := len(r.disk.made()) - before; n != 2 {
			t.Errorf("%d commits, want 2: the end of a1 with the marker of a2, the end of a2", n)
		}
		r.idle()
	})
}

func TestACommandThatWaitedGetsItsMarkerBeforeItGoes(t *testing.T) {
	engine(t, nil, func(r *rig) {
		r.open()
		r.e.InstanceDown("chan")
		r.agentSays("a1")
		r.after(time.Minute)
		r.wantMarks("a1", false, false) // the second notes since when it waits
		r.answer(r.checkMarked)
		r.e.InstanceUp("chan")
		r.after(0)
		r.wantMarks("a1", false, false, true)
		r.want("chan", "a1")
		r.idle()
	})
}

func TestADefiniteRefusalClearsTheMarker(t *testing.T) {
	engine(t, nil, func(r *rig) {
		r.open()
		r.answer(func(c *call) { c.outcome(pluginv1.Outcome_RETRY, time.Minute) })
		r.agentSays("a1")
		r.wantMarks("a1", true, false)
		r.restart()
		r.answer(r.checkMarked)
		r.after(2 * time.Minute)
		r.want("chan", "a1", "a1") // the second one is not flagged
		r.idle()
	})
}

func TestAnAttemptCutOffByACrash(t *testing.T) {
	engine(t, nil, func(r *rig) {
		r.open()
		r.answer(func(*call) {}) // no answer will come
		r.agentSays("a1", "a2")
		r.want("chan", "a1")
		r.restart()
		r.after(time.Second)
		r.want("chan", "a1", "a1!")
		r.wantMetric("gateway_delivery_resent_total", "DELIVER", 1)
		r.answer(r.checkMarked)
		r.restart()
		r.after(time.Second)
		r.want("chan", "a1", "a1!", "a2")
		r.wantDead("a1: ambiguous")
		r.idle()
	})
}

// TestAnAttemptCutOffByACrashOfALaneThatCannotBeRead: it is ambiguous also if
// the store says no at first.
func TestAnAttemptCutOffByACrashOfALaneThatCannotBeRead(t *testing.T) {
	engine(t, nil, func(r *rig) {
		r.open()
		r.answer(func(*call) {})
		r.agentSays("a1", "a2")
		r.crash()
		r.answer(nil)
		r.life = func(d *disk) { d.refuse("lane", 3, store.ErrUnavailable) }
		r.boot()
		r.after(time.Minute)
		r.want("chan", "a1", "a1!", "a2")
		r.idle()
	})
}

// TestARestartBeforeTheResend: what was to be resent and was not yet is resent
// by the next process.
func TestARestartBeforeTheResend(t *testing.T) {
	engine(t, nil, func(r *rig) {
		r.open()
		r.answer(func(c *call) { c.done(nil, core.Lost) })
		r.agentSays("a1")
		r.wantMarks("a1", true, false)
		r.restart()
		r.answer(r.checkMarked)
		r.after(time.Second)
		r.want("chan", "a1", "a1!")
		r.wantDead()
		r.idle()
	})
}

func TestAnAnswerThatIsLost(t *testing.T) {
	lose := func(c *call) {
		if c.instance == "chan" && c.Message.GetText() == "a1" {
			c.done(nil, core.Lost)
			return
		}
		c.ok()
	}
	tests := []struct {
		name string
		conf func(*conversation.Instance)
		want []string
		dead []string
	}{
		{"resent once", func(*conversation.Instance) {}, []string{"a1", "a1!", "a2"}, []string{"a1: ambiguous"}},
		{"not resent", func(i *conversation.Instance) { i.AmbiguousDead = true }, []string{"a1", "a2"}, []string{"a1: ambiguous"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			engine(t, func(r *rig) { tt.conf(r.snap.Instances["chan"]) }, func(r *rig) {
				r.open()
				r.answer(lose)
				r.agentSays("a1", "a2")
				r.after(time.Minute)
				r.want("chan", tt.want...)
				r.wantDead(tt.dead...)
				r.idle()
			})
		})
	}
}

func TestAnIdempotentDestinationNeedsNoMarker(t *testing.T) {
	conf := func(r *rig) { r.snap.Instances["chan"].Caps.IdempotentSend = true }
	engine(t, conf, func(r *rig) {
		r.open()
		r.answer(func(c *call) {
			if len(r.texts("chan")) < 4 {
				c.done(nil, core.Lost)
			}
		})
		r.agentSays("a1")
		r.after(time.Minute)
		r.want("chan", "a1", "a1", "a1", "a1") // the last one is not answered
		r.crash()
		r.answer(nil)
		r.boot()
		r.after(time.Hour)
		r.want("chan", "a1", "a1", "a1", "a1", "a1")
		if slices.Contains(r.marks("a1"), true) {
			t.Error("a marker was written")
		}
		keys := map[string]bool{}
		for _, c := range r.all() {
			keys[c.Key] = true
		}
		if len(keys) != 1 {
			t.Errorf("%d keys, want one on every attempt", len(keys))
		}
		r.wantDead()
		r.idle()
	})
}

func TestACallIsNotPlacedAgain(t *testing.T) {
	id := ada()
	conf := func(r *rig) {
		doc := conversation.New(id, 7, time.Now())
		doc.Channel, doc.Commands = "chan", 1
		doc.Customer = &pluginv1.Customer{Address: "ada"}
		out := &state.Pending{Command: &state.Command{
			Conversation: id[:], Epoch: 7, Number: 1, Kind: state.CommandKind_CALL, Lane: "call", Instance: "chan",
		}}
		_, err := r.mem.Shard(store.ShardOf(id)).Commit(t.Context(), &store.Commit{
			ID: [16]byte{1}, Conversation: id, Doc: encode(doc),
			Out: []store.OutItem{{ID: commandID(out.Command), Lane: "call", Body: encode(out)}},
		})
		if err != nil {
			r.Fatal(err)
		}
		r.on = func(*call) {}
	}
	engine(t, conf, func(r *rig) {
		if calls := r.all(); len(calls) != 1 || calls[0].Op != pluginv1.Op_CALL_OUT {
			t.Fatalf("calls = %v, want one", calls)
		}
		r.restart()
		r.after(time.Hour)
		if n := len(r.all()); n != 1 {
			t.Errorf("%d calls were placed, want 1", n)
		}
		r.wantDead(": ambiguous")
		r.idle()
	})
}
