package engine

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// windowed gives the channel a reply window of an hour.
func windowed(r *rig) {
	r.snap.Instances["chan"].Caps.ReplyWindow = &pluginv1.ReplyWindow{OpenMs: uint64(time.Hour.Milliseconds())}
}

// A message that waited for a plugin until its window closed is not sent, and the
// agent is told; what was said in time goes.
func TestMessageWaitsForTooLong(t *testing.T) {
	engine(t, windowed, func(r *rig) {
		r.open()
		r.agentSays("in time")
		r.want("chan", "in time")
		r.down("chan")
		r.agentSays("too late")
		r.after(2 * time.Hour)
		r.forget()
		r.up("chan")
		r.after(time.Minute)
		r.want("chan")
		if got := r.endsOf(state.CommandKind_DELIVER); !slices.Contains(got, "dropped window_closed") {
			t.Errorf("ends %q", got)
		}
		r.want("desk", "Your message was not delivered (this channel takes nothing later than 60 minutes after the "+
			"customer's last message, until the customer writes again): too late")
		r.idle()
	})
}

// So does one that the instance's rate holds back, also over a restart.
func TestMessageWaitsForTheRate(t *testing.T) {
	slow := func(r *rig) {
		windowed(r)
		r.snap.Instances["chan"].Caps.RatePerSecond = 1.0 / 3000 // one in 50 minutes
	}
	engine(t, slow, func(r *rig) {
		r.open()
		r.agentSays("one", "two", "three")
		r.after(65 * time.Minute)
		r.want("chan", "one", "two")
		r.restart()
		r.after(24 * time.Hour)
		r.want("chan", "one", "two")
		r.idle()
	})
}

// A driver whose window closes while its first attempt is without an answer is not
// asked again; nobody knows whether that one arrived.
func TestWindowClosesOnAnAmbiguousMessage(t *testing.T) {
	engine(t, windowed, func(r *rig) {
		r.open()
		r.answer(func(c *call) {
			if c.instance == "chan" {
				c.outcome(pluginv1.Outcome_AMBIGUOUS, 2*time.Hour)
				return
			}
			c.ok()
		})
		r.agentSays("perhaps")
		r.answer(nil)
		r.after(3 * time.Hour)
		r.want("chan", "perhaps")
		r.wantDead("perhaps: ambiguous")
	})
}

// The snap that is in force counts: a window that the settings lengthen is longer
// for what waits already.
func TestWindowIsThatOfTheSnap(t *testing.T) {
	engine(t, windowed, func(r *rig) {
		r.open()
		r.down("chan")
		r.agentSays("late")
		r.after(2 * time.Hour)
		r.change(func(s *conversation.Snap) {
			own := *s.Instances["chan"]
			own.Caps = own.Caps.CloneVT()
			own.Caps.ReplyWindow = nil
			s.Instances["chan"] = &own
		})
		r.forget()
		r.up("chan")
		r.after(time.Minute)
		r.want("chan", "late")
		r.idle()
	})
}

// Those who waited too long do not need the places that they are given: those
// behind them have them.
func TestPlacesOfThoseWhoWaitedTooLong(t *testing.T) {
	few := func(r *rig) {
		windowed(r)
		r.opt.MaxFlying = 2
	}
	engine(t, few, func(r *rig) {
		r.open()
		for i := range 10 {
			r.accept("chan", from(fmt.Sprint("c", i), fmt.Sprint("h", i), "hello"))
		}
		r.down("chan")
		for i := range 10 {
			ref := fmt.Sprint("chat-", i+2)
			r.accept("desk", said(ref, ref, "too late"))
		}
		r.after(2 * time.Hour)
		r.accept("chan", from("ada", "again", "hello again"))
		r.agentSays("in time")
		r.forget()
		r.up("chan")
		r.after(time.Minute)
		r.want("chan", "in time")
		r.idle()
	})
}
