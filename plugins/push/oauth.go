package main

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/sync/singleflight"

	"github.com/openccsp/gateway/sdk"
)

const (
	oauthScope  = "https://www.googleapis.com/auth/firebase.messaging"
	oauthGrant  = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	assertLife  = time.Hour
	renewBefore = 5 * time.Minute // the end of an access token
)

// serviceAccount is as much of Google's JSON file as is needed.
type serviceAccount struct {
	Type        string `json:"type"`
	ProjectID   string `json:"project_id"`
	KeyID       string `json:"private_key_id"`
	PrivateKey  string `json:"private_key"`
	ClientEmail string `json:"client_email"`
	TokenURI    string `json:"token_uri"`
}

// parseAccount reads the file. The error holds nothing of it.
func parseAccount(text string) (a serviceAccount, key *rsa.PrivateKey, err error) {
	if json.Unmarshal([]byte(text), &a) != nil || a.Type != "service_account" || a.ClientEmail == "" {
		return a, nil, errors.New("it is not the JSON file of a service account; copy it whole")
	}
	if key, err = jwt.ParseRSAPrivateKeyFromPEM([]byte(a.PrivateKey)); err != nil {
		return a, nil, errors.New("its private_key is no RSA key in PEM form")
	}
	return a, key, nil
}

// accessTokens keeps the access token of a service account. Whoever needs one while
// it is asked for waits for the same answer. It is safe for concurrent use.
type accessTokens struct {
	cfg   *fcmConfig
	http  *http.Client
	now   func() time.Time
	limit time.Duration   // of a call
	ended context.Context // of the instance
	one   singleflight.Group

	mu    sync.Mutex
	value string
	until time.Time
}

// get returns a token that is valid.
func (t *accessTokens) get(ctx context.Context) (string, error) {
	if value, ok := t.kept(); ok {
		return value, nil
	}
	done := t.one.DoChan("", func() (any, error) {
		if value, ok := t.kept(); ok {
			return value, nil // another call ended just now
		}
		ctx, cancel := context.WithTimeout(t.ended, t.limit)
		defer cancel()
		return t.fetch(ctx)
	})
	select {
	case r := <-done:
		if r.Err != nil {
			return "", r.Err
		}
		return r.Val.(string), nil
	case <-ctx.Done():
		return "", sdk.Retry(ctx.Err(), 0)
	}
}

// kept returns the token that there is, and whether it is valid.
func (t *accessTokens) kept() (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.value, t.value != "" && t.now().Before(t.until)
}

// drop forgets a token that was refused.
func (t *accessTokens) drop(refused string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.value == refused {
		t.value = ""
	}
}

// fetch has the service account prove itself (RFC 7523).
func (t *accessTokens) fetch(ctx context.Context) (string, error) {
	now := t.now()
	claims := jwt.MapClaims{"iss": t.cfg.account.ClientEmail, "scope": oauthScope, "aud": t.cfg.audience,
		"iat": now.Unix(), "exp": now.Add(assertLife).Unix()}
	assertion := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	assertion.Header["kid"] = t.cfg.account.KeyID
	signed, err := assertion.SignedString(t.cfg.key)
	if err != nil {
		return "", authConfig(errors.New("the service account's key cannot sign"))
	}
	form := url.Values{"grant_type": {oauthGrant}, "assertion": {signed}}
	a, err := post(ctx, t.http, t.cfg.tokenURL, http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, []byte(form.Encode()))
	if err != nil {
		return "", err
	}
	var got struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
		Error       string `json:"error"`
	}
	readable := a.Err == nil && json.Unmarshal(a.Body, &got) == nil
	switch {
	case a.Status >= 400 && a.Status < 500 && a.Status != http.StatusTooManyRequests && a.Status != http.StatusRequestTimeout:
		return "", authConfig(fmt.Errorf("Google refuses the service account: HTTP %d %.60s", a.Status, got.Error)) //nolint:staticcheck // a name
	case a.Status != http.StatusOK || !readable || got.AccessToken == "" || got.ExpiresIn <= 0:
		return "", sdk.Retry(fmt.Errorf("no access token of Google: HTTP %d", a.Status), a.WaitAsked(now))
	}
	life := time.Duration(min(got.ExpiresIn, int(assertLife/time.Second))) * time.Second
	t.mu.Lock()
	defer t.mu.Unlock()
	t.value, t.until = got.AccessToken, now.Add(life-min(renewBefore, life/2))
	return got.AccessToken, nil
}
