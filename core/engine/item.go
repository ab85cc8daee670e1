package engine

import (
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
)

// item is a command of a lane.
type item struct {
	cmd   *state.Command
	att   *state.Attempts
	state itemState
	inst  *instance // whose place it holds, nil: none
	rises int       // of the instance when the place was taken

	awaits *instance // that counts it among those whose provider's ids are not known yet, nil: none

	flight  int    // counts its calls: an answer to an earlier one is none
	allowed bool   // the limit of its rule lets it go
	answer  []byte // what the endpoint said, if a flow wants to know
	gone    int    // how often its vendor said that it does not know the chat
	polls   int    // of the chat before it said so first
	record  []byte // the history record of its event, nil: only the store has it
}

// itemState is where a command stands. Only the head of a lane leaves waiting.
type itemState int

const (
	waiting itemState = iota // for its turn
	planned                  // it goes once the commit in hand is durable
	cleared                  // it goes
	flying                   // a call is under way
	paused                   // a timer, the instance, or a write stands before its next attempt
	over                     // it has ended; the commit of that is in hand
)

// out is the item as the store has it.
func (it *item) out() store.OutItem {
	return store.OutItem{
		ID: commandID(it.cmd), Lane: store.Lane(it.cmd.Lane),
		Body: encode(&state.Pending{Command: it.cmd, Attempts: it.att}),
	}
}

// decodeItem reads what out wrote, nil if it cannot be read.
func decodeItem(body []byte) *item {
	p := &state.Pending{}
	if err := p.UnmarshalVT(body); err != nil || p.Command == nil {
		return nil
	}
	if p.Attempts == nil {
		p.Attempts = &state.Attempts{}
	}
	return &item{cmd: p.Command, att: p.Attempts}
}

// commandID is the id of a command.
func commandID(c *state.Command) core.CommandID {
	return core.CommandID{Conversation: core.ConversationID(c.Conversation), Epoch: c.Epoch, N: c.Number}
}

// startAge notes since when the item is the head of its lane, if nothing does.
func (it *item) startAge(now time.Time) {
	if it.att.FirstMs == 0 {
		it.att = it.att.CloneVT()
		it.att.FirstMs = now.UnixMilli()
	}
}

// mark puts the marker on the item: an attempt may be under way.
func (it *item) mark(now time.Time) {
	it.startAge(now)
	it.att = it.att.CloneVT()
	it.att.Marked = true
}

// awaitID counts the item, a message that is being sent or a call that is being
// placed, as one whose provider's id is not known yet.
func (it *item) awaitID(i *instance) {
	named := it.cmd.Kind == state.CommandKind_DELIVER || it.cmd.Kind == state.CommandKind_CALL
	if named && it.awaits == nil && i != nil {
		it.awaits = i
		i.awaited.Add(1)
	}
}

// endAwait ends that: the id is bound, or there will be none.
func (it *item) endAwait() {
	if i := it.awaits; i != nil {
		it.awaits = nil
		i.awaited.Add(-1)
	}
}

// release returns the item's place at its instance.
func (it *item) release() {
	if i := it.inst; i != nil {
		it.inst = nil
		i.give()
	}
}
