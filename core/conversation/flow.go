package conversation

import (
	"slices"
	"strconv"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// The events that are a flow's own: rules do not see them.
const (
	FlowDue    = "flow_due"    // its time limit has passed
	FlowAnswer = "flow_answer" // its notification has ended: status, reason, and the answer as payload
)

// FlowRoute is the route of a customer's message that a flow took.
const FlowRoute = "flow"

// OfFlow says whether an event is a flow's own.
func OfFlow(typ string) bool { return typ == FlowDue || typ == FlowAnswer }

// beginFlows begins the flows among the actions, and puts what their first steps
// ask for in their place. An action for a flow that there is not stays.
func (t *turn) beginFlows(asked []core.Action) []core.Action {
	if t.snap.Flows == nil || !slices.ContainsFunc(asked, func(a core.Action) bool { return a.Kind == core.Flow }) {
		return asked
	}
	var all []core.Action
	for i, a := range asked {
		if a.Kind != core.Flow || a.Err != "" {
			all = append(all, asked[i])
			continue
		}
		step := t.snap.Flows.Start(a.Key, a.Params, t.record.View, t.now)
		if step == nil {
			all = append(all, asked[i])
			continue
		}
		t.begun(a.Key, step)
		t.replies(step)
		a.Begun = true
		all = append(all, a)
		for _, next := range step.Actions {
			if next.Kind != core.Flow { // a flow that starts flows could loop
				all = append(all, next)
			}
		}
	}
	return all
}

// begun takes over where a new flow waits. One that waits takes the place of
// the one under way; one that ends at once does not disturb it.
func (t *turn) begun(name string, step *FlowStep) {
	t.note(name, step)
	if step.Next == nil {
		return
	}
	if old := t.doc.Flow; old != nil {
		t.record.Flows = append(t.record.Flows, &state.FlowDone{
			Flow: old.Name, Version: old.Version, What: "ends: the flow " + strconv.Quote(name) + " takes its place",
		})
	}
	t.doc.Flows++
	step.Next.Number, step.Next.Hops = t.doc.Flows, t.hops
	t.doc.Flow = step.Next
}

// noFlow is for an action that names a flow which there is not.
func (t *turn) noFlow(a *core.Action) {
	t.drop(&state.Command{Rule: a.Rule}, "no_flow")
	t.flowFailed(a.Key, "there is no flow of that name")
}

// offer hands the event to the flow that is under way.
func (t *turn) offer(fact *fact, v *state.View) *FlowStep {
	f := t.doc.Flow
	if f == nil || t.snap.Flows == nil || fact.waited != nil || OfFlow(v.Type) && !awaited(f, v) {
		return nil
	}
	step := t.snap.Flows.Offer(f.CloneVT(), v, t.now)
	if step == nil {
		return nil
	}
	t.note(f.Name, step)
	if step.Next != nil {
		step.Next.Number, step.Next.Hops = f.Number, t.hops
	}
	t.doc.Flow = step.Next
	return step
}

// replies notes that the customer waits for what a flow says: she has just written.
func (t *turn) replies(step *FlowStep) {
	for i := range step.Actions {
		step.Actions[i].Reply = t.record.View.Type == sdk.CustomerMessage
	}
}

// awaited says whether an event of a flow's own is what f waits for: another
// flow may have taken its place, or it may have gone on since.
func awaited(f *state.Flow, v *state.View) bool {
	if v.Type == FlowDue {
		return v.Id == flowID(f) && f.DueMs == 0
	}
	return f.Command != 0 && v.Id == strconv.FormatUint(f.Command, 10)
}

func flowID(f *state.Flow) string { return strconv.FormatUint(uint64(f.Number), 10) }

// note records what a flow did, and how it ended if that was an error.
func (t *turn) note(name string, step *FlowStep) {
	t.record.Flows = append(t.record.Flows, step.Done...)
	if step.Err != "" {
		t.flowFailed(name, step.Err)
	}
}

// flowFailed is the verdict on a flow that ended with an error or could not begin.
func (t *turn) flowFailed(name, err string) {
	t.record.Verdicts = append(t.record.Verdicts,
		&state.RuleVerdict{Rule: "flow " + name, Verdict: state.Verdict_ERROR, Error: err})
}

// flowBroke ends the flow as an error after a panic in stage 2, if the event
// was what it waited for. The event goes on.
func (t *turn) flowBroke(fact *fact, cause string) {
	f, typ := t.doc.Flow, fact.ev.Type
	if f == nil || fact.waited != nil || typ != sdk.CustomerMessage && !OfFlow(typ) {
		return
	}
	t.record.Flows = append(t.record.Flows, &state.FlowDone{Flow: f.Name, Version: f.Version, What: "ends as an error: " + cause})
	t.doc.Flow = nil
}

// flowDue hands the flow's own time limit to the flow.
func (t *turn) flowDue(late time.Duration) {
	f := t.doc.Flow
	f.DueMs = 0
	t.facts = append(t.facts, &fact{
		ev: &pluginv1.Event{Type: FlowDue, Id: flowID(f)}, source: "timer", hops: f.Hops, lateBy: late,
	})
}

// awaits notes which notification the flow waits for. If two flows of one event
// wait for one, the last is that of the flow which is under way.
func (t *turn) awaits(c *state.Command) {
	if c.Answer && t.doc.Flow != nil {
		t.doc.Flow.Command = c.Number
	}
}

// flowAnswered hands the end of a notification to the flow that waits for it.
func (t *turn) flowAnswered(r *Result) {
	c := r.Command
	if !c.Answer || t.doc.GetFlow().GetCommand() != c.Number {
		return
	}
	t.facts = append(t.facts, &fact{
		ev: &pluginv1.Event{
			Type: FlowAnswer, Id: strconv.FormatUint(c.Number, 10), Status: r.End.String(), Reason: r.Reason, Payload: r.Answer,
		},
		source: "endpoint", hops: c.Hops,
	})
}
