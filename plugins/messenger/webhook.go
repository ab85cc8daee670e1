package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"

	"github.com/openccsp/gateway/sdk"
)

// Webhook implements sdk.WebhookReceiver, at the address of the hook itself.
func (c *channel) Webhook(ctx context.Context, r *sdk.WebhookRequest) (sdk.WebhookResponse, error) {
	switch {
	case r.Path != "" && r.Path != "/":
		return refusal(http.StatusNotFound, "nothing is here"), nil
	case r.Method == http.MethodGet:
		return c.verify(r.Query), nil
	case r.Method != http.MethodPost:
		res := refusal(http.StatusMethodNotAllowed, "only GET and POST are taken")
		res.Header.Set("Allow", "GET, POST")
		return res, nil
	case len(r.Body) > maxWebhook:
		return refusal(http.StatusRequestEntityTooLarge, fmt.Sprintf("more than %d bytes", maxWebhook)), nil
	case !c.cfg.authentic(r.Header, r.Body):
		return refusal(http.StatusUnauthorized, "the signature is not right"), nil
	case !plainJSON(r.Header):
		return refusal(http.StatusUnsupportedMediaType, "the body is not said to be plain application/json"), nil
	}
	b, err := c.read(r.Body)
	switch {
	case errors.Is(err, errStale):
		return refusal(http.StatusUnauthorized, err.Error()), nil
	case err != nil:
		res := refusal(http.StatusBadRequest, err.Error())
		res.Quarantine = err.Error()
		return res, nil
	}
	return sdk.WebhookResponse{
		Header: http.Header{"Content-Type": {"text/plain"}}, Body: []byte("EVENT_RECEIVED"), Events: c.finish(ctx, b),
	}, nil
}

// verify answers Meta's question whether this address wants webhooks.
func (c *channel) verify(query string) sdk.WebhookResponse {
	q, err := url.ParseQuery(query)
	if err != nil || q.Get("hub.mode") != "subscribe" || !same(q.Get("hub.verify_token"), c.cfg.VerifyToken) {
		return refusal(http.StatusForbidden, "the verify token is not right")
	}
	return sdk.WebhookResponse{Body: []byte(q.Get("hub.challenge")),
		Header: http.Header{"Content-Type": {"text/plain"}, "X-Content-Type-Options": {"nosniff"}}}
}

func plainJSON(h http.Header) bool {
	if e := h.Get("Content-Encoding"); e != "" && e != "identity" {
		return false
	}
	typ, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && typ == "application/json"
}

// errStale says that a webhook is too old to be one of Meta's repetitions.
var errStale = errors.New("too old: it must be a replay")

// read takes a body apart. One event that cannot be read leaves the others alone.
func (c *channel) read(raw []byte) (*batch, error) {
	var e envelope
	if err := json.Unmarshal(raw, &e); err != nil {
		return nil, errors.New("the body is not Meta's JSON")
	}
	if e.Object != "page" {
		return nil, fmt.Errorf("the object is %.20q; subscribe to those of a page only", e.Object)
	}
	b := &batch{channel: c}
	oldest := c.host.Now().Add(-c.cfg.maxAge)
	for _, one := range e.Entry {
		var en entry
		if json.Unmarshal(one, &en) != nil {
			b.invalid(one, 0)
			continue
		}
		switch {
		case en.Time != 0 && en.Time.time().Before(oldest):
			return nil, errStale
		case string(en.ID) != c.cfg.PageID:
			c.host.Log().Warn("a webhook is about another page; give it an app of its own", "page", short(string(en.ID)))
			continue
		}
		b.entry(en)
		if len(b.drafts) > maxEvents {
			return nil, fmt.Errorf("more than %d events at once", maxEvents)
		}
	}
	return b, nil
}

// entry adds the events of one entry.
func (b *batch) entry(en entry) {
	for _, raw := range en.Messaging {
		b.event(raw, en.Time, false)
	}
	for _, raw := range en.Standby {
		b.event(raw, en.Time, true)
	}
	for _, raw := range en.Changes {
		b.change(raw, en.Time)
	}
}

func refusal(status int, why string) sdk.WebhookResponse {
	body, err := json.Marshal(map[string]string{"error": why})
	if err != nil {
		body = nil
	}
	return sdk.WebhookResponse{Status: status, Body: body,
		Header: http.Header{"Content-Type": {"application/json"}}}
}

// short cuts what is shown of what others wrote.
func short(s string) string {
	if len(s) > 64 {
		return fmt.Sprintf("%.64q…", s)
	}
	return s
}

// limited gives the work beside a webhook a few seconds: Meta waits no longer.
func limited(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, patience)
}
