package engine

import (
	"testing"
	"time"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// One bad token stops the calls of its own instance and of no other.
func TestRefusedCredentialsOfOneInstanceStopNoOther(t *testing.T) {
	engine(t, nil, func(r *rig) {
		r.open()
		before := len(r.texts("desk"))
		r.answer(func(c *call) {
			if c.instance == "desk" {
				c.outcome(pluginv1.Outcome_AUTH_CONFIG, 0)
				return
			}
			c.ok()
		})
		r.accept("chan", from("ada", "b1", "one"), from("ada", "b2", "two"))
		r.agentSays("a1", "a2")
		r.after(30 * time.Second)
		if n := len(r.texts("desk")) - before; n != 1 {
			t.Errorf("%d calls of the refused instance in half a minute, want 1", n)
		}
		if got := r.texts("chan"); len(got) < 2 || got[len(got)-2] != "a1" || got[len(got)-1] != "a2" {
			t.Errorf("the other instance got %q, want a1 and a2 at once", got)
		}
		r.answer(nil)
		r.after(3 * time.Minute)
		r.idle()
	})
}
