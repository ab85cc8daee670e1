package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
)

// needed is the event without which there is no channel; the others are subscribed
// to if X lets the app.
const needed = "dm.received"

var wanted = []string{needed, "dm.read", "dm.indicate_typing", "chat.received", "oauth.revoke"}

// registerAgain is how long it takes until a registration that failed is tried again.
const registerAgain = time.Minute

// appHook is a webhook of the app.
type appHook struct {
	ID    id     `json:"id"`
	URL   string `json:"url"`
	Valid bool   `json:"valid"`
}

// register registers the hook at X and subscribes to the account's events, as far
// as they are not there yet.
func (c *channel) register(ctx context.Context) error {
	hook, err := c.ownHook(ctx)
	if err != nil {
		return fmt.Errorf("register the hook at X: %w", err)
	}
	have, err := c.subscriptions(ctx)
	if err != nil {
		return fmt.Errorf("list the subscriptions at X: %w", err)
	}
	for _, kind := range wanted {
		if have[kind] == hook.ID {
			continue
		}
		switch err := c.subscribe(ctx, kind, hook.ID); {
		case err == nil:
			c.host.Log().Info("subscribed at X", "event", kind)
		case kind == needed:
			return fmt.Errorf("subscribe to %s at X: %w", kind, err)
		default:
			c.host.Log().Warn("not subscribed at X", "event", kind, "err", err)
		}
	}
	return nil
}

// ownHook finds the hook among the app's, has X check it if it is not valid, and
// registers it if it is not there. X calls the hook meanwhile.
func (c *channel) ownHook(ctx context.Context) (appHook, error) {
	var list struct {
		Data []appHook `json:"data"`
	}
	if err := c.app(ctx, http.MethodGet, "/2/webhooks", nil, &list); err != nil {
		return appHook{}, err
	}
	for _, h := range list.Data {
		if h.URL != c.host.PublicURL() {
			continue
		}
		if h.Valid {
			return h, nil
		}
		return h, c.app(ctx, http.MethodPut, "/2/webhooks/"+string(h.ID), nil, nil)
	}
	var made struct {
		Data appHook `json:"data"`
	}
	err := c.app(ctx, http.MethodPost, "/2/webhooks", map[string]string{"url": c.host.PublicURL()}, &made)
	if err == nil && made.Data.ID == "" {
		err = errors.New("no webhook is named in the answer of X")
	}
	return made.Data, err
}

// subscriptions returns to which webhook the account's events go, by type.
func (c *channel) subscriptions(ctx context.Context) (map[string]id, error) {
	var list struct {
		Data []struct {
			Type    string `json:"event_type"`
			Webhook id     `json:"webhook_id"`
			Filter  struct {
				UserID id `json:"user_id"`
			} `json:"filter"`
		} `json:"data"`
	}
	if err := c.app(ctx, http.MethodGet, "/2/activity/subscriptions", nil, &list); err != nil {
		return nil, err
	}
	have := map[string]id{}
	for _, s := range list.Data {
		if string(s.Filter.UserID) == c.cfg.UserID {
			have[s.Type] = s.Webhook
		}
	}
	return have, nil
}

// subscribe is a call as the account: its messages are private.
func (c *channel) subscribe(ctx context.Context, kind string, hook id) error {
	body, err := ccsp.JSON(map[string]any{"event_type": kind, "filter": map[string]string{"user_id": c.cfg.UserID},
		"tag": "openccsp", "webhook_id": string(hook)})
	if err != nil {
		return err
	}
	_, err = c.call(ctx, request{method: http.MethodPost, path: "/2/activity/subscriptions", body: body, contentType: "application/json"})
	return err
}

// app makes a call as the app, with or without a body, and reads the answer.
func (c *channel) app(ctx context.Context, method, path string, body, answer any) error {
	q := request{method: method, path: path, by: bearer(c.cfg.BearerToken)}
	if body != nil {
		var err error
		if q.body, err = ccsp.JSON(body); err != nil {
			return err
		}
		q.contentType = "application/json"
	}
	a, err := c.client.do(ctx, q)
	switch {
	case err != nil:
		return err
	case !good(a):
		return errors.Join(refused(a, c.host.Now()), hookReason(a.Body))
	case answer == nil:
		return nil
	}
	if err := json.Unmarshal(a.Body, answer); err != nil {
		return errors.New("the answer of X cannot be read")
	}
	return nil
}

// hookReason finds the word by which X says why it does not take a webhook.
func hookReason(body []byte) error {
	for _, word := range []string{"CrcValidationFailed", "UrlValidationFailed", "DuplicateUrlFailed", "WebhookLimitExceeded", "WebhookIdInvalid"} {
		if bytes.Contains(body, []byte(word)) {
			return errors.New(word)
		}
	}
	return nil
}
