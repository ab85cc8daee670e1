package engine

import (
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
)

// input is one thing to do for a conversation.
type input struct {
	mail   *state.Mail
	dedup  store.Dedup
	fresh  bool            // mail was never stored: done is told when it is durable
	seq    store.Seq       // of a stored mail
	result *ended          // a command ended
	update *update         // a command is tried again
	done   func(err error) // nil: nobody waits
	dup    bool            // one before it in its batch has the same id
	orphan orphanRef       // of a stored mail of a chat that nobody knew
}

// ended is the end of a command of a lane.
type ended struct {
	lane *lane
	item *item
	res  conversation.Result
}

// update is a change of a command's attempts.
type update struct {
	lane  *lane
	item  *item
	state itemState // once it is durable
}

// finish tells whoever waits for the input.
func (in *input) finish(err error) {
	if in.done != nil {
		in.done(err)
		in.done = nil
	}
}

// update has the attempts of a head written, after which it is in the given
// state. The caller holds c.mu.
func (c *cell) update(l *lane, it *item, then itemState) {
	it.state = paused
	c.enqueue(&input{update: &update{lane: l, item: it, state: then}})
}

// ended hands the end of a command to the conversation. The caller holds c.mu.
func (c *cell) ended(l *lane, it *item, res conversation.Result) {
	it.state = over
	it.release()
	res.Command, res.Attempts = it.cmd, it.att
	c.s.e.m.ends.WithLabelValues(it.cmd.Kind.String(), res.End.String()).Inc()
	c.enqueue(&input{result: &ended{lane: l, item: it, res: res}})
}
