package main

import (
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

// Apple wants a provider token to be used for 20 minutes at least, and for an hour
// at most. Ours change at fixed times, so that all processes have the same one. It is
// a few minutes old when it is first used, in case Apple's clock is behind.
const (
	providerSlot = 30 * time.Minute
	providerAge  = 5 * time.Minute
)

// tooManyTokens is how long Apple takes no other provider token.
const tooManyTokens = 20 * time.Minute

// apns sends by Apple's push service. It is safe for concurrent use.
type apns struct {
	cfg      *apnsConfig
	truncate bool
	limit    time.Duration // of a call
	http     *http.Client
	now      func() time.Time

	mu     sync.Mutex
	jwt    string
	issued time.Time
}

func newAPNs(cfg config, h *http.Client, now func() time.Time) *apns {
	return &apns{cfg: cfg.apns, truncate: cfg.Truncate, limit: cfg.timeout, http: h, now: now}
}

// provider returns the token that proves who we are.
func (a *apns) provider() (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	issued := a.now().Add(-providerAge).Truncate(providerSlot)
	if a.jwt != "" && a.issued.Equal(issued) {
		return a.jwt, nil
	}
	t := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{"iss": a.cfg.TeamID, "iat": issued.Unix()})
	t.Header["kid"] = a.cfg.KeyID
	text, err := t.SigningString()
	if err != nil {
		return "", authConfig(errors.New("the provider token cannot be written"))
	}
	signature, err := signES256(a.cfg.key, text)
	if err != nil {
		return "", authConfig(errors.New("apns_key cannot sign"))
	}
	a.jwt, a.issued = text+"."+t.EncodeSegment(signature), issued
	return a.jwt, nil
}

// signES256 signs the same text always the same (RFC 6979).
func signES256(key *ecdsa.PrivateKey, text string) ([]byte, error) {
	sum := sha256.Sum256([]byte(text))
	der, err := key.Sign(nil, sum[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	var rs struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &rs); err != nil {
		return nil, err
	}
	out := make([]byte, 64)
	rs.R.FillBytes(out[:32])
	rs.S.FillBytes(out[32:])
	return out, nil
}

// payload is what APNs counts.
func (a *apns) payload(n notice) any {
	aps := object{}
	if n.background {
		aps["content-available"] = 1
	} else {
		aps["alert"], aps["sound"] = n.shown(), a.cfg.Sound
	}
	out := object{}
	for key, value := range n.inData() {
		out[key] = value
	}
	if n.image != "" {
		aps["mutable-content"], out["image"] = 1, n.image // the app's extension fetches it
	}
	out["aps"] = aps
	return out
}

// send sends a notice to one app.
func (a *apns) send(ctx context.Context, token string, n notice) (string, error) {
	body, err := fit(n, a.truncate, a.payload)
	if err != nil {
		return "", err
	}
	provider, err := a.provider()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, a.limit)
	defer cancel()
	answer, err := post(ctx, a.http, a.cfg.base+"/3/device/"+token, a.header(provider, token, n), body)
	if err != nil {
		return "", err
	}
	return answer.Header.Get("apns-id"), a.refused(answer)
}

func (a *apns) header(provider, token string, n notice) http.Header {
	h := http.Header{
		"Authorization": {"bearer " + provider}, "Apns-Topic": {a.cfg.Topic}, "Apns-Push-Type": {"alert"}, "Apns-Priority": {"10"},
		"Apns-Expiration": {"0"}, "Content-Type": {"application/json"},
	}
	if a.cfg.ttl > 0 {
		h.Set("Apns-Expiration", strconv.FormatInt(a.now().Add(a.cfg.ttl).Unix(), 10))
	}
	if n.background {
		h.Set("Apns-Push-Type", "background")
		h.Set("Apns-Priority", "5")
	}
	if n.id != "" {
		h.Set("Apns-Id", n.uuid(token))
		h.Set("Apns-Collapse-Id", n.collapse())
	}
	return h
}

// refused says what an answer means, nil if the notice was taken.
func (a *apns) refused(answer ccsp.Answer) error {
	if answer.Status == http.StatusOK {
		return nil
	}
	var said struct {
		Reason    string `json:"reason"`
		Timestamp int64  `json:"timestamp"` // milliseconds, with 410
	}
	if answer.Err != nil || json.Unmarshal(answer.Body, &said) != nil {
		said.Reason = ""
	}
	reason := word(said.Reason)
	err := fmt.Errorf("APNs: %s", strings.TrimSpace(fmt.Sprintf("HTTP %d %s", answer.Status, reason)))
	wait := answer.WaitAsked(a.now())
	switch reason {
	case "Unregistered", "ExpiredToken":
		gone := &goneError{reason: reason}
		if said.Timestamp > 0 {
			gone.since = time.UnixMilli(said.Timestamp)
		}
		return gone
	case "BadDeviceToken", "DeviceTokenNotForTopic":
		if a.cfg.BadToken == "retire" {
			return &goneError{reason: reason}
		}
		return sdk.Rejected(reason, "the app is of the other environment, or of another bundle id; see sandbox, topic and bad_token")
	case "ExpiredProviderToken":
		return authConfig(fmt.Errorf("%w; is the clock right?", err))
	case "TooManyProviderTokenUpdates":
		return sdk.Throttled(err, tooManyTokens)
	case "TooManyRequests": // to this one app
		return sdk.Retry(err, max(wait, oneMinute))
	case "PayloadTooLarge":
		return sdk.Rejected("too_large", err.Error())
	case "IdleTimeout":
		return sdk.Retry(err, 0)
	}
	switch s := answer.Status; {
	case s == http.StatusForbidden, s == http.StatusUnauthorized:
		return authConfig(err)
	case s == http.StatusGone:
		return &goneError{reason: "410"}
	case s == http.StatusTooManyRequests:
		return sdk.Throttled(err, max(wait, oneMinute))
	case s == http.StatusRequestTimeout, s >= 500:
		return sdk.Retry(err, max(wait, leastPause))
	}
	return sdk.Rejected(cmp.Or(reason, fmt.Sprintf("status_%d", answer.Status)), err.Error())
}
