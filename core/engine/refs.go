package engine

import (
	"github.com/openccsp/gateway/core/state"
)

// opening says whether the ref of an unknown chat may be on its way: an open of
// the instance has not ended, or the start has not yet seen whether one has.
func (e *Engine) opening(instance string) bool {
	i := e.instance(instance)
	return !e.seen() || i != nil && i.opens.Load() > 0
}

// awaitsID says whether the provider's id of a message may be on its way: the
// end of a call that sends one is not durable, or the start has not yet seen
// whether there is one.
func (e *Engine) awaitsID(i *instance) bool { return !e.seen() || i.awaited.Load() > 0 }

// seen says whether all that a start found has been read.
func (e *Engine) seen() bool { return e.Ready() && e.unseen.Load() == 0 }

// recovered notes that a conversation found at the start has read its lanes.
func (e *Engine) recovered(c *cell) {
	c.mu.Lock()
	found := c.found
	c.found = false
	c.mu.Unlock()
	if found && e.unseen.Add(-1) == 0 && e.Ready() {
		e.letAllGoOn()
	}
}

// countRefs keeps the number of commands that may bring a ref: opens, and
// messages that are being sent. It falls when the ref is bound and the end is
// durable, not before.
func (e *Engine) countRefs(p *plan) {
	for _, it := range p.added {
		e.countOpen(it.cmd, 1)
	}
	for _, in := range p.batch {
		if in.result != nil {
			e.countOpen(in.result.item.cmd, -1)
			in.result.item.endAwait()
		}
	}
}

// countOpen counts a command, by n, if it is an open.
func (e *Engine) countOpen(cmd *state.Command, n int64) {
	i := e.instance(cmd.Instance)
	opens := cmd.Kind == state.CommandKind_CHAT_OPEN_CMD || cmd.Kind == state.CommandKind_CHAT_REOPEN
	if i != nil && opens && i.opens.Add(n) == 0 {
		e.Exec.Go(e.letAllGoOn) // what waits for a ref waits for no open any more
	}
}
