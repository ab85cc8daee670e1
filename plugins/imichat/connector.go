package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

// connector is one IMIchat instance.
type connector struct {
	cfg     config
	host    sdk.Host
	client  *client
	repeats *repeats
	lives   *lives
	emit    atomic.Pointer[emitter] // nil while the instance may not receive
	places  chan struct{}           // of those who read chats
}

func open(_ context.Context, s settings, h sdk.Host) (*connector, error) {
	cfg, err := s.check()
	if err != nil {
		return nil, err
	}
	return &connector{
		cfg: cfg, host: h, client: newClient(cfg, h.HTTP(), h.Now), repeats: newRepeats(), lives: newLives(),
		places: make(chan struct{}, readAtOnce),
	}, nil
}

// Validate implements sdk.Validator: it asks for a chat that there is not. With
// a secret that is right, IMIchat says so in JSON. The further secrets are not
// tried: one may no longer be valid, another not yet.
func (s settings) Validate(ctx context.Context) error {
	cfg, err := s.check()
	if err != nil {
		return err
	}
	if _, ok := cfg.calls["chat"]; !ok {
		return nil // nobody knows what else could be asked without doing something
	}
	cfg.keys = cfg.keys[:1]
	return newClient(cfg, plainHTTP(), time.Now).try(ctx)
}

// documented are the members that an answer may have, and a chat.
var documented = []string{"statuscode", "description", "response", "chatid"}

// try makes the live check.
func (c *client) try(ctx context.Context) error {
	a, err := c.call(ctx, "chat", "0", nil)
	if err != nil {
		return fmt.Errorf("instance_url: %w", err)
	}
	f, api := a.envelope()
	api = api && slices.ContainsFunc(documented, func(name string) bool { return f[name] != nil })
	switch code := a.code(); {
	case a.Status >= 300 && a.Status < 400:
		return fmt.Errorf("instance_url: the server redirects to %q; set it to the final address",
			a.Header.Get("Location"))
	case unauthorized(code):
		return fmt.Errorf("team_secret was refused with status %d", code)
	case code >= 500 && code < 600, code == 429:
		return fmt.Errorf("instance_url: the server answers with status %d; try again later", code)
	case !api:
		return fmt.Errorf("instance_url: what answers is not IMIchat's API (HTTP %d); check instance_url and endpoints.chat",
			a.Status)
	}
	return nil
}

// Open implements sdk.Connector: create.
func (c *connector) Open(ctx context.Context, chat sdk.Chat, first sdk.Message) (sdk.ChatRef, error) {
	m, err := c.message(first)
	if err != nil {
		return "", err
	}
	a, err := c.client.call(ctx, "create", "", c.newChat(chat, m))
	if err != nil {
		return "", err
	}
	id, missing := a.chatID()
	if a.code() == http.StatusConflict && missing == nil {
		return c.opened(id), nil // it has this alias: an answer was lost before
	}
	if err := c.client.refused("create", a); err != nil {
		return "", err
	}
	if missing != nil {
		return "", ccsp.Resend(sdk.Ambiguous(fmt.Errorf("create: %w; a chat may have been opened", missing)))
	}
	return c.opened(id), nil
}

// opened notes that a chat is new: there is nothing to catch up with yet.
func (c *connector) opened(id string) sdk.ChatRef {
	c.next(id, max(c.cfg.catchUp, minCatchUp))
	return sdk.ChatRef(id)
}

// Send implements sdk.Connector: append.
func (c *connector) Send(ctx context.Context, chat sdk.Chat, m sdk.Message) (sdk.Receipt, error) {
	w, err := c.message(m)
	if err != nil {
		return sdk.Receipt{}, err
	}
	if w == nil {
		return sdk.Receipt{}, sdk.Rejected("no_text", "the message has nothing that the agent's desk could show")
	}
	a, err := c.client.call(ctx, "append", string(chat.Ref), w)
	if err != nil {
		return sdk.Receipt{}, err
	}
	if a.gone() {
		// It is read at once: what the agent said last comes before its end.
		c.lives.change(string(chat.Ref), func(l *life) { l.gone = true })
		return sdk.Receipt{}, fmt.Errorf("%w: append: status %d", sdk.ErrChatGone, a.code())
	}
	if err := c.client.refused("append", a); err != nil {
		return sdk.Receipt{}, err
	}
	c.lives.spoke(string(chat.Ref))
	f, _ := a.chatObject()
	return sdk.Receipt{MessageID: clip(f.word("messageid"), maxRef)}, nil
}

// Close implements sdk.Connector: close. A chat that is closed already, or that
// nobody knows, is closed.
func (c *connector) Close(ctx context.Context, chat sdk.Chat, reason string) error {
	a, err := c.client.call(ctx, "close", string(chat.Ref), map[string]string{"status": "closed", "reason": reason})
	if err != nil {
		return ccsp.AsRetry(err)
	}
	if _, api := a.envelope(); api && (a.gone() || a.code() == 409) {
		return nil
	}
	return ccsp.AsRetry(c.client.refused("close", a))
}

// TypingToChat implements sdk.ChatTyper: typing.
func (c *connector) TypingToChat(ctx context.Context, chat sdk.Chat, on bool) error {
	return c.tell(ctx, "typing", chat, map[string]any{"direction": "inbound", "typing": on})
}

// Transfer implements sdk.Transferrer: transfer. The target is a team's id, or
// skill:<id>.
func (c *connector) Transfer(ctx context.Context, chat sdk.Chat, target string) error {
	body, err := transferTarget(target)
	if err != nil {
		return err
	}
	return c.tell(ctx, "transfer", chat, body)
}

// Reopen implements sdk.Reopener: reopen.
func (c *connector) Reopen(ctx context.Context, chat sdk.Chat) (sdk.ChatRef, error) {
	a, err := c.client.call(ctx, "reopen", string(chat.Ref), struct{}{})
	if err != nil {
		return "", err
	}
	if a.gone() {
		return "", fmt.Errorf("%w: reopen: status %d", sdk.ErrChatGone, a.code())
	}
	if _, api := a.envelope(); !api || a.code() != http.StatusConflict { // 409: it is open, or another one is
		if err := c.client.refused("reopen", a); err != nil {
			return "", err
		}
	}
	ref := string(chat.Ref)
	if id, err := a.chatID(); err == nil {
		ref = id
	}
	c.lives.change(ref, func(l *life) { l.status, l.gone = statusQueued, false })
	return sdk.ChatRef(ref), nil
}

// SendEvent implements sdk.EventSender: event.
func (c *connector) SendEvent(ctx context.Context, chat sdk.Chat, name string, params map[string]string) error {
	if params == nil {
		params = map[string]string{}
	}
	return c.tell(ctx, "event", chat, map[string]any{"event_name": name, "params": params})
}

// Receipt implements sdk.Receipter: receipt.
func (c *connector) Receipt(ctx context.Context, chat sdk.Chat, messageID, status, reason string) error {
	body := map[string]string{"message_id": messageID, "status": status}
	if reason != "" {
		body["reason"] = reason
	}
	return ccsp.AsRetry(c.tell(ctx, "receipt", chat, body))
}

// Hold implements sdk.Holder: hold and resume.
func (c *connector) Hold(ctx context.Context, chat sdk.Chat, on bool) error {
	name, status := "resume", statusPicked
	if on {
		name, status = "hold", statusHeld
	}
	return ccsp.AsRetry(c.tell(ctx, name, chat, map[string]string{"status": status}))
}

// Update implements sdk.Updater: update.
func (c *connector) Update(ctx context.Context, chat sdk.Chat) error {
	return ccsp.AsRetry(c.tell(ctx, "update", chat, c.changes(chat)))
}

// CloseInstance implements sdk.Closer.
func (c *connector) CloseInstance(context.Context) error {
	c.client.http.CloseIdleConnections()
	return nil
}

// tell makes a call whose answer says nothing but whether it was carried out.
func (c *connector) tell(ctx context.Context, name string, chat sdk.Chat, body any) error {
	a, err := c.client.call(ctx, name, string(chat.Ref), body)
	if err != nil {
		return err
	}
	return c.client.refused(name, a)
}
