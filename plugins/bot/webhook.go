package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/openccsp/gateway/sdk"
)

const maxBody = 256 << 10 // bytes of a webhook

// heard is what one request or answer of a bot's says.
type heard struct {
	ref  string // conversation
	id   string // of the request, "" if it has none
	said []said
	pong bool
}

// errForeign says that a request does not come from the bot.
var errForeign = errors.New("not authorized")

// Webhook implements sdk.WebhookReceiver: what the bot says later, at the
// address of the hook itself.
func (c *connector) Webhook(_ context.Context, r *sdk.WebhookRequest) (sdk.WebhookResponse, error) {
	switch {
	case r.Path != "" && r.Path != "/":
		return refusal(http.StatusNotFound, "nothing is here"), nil
	case r.Method != http.MethodPost:
		res := refusal(http.StatusMethodNotAllowed, "only POST is taken")
		res.Header.Set("Allow", http.MethodPost)
		return res, nil
	case len(r.Body) > maxBody:
		return refusal(http.StatusRequestEntityTooLarge, fmt.Sprintf("more than %d bytes", maxBody)), nil
	}
	h, err := c.profile.hook(r, c.host.Now())
	if err == nil && len(h.said) > maxSaid {
		err = fmt.Errorf("more than %d things at once", maxSaid)
	}
	switch {
	case errors.Is(err, errForeign):
		return refusal(http.StatusUnauthorized, err.Error()), nil
	case err != nil:
		res := refusal(http.StatusBadRequest, err.Error())
		res.Quarantine = err.Error()
		return res, nil
	}
	return sdk.WebhookResponse{Events: c.events(h.ref, h.id, h.said)}, nil
}

func refusal(status int, why string) sdk.WebhookResponse {
	body, err := json.Marshal(map[string]string{"error": why})
	if err != nil {
		body = nil
	}
	return sdk.WebhookResponse{Status: status, Body: body,
		Header: http.Header{"Content-Type": {"application/json"}}}
}
