package sdk

import (
	"context"
	"net"
	"net/http"
	"time"
)

// The interfaces below are optional. The gateway finds them by the type that
// open returns (Checker, Validator, Capable: by that of the settings). Unless said otherwise the
// methods are called from many goroutines, never two at a time for one
// conversation, and return within ctx's deadline. Webhooks and polls belong to
// no conversation: they run beside its calls.

// WebhookReceiver takes the HTTP requests to /hooks/<instance>/…, raw. It
// checks signatures on the raw body. The response is written only when every
// event of it is durable; if that fails, the client gets 503 instead.
//
// Answer an unauthentic request with 401, an unreadable one with 400. If a
// request is authentic and still cannot be read, set Quarantine: the gateway
// keeps its raw bytes for a person.
type WebhookReceiver interface {
	Webhook(ctx context.Context, r *WebhookRequest) (WebhookResponse, error)
}

// WebhookRequest is one HTTP request. Body is at most the configured limit
// (body in the limits block of gateway.hcl, 1 MiB by default). It is the
// driver's: nobody changes it later.
type WebhookRequest struct {
	Method     string
	Path       string // below /hooks/<instance>: "" or with a leading slash
	Query      string // raw, without "?"
	Header     http.Header
	Body       []byte
	RemoteAddr string // IP address
	URL        string // as the platform called it, under the public URL
}

// WebhookResponse is the answer to the client and what the request meant.
type WebhookResponse struct {
	Status     int // 0: 200
	Header     http.Header
	Body       []byte
	Events     []Event
	Quarantine string // why an authentic request could not be read; "": it could
}

// ChatPoller is asked for the news of each open chat, again and again. At most
// one poll per chat is under way. Cursor is what the last poll that brought
// something returned, nil at first. An error is retried; [ErrChatGone] ends
// the chat.
type ChatPoller interface {
	Poll(ctx context.Context, c Chat, cursor []byte) (PollResult, error)
}

// AccountPoller is asked for the news of the whole instance, again and again,
// one poll after the other. Cursor and errors are as for [ChatPoller]; its
// events name a customer or a ref.
type AccountPoller interface {
	PollAccount(ctx context.Context, cursor []byte) (PollResult, error)
}

// PollResult is what a poll brought. Events and Cursor become durable
// together; an empty result with an equal cursor writes nothing.
type PollResult struct {
	Events []Event
	Cursor []byte
	Next   time.Duration // wait before the next poll; 0 lets the gateway choose
}

// Listener has sockets or sessions of its own. Listen runs from the moment the
// instance may receive until ctx ends, and returns nil then; an error makes
// the gateway call it again after a pause. emit is safe for concurrent use,
// blocks under pressure, and returns nil once the events are durable: only
// then may the far side be told so. A [RejectedError] says that the gateway
// will never take these events, such as one that names nobody.
type Listener interface {
	Listen(ctx context.Context, emit func(context.Context, ...Event) error) error
}

// Binder is a [Listener] that needs what only one process can have, such as a
// port. Bind takes it, within five seconds, and Listen, which lets go of it,
// follows unless Bind fails, even if ctx has ended meanwhile; an error is
// treated as one of Listen. If the new version of an Exclusive plugin cannot
// bind, the old one goes on in its place.
type Binder interface {
	Listener
	Bind(ctx context.Context) error
}

// SocketUpgrader takes WebSocket connections to /hooks/<instance>/…, at the
// gateway's own port. conn carries the payload of binary messages; ServeSocket
// owns it and returns when it is done with it. Subprotocols names what is
// accepted, in order of preference.
type SocketUpgrader interface {
	Subprotocols() []string
	ServeSocket(ctx context.Context, r *WebhookRequest, conn net.Conn) error
}

// Checker is implemented by a settings struct: what is wrong with settings that
// their schema cannot say. It asks nobody, and an instance is only opened with
// settings that pass. Each line of the error begins with the name of a setting, and
// with that of its block before it, such as "tls.ca is no certificate": the person
// who saves is told where that stands.
type Checker interface {
	Check() error
}

// Validator is implemented by a settings struct: a live check of settings, such
// as a call with the credentials. It changes nothing. It is made of settings
// that are not saved yet, where the error is shown to the person who saves, and
// of those of an open instance until they pass, where it is shown in the log
// and the API.
type Validator interface {
	Validate(ctx context.Context) error
}

// CustomerTyper shows the customer that somebody is typing. Channels.
type CustomerTyper interface {
	TypingToCustomer(ctx context.Context, to Customer, on bool) error
}

// CustomerReceipter tells the customer what became of a message of hers:
// messageID is the one that her event had, status is delivered (an agent or a bot
// has it) or read. It is called beside Send to the same customer and not in order with
// it, may come more than once, and is not made up for if it fails. Channels.
type CustomerReceipter interface {
	ReceiptToCustomer(ctx context.Context, to Customer, messageID, status string) error
}

// CustomerEventSender tells the customer's app what happens to the
// conversation: agent_joined and agent_left with the param name, which is absent if the
// contact center gives none. It is called as [CustomerReceipter] is. Channels.
type CustomerEventSender interface {
	EventToCustomer(ctx context.Context, to Customer, name string, params map[string]string) error
}

// ChatTyper shows the agent that the customer is typing. Connectors.
type ChatTyper interface {
	TypingToChat(ctx context.Context, c Chat, on bool) error
}

// Receipter tells the agent what became of a message: messageID is the one
// that the agent's event had, status is delivered, read or failed, and reason
// says why it failed. Connectors.
type Receipter interface {
	Receipt(ctx context.Context, c Chat, messageID, status, reason string) error
}

// Transferrer moves a chat to another queue, team or agent. Target is a queue or
// team as the vendor names it, or agent: and the vendor's name of an agent; a
// driver may know further kinds, such as skill:. Connectors.
type Transferrer interface {
	Transfer(ctx context.Context, c Chat, target string) error
}

// Holder puts a chat on hold or takes it back. Connectors.
type Holder interface {
	Hold(ctx context.Context, c Chat, on bool) error
}

// Reopener opens a closed chat again, and returns its id, which may be a new
// one. It is called when the customer writes soon after the end; the message
// follows. A chat that is open already, because the answer to an earlier call
// was lost, is no error; any other refusal makes the gateway open a new chat.
// Connectors.
type Reopener interface {
	Reopen(ctx context.Context, c Chat) (ChatRef, error)
}

// Updater tells the vendor that the customer's profile or the chat's
// attributes changed. Connectors.
type Updater interface {
	Update(ctx context.Context, c Chat) error
}

// EventSender sends a custom event to the vendor. Connectors.
type EventSender interface {
	SendEvent(ctx context.Context, c Chat, name string, params map[string]string) error
}

// Caller places a voice call: it says the message's text, or plays its
// attachments. It returns once the call is placed; the outcome comes as call_
// events, whose CallID is the receipt's MessageID or the message's ID. Channels.
// A call whose answer was lost is never placed again.
type Caller interface {
	Call(ctx context.Context, to Customer, m Message) (Receipt, error)
}

// TokenRegistrar binds an app's push token to a customer, or unbinds it; the same
// again is no error. token is the platform, a colon and the platform's token, such
// as fcm:dQw4…. Channels.
type TokenRegistrar interface {
	Register(ctx context.Context, to Customer, token string) error
	Unregister(ctx context.Context, to Customer, token string) error
}

// Capable is implemented by a settings struct on which the capabilities depend,
// such as a text limit that differs between two providers. It gets those of the
// driver and returns those of an instance with these settings. It is pure.
type Capable interface {
	Capabilities(of Capabilities) Capabilities
}

// Closer is called once, after the last call, when the instance is closed or
// replaced because its settings changed. The new value is opened before the
// old one is closed, so that none is missing meanwhile; in a plugin that is
// Exclusive the old one is closed first. It has five seconds.
type Closer interface {
	CloseInstance(ctx context.Context) error
}
