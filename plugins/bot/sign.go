package main

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	maxKeys   = 8               // secrets that are valid at a time
	minToken  = 16              // bytes of a secret
	tolerance = 5 * time.Minute // between the clocks of both sides
)

// keys are the secrets that are valid; the first one signs.
type keys []*standardwebhooks.Webhook

func parseKeys(current, further string) (keys, error) {
	if current == "" {
		return nil, errors.New("secret is empty; the profile json signs")
	}
	k := make(keys, 0, maxKeys)
	for i, secret := range append([]string{current}, strings.Fields(further)...) {
		name := "further_secrets"
		if i == 0 {
			name = "secret"
		}
		one, err := parseKey(secret)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%s: %w", name, err)
		case len(k) == maxKeys:
			return nil, fmt.Errorf("further_secrets has more than %d secrets", maxKeys-1)
		}
		k = append(k, one)
	}
	return k, nil
}

// parseKey reads a secret as notifications of the gateway do: base64, perhaps
// after whsec_, is decoded, and anything else is the key itself.
func parseKey(secret string) (*standardwebhooks.Webhook, error) {
	if len(secret) < minToken {
		return nil, fmt.Errorf("a secret has less than %d bytes", minToken)
	}
	if one, err := standardwebhooks.NewWebhook(secret); err == nil {
		return one, nil
	}
	if strings.HasPrefix(secret, "whsec_") {
		return nil, errors.New("what follows whsec_ is not base64")
	}
	return standardwebhooks.NewWebhookRaw([]byte(secret))
}

// sign sets the three headers of Standard Webhooks for body.
func (k keys) sign(h http.Header, id string, at time.Time, body []byte) error {
	signature, err := k[0].Sign(id, at, body)
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	h.Set(standardwebhooks.HeaderWebhookID, id)
	h.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	h.Set(standardwebhooks.HeaderWebhookSignature, signature)
	return nil
}

// verify returns the id of what was signed with one of the secrets, not long
// ago. How long it takes says nothing of the secrets.
func (k keys) verify(h http.Header, body []byte, now time.Time) (id string, err error) {
	for _, name := range []string{standardwebhooks.HeaderWebhookID, standardwebhooks.HeaderWebhookTimestamp,
		standardwebhooks.HeaderWebhookSignature} {
		if v := h.Values(name); len(v) != 1 || v[0] == "" {
			return "", fmt.Errorf("the header %s is not there once", name)
		}
	}
	id = h.Get(standardwebhooks.HeaderWebhookID)
	if len(id) > maxID || strings.ContainsFunc(id, notPrintable) {
		return "", errors.New("webhook-id is no id")
	}
	seconds, err := strconv.ParseUint(h.Get(standardwebhooks.HeaderWebhookTimestamp), 10, 40)
	if err != nil {
		return "", errors.New("webhook-timestamp is not in seconds")
	}
	if off := now.Sub(time.Unix(int64(seconds), 0)); off > tolerance || off < -tolerance {
		return "", fmt.Errorf("webhook-timestamp is more than %v from the time here", tolerance)
	}
	found := false
	for _, one := range k {
		found = one.VerifyIgnoringTimestamp(body, h) == nil || found
	}
	if !found {
		return "", errors.New("the signature fits none of the secrets")
	}
	return id, nil
}

// same reports whether two texts are equal. How long it takes says nothing of
// them.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
