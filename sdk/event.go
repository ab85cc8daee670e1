package sdk

import (
	"encoding/json"
	"time"
)

// The types of events that drivers report. A type that is not in this list is
// a custom event of that name, never dropped.
const (
	CustomerMessage    = "customer_message"
	IncomingMessage    = "incoming_message" // the agent's
	ChatOpened         = "chat_opened"
	ChatQueued         = "chat_queued"
	ChatAssigned       = "chat_assigned"
	ChatTransferred    = "chat_transferred"
	ChatHeld           = "chat_held"
	ChatResumed        = "chat_resumed"
	ChatReopened       = "chat_reopened"
	ChatRejected       = "chat_rejected"
	ChatIdle           = "chat_idle"
	ChatClosed         = "chat_closed"
	CustomerUnattended = "customer_unattended"
	AgentJoined        = "agent_joined"
	AgentLeft          = "agent_left"
	MessageDelivered   = "message_delivered"
	MessageRead        = "message_read"
	MessageFailed      = "message_failed"
	CallAnswered       = "call_answered"
	CallDigits         = "call_digits"
	CallEnded          = "call_ended"
	SurveyRated        = "survey_rated"

	// PushToken says that the customer's app can be reached by push. Params has
	// "platform", which is fcm or apns, and "token"; with "remove" it is any
	// value, the app can no longer be. The gateway hands it to the service's push
	// channel, see [TokenRegistrar].
	PushToken = "push_token"

	CustomEvent   = "custom_event"
	FlowTriggered = "flow_triggered"

	// Who has the conversation. A bot or contact center reports what it does
	// with its control of it; To says who is meant, [ToCCSP] or [ToBot], "" the
	// other side, Reason why, and Params what the other side should know.
	ControlOffered  = "control_offered"  // the other side may take it, and does so by its first word
	ControlAccepted = "control_accepted" // it takes what it was offered
	ControlPassed   = "control_passed"   // the other side has it from now on
	ControlReleased = "control_released" // it gives it up: the service's default decides
)

// The sides that can have a conversation, in Event.To of the control events.
const (
	ToCCSP = "ccsp"
	ToBot  = "bot"
)

// Event is a fact from outside.
//
// It is addressed by Customer.Address (what happens on a channel) or by Ref, a
// chat id or the id of a message we sent. The events that Poll returns need
// neither: they belong to the chat that was polled. What a connector knows of its
// chat's customer goes into Customer without an address. A chat that an agent begins
// is a ChatOpened with all of Ref, Customer.Address and Channel, and By "agent".
//
// A receipt with a Customer and neither MessageID nor Ref is about all messages
// that were sent to that customer until At: a watermark.
type Event struct {
	Type     string
	ID       string    // the provider's, for deduplication; "" is never a duplicate
	At       time.Time // the provider's clock; zero means now
	Customer Customer
	Ref      string

	Text         string
	Attachments  []Attachment
	QuickReply   *QuickReply  // customer_message: what the customer chose
	QuickReplies []QuickReply // incoming_message: what the customer may choose from
	MessageID    string       // customer_message: the customer's; receipts: the message they are about
	Agent        Agent
	Queue        string
	Position     *int           // chat_queued: in the queue, from 1
	EstWait      *time.Duration // chat_queued
	IdleTime     *time.Duration // chat_idle
	WaitTime     *time.Duration // customer_unattended
	Reason       string         // chat_closed, chat_rejected, agent_left, call_ended, message_failed
	ReasonCode   string
	Kind         string // chat_transferred: queue, agent, skill
	From, To     string
	Status       string            // chat_closed
	By           string            // chat_closed: agent, customer, system
	TimedOut     bool              // chat_closed
	EventName    string            // custom_event
	Params       map[string]string // custom_event, flow_triggered
	Code         string            // message_failed
	CallID       string            // call_answered, call_digits, call_ended: it is a Ref, too, see [Caller]
	Digits       string            // call_digits
	Duration     *time.Duration    // call_ended
	Score        *float64          // survey_rated
	Comment      string            // survey_rated
	URLPush      string            // incoming_message: page the agent shows the customer
	Payload      json.RawMessage   // the vendor's own JSON
	Private      bool              // must never reach the customer
	Channel      string            // chat_opened of a chat that an agent began: the instance on which the customer is

	// Window is what this act of a customer allows, if that is not what the
	// capabilities say, such as a minute after a click in a menu. A customer's
	// message opens the channel's own; other events of a channel open one only if
	// they say so.
	Window *ReplyWindow
}
