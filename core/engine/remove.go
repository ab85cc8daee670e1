package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
)

// Remains is what an instance still has to do.
type Remains struct {
	Chats    int // that are open
	Commands int // that have not ended
}

// None says whether nothing is left.
func (r Remains) None() bool { return r == Remains{} }

// Remains counts what the named instances still have. It reads all open chats
// and all waiting commands: it is for instances that are being removed. Before
// the engine runs there are no commands in it.
func (e *Engine) Remains(ctx context.Context, names ...string) (map[string]Remains, error) {
	all := map[string]Remains{}
	for _, name := range names {
		all[name] = Remains{}
	}
	count := func(name string, chats, commands int) {
		if r, ok := all[name]; ok {
			all[name] = Remains{r.Chats + chats, r.Commands + commands}
		}
	}
	err := e.openChats(ctx, func(_ core.ConversationID, doc *state.Document) error {
		count(doc.Channel, 1, 0)
		count(doc.GetChat().GetIntegration(), 1, 0)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i := range e.shards {
		s := e.shards[i].Load()
		if s == nil {
			continue
		}
		err := s.commands(ctx, func(c *state.Command) { count(c.Instance, 0, 1) })
		if err != nil {
			return nil, fmt.Errorf("waiting commands: %w", err)
		}
	}
	return all, nil
}

// openChats calls visit with the document of each open chat.
func (e *Engine) openChats(ctx context.Context, visit func(core.ConversationID, *state.Document) error) error {
	seen := map[core.ConversationID]bool{} // one that changes meanwhile is listed again
	for cursor := ""; ; {
		page, err := e.Store.Reader().List(ctx, store.Filter{Status: "open"}, cursor, pageSize)
		if err != nil {
			return fmt.Errorf("open chats: %w", err)
		}
		for _, l := range page.Items {
			doc, err := e.document(ctx, l.ID)
			if err != nil {
				return err
			}
			if seen[l.ID] || !isOpen(doc) {
				continue
			}
			seen[l.ID] = true
			if err := visit(l.ID, doc); err != nil {
				return err
			}
		}
		if cursor = page.Next; cursor == "" {
			return nil
		}
	}
}

func isOpen(doc *state.Document) bool {
	s := doc.GetChat().GetState()
	return s == state.ChatState_CHAT_OPEN || s == state.ChatState_CHAT_OPENING
}

// commands calls visit with every command of the shard that has not ended.
func (s *shard) commands(ctx context.Context, visit func(*state.Command)) error {
	var last store.OutRef
	for ref, err := range s.st.Pending(ctx) {
		if err != nil {
			return err
		}
		if ref.ID.Conversation == last.ID.Conversation && ref.Lane == last.Lane {
			continue // the lane has been read
		}
		last = ref
		after := core.CommandID{}
		for {
			out, err := s.st.Lane(ctx, ref.ID.Conversation, ref.Lane, after, pageSize)
			if err != nil {
				return err
			}
			for _, o := range out {
				if it := decodeItem(o.Body); it != nil {
					visit(it.cmd)
				}
				after = o.ID
			}
			if len(out) < pageSize {
				break
			}
		}
	}
	return nil
}

// CloseAll asks the open chats of an instance to end, by whom and why, and
// returns how many there are. It returns when the requests are durable.
func (e *Engine) CloseAll(ctx context.Context, instance, by, reason string) (n int, err error) {
	err = e.openChats(ctx, func(id core.ConversationID, doc *state.Document) error {
		if doc.Channel != instance && doc.GetChat().GetIntegration() != instance {
			return nil
		}
		n++
		return e.Close(ctx, id, by, reason)
	})
	return n, err
}

// leaves says whether an event of a channel that is being removed comes from a
// customer who has no open chat there: nothing new begins on it.
func (a *accepting) leaves(id core.ConversationID) bool {
	if !a.conf.Removed {
		return false
	}
	doc, _ := a.e.peek(id, false)
	return !isOpen(doc)
}

// removing is the answer to what would begin on an instance that is being removed.
func removing(name string) error {
	return core.Errorf(core.Unavailable, "%q is being removed, it takes nothing new", name)
}

// leave lets go of what waits for an instance that is no more: it ends as dead
// letters.
func (i *instance) leave() {
	i.mu.Lock()
	i.gone = true
	var free []*waiter
	for i.parked.len() > 0 {
		free = append(free, i.parked.pop())
	}
	i.mu.Unlock()
	for _, w := range free {
		i.e.Exec.Go(w.turn)
	}
}

// rearmPause is the time between two pages of open chats whose timers are set
// anew.
const rearmPause = 100 * time.Millisecond

// Rearm has the open chats of services look at their timers, whose times have
// changed: what is due by the new ones is reported now. It does not wait for
// that; what a crash cuts off is made up for at the conversation's next event.
func (e *Engine) Rearm(services ...string) {
	for _, name := range services {
		e.Exec.Go(func() { e.rearm(name, "") })
	}
}

// rearm does one page of a service's open chats, then the next.
func (e *Engine) rearm(service, cursor string) {
	page, err := e.Store.Reader().List(e.ctx, store.Filter{Status: "open", Service: service}, cursor, pageSize)
	if err != nil {
		if e.ctx.Err() == nil {
			e.Log.Warn("timers of open chats are not set anew", "service", service, "err", err)
		}
		return
	}
	now := e.Clock.Now().UnixMilli()
	for _, l := range page.Items {
		if s := e.shard(l.ID); s != nil {
			s.push(l.ID, &input{mail: &state.Mail{
				AcceptedMs: now, Source: "timer", Body: &state.Mail_Fired{Fired: &state.Fired{DueMs: now}},
			}})
		}
	}
	if page.Next != "" {
		e.Clock.AfterFunc(rearmPause, func() { e.Exec.Go(func() { e.rearm(service, page.Next) }) })
	}
}
