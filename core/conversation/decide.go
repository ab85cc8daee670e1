// Package conversation is the heart of the gateway: [Decide], a pure function
// from a conversation's document and one input to the next document and the
// commands to carry out. It knows no clock, no store and no plugin.
package conversation

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"runtime/debug"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
)

// Input is one thing to decide: a mail, or else the end of a command.
type Input struct {
	Mail   *state.Mail
	Result *Result
}

// End says how a command ended.
type End int

// The ends of commands.
const (
	Sent    End = iota // the far side took it
	Dropped            // it was not to be done, see the reason
	Dead               // it could not be done and can be replayed
	Gone               // its chat is closed: its message goes to another one
)

// String returns sent, dropped, dead or gone.
func (e End) String() string { return [...]string{"sent", "dropped", "dead", "gone"}[e] }

// Result is the end of a command: what the last attempt's answer said, or why
// there was none.
type Result struct {
	Command   *state.Command
	Attempts  *state.Attempts // may be nil
	End       End
	Reason    string   // of an end that is not Sent
	MessageID string   // the provider's, of a message that was sent
	PartIDs   []string // the provider's of all parts, if it took the message in several
	ChatRef   string   // of a chat that was opened
	Delivered bool     // the answer is the delivered receipt too
	Answer    []byte   // JSON, of a notification whose answer a flow waits for; at most MaxAnswer bytes

	// Rest are the commands that wait behind it in its lane, in order: needed
	// where they share its fate, see [NeedsRest].
	Rest []*state.Command
}

// MaxAnswer is how many bytes of an endpoint's answer a flow gets. A longer one
// is none.
const MaxAnswer = 16 << 10

// NeedsRest says whether Decide must see the commands waiting behind c when c
// ends like this.
func NeedsRest(c *state.Command, end End) bool {
	if c.Kind == state.CommandKind_CHAT_REOPEN {
		return end != Sent
	}
	switch end {
	case Gone:
		return true
	case Dead:
		return c.Group != 0 || c.Chat != 0
	case Dropped:
		return c.Group != 0 || c.Kind == state.CommandKind_CHAT_OPEN_CMD
	}
	return false
}

// Decision is what follows from an input.
type Decision struct {
	Doc      *state.Document
	Commands []*state.Command    // new ones, in order
	Ended    []*state.Command    // no longer to be done
	Entries  []Entry             // history
	Dead     []*state.DeadLetter // replayable
	Keep     []*state.Command    // sent messages that wait for a delivered receipt
	Unkeep   []uint64            // command numbers whose receipt came
	Retire   []uint64            // records whose last command ended
	Binds    []Bind              // to be durable before the commit
	Notices  []Notice            // for the customer's app, once all of this is durable
	Timer    Timer
	Indexed  bool // what the conversation is listed by has changed
	Poison   []Poison
	Ghosts   []*state.Command     // opens whose vendor may have the chat twice
	Verdicts []*state.RuleVerdict // of all its facts, for counting
	Acted    []*core.Action       // what rules and flows did, in order; in a rehearsal only
}

// Entry is one line of history.
type Entry struct {
	N    uint64
	Body []byte // a state.Entry
	Open bool   // commands of it have not ended: it is kept until then
}

// Bind ties a vendor's id to this conversation.
type Bind struct {
	Instance, Ref string
	Message       bool // a message: it is bound for a shorter while than a chat
}

// Timer changes when the conversation is to be woken: the zero value leaves it
// alone.
type Timer struct {
	Set bool
	Due time.Time // zero: not any more
}

// Poison is a fact that stage 1 could not bear.
type Poison struct {
	Type  string
	Stack string
}

// New returns the empty document of a conversation that nobody has heard of.
func New(id core.ConversationID, epoch uint64, now time.Time) *state.Document {
	return &state.Document{Id: id[:], Epoch: epoch, CreatedMs: now.UnixMilli()}
}

// Decide returns what follows from in. It changes neither doc nor in. It never
// panics: if the rules do, they have the verdict error and the core's proposal
// stands; if the core's own transition does, the fact is recorded as dead and
// leaves the document as it was.
func Decide(doc *state.Document, in Input, snap *Snap, now time.Time) *Decision {
	faults := map[int]*fault{}
	for {
		t := &turn{
			doc: doc.CloneVT(), d: &Decision{}, snap: snap, now: now, ms: now.UnixMilli(),
			faults: faults, indexed: indexOf(doc),
		}
		at, f := t.attempt(in)
		if f == nil {
			return t.finish()
		}
		if old := faults[at]; old != nil && old.core {
			return t.hopeless(doc, in, f)
		} else if old != nil {
			f.core = true // without the rules it failed again
		}
		faults[at] = f
	}
}

// fault is a panic while deciding one fact.
type fault struct {
	core  bool // in stage 1, or in making the commands of its proposal
	cause string
	stack string
}

// attempt decides in, and returns the number of the fact that failed.
func (t *turn) attempt(in Input) (at int, f *fault) {
	defer func() {
		if r := recover(); r != nil {
			at = t.at
			f = &fault{core: t.stage == 1, cause: fmt.Sprint(r), stack: string(debug.Stack())}
		}
	}()
	t.begin(in)
	for len(t.facts) > 0 || t.takeNext() {
		next := t.facts[0]
		t.facts = t.facts[1:]
		t.fact(next)
		t.at++
	}
	t.arm()
	return 0, nil
}

// hopeless is for an input that fails even when its fact is skipped: only the
// failure is recorded. A command whose end could not be decided is dead, and
// those that share its fate with it.
func (t *turn) hopeless(doc *state.Document, in Input, f *fault) *Decision {
	t.doc, t.d = doc.CloneVT(), &Decision{}
	t.dead("input", f)
	if in.Result != nil {
		t.bury(in.Result, Dead, "poison")
	}
	if in.Mail.GetFired() != nil {
		t.doc.TimerMs = 0 // it has rung: the next decision sets it anew
	}
	return t.finish()
}

// documentHash names a document in a record of a failure.
func documentHash(doc *state.Document) string {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(doc)
	if err != nil {
		return ""
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:16])
}
