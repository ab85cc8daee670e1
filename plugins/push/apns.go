package main

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
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
// at most.
const (
	providerLife  = 50 * time.Minute
	providerYoung = 20 * time.Minute
)

// apnsConfig is the block apns, checked.
type apnsConfig struct {
	APNsSettings
	key  *ecdsa.PrivateKey
	base string
	ttl  time.Duration
}

// checkAPNs reads the block apns.
func (s Settings) checkAPNs() (*apnsConfig, error) {
	switch {
	case s.APNs == nil && s.APNsKey == "":
		return nil, nil
	case s.APNs == nil:
		return nil, errors.New("there is apns_key and no block apns; write one with key_id, team_id and topic")
	}
	c := &apnsConfig{APNsSettings: *s.APNs}
	c.BadToken, c.Sound = cmp.Or(c.BadToken, "keep"), cmp.Or(c.Sound, "default")
	var errs [6]error
	if c.key, errs[0] = jwt.ParseECPrivateKeyFromPEM([]byte(s.APNsKey)); errs[0] != nil || c.key.Curve.Params().BitSize != 256 {
		errs[0] = errors.New("apns_key is not Apple's .p8 file; copy it whole")
	}
	if !applePattern.MatchString(c.KeyID) || !applePattern.MatchString(c.TeamID) {
		errs[1] = errors.New("apns: key_id and team_id have 10 capital letters and digits each")
	}
	if !topicPattern.MatchString(c.Topic) {
		errs[2] = fmt.Errorf("apns.topic %q is not the bundle id of an app", c.Topic)
	}
	if c.BadToken != "keep" && c.BadToken != "retire" {
		errs[3] = fmt.Errorf("apns.bad_token %q is neither keep nor retire", c.BadToken)
	}
	apple := "https://api.push.apple.com"
	if c.Sandbox {
		apple = "https://api.sandbox.push.apple.com"
	}
	c.base, errs[4] = server("apns.base_url", cmp.Or(c.BaseURL, apple))
	c.ttl, errs[5] = ccsp.Duration("apns.ttl", cmp.Or(c.TTL, "24h"), 0, maxTTL)
	return c, errors.Join(errs[:]...)
}

// apns sends by Apple's push service. It is safe for concurrent use.
type apns struct {
	cfg      *apnsConfig
	truncate bool
	limit    time.Duration // of a call
	http     *http.Client
	now      func() time.Time

	mu   sync.Mutex
	jwt  string
	made time.Time
}

func newAPNs(cfg config, h *http.Client, now func() time.Time) *apns {
	return &apns{cfg: cfg.apns, truncate: cfg.Truncate, limit: cfg.timeout, http: h, now: now}
}

// provider returns the token that proves who we are.
func (a *apns) provider() (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	if a.jwt != "" && now.Sub(a.made) < providerLife {
		return a.jwt, nil
	}
	t := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{"iss": a.cfg.TeamID, "iat": now.Unix()})
	t.Header["kid"] = a.cfg.KeyID
	signed, err := t.SignedString(a.cfg.key)
	if err != nil {
		return "", authConfig(errors.New("apns_key cannot sign"))
	}
	a.jwt, a.made = signed, now
	return signed, nil
}

// drop forgets a provider token that Apple refused, and reports whether there may be
// another one already: Apple refuses who makes them too often.
func (a *apns) drop(refused string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.jwt != refused {
		return true // somebody else has made a new one
	}
	if a.now().Sub(a.made) < providerYoung {
		return false
	}
	a.jwt = ""
	return true
}

// payload is what APNs counts.
func (a *apns) payload(n notice) any {
	aps := object{}
	if n.background {
		aps["content-available"] = 1
	} else {
		aps["alert"], aps["sound"] = map[string]string{"title": n.title, "body": n.text}, a.cfg.Sound
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

// send sends a notice to one app, once more with a new provider token if Apple says
// that the old one has ended.
func (a *apns) send(ctx context.Context, token string, n notice) (string, error) {
	body, err := fit(n, a.truncate, a.payload)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, a.limit)
	defer cancel()
	id, again, err := a.call(ctx, token, n, body)
	if again {
		id, _, err = a.call(ctx, token, n, body)
	}
	if errors.Is(err, errStale) {
		err = authConfig(err)
	}
	return id, err
}

// call makes the call; again says that it is worth one more.
func (a *apns) call(ctx context.Context, token string, n notice, body []byte) (id string, again bool, err error) {
	provider, err := a.provider()
	if err != nil {
		return "", false, err
	}
	answer, err := post(ctx, a.http, a.cfg.base+"/3/device/"+token, a.header(provider, token, n), body)
	if err != nil {
		return "", false, err
	}
	if err = a.refused(answer); errors.Is(err, errStale) {
		again = a.drop(provider)
	}
	return answer.Header.Get("apns-id"), again, err
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
		h.Set("Apns-Collapse-Id", n.id[:min(len(n.id), 64)])
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
		return fmt.Errorf("%w: %w", errStale, err)
	case "TooManyProviderTokenUpdates":
		return sdk.Throttled(err, providerYoung)
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
		return sdk.Retry(err, max(wait, fewSeconds))
	}
	return sdk.Rejected(cmp.Or(reason, fmt.Sprintf("status_%d", answer.Status)), err.Error())
}
