package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/openccsp/gateway/sdk"
)

// The headers of X's signatures: by the secret of OAuth 1.0a, and by that of OAuth
// 2.0. An app that has both secrets may get both.
const (
	signatureHeader       = "X-Twitter-Webhooks-Signature"
	signatureHeaderOAuth2 = "X-Twitter-Webhooks-Signature-Oauth2" // as Go writes it
)

// Webhook implements sdk.WebhookReceiver: what X sends comes to the hook itself.
func (c *channel) Webhook(ctx context.Context, r *sdk.WebhookRequest) (sdk.WebhookResponse, error) {
	switch r.Path {
	case startPath:
		return c.start(ctx, r), nil
	case callbackPath:
		return c.callback(ctx, r), nil
	case "", "/":
	default:
		return refusal(http.StatusNotFound, "nothing is here"), nil
	}
	switch r.Method {
	case http.MethodGet:
		return c.challenge(r.Query), nil
	case http.MethodPost:
		return c.receive(ctx, r), nil
	}
	res := refusal(http.StatusMethodNotAllowed, "only GET and POST are taken")
	res.Header.Set("Allow", "GET, POST")
	return res, nil
}

// crcToken is what tokens of the challenge look like. X signs webhooks just as we
// answer the challenge: a token with a brace in it would have us sign a webhook
// that anybody made up.
var crcToken = regexp.MustCompile(`^[A-Za-z0-9._~+/=-]{1,512}$`)

// challenge answers X's question whether this hook is the app's (CRC).
func (c *channel) challenge(query string) sdk.WebhookResponse {
	q, err := url.ParseQuery(query)
	if err != nil || len(q["crc_token"]) != 1 {
		return refusal(http.StatusBadRequest, "one crc_token is needed")
	}
	token := strings.ReplaceAll(q.Get("crc_token"), " ", "+") // a plus that was not escaped
	if !crcToken.MatchString(token) {
		return refusal(http.StatusBadRequest, "the crc_token is none of X's")
	}
	return answer(http.StatusOK, map[string]string{"response_token": sign(c.cfg.challenge, []byte(token))})
}

// sign returns sha256= and the HMAC in base64.
func sign(secret string, text []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write(text) // it never fails
	return "sha256=" + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// authentic reports whether X has signed r. How long that takes says nothing of
// the secrets. A wrong signature by OAuth 2.0 is not made up for by the other.
func (c *channel) authentic(r *sdk.WebhookRequest) bool {
	if given := r.Header.Values(signatureHeaderOAuth2); len(given) > 0 && c.cfg.ClientSecret != "" {
		return signedBy(c.cfg.ClientSecret, given, r.Body)
	}
	return c.cfg.ConsumerSecret != "" && signedBy(c.cfg.ConsumerSecret, r.Header.Values(signatureHeader), r.Body)
}

func signedBy(secret string, given []string, body []byte) bool {
	return len(given) == 1 && hmac.Equal([]byte(given[0]), []byte(sign(secret, body)))
}

// receive takes a webhook. X's signatures have no time: what comes again is known
// by the ids of its events.
func (c *channel) receive(ctx context.Context, r *sdk.WebhookRequest) sdk.WebhookResponse {
	if !c.authentic(r) {
		return refusal(http.StatusUnauthorized, "the signature is not X's")
	}
	items, err := parse(r.Body)
	if err != nil {
		res := refusal(http.StatusBadRequest, "the body cannot be read")
		res.Quarantine = err.Error()
		return res
	}
	return sdk.WebhookResponse{Events: c.events(ctx, items)}
}

func refusal(status int, why string) sdk.WebhookResponse {
	return answer(status, map[string]string{"error": why})
}

func answer(status int, v any) sdk.WebhookResponse {
	body, err := json.Marshal(v)
	if err != nil {
		body = nil
	}
	return sdk.WebhookResponse{Status: status, Body: body, Header: http.Header{"Content-Type": {"application/json"}}}
}
