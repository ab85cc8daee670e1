package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Key returns the bytes that sign: of "whsec_…" and of any other base64 the
// decoded bytes, as the receivers' libraries read it, and otherwise the bytes
// of the secret itself. No secret is no key.
func Key(secret string) ([]byte, error) {
	if secret == "" {
		return nil, nil
	}
	encoded, prefixed := strings.CutPrefix(secret, "whsec_")
	key, err := base64.StdEncoding.DecodeString(encoded)
	switch {
	case err == nil && len(key) > 0:
		return key, nil
	case prefixed:
		return nil, errors.New("what follows whsec_ in the secret is not base64")
	}
	return []byte(secret), nil
}

// Signature returns the value of the header webhook-signature, "v1,…".
func Signature(key []byte, id string, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// webhookID makes of the gateway's id one that may stand in a signature, whose
// parts are separated by dots.
func webhookID(id string) string { return strings.ReplaceAll(id, ".", "-") }

func setHeaders(h http.Header, e *endpoint, id string, at time.Time, body []byte) {
	for name, value := range e.Headers {
		h.Set(name, value)
	}
	h.Set("Content-Type", "application/json")
	h.Set("webhook-id", id)
	h.Set("webhook-timestamp", strconv.FormatInt(at.Unix(), 10))
	if e.key != nil {
		h.Set("webhook-signature", Signature(e.key, id, at, body))
	}
}
