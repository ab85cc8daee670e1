package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openccsp/gateway/examples/push-sim/sim"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

// google opens FCM alone, without a gateway.
func google(t *testing.T, s *sim.Sim, change ...func(*Settings)) *fcm {
	t.Helper()
	set := services(t, s)
	for _, f := range change {
		f(&set)
	}
	cfg, err := set.config()
	if err != nil {
		t.Fatal(err)
	}
	h, err := newHTTP(cfg.CA)
	if err != nil {
		t.Fatal(err)
	}
	f := newFCM(cfg, h, time.Now)
	t.Cleanup(func() { f.close(); h.CloseIdleConnections() })
	return f
}

// TestAccessTokenOnce: whoever needs one at the same time waits for one call.
func TestAccessTokenOnce(t *testing.T) {
	s := newSim(t, nil)
	f := google(t, s)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, err := f.send(t.Context(), "token", notice{id: "c.1", text: "Hi"}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := s.OAuths(); n != 1 {
		t.Errorf("%d access tokens, want 1", n)
	}
}

// TestAccessTokenEnds: it is renewed five minutes before its end, and once when
// Google does not take it.
func TestAccessTokenEnds(t *testing.T) {
	r := connect(t, only(onFCM))
	r.register(t, android)
	for _, tt := range []struct {
		later time.Duration
		want  int
	}{{0, 1}, {54 * time.Minute, 1}, {time.Minute, 2}, {54 * time.Minute, 2}} {
		r.advance(tt.later)
		if err := r.push(t, sdk.Message{ID: "c." + tt.later.String(), Text: "Hi"}); err != nil {
			t.Fatal(err)
		}
		if n := r.sim.OAuths(); n != tt.want {
			t.Errorf("after %v: %d access tokens, want %d", tt.later, n, tt.want)
		}
	}
	r.sim.EndAccess()
	if err := r.push(t, sdk.Message{ID: "c.9", Text: "Hi"}); err != nil || r.sim.OAuths() != 3 {
		t.Errorf("ended early: %v, %d access tokens", err, r.sim.OAuths())
	}
	r.fails(t, sim.Fault{Verb: "fcm", Kind: "401"})
	if err := r.push(t, sdk.Message{ID: "c.10", Text: "Hi"}); !errors.Is(err, sdk.ErrAuthConfig) || r.sim.OAuths() != 4 {
		t.Errorf("refused for ever: %v, %d access tokens", err, r.sim.OAuths())
	}
}

// TestOAuthProblems: what Google says to a service account.
func TestOAuthProblems(t *testing.T) {
	for kind, want := range map[string]string{
		"400": "credentials refused", "401": "credentials refused", "403": "credentials refused", "429": "retry", "500": "retry", "503": "retry",
		"html": "retry", "half": "retry", "empty": "retry", "rst": "retry",
	} {
		r := connect(t, only(onFCM))
		r.register(t, android)
		r.fails(t, sim.Fault{Verb: "oauth", Kind: kind, Count: 1})
		err := r.push(t, sdk.Message{Text: "Hi"})
		if got := plugintest.Verdict(err); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", kind, got, want)
		}
		if err := r.push(t, sdk.Message{Text: "Hi"}); err != nil {
			t.Errorf("after %s: %v", kind, err)
		}
	}
	s := newSim(t, nil)
	f := google(t, s, func(set *Settings) {
		set.FCMServiceAccount = foreign(t)
		set.FCM.TokenURL = set.FCM.BaseURL + "/token"
	})
	if _, err := f.send(t.Context(), "token", notice{text: "Hi"}); !errors.Is(err, sdk.ErrAuthConfig) || !strings.Contains(err.Error(), "invalid_grant") {
		t.Errorf("the key of somebody else: %v", err)
	}
}

// TestLostAnswers: what has no answer is sent again, and shown once.
func TestLostAnswers(t *testing.T) {
	for _, verb := range []string{"fcm", "apns"} {
		for _, kind := range []string{"rst", "empty", "half", "html", "hang"} {
			if verb == "apns" && (kind == "empty" || kind == "half" || kind == "html") {
				continue // 200 is all that APNs says
			}
			r := connect(t, func(s *Settings) { s.Timeout = "1s" })
			r.register(t, map[string]string{"fcm": android, "apns": phone}[verb])
			r.fails(t, sim.Fault{Verb: verb, Kind: kind, Count: 1, After: true})
			err := r.push(t, sdk.Message{ID: "c.1", Text: "Hi"})
			if plugintest.Verdict(err) != "retry" || strings.Contains(err.Error(), phone[5:]) {
				t.Errorf("%s %s: %v, want a retry that names no token", verb, kind, err)
			}
			if err := r.push(t, sdk.Message{ID: "c.1", Text: "Hi", Attempt: 2}); err != nil {
				t.Errorf("%s after %s: %v", verb, kind, err)
			}
			if n := len(r.sim.Notices()); n != 1 {
				t.Errorf("%s %s: %d notices are shown, want 1", verb, kind, n)
			}
		}
	}
}

// TestNothingFollowed: a redirect would take the access token and the text along.
func TestNothingFollowed(t *testing.T) {
	away := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("followed") }))
	defer away.Close()
	far := httptest.NewServer(http.RedirectHandler(away.URL, http.StatusTemporaryRedirect))
	defer far.Close()
	f := google(t, newSim(t, nil), func(s *Settings) { s.FCM.BaseURL = far.URL })
	if _, err := f.send(t.Context(), "token", notice{text: "Hi"}); plugintest.Verdict(err) != "rejected status_307" {
		t.Error(err)
	}
}

// TestNowhere: nothing went out.
func TestNowhere(t *testing.T) {
	for _, far := range plugintest.Nowhere(t) {
		f := google(t, newSim(t, nil), func(s *Settings) { s.FCM.BaseURL, s.FCM.TokenURL = far.Base, far.Base+"/token" })
		ctx, cancel := context.WithTimeout(far.Ctx, 20*time.Second)
		if _, err := f.send(ctx, "token", notice{text: "Hi"}); plugintest.Verdict(err) != "retry" {
			t.Errorf("%s: %v, want a retry", far.Name, err)
		}
		cancel()
	}
}

// TestFID: apps may be named by their installation.
func TestFID(t *testing.T) {
	s := newSim(t, nil)
	f := google(t, s, func(set *Settings) { set.FCM.Target = "fid" })
	if _, err := f.send(t.Context(), "cIGd", notice{text: "Hi"}); err != nil {
		t.Fatal(err)
	}
	if n := s.Notices(); len(n) != 1 || n[0].Token != "cIGd" {
		t.Errorf("%+v", n)
	}
}
