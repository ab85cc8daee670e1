package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

const (
	renewBefore = 5 * time.Minute  // the end: WeChat has a new token by then, and both are valid
	forceEvery  = 90 * time.Minute // at most: WeChat makes a new token 20 times a day if forced
	forceAgain  = time.Minute      // after a call that brought nothing; WeChat wants half of it
	forceKey    = "token.force"    // of the instance's state: when a new one may be forced, in Unix seconds
)

// shared is the instance's state, which all its processes have: one that was
// started after this one was killed, or beside it.
type shared interface {
	State(ctx context.Context, key string) ([]byte, error)
	SetState(ctx context.Context, key string, before, after []byte) error
}

// tokens keeps the access token. Whoever needs one while it is asked for waits for
// the same answer. It is safe for concurrent use.
type tokens struct {
	api    *api
	shared shared // nil: no token is forced
	one    singleflight.Group
	ended  context.Context // of the instance

	mu    sync.Mutex
	value string
	until time.Time
	made  int // tokens that were forced
}

// get returns a token that is valid.
func (t *tokens) get(ctx context.Context) (string, error) {
	if value, ok := t.kept(); ok {
		return value, nil
	}
	return t.ask(ctx, "")
}

// kept returns the token that there is, and whether it is valid.
func (t *tokens) kept() (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.value, t.value != "" && t.api.now().Before(t.until)
}

// renew returns another token than the one that WeChat refused. Another process
// may have it renewed just now, so WeChat is first asked for the one that is
// valid; only if that is the refused one a new one is forced, and rarely.
func (t *tokens) renew(ctx context.Context, refused string) (string, error) {
	t.mu.Lock()
	if t.value == refused {
		t.value = ""
	}
	t.mu.Unlock()
	value, err := t.get(ctx)
	if err != nil || value != refused {
		return value, err
	}
	return t.ask(ctx, refused)
}

// ask gets a token from WeChat, a new one if the one that is valid was refused. The
// call goes on if the one who began it gives up.
func (t *tokens) ask(ctx context.Context, refused string) (string, error) {
	force := refused != ""
	done := t.one.DoChan(fmt.Sprint(force), func() (any, error) {
		if value, ok := t.kept(); ok && value != refused {
			return value, nil // another call ended just now
		}
		ctx, cancel := context.WithTimeout(t.ended, t.api.cfg.timeout)
		defer cancel()
		if force {
			return t.force(ctx)
		}
		return t.fetch(ctx, false)
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

// force has WeChat make a new token, if it may be asked to. That is noted before:
// who is killed meanwhile must not begin again and again.
func (t *tokens) force(ctx context.Context) (string, error) {
	if t.shared == nil {
		return "", errRefusesOwn
	}
	before, err := t.shared.State(ctx, forceKey)
	if err != nil {
		return "", sdk.Retry(err, 0)
	}
	now := t.api.now()
	switch wait := forceWait(before, now); {
	case wait > forceAgain:
		return "", errRefusesOwn
	case wait > 0: // another process forces one just now, or failed to
		return "", sdk.Retry(errRefusesOwn, wait)
	}
	claim := forceFrom(now.Add(forceAgain))
	switch err := t.shared.SetState(ctx, forceKey, before, claim); {
	case errors.Is(err, sdk.ErrConflict):
		return "", sdk.Retry(err, time.Second)
	case err != nil:
		return "", sdk.Retry(err, 0)
	}
	value, err := t.fetch(ctx, true)
	if err != nil {
		return "", err
	}
	// If this fails another one may be forced a minute from now, which is early and no harm.
	_ = t.shared.SetState(ctx, forceKey, claim, forceFrom(now.Add(forceEvery)))
	return value, nil
}

var errRefusesOwn = fmt.Errorf("%w: WeChat refuses the access token that it gave out", sdk.ErrAuthConfig)

func forceFrom(at time.Time) []byte { return strconv.AppendInt(nil, at.Unix(), 10) }

// forceWait is how long no token may be forced. What cannot be, because a clock was
// wrong, is no reason to wait.
func forceWait(from []byte, now time.Time) time.Duration {
	seconds, err := strconv.ParseInt(string(from), 10, 64)
	wait := time.Unix(seconds, 0).Sub(now)
	if err != nil || wait > forceEvery {
		return 0
	}
	return wait
}

func (t *tokens) forcedSoFar() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.made
}

// fetch makes the call and keeps the token. The old API, /cgi-bin/token, is not
// used: each call of it ends the token of everybody else.
func (t *tokens) fetch(ctx context.Context, force bool) (string, error) {
	body, err := ccsp.JSON(map[string]any{
		"grant_type": "client_credential", "appid": t.api.cfg.AppID, "secret": t.api.cfg.AppSecret, "force_refresh": force,
	})
	if err != nil {
		return "", err
	}
	var got struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
	}
	asked, made := t.api.now(), t.forcedSoFar()
	res, err := t.api.do(ctx, http.MethodPost, "/cgi-bin/stable_token", nil, jsonType, body) //nolint:bodyclose // read closes it
	if err == nil {
		err = t.api.read(res, &got)
	}
	switch {
	case errors.Is(err, errStale): // 40001: the secret is not the account's
		return "", fmt.Errorf("%w: %w", sdk.ErrAuthConfig, err)
	case err != nil:
		return "", ccsp.AsRetry(err)
	case got.AccessToken == "" || got.ExpiresIn <= 0:
		return "", sdk.Retry(errors.New("WeChat gave no access token"), 0)
	}
	life := time.Duration(got.ExpiresIn) * time.Second
	t.mu.Lock()
	defer t.mu.Unlock()
	if force {
		t.made++
	} else if made != t.made && t.value != "" {
		return t.value, nil // what came is the one before that
	}
	t.value, t.until = got.AccessToken, asked.Add(life-min(renewBefore, life/2))
	return got.AccessToken, nil
}
