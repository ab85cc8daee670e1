package sdk

import "time"

// Capabilities say as data what a driver and its far side can do. The splitter,
// forms, checks of rules and documents are made from them.
type Capabilities struct {
	ChannelType  string    // of a channel: rtm, sms, facebook, twitter, wechat, voice, push
	Text         TextLimit // of one message that leaves the gateway through this driver
	MediaTypes   []string  // MIME types it takes, such as "image/*"; none: no attachments
	QuickReplies bool      // it shows them as buttons

	MaxQuickReplies    int // buttons of one message, 0: no limit is known
	MaxQuickReplyTitle int // code points of a button's title, 0: no limit is known

	Receipts      bool // it reports message_delivered or message_read
	ReceiptsByRef bool // its receipts name the provider's message id and no customer

	TypingIn, TypingOut bool          // it reports typing; it shows it
	TypingTTL           time.Duration // typing expires if no stop comes; 0: 4 s

	// Events are those of chat_idle and customer_unattended that the vendor
	// sends itself; the gateway's own timers do not run for them.
	Events []string

	// IdempotentSend says that the far side drops a message whose ID it has
	// seen. Then an unanswered send is simply sent again.
	IdempotentSend bool

	DedupFor       time.Duration // how long the far side may repeat an event; 0: 24 h
	Rate           float64       // messages per second for an instance, 0: no limit
	Burst          int           // messages that may go at once within Rate; 0: 1
	UndeliveredFor time.Duration // how long sent messages wait for Host.Undelivered; 0: not kept
	NeedsPublicURL bool          // it cannot work unless public_url is configured
	Overflow       Overflow      // what becomes of a text that is over the limit
	Transcript     bool          // of a connector: Open shows the agent Chat.Transcript; else the gateway sends it as text
	MaxAttachment  int64         // bytes of one file, 0: no limit is known
	Window         ReplyWindow   // how long a customer can be written to; the zero value: always
}

// ReplyWindow is what an act of a customer allows: messages to that customer for
// a while, and not without end. Each act opens it anew; the gateway drops what
// comes too late, and says so, before the driver is asked.
type ReplyWindow struct {
	Open     time.Duration // after the act; 0: without end
	Agent    time.Duration // the same for what a person wrote; 0: as Open
	Messages int           // at most so many, 0: any number
}

// Overflow is what becomes of a text that is longer than the other side takes.
type Overflow int

// The policies. None of them cuts.
const (
	Split  Overflow = iota // it goes as several messages
	Refuse                 // it does not go, and who wrote it is told
)

// TextUnit is what a text limit counts.
type TextUnit int

// The units.
const (
	UTF16    TextUnit = iota // UTF-16 code units
	Rune                     // Unicode code points
	Byte                     // bytes of UTF-8
	Grapheme                 // user-perceived characters
	GSM7                     // septets of GSM 03.38, or UTF-16 units where the text needs UCS-2
)

// TextLimit is the longest text of one message; Limit 0 means no limit.
type TextLimit struct {
	Limit int      // in Units
	Unit  TextUnit // what it counts
}
