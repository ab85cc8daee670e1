package engine

import (
	"maps"
	"slices"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

const (
	pageSize    = 200              // of lists that are read whole
	resumeEvery = time.Millisecond // between open chats whose polls go on after a start
)

// resumePolls starts the polls of accounts, and finds the open chats whose
// integration is polled and whose poller does not run, such as after a start.
func (e *Engine) resumePolls() {
	if !e.Ready() || e.ctx.Err() != nil {
		return
	}
	var chats bool
	snap := e.Snap()
	for _, name := range slices.Sorted(maps.Keys(snap.Instances)) {
		conf := snap.Instances[name]
		chats = chats || !conf.Channel && conf.Can(pluginv1.AbilityPollChat)
		if conf.Can(pluginv1.AbilityPollAccount) && e.instance(name).accounting.CompareAndSwap(false, true) {
			e.Exec.Go(func() { e.pollAccount(e.ctx, name) })
		}
	}
	if chats && e.resuming.Add(1) == 1 {
		e.Exec.Go(func() { e.resumeFrom("", 1) })
	}
}

// resumeFrom wakes the open chats of one page of the list, then of the next.
// Chats that have anything else to do are awake and come first; the others come
// one after the other, so that a start is no rush at the far side. asked is how
// often resumePolls was called when the list was begun.
func (e *Engine) resumeFrom(cursor string, asked int32) {
	page, err := e.Store.Reader().List(e.ctx, store.Filter{Status: "open"}, cursor, pageSize)
	if err != nil {
		e.resuming.Store(0)
		if e.ctx.Err() == nil {
			e.Log.Warn("open chats could not be listed, will retry", "err", err)
			e.Clock.AfterFunc(storeRetry, e.resumePolls)
		}
		return
	}
	wait := resumeEvery
	for _, l := range page.Items {
		if s := e.shard(l.ID); s != nil && !s.polled(l.ID) {
			e.Clock.AfterFunc(wait, func() { e.Exec.Go(func() { s.wakePoll(l.ID) }) })
			wait += resumeEvery
		}
	}
	next := func() { e.resumeFrom(page.Next, asked) }
	if page.Next == "" {
		if e.resuming.CompareAndSwap(asked, 0) {
			return
		}
		asked = e.resuming.Load() // what was passed already may have changed since
		next = func() { e.resumeFrom("", asked) }
	}
	e.Clock.AfterFunc(wait, func() { e.Exec.Go(next) })
}

// polled says whether a conversation's chat is polled already.
func (s *shard) polled(id core.ConversationID) bool {
	c := s.awake(id)
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.poll != nil
}

// wakePoll loads a conversation so that its chat is polled.
func (s *shard) wakePoll(id core.ConversationID) {
	c := s.cell(id)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.gone && c.poll == nil {
		c.start()
	}
}
