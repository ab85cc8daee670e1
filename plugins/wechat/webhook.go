package main

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"

	"github.com/openccsp/gateway/sdk"
)

const (
	maxBody = 256 << 10 // bytes of a request
	maxEcho = 1 << 10   // bytes of what is echoed
)

// Webhook implements sdk.WebhookReceiver: WeChat's requests to the address of the
// hook itself.
func (c *channel) Webhook(ctx context.Context, r *sdk.WebhookRequest) (sdk.WebhookResponse, error) {
	switch {
	case r.Path != "" && r.Path != "/":
		return text(http.StatusNotFound, "nothing is here"), nil
	case r.Method != http.MethodGet && r.Method != http.MethodPost:
		res := text(http.StatusMethodNotAllowed, "only GET and POST are taken")
		res.Header.Set("Allow", "GET, POST")
		return res, nil
	case len(r.Body) > maxBody:
		return text(http.StatusRequestEntityTooLarge, fmt.Sprintf("more than %d bytes", maxBody)), nil
	}
	p, err := prove(r.Query, c.cfg.Token, c.host.Now(), c.cfg.tolerance)
	switch {
	case err != nil:
		return text(http.StatusUnauthorized, err.Error()), nil
	case r.Method == http.MethodGet:
		return c.echo(p), nil
	case !isXML(r.Header):
		return text(http.StatusUnsupportedMediaType, "the body is not plain XML"), nil
	}
	return c.take(ctx, p, r.Body), nil
}

// echo answers WeChat's check of the address. Its signature would do for a message
// as well, so it is used up.
func (c *channel) echo(p proof) sdk.WebhookResponse {
	echoed := p.query.Get("echostr")
	switch {
	case !c.seen.allow(p, []byte("echo "+echoed)):
		return text(http.StatusUnauthorized, usedUp)
	case echoed == "" || len(echoed) > maxEcho:
		return text(http.StatusBadRequest, "there is no echostr")
	}
	return text(http.StatusOK, echoed)
}

// usedUp is what is said to who has seen a request, and sends one of their own.
const usedUp = "this request was here before"

// take reads the body of a request whose query is signed.
func (c *channel) take(ctx context.Context, p proof, body []byte) sdk.WebhookResponse {
	message, err := c.unseal(p, body)
	switch {
	case errors.Is(err, errForeign):
		return text(http.StatusUnauthorized, err.Error())
	case err != nil:
		return unreadable(err)
	case !c.seen.allow(p, message):
		return text(http.StatusUnauthorized, usedUp)
	}
	x, err := parseXML(message)
	if err != nil {
		return unreadable(err)
	}
	e, err := c.event(ctx, x)
	if err != nil {
		return unreadable(err)
	}
	res := text(http.StatusOK, "success")
	res.Events = []sdk.Event{e}
	return res
}

// errForeign says that a body is not what WeChat sent for this account.
var errForeign = errors.New("not authorized")

// unseal returns the message in the body, decrypted unless the mode is plain. In the
// mode compatible WeChat sends the message in plain text, too; that is not looked
// at, because no signature covers it.
func (c *channel) unseal(p proof, body []byte) ([]byte, error) {
	switch {
	case c.cfg.Mode == modePlain:
		return body, nil
	case p.query.Get("encrypt_type") != "aes":
		return nil, fmt.Errorf("%w: the message is not encrypted", errForeign)
	}
	x, err := parseXML(body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errForeign, err)
	}
	encrypted := x.get("Encrypt")
	if encrypted == "" || !p.covers(c.cfg.Token, encrypted) {
		return nil, fmt.Errorf("%w: msg_signature is not right", errForeign)
	}
	plain, err := decryptAny(c.cfg.keys, encrypted, c.cfg.AppID)
	switch {
	case errors.Is(err, errOtherApp):
		return nil, fmt.Errorf("%w: %w", errForeign, err)
	case err != nil:
		c.host.Log().Warn("message cannot be decrypted; see encoding_aes_key", "err", err)
	}
	return plain, err
}

// isXML reports whether a body is said to be XML and nothing around it.
func isXML(h http.Header) bool {
	if e := h.Get("Content-Encoding"); e != "" && e != "identity" {
		return false
	}
	if h.Get("Content-Type") == "" {
		return true
	}
	typ, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && (typ == "text/xml" || typ == "application/xml")
}

// unreadable answers an authentic request that is not understood: it is kept
// for a person.
func unreadable(err error) sdk.WebhookResponse {
	res := text(http.StatusBadRequest, err.Error())
	res.Quarantine = err.Error()
	return res
}

func text(status int, body string) sdk.WebhookResponse {
	return sdk.WebhookResponse{Status: status, Body: []byte(body), Header: http.Header{
		"Content-Type": {"text/plain; charset=utf-8"}, "X-Content-Type-Options": {"nosniff"}}}
}
