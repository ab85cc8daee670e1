package engine

import (
	"context"
	"fmt"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// undeliveredMost is how many messages Undelivered returns at once.
const undeliveredMost = 100

// Undelivered returns the messages sent to a customer on a channel that have no
// delivered receipt, oldest first, after a message id ("": from the first), at
// most limit (0: 100, which is also the most). One whose call is under way is
// the last of them. An id that is no message's to this customer is
// [core.Invalid].
func (e *Engine) Undelivered(ctx context.Context, instance, address, after string, limit int) ([]*pluginv1.Message, error) {
	id := core.NewConversationID(instance, address)
	if limit <= 0 || limit > undeliveredMost {
		limit = undeliveredMost
	}
	var from core.CommandID
	if after != "" {
		var err error
		if from, err = core.ParseCommandID(after); err != nil || from.Conversation != id {
			return nil, core.Errorf(core.Invalid, "no message %q to this customer", after)
		}
	}
	flying := e.flying(id) // before reading: what ends meanwhile is then in both
	list, err := e.Store.Reader().Kept(ctx, id, from, limit)
	if err != nil {
		return nil, fmt.Errorf("undelivered of %s: %w", id, err)
	}
	var all []*pluginv1.Message
	for _, k := range list {
		m := &pluginv1.Message{}
		if err := m.UnmarshalVT(k.Body); err != nil {
			return nil, fmt.Errorf("undelivered %s: %w", k.ID, err)
		}
		if flying != nil && m.Id == flying.Id {
			flying = nil
		}
		all = append(all, m)
	}
	if flying != nil && len(all) < limit && flying.Id != after {
		all = append(all, flying)
	}
	for i, m := range all {
		all[i] = e.linked(m)
	}
	return all, nil
}

// flying returns the message to the customer that is being sent or whose end is
// not durable yet.
func (e *Engine) flying(id core.ConversationID) *pluginv1.Message {
	s := e.shard(id)
	if s == nil {
		return nil
	}
	c := s.awake(id)
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.lanes[conversation.LaneCustomer]
	if l == nil || len(l.items) == 0 || l.items[0].state != flying && l.items[0].state != over {
		return nil
	}
	return l.items[0].cmd.GetMessage()
}
