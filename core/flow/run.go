package flow

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
)

const (
	maxSteps  = 1000     // that one event may set off
	maxChain  = 8        // flows, each in place of the rest of the one before
	maxMemory = 64 << 10 // bytes of a flow's parameters and named answers
)

// run is what one event sets off in one flow.
type run struct {
	set  *Set
	view *state.View
	now  time.Time
	def  *core.FlowDef
	f    *state.Flow
	left int // steps that it may still take
	out  *conversation.FlowStep
}

// begin starts a flow at its first step.
func (r *run) begin(def *core.FlowDef, params map[string]string, chain uint32) {
	typed, err := typedParams(def, params)
	r.def, r.f = def, &state.Flow{Name: def.Name, Version: def.Version, Params: typed, Chain: chain}
	if err != nil {
		r.fail(nil, err.Error())
		return
	}
	r.note(nil, "begins")
	r.walk(0)
}

// scope is what the expressions of the flow see.
func (r *run) scope() *core.FlowScope {
	return &core.FlowScope{Params: r.f.Params, Vars: r.f.Vars}
}

// walk takes the steps from number i on, until one waits or the flow ends.
func (r *run) walk(i int) {
	for i >= 0 && i < len(r.def.Ops) {
		op := &r.def.Ops[i]
		if r.left--; r.left < 0 {
			r.fail(op, fmt.Sprintf("one event set off more than %d steps", maxSteps))
			return
		}
		switch op.Kind {
		case core.OpDo:
			r.do(op.Do(r.view, r.scope()))
			r.note(op, "done")
		case core.OpWhen:
			holds, err := op.Test(r.view, r.scope())
			if err != nil {
				r.fail(op, err.Error())
				return
			}
			r.note(op, strconv.FormatBool(holds))
			if !holds {
				i = op.Else
				continue
			}
		case core.OpWait:
			r.wait(i, op, "waits "+span(op.Within))
			return
		case core.OpAsk, core.OpTell:
			r.ask(i, op)
			return
		case core.OpStart:
			r.start(op)
			return
		case core.OpEnd:
			r.end(op, "ends")
			return
		}
		i = op.Next
	}
	r.end(nil, "ends")
}

// lineOf is where op stands in its file, as "line:column".
func lineOf(op *core.FlowOp) string {
	parts := strings.Split(op.Place, ":")
	return strings.Join(parts[max(0, len(parts)-2):], ":")
}

// waiting finds the step at which f waits, nil if it is not there.
func waiting(def *core.FlowDef, f *state.Flow) *core.FlowOp {
	if i := int(f.Step); i < len(def.Ops) && lineOf(&def.Ops[i]) == f.At {
		return &def.Ops[i]
	}
	for i := range def.Ops {
		if op := &def.Ops[i]; lineOf(op) == f.At && op.Within > 0 {
			f.Step = uint32(i)
			return op
		}
	}
	return nil
}

// do adds actions of the flow.
func (r *run) do(actions []core.Action) { r.out.Actions = append(r.out.Actions, actions...) }

// wait stops the flow at step i.
func (r *run) wait(i int, op *core.FlowOp, what string) {
	r.f.Step, r.f.At = uint32(i), lineOf(op)
	r.f.DueMs = r.now.Add(op.Within).UnixMilli()
	r.note(op, what)
	r.out.Next = r.f
}

// ask does what step i says and waits for an answer to it.
func (r *run) ask(i int, op *core.FlowOp) {
	actions := op.Do(r.view, r.scope())
	if err := firstError(actions); err != "" {
		r.fail(op, err)
		return
	}
	if op.Kind == core.OpTell {
		actions[0].Answer = true
	}
	r.do(actions)
	r.f.Tries, r.f.Command = 0, 0
	r.wait(i, op, "waits up to "+span(op.Within)+" for the answer")
}

// start lets another flow take the place of the rest. It begins with the
// version in force.
func (r *run) start(op *core.FlowOp) {
	actions := op.Do(r.view, r.scope())
	if err := firstError(actions); err != "" {
		r.fail(op, err)
		return
	}
	next := r.set.current[actions[0].Key]
	switch {
	case next == nil:
		r.fail(op, fmt.Sprintf("there is no flow %q", actions[0].Key))
		return
	case r.f.Chain+1 >= maxChain:
		r.fail(op, fmt.Sprintf("more than %d flows in a row", maxChain))
		return
	}
	r.end(op, "goes on as the flow "+strconv.Quote(next.Name))
	r.begin(next, actions[0].Params, r.f.Chain+1)
}

// end ends the flow.
func (r *run) end(op *core.FlowOp, what string) {
	r.note(op, what)
	r.out.Next = nil
}

// fail ends the flow with an error.
func (r *run) fail(op *core.FlowOp, err string) {
	r.end(op, "ends as an error: "+err)
	r.out.Err = err
}

// rescue returns out, or, if one of the steps panicked, the end of the flow. The
// event goes on: it is not the flow's any more, and nothing of what the flow
// wanted is done.
func (r *run) rescue(out *conversation.FlowStep, panicked any) *conversation.FlowStep {
	if panicked == nil {
		return out
	}
	r.out.Handled, r.out.Actions = false, nil
	r.fail(nil, fmt.Sprintf("it broke: %v", panicked))
	return r.out
}

// note records what happened at a step; op nil is the flow itself.
func (r *run) note(op *core.FlowOp, what string) {
	d := &state.FlowDone{Flow: r.def.Name, Version: r.def.Version, Place: r.def.Place, What: what}
	if op != nil {
		d.Place, d.Step = op.Place, op.Name
	}
	r.out.Done = append(r.out.Done, d)
}

func firstError(actions []core.Action) string {
	for _, a := range actions {
		if a.Err != "" {
			return a.Err
		}
	}
	return ""
}

// span writes a duration as people do: 2h, not 2h0m0s.
func span(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if n := len(text) - len(zero); n >= 0 && text[n:] == zero {
			text = text[:n+1]
		}
	}
	return text
}
