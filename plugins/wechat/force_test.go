package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/openccsp/gateway/sdk"
)

// forcing is WeChat when it gives out a token that it refuses, until a new one is
// forced.
type forcing struct {
	plain, forced chan struct{} // an element for each call
	release       chan struct{} // lets forced calls end
	status        int           // of forced calls, 0: 200

	mu    sync.Mutex
	token string
}

func (f *forcing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Force bool `json:"force_refresh"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if in.Force {
		f.forced <- struct{}{}
		<-f.release
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if in.Force && f.status != 0 {
		w.WriteHeader(f.status)
		return
	}
	if in.Force {
		f.token = "new"
	}
	fmt.Fprintf(w, `{"access_token":%q,"expires_in":7200}`, f.token)
	if !in.Force {
		f.plain <- struct{}{}
	}
}

func startForcing(t *testing.T, now func() time.Time) (*forcing, *tokens) {
	t.Helper()
	f := &forcing{plain: make(chan struct{}, 100), forced: make(chan struct{}, 100), release: make(chan struct{}), token: "old"}
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	cfg, err := settingsAt(srv.URL).config()
	if err != nil {
		t.Fatal(err)
	}
	a := newAPI(cfg, srv.Client(), now)
	t.Cleanup(a.close)
	return f, a.tokens
}

// TestTokenForcedForAll: whoever finds the token refused while a new one is forced
// waits for that one.
func TestTokenForcedForAll(t *testing.T) {
	f, tokens := startForcing(t, time.Now)
	var all sync.WaitGroup
	renew := func() {
		if got, err := tokens.renew(t.Context(), "old"); got != "new" || err != nil {
			t.Errorf("%q, %v, want new", got, err)
		}
	}
	all.Go(renew)
	<-f.plain
	<-f.forced
	all.Go(renew)
	<-f.plain
	close(f.release)
	all.Wait()
	if n := len(f.forced); n > 0 {
		t.Errorf("%d more tokens were forced", n)
	}
}

// TestTokenForceFails: a forced call that brought nothing is made again soon, and
// not at once.
func TestTokenForceFails(t *testing.T) {
	now := noon
	f, tokens := startForcing(t, func() time.Time { return now })
	close(f.release)
	f.status = http.StatusBadGateway
	if _, err := tokens.renew(t.Context(), "old"); err == nil || errors.Is(err, sdk.ErrAuthConfig) {
		t.Errorf("%v, want a retry", err)
	}
	f.status = 0
	if _, err := tokens.renew(t.Context(), "old"); err == nil || len(f.forced) != 1 {
		t.Errorf("%v and %d forced, want 1: WeChat wants half a minute between", err, len(f.forced))
	}
	now = now.Add(forceAgain)
	if got, err := tokens.renew(t.Context(), "old"); got != "new" || err != nil {
		t.Errorf("%q, %v, want new", got, err)
	}
}
