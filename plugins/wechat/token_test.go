package main

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openccsp/gateway/examples/wechat-sim/sim"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

func hi(t *testing.T, r *rig) error {
	t.Helper()
	_, err := r.Send(t.Context(), ada, sdk.Message{Text: "Hi"})
	return err
}

// TestTokenOnce: whoever needs a token at the same time waits for one call.
func TestTokenOnce(t *testing.T) {
	s, err := sim.New(sim.Options{AppID: appID, Secret: secret, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s)
	defer srv.Close()
	cfg, err := settingsAt(srv.URL).config()
	if err != nil {
		t.Fatal(err)
	}
	a := newAPI(cfg, srv.Client(), time.Now, nil)
	defer a.close()
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			if got, err := a.tokens.get(t.Context()); err != nil || got != s.Token() {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	all.Wait()
	if n := s.TokenCalls(); n != 1 {
		t.Errorf("%d calls for a token, want 1", n)
	}
}

// TestTokenWaiterLeaves: who gives up does not end the call for the others.
func TestTokenWaiterLeaves(t *testing.T) {
	s, err := sim.New(sim.Options{AppID: appID, Secret: secret, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s)
	defer srv.Close()
	cfg, err := settingsAt(srv.URL).config()
	if err != nil {
		t.Fatal(err)
	}
	a := newAPI(cfg, srv.Client(), time.Now, nil)
	defer a.close()
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := a.tokens.get(gone); plugintest.Verdict(err) != "retry" {
		t.Errorf("who left: %v", err)
	}
	if got, err := a.tokens.get(t.Context()); err != nil || got == "" {
		t.Errorf("who stayed: %q, %v", got, err)
	}
	if n := s.TokenCalls(); n != 1 {
		t.Errorf("%d calls, want 1", n)
	}
}

// TestTokenEnds: a token is renewed five minutes before its end, when WeChat has
// the next one.
func TestTokenEnds(t *testing.T) {
	r := connect(t, sim.Options{})
	r.says(t, "Hello")
	for _, tt := range []struct {
		later time.Duration
		calls int
	}{{0, 1}, {114 * time.Minute, 1}, {time.Minute + time.Second, 2}, {114 * time.Minute, 2}} {
		r.advance(tt.later)
		if err := hi(t, r); err != nil {
			t.Fatal(err)
		}
		if n := r.sim.TokenCalls(); n != tt.calls {
			t.Errorf("after %v: %d calls, want %d", tt.later, n, tt.calls)
		}
	}
	if n := r.sim.Forced(); n > 0 {
		t.Errorf("%d tokens were forced", n)
	}
}

// TestTokenRotated: another process has a new token made. The call is repeated
// once, with that one; nothing is forced.
func TestTokenRotated(t *testing.T) {
	r := connect(t, sim.Options{})
	r.says(t, "Hello")
	if err := hi(t, r); err != nil {
		t.Fatal(err)
	}
	r.sim.Rotate()
	if err := hi(t, r); err != nil {
		t.Fatal(err)
	}
	if calls, forced := r.sim.TokenCalls(), r.sim.Forced(); calls != 2 || forced != 0 {
		t.Errorf("%d calls, %d forced, want 2 and none", calls, forced)
	}
	if n := len(r.sim.Shown()); n != 2 {
		t.Errorf("the customer sees %d messages, want 2", n)
	}
}

// TestTokenRefusedForEver: a token that WeChat gives out and refuses is forced
// once, and then not for an hour and a half.
func TestTokenRefusedForEver(t *testing.T) {
	for _, code := range []string{"40001", "40014", "41001", "42001"} {
		r := connect(t, sim.Options{})
		r.says(t, "Hello")
		if err := r.sim.SetFault(sim.Fault{Verb: "send", Kind: "errcode:" + code}); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			if err := hi(t, r); !errors.Is(err, sdk.ErrAuthConfig) {
				t.Errorf("%s: %v, want that somebody must act", code, err)
			}
		}
		if n := r.sim.Forced(); n != 1 {
			t.Errorf("%s: %d tokens were forced, want 1", code, n)
		}
		r.advance(forceEvery)
		if err := hi(t, r); !errors.Is(err, sdk.ErrAuthConfig) || r.sim.Forced() != 2 {
			t.Errorf("%s, later: %v, %d forced", code, err, r.sim.Forced())
		}
		if b := r.sim.Breaks(); len(b) > 0 {
			t.Errorf("%q", b)
		}
	}
}

// TestTokenProblems: what WeChat says to the wrong credentials is told, and no
// secret with it.
func TestTokenProblems(t *testing.T) {
	for want, change := range map[string]func(*Settings){
		"credentials refused: WeChat: 40013 invalid appid":     func(s *Settings) { s.AppID = "wx0" },
		"credentials refused: WeChat: 40125 invalid appsecret": func(s *Settings) { s.AppSecret = "canary-wrong" },
	} {
		r := connect(t, sim.Options{}, change)
		err := hi(t, r)
		if !errors.Is(err, sdk.ErrAuthConfig) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for _, kind := range []string{"html", "half", "empty", "500", "rst", "errcode:-1", "errcode:0"} {
		r := connect(t, sim.Options{})
		r.says(t, "Hello")
		if err := r.sim.SetFault(sim.Fault{Verb: "token", Kind: kind, Count: 1}); err != nil {
			t.Fatal(err)
		}
		if err := hi(t, r); plugintest.Verdict(err) != "retry" {
			t.Errorf("%s: %v, want a retry", kind, err)
		}
		if err := hi(t, r); err != nil {
			t.Errorf("after %s: %v", kind, err)
		}
	}
}
