package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

// profile is how a bot is spoken to. A request that is nil is not made: the bot
// is not to have it.
type profile interface {
	message(ref string, c sdk.Chat, m sdk.Message) (*request, error)
	event(ref string, c sdk.Chat, id, name string, params map[string]string) (*request, error)

	// answer reads an answer that has a good status.
	answer(q *request, a ccsp.Answer, now time.Time) ([]said, error)

	// hook reads a webhook. errForeign says that it is not the bot's; any other
	// error why it cannot be read.
	hook(r *sdk.WebhookRequest, now time.Time) (heard, error)

	// try makes the live check. Its errors are for the person who saves.
	try(ctx context.Context, c *client) error
}

// connector is one bot. It knows a conversation by the gateway's id.
type connector struct {
	cfg     config
	host    sdk.Host
	profile profile
	client  *client
	inbox   *inbox
	newID   func() string // of events that the gateway sends
}

func open(_ context.Context, s settings, h sdk.Host) (*connector, error) {
	cfg, err := s.check()
	if err != nil {
		return nil, err
	}
	return &connector{cfg: cfg, host: h, profile: profileOf(cfg, h.Now), client: newClient(h.HTTP(), cfg.timeout),
		inbox: newInbox(), newID: func() string { return "event-" + rand.Text() }}, nil
}

func profileOf(cfg config, now func() time.Time) profile {
	if cfg.Profile == profileRasa {
		return &rasa{cfg: cfg}
	}
	return &signed{cfg: cfg, now: now}
}

// Validate implements sdk.Validator: it asks how the bot is. No conversation
// begins.
func (s settings) Validate(ctx context.Context) error {
	cfg, err := s.check()
	if err != nil {
		return err
	}
	return profileOf(cfg, time.Now).try(ctx, newClient(plainHTTP(), cfg.timeout))
}

// Open implements sdk.Connector, for a bot that has the place of a contact
// center: its first message opens the chat. A bot beside one is only sent to.
func (c *connector) Open(ctx context.Context, chat sdk.Chat, first sdk.Message) (sdk.ChatRef, error) {
	if _, err := c.Send(ctx, chat, first); err != nil {
		return "", err
	}
	return sdk.ChatRef(refOf(chat)), nil
}

// refOf is what the bot calls a conversation: the gateway's id of it, in every
// chat.
func refOf(c sdk.Chat) string { return cmp.Or(c.Conversation, string(c.Ref)) }

// Send implements sdk.Connector. What the bot answers is durable before it
// returns.
func (c *connector) Send(ctx context.Context, chat sdk.Chat, m sdk.Message) (sdk.Receipt, error) {
	q, err := c.profile.message(refOf(chat), chat, m)
	if err != nil {
		return sdk.Receipt{}, err
	}
	return sdk.Receipt{}, c.ask(ctx, q)
}

// SendEvent implements sdk.EventSender.
func (c *connector) SendEvent(ctx context.Context, chat sdk.Chat, name string, params map[string]string) error {
	q, err := c.profile.event(refOf(chat), chat, c.newID(), name, params)
	if err != nil {
		return err
	}
	return c.ask(ctx, q)
}

// Close implements sdk.Connector: the bot is told, and has nothing to close.
func (c *connector) Close(ctx context.Context, chat sdk.Chat, reason string) error {
	return ccsp.AsRetry(c.SendEvent(ctx, chat, sdk.ChatClosed, map[string]string{"reason": reason}))
}

// Listen implements sdk.Listener: answers to Send come in by emit.
func (c *connector) Listen(ctx context.Context, emit func(context.Context, ...sdk.Event) error) error {
	c.inbox.listen(ctx, emit)
	return nil
}

// CloseInstance implements sdk.Closer.
func (c *connector) CloseInstance(context.Context) error {
	c.client.http.CloseIdleConnections()
	return nil
}

// ask makes a call and hands in what the bot answers.
func (c *connector) ask(ctx context.Context, q *request) error {
	if q == nil {
		return nil
	}
	end := c.inbox.begin()
	defer end()
	a, err := c.client.do(ctx, q)
	if err != nil {
		return err
	}
	if err := refused(a, c.host.Now()); err != nil {
		return err
	}
	things, err := c.profile.answer(q, a, c.host.Now())
	if err != nil {
		return err
	}
	if len(things) > maxSaid {
		return sdk.Rejected("too_many", fmt.Sprintf("the bot answers with more than %d things at once", maxSaid))
	}
	err = c.inbox.hand(ctx, c.events(q.ref, q.id, things))
	if _, never := errors.AsType[*sdk.RejectedError](err); err == nil || never {
		return err
	}
	// The bot has had it; asked once more it gives the same ids.
	return sdk.Ambiguous(fmt.Errorf("the bot's answer could not be handed in: %w", err))
}

// events makes what a bot said the gateway's. Things without an id get one of
// id, so that they count once, also if they are said again.
func (c *connector) events(ref, id string, things []said) (out []sdk.Event) {
	for i, s := range things {
		if s.problem != "" {
			c.host.Log().Warn("part of what the bot said cannot be used", "conversation", ref, "problem", s.problem)
		}
		if s.typing != nil {
			c.host.ChatTyping(sdk.ChatRef(ref), *s.typing)
			continue
		}
		e := s.event
		e.Ref = ref
		if e.ID == "" && id != "" {
			e.ID = id + "#" + strconv.Itoa(i)
		}
		if e.Type == sdk.IncomingMessage && e.Agent.Name == "" {
			e.Agent.Name = c.cfg.Name
		}
		out = append(out, e)
	}
	return out
}
