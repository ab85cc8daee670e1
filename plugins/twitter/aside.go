package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

// What X shows beside messages goes by calls of v1.1, which want OAuth 1.0a.
const (
	typingPath = "/1.1/direct_messages/indicate_typing.json"
	readPath   = "/1.1/direct_messages/mark_read.json"

	quietFor = time.Hour // after X has refused such a call for good
)

// TypingToCustomer implements sdk.CustomerTyper. X shows it for three seconds, and
// knows no stop.
func (c *channel) TypingToCustomer(ctx context.Context, to sdk.Customer, on bool) error {
	if !on {
		return nil
	}
	return c.aside(ctx, typingPath, to, url.Values{})
}

// ReceiptToCustomer implements sdk.CustomerReceipter. X knows one mark only: seen, for
// a message and all before it. An encrypted message has no number to mark.
func (c *channel) ReceiptToCustomer(ctx context.Context, to sdk.Customer, messageID, _ string) error {
	if !isID(messageID) {
		return nil
	}
	return c.aside(ctx, readPath, to, url.Values{"last_read_event_id": {messageID}})
}

// aside makes such a call. It is worth little: X's refusal is no trouble of the
// channel, and its limits are not those of messages.
func (c *channel) aside(ctx context.Context, path string, to sdk.Customer, form url.Values) error {
	switch {
	case !c.cfg.oauth1():
		return sdk.ErrUnsupported
	case !isID(to.Address):
		return sdk.Rejected("address", "is not the id of a user of X")
	}
	form.Set("recipient_id", to.Address)
	q := request{method: http.MethodPost, path: path, endpoint: path, body: []byte(form.Encode()),
		contentType: "application/x-www-form-urlencoded", by: c.client.oauth1Form(form)}
	a, err := c.call(ctx, q)
	if err == nil {
		return nil
	}
	if r, passes := errors.AsType[*sdk.RetryError](ccsp.AsRetry(err)); passes {
		return sdk.Retry(r.Err, r.After)
	}
	if errors.Is(err, sdk.ErrAuthConfig) || a.Status == http.StatusNotFound || a.Status == http.StatusGone {
		c.client.windows.shut(path, c.host.Now().Add(quietFor))
		c.host.Log().Warn("X does not show it, and is not asked for a while", "call", path, "err", err)
	}
	return sdk.Rejected("not_shown", err.Error())
}
