// Package core is the vocabulary of the gateway: ids, error codes, what rules
// ask for, and how far a call got. It imports nothing of this module but the
// stored formats and the plugin protocol that they hold.
package core

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Version is the version of the gateway, set at build time.
var Version = "dev"

// ConversationID names a conversation: one customer on one channel.
type ConversationID [16]byte

// NewConversationID returns the id of the customer at address on channel. Only
// the hash goes into keys, so an address may hold any bytes.
func NewConversationID(channel, address string) ConversationID {
	return hashID("conversation", channel, address)
}

// OrphanID returns the id of the conversation that holds the events of a chat
// nobody knows.
func OrphanID(integration, chatID string) ConversationID {
	return hashID("orphan", integration, chatID)
}

// CounterID names what counts the matches of a rule: all of them, or those of
// the customer at address on channels of a type.
func CounterID(rule, channelType, address string) ConversationID {
	return hashID("counter", rule, channelType, address)
}

func hashID(parts ...string) (id ConversationID) {
	h := sha256.New()
	var n [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write([]byte(p))
	}
	copy(id[:], h.Sum(nil))
	return id
}

// String returns 32 hex digits.
func (id ConversationID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText writes what String does, so that logs and JSON show it too.
func (id ConversationID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// ParseConversationID reads what String wrote; another text is [Invalid].
func ParseConversationID(s string) (id ConversationID, err error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(id) {
		return id, Errorf(Invalid, "%q is not a conversation id; want 32 hex digits", s)
	}
	copy(id[:], b)
	return id, nil
}

// CommandID names a command, for ever: it is the idempotency key the outside
// sees.
type CommandID struct {
	Conversation ConversationID
	Epoch        uint64 // random, made with the document
	N            uint64 // counts the conversation's commands from 1
}

// String returns the idempotency key, such as
// "0f…9a.3b9ac9ff01020304.7": conversation, epoch, number.
func (id CommandID) String() string {
	return fmt.Sprintf("%s.%016x.%d", id.Conversation, id.Epoch, id.N)
}

// MarshalText writes what String does, so that logs and JSON show it too.
func (id CommandID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// ParseCommandID reads what String wrote; another text is [Invalid].
func ParseCommandID(s string) (id CommandID, err error) {
	bad := Errorf(Invalid, "%q is not a command id", s)
	parts := strings.Split(s, ".")
	if len(parts) != 3 || len(parts[1]) != 16 {
		return id, bad
	}
	var errs [3]error
	id.Conversation, errs[0] = ParseConversationID(parts[0])
	id.Epoch, errs[1] = strconv.ParseUint(parts[1], 16, 64)
	id.N, errs[2] = strconv.ParseUint(parts[2], 10, 64)
	if errors.Join(errs[:]...) != nil || id.String() != s {
		return CommandID{}, bad
	}
	return id, nil
}

// Code classifies an Error. Each code has one HTTP status and one meaning for
// a caller.
type Code string

// The codes.
const (
	Invalid      Code = "invalid"      // the request can never succeed as written
	Unauthorized Code = "unauthorized" // who asks is not known
	NotFound     Code = "not_found"    // the named thing does not exist
	Conflict     Code = "conflict"     // the thing exists, or changed meanwhile
	Unavailable  Code = "unavailable"  // may succeed later, retry
	TooMany      Code = "too_many"     // over the caller's own quota, retry more slowly
	TooLarge     Code = "too_large"    // over a limit
	Internal     Code = "internal"     // a bug or a broken disk; details go to the log
)

// ErrNoMessage is the cause of a NotFound for a receipt whose message was not sent
// from here: it comes in vain, however often it comes.
var ErrNoMessage = errors.New("no such message")

// Error is an error that a user of the gateway may read.
type Error struct {
	Code    Code
	Reason  string // finer than Code, for programs, such as media_type; may be ""
	Message string
	Err     error // cause, or nil; not shown to API clients
}

// Error returns the message and the cause.
func (e *Error) Error() string {
	if e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf returns an *Error with the given code and message.
func Errorf(code Code, format string, args ...any) error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// ReasonOf returns the reason of the first *Error in err's tree, "" if there is none.
func ReasonOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return ""
}

// CodeOf returns the code of the first *Error in err's tree, Internal if there
// is none, and "" if err is nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return Internal
}
