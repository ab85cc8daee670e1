package conversation_test

import (
	"slices"
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// echo is a flow that waits for a minute, and then sends and emits what begins
// it again.
type echo struct{}

func (echo) Start(name string, _ map[string]string, _ *state.View, now time.Time) *conversation.FlowStep {
	return &conversation.FlowStep{Next: &state.Flow{Name: name, DueMs: now.Add(time.Minute).UnixMilli()}}
}

func (echo) Offer(_ *state.Flow, v *state.View, _ time.Time) *conversation.FlowStep {
	if v.Type != conversation.FlowDue {
		return nil
	}
	return &conversation.FlowStep{Actions: []core.Action{{Kind: core.Emit, Key: "again", Rule: "flow echo"}}}
}

// A flow carries on the hops of what began it: rules and flows that set each
// other off come to an end, also if time passes in between.
func TestFlowsAndRulesDoNotLoop(t *testing.T) {
	w := newWorld(t)
	w.snap.Flows = echo{}
	w.snap.Rules = on(sdk.CustomEvent, core.Action{Kind: core.Flow, Key: "echo"})
	w.event("web", &pluginv1.Event{Type: sdk.CustomEvent, EventName: "again", Customer: &pluginv1.Customer{Address: "ada"}})
	rounds := 0
	for ; w.doc.Flow != nil; rounds++ {
		if rounds > 20 {
			t.Fatal("it goes on for ever")
		}
		w.now = w.now.Add(time.Minute)
		w.fire()
	}
	if rounds != 8 || !slices.Contains(w.ended(), "COMMAND_UNSPECIFIED dropped loop_guard") {
		t.Errorf("%d rounds, then %q", rounds, w.ended())
	}
}

// What cannot be decided in stage 1 must not leave a flow that nobody wakes.
func TestFlowWhoseTimerIsPoison(t *testing.T) {
	w := newWorld(t)
	w.snap.Flows = echo{}
	w.snap.Rules = on(sdk.CustomEvent, core.Action{Kind: core.Flow, Key: "echo"})
	w.event("web", &pluginv1.Event{Type: sdk.CustomEvent, Customer: &pluginv1.Customer{Address: "ada"}})
	w.snap.Probe = broken(conversation.FlowDue, 1)
	w.now = w.now.Add(time.Minute)
	if d := w.fire(); len(d.Poison) != 1 || w.doc.Flow != nil {
		t.Errorf("poison %v, flow %v", d.Poison, w.doc.Flow)
	}
}
