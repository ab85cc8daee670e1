package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
)

func TestAPluginThatStaysAwayTooLong(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint("restart ", restart), func(t *testing.T) {
			engine(t, nil, func(r *rig) {
				r.open()
				r.down("chan")
				r.agentSays("a1")
				r.after(20 * time.Hour)
				if restart {
					r.crash()
					r.boot()
					r.down("chan")
				}
				r.agentSays("a2")
				r.after(5 * time.Hour)
				r.forget()
				r.up("chan")
				r.after(time.Second)
				r.want("chan", "a2")
				r.wantDead("a1: expired")
				r.idle()
			})
		})
	}
}

// A lane does not wait for a plugin's return to see that its head is too old.
func TestAPluginThatNeverComesBack(t *testing.T) {
	engine(t, nil, func(r *rig) {
		r.open()
		r.down("chan")
		r.agentSays("a1", "a2")
		r.after(25 * time.Hour)
		r.wantDead("a1: expired")
		r.after(24 * time.Hour)
		r.wantDead("a1: expired", "a2: expired")
		r.idle()
	})
}

// TestAnAttemptThatNeverLeftIsNotAmbiguous: the plugin was gone before it got
// the call, then the gateway dies.
func TestAnAttemptThatNeverLeftIsNotAmbiguous(t *testing.T) {
	for _, deadIfAmbiguous := range []bool{false, true} {
		t.Run(fmt.Sprint("ambiguous is dead ", deadIfAmbiguous), func(t *testing.T) {
			conf := func(r *rig) { r.snap.Instances["chan"].AmbiguousDead = deadIfAmbiguous }
			engine(t, conf, func(r *rig) {
				r.open()
				r.answer(func(c *call) { c.done(nil, core.NoPlugin) })
				r.agentSays("a1")
				r.want("chan", "a1")
				r.after(time.Minute)
				r.crash()
				r.answer(nil)
				r.boot()
				r.after(time.Minute)
				r.want("chan", "a1", "a1") // not flagged: it cannot have arrived
				r.wantDead()
				r.idle()
			})
		})
	}
}
