package core

import (
	"time"

	"github.com/openccsp/gateway/core/state"
)

// FlowDef is a compiled flow. It does not change and is safe for concurrent
// use.
type FlowDef struct {
	Name    string
	Version string // hash of the files it was made of
	Place   string // as in problems
	Params  []FlowParam
	Ops     []FlowOp // in order; the flow ends behind the last one
	EndsOn  FlowEnds
	Life    time.Duration // the longest it can be under way
}

// FlowParam is a parameter of a flow.
type FlowParam struct {
	Name     string
	Type     ParamType
	Optional bool
}

// ParamType is what a parameter may be.
type ParamType string

// The types of parameters.
const (
	TextParam   ParamType = "string"
	NumberParam ParamType = "number"
	BoolParam   ParamType = "bool"
)

// FlowEnds says what ends a flow beside its steps.
type FlowEnds struct {
	Events   []string // their types
	Keywords []string // whole messages of the customer, in lower case
}

// FlowScope is what the expressions of a flow see beside the view. Values are
// JSON.
type FlowScope struct {
	Params map[string]string
	Vars   map[string]string // named with as
	Reply  string            // the customer's, in accept and retry
}

// FlowOpKind says what a step of a flow does.
type FlowOpKind int

// The kinds of steps.
const (
	OpDo    FlowOpKind = iota // actions, and on
	OpAsk                     // actions, then wait for the customer's reply
	OpWait                    // for a while
	OpWhen                    // go on or to Else, by a condition
	OpTell                    // a notification, then wait for its answer
	OpStart                   // another flow takes the place of the rest
	OpJump                    // to Next
	OpEnd
)

// FlowOp is one step of a flow. The functions are pure; nil ones are left out.
type FlowOp struct {
	Kind  FlowOpKind
	Name  string // as in the file: send, ask, …
	Place string // of the step, as in problems
	Next  int    // the step that follows
	Else  int    // OpWhen: if not; OpAsk, OpTell: if there is no answer. -1: the flow ends

	Do   func(*state.View, *FlowScope) []Action      // what the step does
	Test func(*state.View, *FlowScope) (bool, error) // OpWhen, and OpAsk: is the reply accepted?
	Ask  func(*state.View, *FlowScope) []Action      // OpAsk: what is sent again after a reply that is not

	Within  time.Duration // OpAsk, OpTell, OpWait: the time limit
	Retries uint32        // OpAsk: how often it is asked again
	As      string        // OpAsk, OpTell: what the answer is named
}
