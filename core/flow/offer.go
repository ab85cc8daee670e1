package flow

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
)

// offer hands the event to the flow, which waits at op. It says whether the
// event is of any concern.
func (r *run) offer(op *core.FlowOp) bool {
	if why := r.endedBy(); why != "" {
		r.end(op, "ends: "+why)
		return true
	}
	switch r.view.Type {
	case conversation.FlowDue:
		r.due(op)
	case conversation.FlowAnswer:
		if op.Kind != core.OpTell {
			return false
		}
		r.answered(op)
	case sdk.CustomerMessage:
		if op.Kind != core.OpAsk {
			return false
		}
		r.reply(op)
	default:
		return false
	}
	return true
}

// endedBy says why the event ends the flow as it declares, "" if it does not.
func (r *run) endedBy() string {
	typ, ends := r.view.Type, r.def.EndsOn
	if slices.Contains(ends.Events, typ) {
		return typ
	}
	if typ != sdk.CustomerMessage {
		return ""
	}
	if word := strings.ToLower(reply(r.view)); slices.Contains(ends.Keywords, word) {
		return fmt.Sprintf("the customer wrote %q", word)
	}
	return ""
}

// due: the time limit of the step has passed.
func (r *run) due(op *core.FlowOp) {
	switch op.Kind {
	case core.OpWait:
		r.note(op, "goes on")
		r.walk(op.Next)
	case core.OpTell:
		r.unanswered(op, "no answer within "+span(op.Within))
	default:
		r.otherwise(op, "no reply within "+span(op.Within))
	}
}

// otherwise goes on with the steps for a reply that did not come.
func (r *run) otherwise(op *core.FlowOp, why string) {
	if op.Else < 0 {
		r.end(op, "ends: "+why)
		return
	}
	r.note(op, why)
	r.walk(op.Else)
}

// unanswered is otherwise for an endpoint: that it does not answer is an error,
// unless the flow says what to do then.
func (r *run) unanswered(op *core.FlowOp, why string) {
	if op.Else < 0 {
		r.fail(op, why)
		return
	}
	r.otherwise(op, why)
}

// answered takes what an endpoint said.
func (r *run) answered(op *core.FlowOp) {
	said := r.view.Event.GetPayload()
	if status := r.view.Event.GetStatus(); status != conversation.Sent.String() {
		r.unanswered(op, "the notification is "+status+": "+r.view.Event.GetReason())
		return
	}
	if !json.Valid(said) {
		r.unanswered(op, fmt.Sprintf("the answer is not JSON of at most %d bytes", conversation.MaxAnswer))
		return
	}
	if r.remember(op, string(said)) {
		r.note(op, "answered")
		r.walk(op.Next)
	}
}

// reply takes the customer's message. One that is not accepted goes on to
// whom it belongs otherwise once there are no more retries.
func (r *run) reply(op *core.FlowOp) {
	text := reply(r.view)
	ok := text != ""
	scope := r.scope()
	scope.Reply = text
	if op.Test != nil {
		var err error
		if ok, err = op.Test(r.view, scope); err != nil {
			r.fail(op, err.Error())
			return
		}
	}
	switch {
	case ok:
		b, err := json.Marshal(text)
		if err == nil && r.remember(op, string(b)) {
			r.out.Handled = true
			r.note(op, "accepts the reply")
			r.walk(op.Next)
		}
	case r.f.Tries < op.Retries:
		r.again(op, scope)
	default:
		r.otherwise(op, "does not accept the reply, it goes on")
	}
}

// again asks once more.
func (r *run) again(op *core.FlowOp, scope *core.FlowScope) {
	ask := op.Do
	if op.Ask != nil {
		ask = op.Ask
	}
	actions := ask(r.view, scope)
	if err := firstError(actions); err != "" {
		r.fail(op, err)
		return
	}
	r.do(actions)
	r.f.Tries++
	r.out.Handled = true
	r.wait(int(r.f.Step), op, fmt.Sprintf("does not accept the reply, asks again: %d of %d", r.f.Tries, op.Retries))
}

// remember names an answer. It says no, and the flow ends, if that were too
// much to keep.
func (r *run) remember(op *core.FlowOp, value string) bool {
	r.f.Command = 0
	if op.As == "" {
		return true
	}
	size := len(op.As) + len(value)
	for _, m := range []map[string]string{r.f.Params, r.f.Vars} {
		for k, v := range m {
			size += len(k) + len(v)
		}
	}
	if size > maxMemory {
		r.fail(op, fmt.Sprintf("its parameters and answers grow beyond %d bytes", maxMemory))
		return false
	}
	if r.f.Vars == nil {
		r.f.Vars = map[string]string{}
	}
	r.f.Vars[op.As] = value
	return true
}

// reply is the text of the customer's message, or of the button that was
// pressed.
func reply(v *state.View) string {
	text := strings.TrimSpace(v.Event.GetText())
	if text == "" {
		text = strings.TrimSpace(v.Event.GetQuickReply().GetTitle())
	}
	return text
}
