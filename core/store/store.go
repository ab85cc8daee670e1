// Package store is the interface between the gateway and the disk.
//
// A conversation is a document with a single writer and a compare-and-set
// revision, a mailbox of events that wait to be decided, an outbox of commands
// in lanes, one timer, and a history. One call, [Shard.Commit], changes all of
// them together. Nothing above this package knows which engine it runs on; all
// engines pass storetest.
//
// Bodies (documents, mails, commands, entries) are opaque bytes here.
package store

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"github.com/openccsp/gateway/core"
)

// MaxBody is the largest document, mail, command or entry, in bytes.
const MaxBody = 256 << 10

// Shards is into how many parts conversations are divided. It is fixed when a
// store is created.
const Shards = 16

// The errors of this package. Any other error of a Store is one of these,
// wrapped with what was being done.
var (
	// ErrConflict: Expect is not the document's revision, or a ref is bound to
	// another conversation. Nothing of the call was stored. It never hides a
	// commit that was applied.
	ErrConflict = errors.New("store: conflict")
	// ErrDuplicate: a fresh event of a commit has been seen before; see
	// [DuplicateError]. Nothing of the call was stored.
	ErrDuplicate = errors.New("store: duplicate event")
	// ErrFenced: this node no longer owns the shard. Drop all work of it.
	ErrFenced = errors.New("store: shard is owned elsewhere")
	// ErrUnavailable: nothing happened, try later. Also if a stored value is
	// damaged; Health then says so.
	ErrUnavailable = errors.New("store: unavailable")
	// ErrFull: free space is below the watermark. Append and commits with
	// fresh events fail, everything else goes on, until there is so little
	// that no write is safe: then all fail with it.
	ErrFull = errors.New("store: disk full")
	// ErrTooLarge: a body is over MaxBody.
	ErrTooLarge = errors.New("store: too large")
	// ErrNotFound: there is no such thing.
	ErrNotFound = errors.New("store: not found")
	// ErrClosed: the store is closed.
	ErrClosed = errors.New("store: closed")
	// ErrBroken: a write or sync failed, or the log ends before the head
	// marker. The process must stop; retrying could acknowledge lost data.
	ErrBroken = errors.New("store: broken")
)

// DuplicateError is ErrDuplicate with the places of the duplicates.
type DuplicateError struct{ Fresh []int } // indexes into Commit.Fresh

// Error returns the text of ErrDuplicate.
func (e *DuplicateError) Error() string { return ErrDuplicate.Error() }

// Is makes errors.Is(err, ErrDuplicate) true.
func (e *DuplicateError) Is(target error) bool { return target == ErrDuplicate }

// Rev is the revision of a document: 0 if there is none, and it only grows.
type Rev uint64

// Seq is a place in a mailbox. It grows per conversation, with gaps.
type Seq uint64

// Dedup identifies an event of a provider within its conversation.
type Dedup struct {
	Instance string
	ID       string        // "": never a duplicate
	For      time.Duration // how long it is remembered
}

// Event enters a mailbox.
type Event struct {
	Conversation core.ConversationID
	Dedup        Dedup
	Body         []byte
}

// Receipt says where an appended event went.
type Receipt struct {
	Seq       Seq
	Duplicate bool // it has been seen before: nothing was stored
}

// Ref names a stored mail.
type Ref struct {
	Conversation core.ConversationID
	Seq          Seq
}

// Lane is an ordered queue of one conversation's commands, such as "customer"
// or "chat:3"; at most MaxLane bytes.
type Lane string

// MaxLane is the longest name of a lane, in bytes.
const MaxLane = 32

// OutItem is a command in the outbox.
type OutItem struct {
	ID   core.CommandID
	Lane Lane
	Body []byte
}

// OutRef names a command in the outbox.
type OutRef struct {
	ID   core.CommandID
	Lane Lane
}

// Kept is a sent message that waits for its delivered receipt.
type Kept struct {
	ID   core.CommandID
	Body []byte
	For  time.Duration // 0: until Unkeep; when read, the time left
}

// Entry is one line of history. N grows per conversation; writing the same N
// again replaces it.
type Entry struct {
	N       uint64
	Body    []byte
	Expires time.Duration // 0: kept until Retire
}

// Dead is a dead letter or a quarantined input. Both are kept until deleted.
type Dead struct {
	ID   string // sorts by time
	Body []byte
}

// Index is what conversations are listed by.
type Index struct {
	UpdatedMS int64  // milliseconds since 1970
	Status    string // open, closed, none
	Service   string
	Channel   string
	ChatRef   string
	Customer  string // address
}

// TimerOp changes a conversation's timer: the zero value leaves it alone.
type TimerOp struct {
	Set bool
	Due time.Time // zero: no timer
}

// Commit changes one conversation, all or nothing.
type Commit struct {
	ID           [16]byte // random; a retried commit with the same ID is applied once
	Conversation core.ConversationID
	Expect       Rev
	Doc          []byte    // nil leaves the document as it is (and its revision grows all the same)
	Fresh        []Dedup   // of events decided here that never were in the mailbox
	Consume      []Seq     // decided mails
	Out          []OutItem // new commands; an existing one of that id and lane is replaced
	OutDone      []OutRef  // commands that have ended
	Keep         []Kept
	Unkeep       []core.CommandID // their receipts have come
	Timer        TimerOp
	History      []Entry
	Retire       []uint64      // entries whose retention starts now
	Retention    time.Duration // for Retire; 0: the store's own
	Dead         []Dead        // dead letters
	Quarantine   []Dead        // mails that could not be decided
	Index        *Index        // nil: unchanged
}

// Store is one engine.
type Store interface {
	// Append makes events durable and puts them into their mailboxes in call
	// order. On error any subset may be durable: try again with the same ids.
	// A receipt is a duplicate only if the original is durable. Bodies may be
	// reused when it has returned.
	Append(ctx context.Context, events ...Event) ([]Receipt, error)

	// Serve calls own for every shard this node holds, each in its own
	// goroutine; own's ctx ends, with cause ErrFenced, when the shard is lost.
	// Serve returns when ctx has ended and every own has returned, or with the
	// first error of an own, after ending the others.
	Serve(ctx context.Context, own func(ctx context.Context, s Shard) error) error

	// Bind ties (instance, ref) to a conversation for ttl (0: for ever), durable and
	// linearizable. The same again renews it; another conversation is ErrConflict.
	Bind(ctx context.Context, instance, ref string, c core.ConversationID, ttl time.Duration) error
	// Resolve returns the conversation of (instance, ref), or ErrNotFound.
	Resolve(ctx context.Context, instance, ref string) (core.ConversationID, error)

	// State and SetState keep small values of instances: compare-and-set,
	// durable. nil is no value. ErrConflict if the value is not old.
	State(ctx context.Context, instance, key string) ([]byte, error)
	SetState(ctx context.Context, instance, key string, old, new []byte) error
	// SetStateFor is SetState of a value that is none again after ttl (0: it stays).
	SetStateFor(ctx context.Context, instance, key string, old, new []byte, ttl time.Duration) error
	// Secret and SetSecret keep secrets, encrypted at rest. ErrNotFound.
	Secret(ctx context.Context, instance, name string) ([]byte, error)
	SetSecret(ctx context.Context, instance, name string, value []byte) error

	// Blob and PutBlob keep immutable values by the hash of their content, up to
	// 64 MB. ErrNotFound.
	Blob(ctx context.Context, hash string) ([]byte, error)
	PutBlob(ctx context.Context, hash string, b []byte) error

	// Quarantine keeps bad input that belongs to no conversation.
	Quarantine(ctx context.Context, d Dead) error
	// DeleteDead and DeleteQuarantined remove one, or return ErrNotFound.
	// Replay of a dead letter is an Append to its conversation, then a delete.
	DeleteDead(ctx context.Context, id string) error
	DeleteQuarantined(ctx context.Context, id string) error

	// Reader returns what answers questions. It is good as long as the store.
	Reader() Reader

	// Export writes the whole store, or what changed since a mark if the
	// engine can tell; Import reads it into an empty store that is not served.
	Export(ctx context.Context, w io.Writer, since Mark) (Mark, error)
	Import(ctx context.Context, r io.Reader) error

	// Health says how the store is. It does not block.
	Health() Health
	// Failed is closed when the store is broken and the process must stop.
	Failed() <-chan struct{}
	// Close answers what waits and lets everything go. Later calls get
	// ErrClosed. It may be called again.
	Close() error
}

// Mark is a point in a store's log, for incremental exports.
type Mark uint64

// Health is the state of a store.
type Health struct {
	OK        bool   // it can be written to, and no stored value was found damaged
	Full      bool   // nothing new is accepted: see ErrFull
	FreeBytes uint64 // on its disk
	Err       error  // why it is not OK
}

// Shard is a part of the conversations, owned by this node while ctx of
// Serve's own lives.
type Shard interface {
	// ID is its number, from 0: that of ShardOf for its conversations.
	ID() int
	// Feed yields a ref for every mail: first all that were stored before,
	// then new ones as they are appended, per conversation by Seq, until ctx
	// ends. The zero Ref marks the end of the backlog.
	Feed(ctx context.Context) iter.Seq2[Ref, error]
	// Mail returns the first stored mails of a conversation after seq, at most limit.
	Mail(ctx context.Context, c core.ConversationID, after Seq, limit int) ([]Mail, error)
	// Pending yields the outbox as it was at the time of the call, per conversation and lane in
	// order, without bodies.
	Pending(ctx context.Context) iter.Seq2[OutRef, error]
	// Lane returns the commands of a lane after number n, in order, at most limit.
	Lane(ctx context.Context, c core.ConversationID, lane Lane, after core.CommandID, limit int) ([]OutItem, error)
	// Timers yields all armed timers.
	Timers(ctx context.Context) iter.Seq2[Timer, error]
	// Load returns a conversation's document and revision, or ErrNotFound. The
	// document is nil if there were commits but none with one.
	Load(ctx context.Context, c core.ConversationID) ([]byte, Rev, error)
	// Commit applies c and returns the new revision. It may be called by any
	// number of goroutines; c and its bodies are the caller's again when it has
	// returned. If ctx ends too late to withdraw it, Commit waits for the
	// outcome: an error other than ErrBroken means that c was not applied.
	Commit(ctx context.Context, c *Commit) (Rev, error)
}

// Mail is a stored event.
type Mail struct {
	Seq  Seq
	Body []byte
}

// Timer is the armed timer of a conversation.
type Timer struct {
	Conversation core.ConversationID
	Due          time.Time
}

// Reader answers the console and the API. It may lag behind, never ahead. A
// cursor that is not from a page is a core.Error with code core.Invalid.
type Reader interface {
	// Document is Shard.Load.
	Document(ctx context.Context, c core.ConversationID) ([]byte, Rev, error)
	// List returns conversations, the last changed first, that match f.
	List(ctx context.Context, f Filter, cursor string, limit int) (Page[Listed], error)
	// History returns entries of a conversation, newest first.
	History(ctx context.Context, c core.ConversationID, cursor string, limit int) (Page[Entry], error)
	// Kept returns the sent messages without a delivered receipt, oldest
	// first, after the command after.
	Kept(ctx context.Context, c core.ConversationID, after core.CommandID, limit int) ([]Kept, error)
	// Outbox returns the commands of a conversation that have not ended.
	Outbox(ctx context.Context, c core.ConversationID, limit int) ([]OutItem, error)
	// Dead and Quarantined return the newest first, by id; DeadLetter and
	// QuarantinedItem return one, or ErrNotFound.
	Dead(ctx context.Context, cursor string, limit int) (Page[Dead], error)
	DeadLetter(ctx context.Context, id string) (Dead, error)
	Quarantined(ctx context.Context, cursor string, limit int) (Page[Dead], error)
	QuarantinedItem(ctx context.Context, id string) (Dead, error)
}

// Filter selects conversations; empty fields match all.
type Filter struct{ Status, Service, Channel, ChatRef, Customer string }

// Listed is a conversation in a list.
type Listed struct {
	ID    core.ConversationID
	Index Index
}

// Page is a part of a list. Next is the cursor of the next one, "" at the end:
// a page may have fewer items than asked for, even none, and a next one.
type Page[T any] struct {
	Items []T
	Next  string
}

// ShardOf returns the number of the shard that holds a conversation.
func ShardOf(c core.ConversationID) int {
	return int(uint16(c[0])<<8|uint16(c[1])) % Shards
}
