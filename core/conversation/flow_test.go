package conversation_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/flow"
	ruleset "github.com/openccsp/gateway/core/rules"
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

// A customer waits for what a flow says to her message; for its first question, which
// nobody asked for, and for what rules say she does not.
func TestWhatACustomerWaitsFor(t *testing.T) {
	w := newWorld(t)
	w.snap.Services["retail"].Forward = none
	w.loadRules(`
rules:
  - { name: ask, on: chat_closed, do: [{ flow: survey }] }
  - name: menu
    on: customer_message
    when: (event.text ?? "") == "menu"
    do: [{ flow: menu }, { send: Note our hours. }]
flows:
  - name: survey
    steps:
      - ask: { text: How was it? }
        within: 1h
      - send: Thanks.
      - ask: { text: What was good? }
        within: 1h
        else: [send: Bye.]
  - name: menu
    steps:
      - send: We sell three things.
`)
	w.snap.Flows = flow.New(w.snap.Rules.(*ruleset.Set).Flows(), nil)
	replies := func() (all []string) {
		for _, c := range slices.Clone(w.pending) {
			if c.Kind == state.CommandKind_DELIVER {
				all = append(all, fmt.Sprintf("%v %s", c.Reply, c.Message.Text))
			}
			w.sent(c)
		}
		return all
	}
	steps := []struct {
		do   func()
		want []string
	}{
		{func() { w.begins("own-1"); w.desk(sdk.ChatClosed) }, []string{"false How was it?"}},
		{func() { w.customer("good") }, []string{"true Thanks.", "true What was good?"}},
		{func() { w.now = w.now.Add(time.Hour); w.fire() }, []string{"false Bye."}},
		{func() { w.customer("menu") }, []string{"true We sell three things.", "false Note our hours."}},
	}
	for _, s := range steps {
		s.do()
		if got := replies(); !slices.Equal(got, s.want) {
			t.Errorf("got %q, want %q", got, s.want)
		}
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
