package core

import (
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// ActionKind is what a rule asks for.
type ActionKind string

// The kinds of actions.
const (
	Send     ActionKind = "send"     // a message to this customer, or to another one
	Call     ActionKind = "call"     // a voice call
	Push     ActionKind = "push"     // a notice in the customer's app
	Notify   ActionKind = "notify"   // POST to an endpoint
	Forward  ActionKind = "forward"  // who gets the customer's message
	Close    ActionKind = "close"    // end the chat
	Transfer ActionKind = "transfer" // hand the chat to others
	Control  ActionKind = "control"  // who has the conversation
	Set      ActionKind = "set"      // an attribute of the conversation
	Tag      ActionKind = "tag"      // a tag of the conversation
	Emit     ActionKind = "emit"     // a custom event in this conversation, or for the vendor
	Flow     ActionKind = "flow"     // start a flow
)

// Action is one thing a matching rule wants done, its templates filled in.
type Action struct {
	Rule string // its name
	Kind ActionKind

	Text        string // Send; Call: what is said; Push
	Channel     string // Send, Call: a channel by name; "": see ChannelType
	ChannelType string // Send: the service's channel of this type; "": this conversation
	To          string // Send, Call: another address; "": the profile's. Transfer: a queue, or agent:<id>
	Service     string // Transfer: another service, in place of To
	Title       string // Push

	Attachments  []*pluginv1.Attachment // Send; Call: what is played
	QuickReplies []*pluginv1.QuickReply // Send; Call: a digit for each
	Reply        bool                   // Send: a flow's, to what the customer has just written
	Digits       string                 // Call: how many digits it waits for; "": as many as its channel is set to

	Endpoint string // Notify
	Body     []byte // Notify: JSON
	Answer   bool   // Notify: a flow waits for what the endpoint says

	Owner  state.Owner       // Forward; Control: the side, none if it is released
	Reason string            // Close, Control
	Key    string            // Set; Tag and Emit and Flow: the name; Control: offer, accept, pass, release
	Value  string            // Set
	Params map[string]string // Emit, Flow, Control; Push: its data
	Vendor bool              // Emit: the event is for the vendor
	Far    bool              // Emit: the event is for the customer's channel
	Begun  bool              // Flow: it has been begun, nothing is left to do

	Bound *Bound // of the rule, nil: none

	Err string // a template failed: the action is not done, and this says why
}

// Evaluation is the outcome of all rules that were looked at for one event, in
// their order.
type Evaluation struct {
	Verdicts []*state.RuleVerdict // one for each rule that was looked at
	Actions  []Action             // of the rules that matched
	Waits    []Wait               // rules that are to be looked at again
	Counts   []Count              // matches that limits per conversation count
}

// Fate says how far a call to a plugin got.
type Fate int

// The fates of a call.
const (
	Answered Fate = iota // the driver answered
	NoPlugin             // no live plugin serves the instance: nothing was sent
	NotSent              // it never left the gateway
	Lost                 // it was handed over and no answer came: ambiguous
)
