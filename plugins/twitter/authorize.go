package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/openccsp/gateway/sdk"
)

// The first authorization by OAuth 2.0: an administrator opens startPath below the
// hook, writes setup_key, is sent to X, and comes back to callbackPath, which the
// gateway has as /oauth/<name>/callback.
const (
	startPath    = "/oauth/start"
	callbackPath = "/oauth/callback"

	scopes        = "dm.read dm.write tweet.read users.read media.write offline.access"
	attemptLimit  = 10 * time.Minute // between start and callback
	triesOfKey    = 5                // from one address, in keyWindow
	maxTriers     = 1000             // addresses, in keyWindow
	keyWindow     = time.Minute
	keyUsed       = "setup_key.used" // in the instance's state: hash of the key that has been used
	maxParameters = 4096             // bytes of the callback's query
)

// authorization is the one under way. It is lost with the process: then the
// administrator begins anew.
type authorization struct {
	mu       sync.Mutex
	state    string // "": none
	verifier string
	until    time.Time

	tries map[string]int // by address: who guesses does not lock the administrator out
	since time.Time
}

// startURL is where an administrator begins.
func (c *channel) startURL() string { return c.host.PublicURL() + startPath }

// redirectURL is the callback, as it is registered at X.
func (c *channel) redirectURL() string {
	base := strings.TrimSuffix(c.host.PublicURL(), "/hooks/"+c.host.Instance())
	return base + "/oauth/" + c.host.Instance() + "/callback"
}

// start serves the form, and sends who knows the key to X.
func (c *channel) start(ctx context.Context, r *sdk.WebhookRequest) sdk.WebhookResponse {
	switch {
	case c.cfg.SetupKey == "" || !c.cfg.oauth2():
		return c.page(http.StatusNotFound, "There is no setup_key in the settings of this channel.")
	case r.Method == http.MethodGet:
		return c.page(http.StatusOK, `<form method="post"><label>setup_key of this channel: `+
			`<input type="password" name="key" autocomplete="off" required autofocus></label> <button>Go to X</button></form>`)
	case r.Method != http.MethodPost:
		return c.page(http.StatusMethodNotAllowed, "Open this page in a browser.")
	}
	form, err := url.ParseQuery(string(r.Body))
	attempt, now := &c.account.attempt, c.host.Now()
	switch {
	case !attempt.mayTry(r.RemoteAddr, now):
		return c.page(http.StatusTooManyRequests, "Too many attempts; wait a minute.")
	case err != nil || !same(form.Get("key"), c.cfg.SetupKey):
		return c.page(http.StatusUnauthorized, "This is not the setup_key.")
	}
	switch _, used, err := c.keyUse(ctx); {
	case err != nil:
		return c.page(http.StatusServiceUnavailable, "Not possible now, try again.")
	case used:
		return c.page(http.StatusForbidden, usedUp)
	}
	to := *c.cfg.authorize
	q := to.Query()
	state, challenge := attempt.begin(now)
	for k, v := range map[string]string{
		"response_type": "code", "client_id": c.cfg.ClientID, "redirect_uri": c.redirectURL(), "scope": scopes,
		"state": state, "code_challenge": challenge, "code_challenge_method": "S256",
	} {
		q.Set(k, v)
	}
	to.RawQuery = q.Encode()
	res := c.page(http.StatusSeeOther, "To X.")
	res.Header.Set("Location", to.String())
	return res
}

// callback takes the code that X gave the administrator's browser.
func (c *channel) callback(ctx context.Context, r *sdk.WebhookRequest) sdk.WebhookResponse {
	q, err := url.ParseQuery(r.Query)
	if r.Method != http.MethodGet || err != nil || len(r.Query) > maxParameters {
		return c.page(http.StatusBadRequest, "X sends browsers here, with a code.")
	}
	verifier, ok := c.account.attempt.end(q.Get("state"), c.host.Now())
	switch {
	case !ok:
		return c.page(http.StatusForbidden, "This is not the end of an authorization that began here, or it took too long. Begin anew.")
	case q.Get("code") == "":
		return c.page(http.StatusBadRequest, "X has not authorized the gateway. Begin anew.")
	}
	if err := c.redeem(ctx, q.Get("code"), verifier); err != nil {
		c.host.Log().Warn("authorization failed", "err", err)
		return c.page(http.StatusBadGateway, "The gateway got no tokens: "+html.EscapeString(err.Error())+". Begin anew.")
	}
	c.health.set("")
	return c.page(http.StatusOK, "Done. The gateway may read and write the direct messages of this account. You can close this page.")
}

const usedUp = "This setup_key has been used. Write another one into the settings."

// keyUse returns what the instance's state has of keys, and whether the present one
// has been used.
func (c *channel) keyUse(ctx context.Context) (before []byte, used bool, err error) {
	before, err = c.host.State(ctx, keyUsed)
	return before, subtle.ConstantTimeCompare(before, c.keyDigest()) == 1, err
}

func (c *channel) keyDigest() []byte {
	sum := sha256.Sum256([]byte("openccsp twitter setup key " + c.cfg.SetupKey))
	return sum[:]
}

// redeem makes tokens of a code, and keeps them if they are this account's. The
// setup key is used up then.
func (c *channel) redeem(ctx context.Context, code, verifier string) error {
	before, used, err := c.keyUse(ctx)
	if err != nil || used {
		return cmp.Or(err, errors.New("the setup_key has been used"))
	}
	t, err := c.grant(ctx, url.Values{"grant_type": {"authorization_code"}, "code": {code},
		"redirect_uri": {c.redirectURL()}, "code_verifier": {verifier}})
	if err != nil {
		return err
	}
	if t.Refresh == "" {
		return errors.New("no refresh token came; the app needs the scope offline.access")
	}
	a, err := c.client.do(ctx, request{method: http.MethodGet, path: "/2/users/me", by: bearer(t.Access)})
	if err != nil {
		return err
	}
	if err := sameUser(a, c.cfg.UserID, c.host.Now()); err != nil {
		return err
	}
	if err := c.account.have(ctx, c, t); err != nil {
		return err
	}
	if err := c.host.SetState(ctx, keyUsed, before, c.keyDigest()); err != nil {
		return fmt.Errorf("note that the key is used: %w", err)
	}
	return nil
}

// mayTry counts attempts to guess the key.
func (a *authorization) mayTry(address string, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.tries == nil || now.Sub(a.since) > keyWindow {
		a.tries, a.since = map[string]int{}, now
	}
	if _, known := a.tries[address]; !known && len(a.tries) >= maxTriers {
		return false
	}
	a.tries[address]++
	return a.tries[address] <= triesOfKey
}

// begin returns what X gets: the state, and the challenge to the verifier (RFC 7636).
func (a *authorization) begin(now time.Time) (state, challenge string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.state, a.verifier, a.until = rand.Text()+rand.Text(), rand.Text()+rand.Text(), now.Add(attemptLimit)
	sum := sha256.Sum256([]byte(a.verifier))
	return a.state, base64.RawURLEncoding.EncodeToString(sum[:])
}

// end returns the verifier, once, if state is that of the one under way.
func (a *authorization) end(state string, now time.Time) (verifier string, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state == "" || !same(state, a.state) {
		return "", false
	}
	a.state = ""
	return a.verifier, now.Before(a.until)
}

// same reports whether two texts are equal. How long it takes says nothing of
// them.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// page is what the administrator's browser shows. body is HTML.
func (c *channel) page(status int, body string) sdk.WebhookResponse {
	origin := c.cfg.authorize.Scheme + "://" + c.cfg.authorize.Host
	return sdk.WebhookResponse{Status: status, Body: []byte("<!doctype html><meta charset=\"utf-8\"><title>X</title><p>" + body + "\n"),
		Header: http.Header{
			"Content-Type":            {"text/html; charset=utf-8"},
			"Cache-Control":           {"no-store"},
			"Referrer-Policy":         {"no-referrer"},
			"X-Frame-Options":         {"DENY"},
			"Content-Security-Policy": {"default-src 'none'; form-action 'self' " + origin},
		}}
}
