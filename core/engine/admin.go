package engine

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// undeliveredMost is how many messages Undelivered returns at once.
const undeliveredMost = 100

// Undelivered returns the messages sent to a customer on a channel that have no
// delivered receipt, oldest first, after a message id. One whose call is under
// way is the last of them.
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
	return all, nil
}

// flying returns the message to the customer that is being sent or whose end is
// not durable yet.
func (e *Engine) flying(id core.ConversationID) *pluginv1.Message {
	s := e.shard(id)
	if s == nil {
		return nil
	}
	s.mu.Lock()
	c := s.cells[id]
	s.mu.Unlock()
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.lanes["customer"]
	if l == nil || len(l.items) == 0 || l.items[0].state != flying && l.items[0].state != over {
		return nil
	}
	return l.items[0].cmd.GetMessage()
}

// Close ends the open chat of a conversation.
func (e *Engine) Close(ctx context.Context, id core.ConversationID, by, reason string) error {
	if _, _, err := e.document(ctx, id); err != nil {
		return err
	}
	return e.mail(ctx, id, "", &state.Mail{
		AcceptedMs: e.Clock.Now().UnixMilli(), Source: "api",
		Body: &state.Mail_Close{Close: &state.CloseRequested{By: by, Reason: reason}},
	})
}

// Link binds a chat that nobody knew to a customer: later events of it go to
// the customer's conversation, and the orphan is closed.
func (e *Engine) Link(ctx context.Context, integration, chatID, channel, customer string) (core.ConversationID, error) {
	snap := e.Snap()
	if in := snap.Instances[integration]; in == nil || in.Channel {
		return core.ConversationID{}, core.Errorf(core.NotFound, "no integration %q", integration)
	}
	if ch := snap.Instances[channel]; ch == nil || !ch.Channel {
		return core.ConversationID{}, core.Errorf(core.NotFound, "no channel %q", channel)
	}
	if chatID == "" || customer == "" {
		return core.ConversationID{}, core.Errorf(core.Invalid, "chatid and customer are required")
	}
	id := core.NewConversationID(channel, customer)
	switch err := e.Store.Bind(ctx, integration, chatID, id, chatRefFor); {
	case errors.Is(err, store.ErrConflict):
		return id, core.Errorf(core.Conflict, "chat %q belongs to another customer", chatID)
	case err != nil:
		return id, unavailable(err)
	}
	orphan := core.OrphanID(integration, chatID)
	err := e.mail(ctx, id, "joined-"+orphan.String(), &state.Mail{
		AcceptedMs: e.Clock.Now().UnixMilli(), Instance: integration, Source: "api",
		Body: &state.Mail_Joined{Joined: &state.Joined{Channel: channel, Address: customer, Integration: integration, Ref: chatID}},
	})
	if err != nil {
		return id, err
	}
	if _, _, err := e.document(ctx, orphan); err == nil {
		return id, e.mail(ctx, orphan, "linked-"+id.String(), &state.Mail{
			AcceptedMs: e.Clock.Now().UnixMilli(), Source: "api",
			Body: &state.Mail_Linked{Linked: &state.Linked{Conversation: id[:]}},
		})
	}
	return id, nil
}

// Replay puts dead letters back, as new commands at the end of their lanes.
// Those of one group go together, in order. It returns how many went.
func (e *Engine) Replay(ctx context.Context, ids ...string) (int, error) {
	n := 0
	for len(ids) > 0 {
		letter, err := e.letter(ctx, ids[0])
		if err != nil {
			return n, err
		}
		group, err := e.groupOf(ctx, letter)
		if err != nil {
			return n, err
		}
		replay := &state.Replay{}
		for _, l := range group {
			replay.Commands = append(replay.Commands, l.Command)
		}
		id := core.ConversationID(letter.Command.Conversation)
		err = e.mail(ctx, id, "replay-"+letter.Id, &state.Mail{
			AcceptedMs: e.Clock.Now().UnixMilli(), Source: "api", Body: &state.Mail_Replay{Replay: replay},
		})
		if err != nil {
			return n, err
		}
		done := map[string]bool{}
		for _, l := range group {
			if err := e.Store.DeleteDead(ctx, l.Id); err != nil && !errors.Is(err, store.ErrNotFound) {
				return n, fmt.Errorf("dead letter %s: %w", l.Id, err)
			}
			done[l.Id] = true
			n++
		}
		var left []string
		for _, id := range ids {
			if !done[id] {
				left = append(left, id)
			}
		}
		ids = left
	}
	return n, nil
}

func (e *Engine) letter(ctx context.Context, id string) (*state.DeadLetter, error) {
	d, err := e.Store.Reader().DeadLetter(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, core.Errorf(core.NotFound, "no dead letter %q", id)
	}
	if err != nil {
		return nil, err
	}
	l := &state.DeadLetter{}
	if err := l.UnmarshalVT(d.Body); err != nil {
		return nil, fmt.Errorf("dead letter %s cannot be read: %w", id, err)
	}
	if l.Command == nil {
		return nil, fmt.Errorf("dead letter %s holds no command", id)
	}
	return l, nil
}

// groupOf returns a letter and those that died with it, the parts of one
// message or all that waited for one chat, in order, whether they were asked
// for or not.
func (e *Engine) groupOf(ctx context.Context, first *state.DeadLetter) ([]*state.DeadLetter, error) {
	group := []*state.DeadLetter{first}
	if first.Group == 0 {
		return group, nil
	}
	group = nil
	for cursor := ""; ; {
		page, err := e.Store.Reader().Dead(ctx, cursor, 200)
		if err != nil {
			return nil, err
		}
		for _, d := range page.Items {
			l := &state.DeadLetter{}
			if l.UnmarshalVT(d.Body) == nil && sameGroup(l, first) {
				group = append(group, l)
			}
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	sortLetters(group)
	return group, nil
}

// ReplayQuarantined decides a quarantined event again, such as after an upgrade.
func (e *Engine) ReplayQuarantined(ctx context.Context, id string) error {
	d, err := e.Store.Reader().QuarantinedItem(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return core.Errorf(core.NotFound, "nothing %q in quarantine", id)
	}
	if err != nil {
		return err
	}
	q := &state.Quarantined{}
	if err := q.UnmarshalVT(d.Body); err != nil {
		return fmt.Errorf("quarantined %s cannot be read: %w", id, err)
	}
	if q.Mail == nil {
		return core.Errorf(core.Invalid, "%s is a request of %s: it is replayed by its driver", id, q.Instance)
	}
	if err := e.mail(ctx, core.ConversationID(q.Conversation), "quarantine-"+id, q.Mail); err != nil {
		return err
	}
	return e.Store.DeleteQuarantined(ctx, id)
}

// mail appends to a conversation's mailbox. A second one of the same id is
// recognized.
func (e *Engine) mail(ctx context.Context, id core.ConversationID, dedup string, m *state.Mail) error {
	ev := store.Event{Conversation: id, Body: encode(m)}
	if dedup != "" {
		ev.Dedup = store.Dedup{Instance: "gateway", ID: dedup, For: dedupFor}
	}
	if err := e.store(ctx, ev); err != nil {
		return unavailable(err)
	}
	return nil
}

func (e *Engine) document(ctx context.Context, id core.ConversationID) (*state.Document, store.Rev, error) {
	b, rev, err := e.Store.Reader().Document(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, 0, core.Errorf(core.NotFound, "no conversation %q", id)
	}
	if err != nil {
		return nil, 0, err
	}
	doc := &state.Document{}
	if err := doc.UnmarshalVT(b); err != nil {
		return nil, 0, fmt.Errorf("conversation %s cannot be read: %w", id, err)
	}
	return doc, rev, nil
}

func sameGroup(a, b *state.DeadLetter) bool {
	return a.Command != nil && a.Group == b.Group && a.Command.Epoch == b.Command.Epoch &&
		bytes.Equal(a.Command.Conversation, b.Command.Conversation)
}

func sortLetters(all []*state.DeadLetter) {
	slices.SortFunc(all, func(a, b *state.DeadLetter) int { return cmp.Compare(a.Command.Number, b.Command.Number) })
}
