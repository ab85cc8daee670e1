package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

const (
	early       = 2 * time.Minute  // before its end an access token is renewed
	renewLimit  = 30 * time.Second // for a renewal, whoever waits for it
	refusedFor  = 5 * time.Minute  // before X is asked again about a token that it refused
	maxSpent    = 32               // refresh tokens that are remembered as used
	shortestAge = time.Minute      // of an access token that X may say is too old
)

// accounts are those of all instances, by name. They outlive a change of settings,
// so that no refresh token is used twice.
type accounts struct {
	mu sync.Mutex
	by map[string]*account
}

func (k *accounts) of(instance, given string) *account {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.by == nil {
		k.by = map[string]*account{}
	}
	a := k.by[instance]
	if a == nil {
		a = new(account)
		k.by[instance] = a
	}
	a.take(given)
	return a
}

// account has the tokens of OAuth 2.0. A refresh token counts once: X answers with
// the next one, and takes the use of an old one for theft.
type account struct {
	mu      sync.Mutex
	refresh string    // "": nobody has authorized the gateway yet
	spent   []string  // hashes of the refresh tokens that were used
	access  string    // "": none
	until   time.Time // when it is renewed
	made    time.Time
	bad     string    // access token that X refuses
	unsaved bool      // refresh is not durable yet, and access not to be used
	refused time.Time // X does not want refresh; asked again after this time
	flight  *flight   // the renewal under way

	attempt authorization
}

// flight is a renewal that many wait for.
type flight struct {
	done chan struct{}
	err  error // valid once done is closed
}

// tokens are X's answer.
type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	Seconds int64  `json:"expires_in"`
}

// take has the account go on with the token of the settings, unless that is one
// from which the present one came.
func (a *account) take(given string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if given == "" || given == a.refresh || slices.Contains(a.spent, digest(given)) {
		return
	}
	a.refresh, a.access, a.unsaved, a.refused = given, "", false, time.Time{}
}

// authorized reports whether there is a refresh token.
func (a *account) authorized() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.refresh != ""
}

// token returns an access token that is valid for a while, and renews it if need
// be: once, for all who ask.
func (a *account) token(ctx context.Context, c *channel) (string, error) {
	for {
		a.mu.Lock()
		if a.access != "" && !a.unsaved && c.host.Now().Before(a.until) {
			defer a.mu.Unlock()
			return a.access, nil
		}
		f := a.flight
		if f == nil {
			f = a.begin(c)
		}
		a.mu.Unlock()
		select {
		case <-f.done:
		case <-ctx.Done():
			return "", sdk.Retry(ctx.Err(), 0)
		}
		if f.err != nil {
			return "", f.err
		}
	}
}

// expired is called for an access token that X refuses. The error says what is to
// be done: as a rule, the call again.
func (a *account) expired(ctx context.Context, c *channel, used string) error {
	a.mu.Lock()
	if a.access == used {
		if c.host.Now().Sub(a.made) < shortestAge {
			a.mu.Unlock()
			return fmt.Errorf("%w: X refuses an access token that it has just given", sdk.ErrAuthConfig)
		}
		a.access, a.bad = "", used
	}
	a.mu.Unlock()
	if _, err := a.token(ctx, c); err != nil {
		return err
	}
	return fmt.Errorf("%w: X refused the access token", sdk.ErrAuthRefreshed)
}

// begin starts a renewal, which goes on if nobody waits for it any more: its answer
// is the only copy of the next refresh token. The caller holds a.mu.
func (a *account) begin(c *channel) *flight {
	f := &flight{done: make(chan struct{})}
	a.flight = f
	c.background.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), renewLimit)
		defer cancel()
		err := a.renew(ctx, c)
		a.mu.Lock()
		defer a.mu.Unlock()
		f.err, a.flight = err, nil
		close(f.done)
	})
	return f
}

func (a *account) renew(ctx context.Context, c *channel) error {
	a.mu.Lock()
	unsaved := a.unsaved
	a.mu.Unlock()
	if unsaved {
		return a.save(ctx, c)
	}
	rec, raw, err := c.record(ctx)
	if err != nil {
		return sdk.Retry(err, 0)
	}
	if a.adopt(rec, c.host.Now()) {
		return nil
	}
	a.mu.Lock()
	refresh, refused := a.refresh, a.refused
	a.mu.Unlock()
	switch {
	case refresh == "":
		return fmt.Errorf("%w: %s", sdk.ErrAuthConfig, c.unauthorized())
	case c.host.Now().Before(refused):
		return fmt.Errorf("%w: X refuses the refresh token; open %s", sdk.ErrAuthConfig, c.startURL())
	}
	if err := c.claim(ctx, rec, raw); err != nil {
		return err
	}
	t, err := c.grant(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}})
	if err != nil {
		c.unclaim(ctx)
	}
	a.mu.Lock()
	replaced := a.refresh != refresh // an administrator was faster: that token counts
	if !replaced && errors.Is(err, sdk.ErrAuthConfig) {
		a.refused = c.host.Now().Add(refusedFor)
	}
	a.mu.Unlock()
	switch {
	case replaced:
		return nil
	case errors.Is(err, sdk.ErrAuthConfig):
		c.health.set("X refuses the refresh token; authorize the gateway again at " + c.startURL())
		return err
	case err != nil:
		return err
	}
	return a.have(ctx, c, t)
}

// adopt goes on with what another process, or one before this, has noted. It reports
// whether there is an access token by that.
func (a *account) adopt(r record, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !r.follows(a.refresh) {
		return false
	}
	if a.refresh != r.Refresh {
		a.refresh, a.refused = r.Refresh, time.Time{}
	}
	a.spent = r.Spent
	if r.Access == "" || r.Access == a.bad || !now.Before(r.Until) {
		return false
	}
	a.access, a.made, a.until = r.Access, r.Made, r.Until
	return true
}

// have makes t the tokens in use, once they are durable.
func (a *account) have(ctx context.Context, c *channel, t tokens) error {
	now := c.host.Now()
	a.mu.Lock()
	if t.Refresh != "" && t.Refresh != a.refresh {
		if a.refresh != "" {
			a.spent = append(slices.Clone(a.spent), digest(a.refresh))
			a.spent = a.spent[max(0, len(a.spent)-maxSpent):]
		}
		a.refresh, a.unsaved = t.Refresh, true
	}
	life := time.Duration(min(max(t.Seconds, 1), 24*60*60)) * time.Second
	a.access, a.made, a.refused = t.Access, now, time.Time{}
	a.until = now.Add(life - min(early, life/2))
	a.mu.Unlock()
	return a.save(ctx, c)
}

// save makes the refresh token durable, and then notes both for other processes.
func (a *account) save(ctx context.Context, c *channel) error {
	a.mu.Lock()
	refresh := a.refresh
	a.mu.Unlock()
	if err := c.host.SaveSecret(ctx, "refresh_token", refresh); err != nil {
		return sdk.Retry(fmt.Errorf("the refresh token cannot be kept: %w", err), 0)
	}
	a.mu.Lock()
	a.unsaved = a.unsaved && a.refresh != refresh
	now := record{Refresh: a.refresh, Access: a.access, Made: a.made, Until: a.until, Spent: a.spent}
	a.mu.Unlock()
	c.change(ctx, func(r *record) { *r = now })
	return nil
}

// grant asks X's token endpoint.
func (c *channel) grant(ctx context.Context, form url.Values) (t tokens, err error) {
	q := request{method: http.MethodPost, path: "/2/oauth2/token", contentType: "application/x-www-form-urlencoded"}
	if c.cfg.ClientSecret != "" {
		q.by = basic(c.cfg.ClientID, c.cfg.ClientSecret)
	} else {
		form.Set("client_id", c.cfg.ClientID)
	}
	q.body = []byte(form.Encode())
	a, err := c.client.do(ctx, q)
	switch {
	case err != nil:
		return t, ccsp.AsRetry(err)
	case a.Status == http.StatusBadRequest || a.Status == http.StatusUnauthorized || a.Status == http.StatusForbidden:
		return t, fmt.Errorf("%w: X gives no tokens: status %d, %s", sdk.ErrAuthConfig, a.Status, oauthError(a))
	case !good(a):
		return t, ccsp.AsRetry(refused(a, c.host.Now()))
	}
	if err := json.Unmarshal(a.Body, &t); err != nil || t.Access == "" {
		return t, sdk.Retry(errors.New("no access token is in the answer of X"), 0)
	}
	return t, nil
}

// oauthError is the code of RFC 6749, section 5.2. It is X's, so it is not shown
// unless it is one.
func oauthError(a ccsp.Answer) string {
	var e struct {
		Error string `json:"error"`
	}
	_ = json.Unmarshal(a.Body, &e)
	switch e.Error {
	case "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope":
		return e.Error
	}
	return "without a reason"
}
