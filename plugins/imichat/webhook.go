package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/openccsp/gateway/sdk"
)

const (
	maxBody   = 256 << 10 // bytes of a webhook
	maxEvents = 1000      // in one webhook
)

// Webhook implements sdk.WebhookReceiver: one event, or a list of them, to the
// address of the hook itself.
func (c *connector) Webhook(_ context.Context, r *sdk.WebhookRequest) (sdk.WebhookResponse, error) {
	switch {
	case r.Path != "" && r.Path != "/":
		return refusal(http.StatusNotFound, "nothing is here"), nil
	case r.Method == http.MethodHead:
		return sdk.WebhookResponse{}, nil // senders try an address so before they take it
	case r.Method != http.MethodPost:
		res := refusal(http.StatusMethodNotAllowed, "only POST is taken")
		res.Header.Set("Allow", "HEAD, POST")
		return res, nil
	case len(r.Body) > maxBody:
		return refusal(http.StatusRequestEntityTooLarge, fmt.Sprintf("more than %d bytes", maxBody)), nil
	case !c.cfg.door.opens(r):
		return refusal(http.StatusUnauthorized, "not authorized"), nil
	}
	return c.take(r.Body), nil
}

// take reads the body of an authentic request. What cannot be read is kept for
// a person; the rest of a list goes on.
func (c *connector) take(body []byte) sdk.WebhookResponse {
	clean, repaired, err := parse(body)
	if err != nil {
		return unreadable("the body cannot be read: " + err.Error())
	}
	if repaired {
		c.host.Log().Debug("webhook was no strict JSON, and was repaired", "bytes", len(body))
	}
	all := []json.RawMessage{clean}
	if many := bytes.HasPrefix(bytes.TrimSpace(clean), []byte("[")); many {
		all = list(clean)
	}
	if len(all) > maxEvents {
		return unreadable(fmt.Sprintf("more than %d events", maxEvents))
	}
	var res sdk.WebhookResponse
	for i, raw := range all {
		n, err := c.read(raw)
		switch {
		case err != nil && len(all) == 1:
			return unreadable(err.Error())
		case err != nil:
			res.Quarantine = fmt.Sprintf("event %d: %v", i+1, err)
		case n.typing != nil:
			c.host.ChatTyping(n.typing.ref, n.typing.on)
		default:
			res.Events = append(res.Events, n.event)
		}
	}
	return res
}

func unreadable(why string) sdk.WebhookResponse {
	res := refusal(http.StatusBadRequest, why)
	res.Quarantine = why
	return res
}

func refusal(status int, why string) sdk.WebhookResponse {
	body, err := json.Marshal(map[string]string{"error": why})
	if err != nil {
		body = nil
	}
	return sdk.WebhookResponse{Status: status, Body: body,
		Header: http.Header{"Content-Type": {"application/json"}}}
}
