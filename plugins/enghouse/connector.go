package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

// connector is one tenant of a contact center.
type connector struct {
	cfg      config
	host     sdk.Host
	client   *client
	paces    paces
	limit    limiter
	progress progress
	loads    chan struct{} // holds a token for each file that is in memory
}

func open(_ context.Context, s settings, h sdk.Host) (*connector, error) {
	cfg, err := s.check()
	if err != nil {
		return nil, err
	}
	client, err := newClient(cfg, h.Now, h.Log())
	if err != nil {
		return nil, err
	}
	return &connector{
		cfg: cfg, host: h, client: client,
		paces: newPaces(cfg, h.Now), limit: newLimiter(cfg.Poll.MaxPerSecond), progress: newProgress(h.Now),
		loads: make(chan struct{}, maxLoads),
	}, nil
}

// Validate implements sdk.Validator: it asks the server for the events of a
// chat that does not exist. Any answer of a web server is good enough, because
// what the API says to that is nowhere documented.
func (s settings) Validate(ctx context.Context) error {
	cfg, err := s.check()
	if err != nil {
		return err
	}
	c, err := newClient(cfg, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer c.close()
	a, err := c.events(ctx, "0", 0)
	if err != nil {
		return fmt.Errorf("base_url: %w", err)
	}
	switch {
	case a.Status >= 300 && a.Status < 400:
		return fmt.Errorf("base_url: the server redirects to %q; set base_url to the final address",
			a.Header.Get("Location"))
	case a.Status == http.StatusUnauthorized, a.Status == http.StatusForbidden, a.Status == http.StatusProxyAuthRequired:
		return fmt.Errorf("base_url: HTTP %d; set basic_auth, extra_headers or tls", a.Status)
	case a.Status >= 500:
		return fmt.Errorf("base_url: the server answers HTTP %d", a.Status)
	}
	return nil
}

// fired is the body of fireevent.
type fired struct {
	ID     sdk.ChatRef `json:"Connection_ID"`
	Name   string      `json:"Fire_Event_Name"`
	Params any         `json:"OptionalParameterCount"`
}

// SendEvent implements sdk.EventSender: fireevent.
func (c *connector) SendEvent(ctx context.Context, chat sdk.Chat, name string, params map[string]string) error {
	return c.tell(ctx, "fireevent", chat.Ref, fired{chat.Ref, name, pairs(params)})
}

// Update implements sdk.Updater: an event with what a chat opens with.
func (c *connector) Update(ctx context.Context, chat sdk.Chat) error {
	return c.tell(ctx, "fireevent", chat.Ref, fired{chat.Ref, c.cfg.UpdateEvent, pairs(facts(chat))})
}

// TypingToChat implements sdk.ChatTyper: typingmsg.
func (c *connector) TypingToChat(ctx context.Context, chat sdk.Chat, on bool) error {
	status := 2
	if on {
		status = 1
	}
	return c.tell(ctx, "typingmsg", chat.Ref, struct {
		ID     sdk.ChatRef `json:"Connection_ID"`
		Status int         `json:"typing_status"`
	}{chat.Ref, status})
}

// Close implements sdk.Connector: leavechat. The far side takes no reason.
func (c *connector) Close(ctx context.Context, chat sdk.Chat, _ string) error {
	err := c.tell(ctx, "leavechat", chat.Ref, struct {
		ID sdk.ChatRef `json:"Connection_ID"`
	}{chat.Ref})
	if errors.Is(err, sdk.ErrChatGone) {
		err = nil // closed already
	}
	if err == nil {
		c.paces.forget(chat.Ref)
	}
	return ccsp.AsRetry(err) // leaving twice does no harm
}

// CloseInstance implements sdk.Closer.
func (c *connector) CloseInstance(context.Context) error {
	c.client.close()
	return nil
}

// tell makes a call whose good answer is 200 with anything in it, commonly
// nothing. A web page is no such answer: a proxy wrote it.
func (c *connector) tell(ctx context.Context, verb string, ref sdk.ChatRef, body any) error {
	c.paces.traffic(ref)
	a, err := c.client.post(ctx, verb, body)
	switch {
	case err != nil:
		return err
	case gone(a):
		return fmt.Errorf("%w: %s: HTTP %d", sdk.ErrChatGone, verb, a.Status)
	}
	if err := c.client.refused(verb, a); err != nil {
		if a.Status >= 400 && a.Status < 500 && !passes(err) && c.unknown(ctx, ref) {
			return fmt.Errorf("%w: %s and getevents: HTTP %d", sdk.ErrChatGone, verb, a.Status)
		}
		return ccsp.Resend(err)
	}
	if a.HTML() {
		return ccsp.Resend(sdk.Ambiguous(fmt.Errorf("%s: a web page came back in place of the API's answer", verb)))
	}
	return nil
}

// unknown reports whether the far side refuses to tell of a chat as well. What
// it says to one that it does not know is nowhere documented, and a refusal
// may also be meant for a text.
func (c *connector) unknown(ctx context.Context, ref sdk.ChatRef) bool {
	a, err := c.client.events(ctx, ref, 0)
	if err != nil || a.Status < 400 || a.Status >= 500 {
		return false
	}
	return !passes(c.client.refused("getevents", a))
}
