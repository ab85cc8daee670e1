package sdk

import "time"

// Customer is who writes: an address on the channel and what is known of the
// person. Empty fields are unknown.
type Customer struct {
	Address    string // phone number, page-scoped id, RTM user id
	Name       string
	FirstName  string
	LastName   string
	Locale     string            // BCP 47, such as "de-CH"
	Timezone   string            // IANA, such as "Europe/Zurich"
	Addresses  map[string]string // further addresses by channel type
	Attributes map[string]string
}

// Agent is a person, or a bot, in the contact center.
type Agent struct{ ID, Name string }

// Chat is the vendor's side of a conversation.
type Chat struct {
	Conversation string  // the gateway's id, 32 hex digits
	Number       int     // counts the conversation's chats from 1
	Ref          ChatRef // "" in Open
	Customer     Customer
	Channel      string // instance
	ChannelType  string // rtm, sms, …
	Service      string
	Attributes   map[string]string
	Transcript   []Line // in Open, if Capabilities.Transcript: what was said before, oldest first
}

// Line is one line of what was said. Long texts are cut, and end in "…" then.
type Line struct {
	At          time.Time
	Author      AuthorKind
	Name        string // of the author, "" if unknown
	Text        string
	Attachments []Attachment
}

// AuthorKind says who wrote a message.
type AuthorKind int

// The kinds of authors.
const (
	AuthorUnknown  AuthorKind = iota
	AuthorCustomer            // the customer
	AuthorAgent               // a person in the contact center
	AuthorBot                 // a program in place of an agent
	AuthorSystem              // the gateway: it tells the agent something
	AuthorRule                // a rule or flow; what an agent gets is a copy, to be marked automatic
)

// Message is one message on its way out, or one part of one.
type Message struct {
	ID           string // idempotency key, the same on every attempt; at most 64 of [0-9a-z.]
	Text         string
	Attachments  []Attachment
	QuickReplies []QuickReply // to choose from; of a customer's message: the one that was chosen
	Author       AuthorKind
	Agent        Agent             // if Author is AuthorAgent or AuthorBot
	Part, Parts  int               // from 1; Parts is 1 unless the text was split
	Attempt      int               // from 1
	Late         bool              // an operator replayed it
	Resent       bool              // an earlier attempt ended without an answer: it may have arrived
	URLPush      string            // page that the agent wants the customer to see
	At           time.Time         // when it was decided
	ReplyTo      string            // id of the message it answers, "" if it answers none
	Extras       map[string]string // for the channel's own use; of an app push: its title, see PushTitle, and its data; of a call: see WaitDigits
	Copy         bool              // for information: somebody else has the conversation and answers
}

// WaitDigits is the key of Message.Extras that says, in figures, how many digits a
// call waits for after what it says. Without it that is up to the channel; one with
// quick replies waits for one.
const WaitDigits = "digits"

// PushTitle is the key of an app push's title in Message.Extras. The other keys
// are the data for the app.
const PushTitle = "title"

// Attachment is a file by reference. One that the gateway keeps has a MediaID,
// and on its way out a URL, too, under which the far side can fetch it for some
// time, if public_url is configured. See [Host.OpenMedia] for its bytes.
type Attachment struct {
	URL     string // where it can be fetched
	MediaID string // in the gateway's media store
	MIME    string // such as "image/jpeg", "" if unknown
	Name    string // of the file
	Bytes   int64  // size, 0 if unknown
	Caption string
}

// QuickReply is a button: the customer sees Title, the event carries Payload.
type QuickReply struct{ Title, Payload string }

// Receipt is what the far side said of a message it took.
type Receipt struct {
	MessageID string // the far side's id of the message, "" if it has none
	// PartIDs are the far side's ids of all parts, MessageID among them, if it
	// took the message in several: each has receipts of its own, and the message
	// is delivered once all parts are.
	PartIDs   []string
	Delivered bool // it has also confirmed the delivery
}
