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

// Replay puts dead letters back, as new commands at the end of their lanes.
// Those of one group go together, in order. It returns how many went, also with
// an error: [core.NotFound] if there is no such letter. What was cut off may be
// replayed again within a day and is still done once.
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
		ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return done[id] })
	}
	return n, nil
}

// letter returns a dead letter, or [core.NotFound].
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
	if first.Group == 0 {
		return []*state.DeadLetter{first}, nil
	}
	var group []*state.DeadLetter
	for cursor := ""; ; {
		page, err := e.Store.Reader().Dead(ctx, cursor, pageSize)
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
	slices.SortFunc(group, func(a, b *state.DeadLetter) int { return cmp.Compare(a.Command.Number, b.Command.Number) })
	return group, nil
}

// ReplayQuarantined decides a quarantined event again, such as after an upgrade.
// Errors: [core.NotFound], and [core.Invalid] for what is a request to a driver.
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
	if len(q.Conversation) == 0 { // a polled event that was refused before it had one
		err = e.Accept(ctx, q.Instance, []*pluginv1.Event{q.Mail.GetEvent()})
	} else {
		err = e.mail(ctx, core.ConversationID(q.Conversation), "quarantine-"+id, q.Mail)
	}
	if err != nil {
		return err
	}
	return e.Store.DeleteQuarantined(ctx, id)
}

func sameGroup(a, b *state.DeadLetter) bool {
	return a.Command != nil && a.Group == b.Group && a.Command.Epoch == b.Command.Epoch &&
		bytes.Equal(a.Command.Conversation, b.Command.Conversation)
}
