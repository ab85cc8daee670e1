package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/openccsp/gateway/examples/wechat-sim/sim"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
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

// kept is a state of one value.
type kept struct {
	mu    sync.Mutex
	value []byte
}

func (k *kept) State(context.Context, string) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.value, nil
}

func (k *kept) SetState(_ context.Context, _ string, before, after []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !bytes.Equal(before, k.value) {
		return sdk.ErrConflict
	}
	k.value = after
	return nil
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
	a := newAPI(cfg, srv.Client(), now, &kept{})
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
	_, err := tokens.renew(t.Context(), "old")
	if e, ok := errors.AsType[*sdk.RetryError](err); !ok || e.After != forceAgain || len(f.forced) != 1 {
		t.Errorf("%v and %d forced, want 1 and a minute: WeChat wants half a minute between", err, len(f.forced))
	}
	now = now.Add(forceAgain)
	if got, err := tokens.renew(t.Context(), "old"); got != "new" || err != nil {
		t.Errorf("%q, %v, want new", got, err)
	}
}

// TestTokenForcedAcrossProcesses: who was killed and is started again, or runs beside
// another one, does not force what the other one has forced.
func TestTokenForcedAcrossProcesses(t *testing.T) {
	r := connect(t, sim.Options{})
	r.says(t, "Hello")
	if err := r.sim.SetFault(sim.Fault{Verb: "send", Kind: "errcode:40001"}); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if err := hi(t, r); !errors.Is(err, sdk.ErrAuthConfig) {
			t.Errorf("%v, want that somebody must act", err)
		}
		if err := r.Reconfigure(t.Context(), r.settings); err != nil { // it forgets all
			t.Fatal(err)
		}
	}
	if n, b := r.sim.Forced(), r.sim.Breaks(); n != 1 || len(b) > 0 {
		t.Errorf("%d tokens were forced, want 1; %q", n, b)
	}
}

// TestTokenKilledWhileForcing: the call was never made, or its answer got lost with
// the process. The next one waits a minute, and no hour and a half.
func TestTokenKilledWhileForcing(t *testing.T) {
	now := noon
	f, tokens := startForcing(t, func() time.Time { return now })
	close(f.release)
	if err := tokens.shared.SetState(t.Context(), forceKey, nil, forceFrom(now.Add(forceAgain))); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		later time.Duration
		want  string
	}{{0, "retry"}, {forceAgain - time.Second, "retry"}, {time.Second, "ok"}, {0, "ok"}} {
		now = now.Add(tt.later)
		_, err := tokens.renew(t.Context(), "old")
		if got := plugintest.Verdict(err); got != tt.want {
			t.Errorf("after %v: %s, want %s", tt.later, got, tt.want)
		}
	}
	if n := len(f.forced); n != 1 {
		t.Errorf("%d tokens were forced, want 1", n)
	}
}

// TestForceWait: what is kept may be of a clock that was wrong.
func TestForceWait(t *testing.T) {
	for kept, want := range map[string]time.Duration{
		"": 0, "soon": 0, "1700000000": 0, "1700000060": time.Minute, "1700005400": forceEvery, "1700005401": 0, "99999999999999": 0, "1": 0,
	} {
		if got := max(0, forceWait([]byte(kept), noon)); got != want {
			t.Errorf("%q: %v, want %v", kept, got, want)
		}
	}
}
