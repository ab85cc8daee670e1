package sdk

import (
	"errors"
	"fmt"
	"time"
)

// An error of a driver's call says one thing: what should happen next. The
// network's own errors may be handed on as they are: without a connection
// nothing happened, as [Retry]; a connection or deadline that ended later is
// [Ambiguous]. Any other error that is none of these is final, as [Rejected].
// A panic is ambiguous.
var (
	// ErrWindowClosed: the channel's reply window is closed. Final.
	ErrWindowClosed = errors.New("reply window closed")
	// ErrRecipientGone: the customer blocked us, unsubscribed, or does not exist. Final.
	ErrRecipientGone = errors.New("recipient gone")
	// ErrAuthConfig: the credentials are wrong; an operator must act. The
	// command waits and is tried again from time to time.
	ErrAuthConfig = errors.New("credentials refused")
	// ErrAuthRefreshed: a token had expired and has been renewed. The command
	// is tried again once, at once.
	ErrAuthRefreshed = errors.New("token renewed")
	// ErrChatGone: the vendor no longer knows the chat. Waiting messages go
	// to a new one.
	ErrChatGone = errors.New("chat gone")
	// ErrUnsupported: this driver cannot do that. Final.
	ErrUnsupported = errors.New("unsupported")
	// ErrConflict: Host.SetState found another value than the one expected.
	ErrConflict = errors.New("state has changed")
)

// RetryError is a failure that may pass. Nothing happened outside.
type RetryError struct {
	Err       error
	Code      string        // shown while it waits, such as the far side's own; may be ""
	After     time.Duration // earliest next attempt; 0 lets the gateway choose
	Throttled bool          // the far side asks the whole instance to slow down
}

// Error returns the text of the cause.
func (e *RetryError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *RetryError) Unwrap() error { return e.Err }

// Retry marks err as a failure that may pass, with nothing done outside.
func Retry(err error, after time.Duration) error { return &RetryError{Err: err, After: after} }

// Throttled is [Retry] and slows the whole instance down, as for HTTP 429.
func Throttled(err error, after time.Duration) error {
	return &RetryError{Err: err, After: after, Throttled: true}
}

// AmbiguousError is a call whose bytes went out and whose answer did not come:
// it may have had its effect.
type AmbiguousError struct {
	Err   error
	After time.Duration // earliest second attempt; 0: at once
}

// Error returns the text of the cause.
func (e *AmbiguousError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *AmbiguousError) Unwrap() error { return e.Err }

// Ambiguous marks err as a call that may have had its effect. A message is
// sent once more, flagged; a phone call is not.
func Ambiguous(err error) error { return &AmbiguousError{Err: err} }

// RejectedError is a final refusal: the far side's own code, which is counted and
// shown, and its words. Neither may hold a secret or a text of the customer's.
type RejectedError struct{ Code, Detail string }

// Error returns "refused: ", the code and the detail.
func (e *RejectedError) Error() string { return fmt.Sprintf("refused: %s %s", e.Code, e.Detail) }

// Rejected returns a [RejectedError].
func Rejected(code, detail string) error { return &RejectedError{code, detail} }
