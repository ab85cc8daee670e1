// Package sdk is all that a plugin author imports.
//
// A plugin is a program that registers drivers and calls [Main]:
//
//	func main() {
//		sdk.Main(sdk.Plugin{ID: "org.example.acme", Version: "1.2.0", Drivers: []sdk.Driver{
//			sdk.NewChannel("acme", caps, open),
//		}})
//	}
//
// A driver is a channel (customers write there) or a connector (agents answer
// there). The gateway opens one value per configured instance; it calls the
// methods of one value from many goroutines, but never two at a time for one
// conversation. What a driver can do beyond [Channel] or [Connector] it says
// by implementing the one-method interfaces of abilities.go.
//
// A driver keeps nothing across restarts: the gateway keeps the chat's ref and
// cursor, the instance state ([Host]), and the messages that wait. Every call
// carries an idempotency key, because after a crash it may come again.
//
// Logs go to [Host.Log]; standard output and standard error belong to the
// gateway (what is printed there becomes a log line).
package sdk

import "context"

// Plugin is what one binary offers.
type Plugin struct {
	ID      string   // reverse DNS, such as "org.example.acme"; identifies the plugin, whatever its file is called
	Version string   // semantic version; of two versions the higher one is active
	Drivers []Driver // channels and connectors, each with a name of its own

	// Exclusive says that an old and a new process of this plugin must not
	// receive at the same time, because it owns a port or a vendor session. Its
	// listener should be a Binder.
	Exclusive bool

	// StateSchema numbers the format of cursors and instance state, from 1.
	// MinStateSchema is the oldest this version reads; 0 means StateSchema.
	StateSchema, MinStateSchema int
}

// Channel writes to customers.
type Channel interface {
	// Send delivers one message, or one part of one, with one effect outside.
	// It returns within ctx's deadline. m.ID is the idempotency key: the same
	// on every attempt. An error is final unless it is one of errors.go; if
	// bytes went out and no answer came it must be [Ambiguous].
	Send(ctx context.Context, to Customer, m Message) (Receipt, error)
}

// Connector carries chats to a contact center, or to a bot.
type Connector interface {
	// Open starts a chat with its first message (its first part, if it was too
	// long) and returns the vendor's id of the chat. Errors, deadline and
	// idempotency key are those of [Channel], here and below.
	Open(ctx context.Context, c Chat, first Message) (ChatRef, error)
	// Send adds a message to an open chat. [ErrChatGone] says that the vendor
	// no longer knows the chat.
	Send(ctx context.Context, c Chat, m Message) (Receipt, error)
	// Close ends the chat. Closing a closed chat is not an error. reason is a
	// word or a person's text: timed_out, what a rule's close says, "" if
	// nobody gave one.
	Close(ctx context.Context, c Chat, reason string) error
}

// ChatRef is a vendor's id of a chat. Events name it, and so do people.
type ChatRef string
