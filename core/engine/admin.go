package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
)

// Close asks a conversation to end its open chat, by whom and why; without an
// open chat nothing happens. It returns when the request is durable, with
// [core.NotFound] if there is no such conversation.
func (e *Engine) Close(ctx context.Context, id core.ConversationID, by, reason string) error {
	if _, err := e.document(ctx, id); err != nil {
		return err
	}
	return e.mail(ctx, id, "", &state.Mail{
		AcceptedMs: e.Clock.Now().UnixMilli(), Source: "api",
		Body: &state.Mail_Close{Close: &state.CloseRequested{By: by, Reason: reason}},
	})
}

// Control is a change of who has a conversation.
type Control struct {
	Action string // offer, accept, pass, release
	To     string // ccsp, bot; "" for release
	By     string
	Reason string
	Params map[string]string
}

// Control asks a conversation for a change of who has it. It returns when the
// request is durable, with [core.NotFound] if there is no such conversation;
// its history says what became of it.
func (e *Engine) Control(ctx context.Context, id core.ConversationID, c Control) error {
	if _, err := e.document(ctx, id); err != nil {
		return err
	}
	return e.mail(ctx, id, "", &state.Mail{
		AcceptedMs: e.Clock.Now().UnixMilli(), Source: "api",
		Body: &state.Mail_Control{Control: &state.ControlRequested{
			Action: c.Action, To: c.To, By: c.By, Reason: c.Reason, Params: c.Params,
		}},
	})
}

// Link binds a chat that nobody knew to a customer: later events of it go to
// the customer's conversation, whose id it returns, and the orphan is closed.
// Errors: [core.NotFound] for an unknown integration or channel, [core.Invalid]
// for an empty name and for a channel whose service has another integration,
// [core.Conflict] if the chat belongs to another customer.
func (e *Engine) Link(ctx context.Context, integration, chatID, channel, customer string) (core.ConversationID, error) {
	snap := e.Snap()
	if in := snap.Instances[integration]; in == nil || in.Channel {
		return core.ConversationID{}, core.Errorf(core.NotFound, "no integration %q", integration)
	}
	if ch := snap.Instances[channel]; ch == nil || !ch.Channel {
		return core.ConversationID{}, core.Errorf(core.NotFound, "no channel %q", channel)
	}
	if !snap.Serves(integration, channel) {
		return core.ConversationID{}, core.Errorf(core.Invalid, "channel %q is in no service of integration %q", channel, integration)
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
	return id, e.linkOrphan(ctx, orphan, id, "api")
}

// linkOrphan closes what was kept of a chat while nobody knew whose it is, if
// anything was.
func (e *Engine) linkOrphan(ctx context.Context, orphan, id core.ConversationID, source string) error {
	if _, err := e.document(ctx, orphan); err != nil {
		if core.CodeOf(err) == core.NotFound {
			return nil
		}
		return unavailable(err)
	}
	return e.mail(ctx, orphan, "linked-"+id.String(), &state.Mail{
		AcceptedMs: e.Clock.Now().UnixMilli(), Source: source,
		Body: &state.Mail_Linked{Linked: &state.Linked{Conversation: id[:]}},
	})
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

// document returns a conversation's document, or [core.NotFound].
func (e *Engine) document(ctx context.Context, id core.ConversationID) (*state.Document, error) {
	b, _, err := e.Store.Reader().Document(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, core.Errorf(core.NotFound, "no conversation %q", id)
	}
	if err != nil {
		return nil, err
	}
	doc := &state.Document{}
	if err := doc.UnmarshalVT(b); err != nil {
		return nil, fmt.Errorf("conversation %s cannot be read: %w", id, err)
	}
	return doc, nil
}
