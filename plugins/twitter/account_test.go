package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/openccsp/gateway/examples/twitter-sim/sim"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

// TestRotation: every refresh token is used once, and is durable before the access
// token that came with it is used.
func TestRotation(t *testing.T) {
	r := dial(t, byOAuth2)
	for day := range 3 {
		if _, err := r.Send(t.Context(), toAda, text("Hi")); err != nil {
			t.Fatal(err)
		}
		n, now := r.x.Renewed()
		if saved := r.host.saved(); n != day+1 || len(saved) != n || saved[n-1] != now {
			t.Fatalf("day %d: renewed %d times, saved %q, X has %q", day, n, saved, now)
		}
		if _, err := r.Send(t.Context(), toAda, text("again")); err != nil {
			t.Fatal(err)
		}
		r.pass(24 * time.Hour)
	}
	r.sound(t)
}

// TestSingleFlight: many messages at once renew the token once.
func TestSingleFlight(t *testing.T) {
	r := dial(t, byOAuth2)
	var wg sync.WaitGroup
	errs := make([]error, 50)
	for i := range errs {
		wg.Go(func() { _, errs[i] = r.Send(t.Context(), toAda, text("Hi")) })
	}
	wg.Wait()
	if n, _ := r.x.Renewed(); errors.Join(errs...) != nil || n != 1 || len(r.x.Sent()) != len(errs) {
		t.Errorf("renewed %d times, %d sent, %v", n, len(r.x.Sent()), errors.Join(errs...))
	}
	r.sound(t)
}

// TestExpiredEarly: X refuses an access token before its time: one renewal, and the
// gateway sends the message again.
func TestExpiredEarly(t *testing.T) {
	r := dial(t, byOAuth2)
	send := func() error { _, err := r.Send(t.Context(), toAda, text("Hi")); return err }
	if err := send(); err != nil {
		t.Fatal(err)
	}
	r.x.ExpireAccess()
	if err := send(); !errors.Is(err, sdk.ErrAuthConfig) {
		t.Errorf("X refuses a token of this minute: %v", err)
	}
	r.pass(10 * time.Minute)
	if err := send(); !errors.Is(err, sdk.ErrAuthRefreshed) {
		t.Errorf("X refuses a token: %v", err)
	}
	if err := send(); err != nil {
		t.Error(err)
	}
	if n, _ := r.x.Renewed(); n != 2 {
		t.Errorf("renewed %d times", n)
	}
	r.sound(t)
}

// TestNotKept: as long as the next refresh token cannot be kept, the access token is
// not used, and X is not asked again.
func TestNotKept(t *testing.T) {
	r := dial(t, byOAuth2)
	r.host.unsaved = errors.New("the disk is full")
	for range 3 {
		if _, err := r.Send(t.Context(), toAda, text("Hi")); plugintest.Verdict(err) != "retry" {
			t.Errorf("%v, want retry", err)
		}
	}
	if n, _ := r.x.Renewed(); n != 1 || len(r.x.Sent()) != 0 {
		t.Errorf("renewed %d times, %d sent", n, len(r.x.Sent()))
	}
	r.host.mu.Lock()
	r.host.unsaved = nil
	r.host.mu.Unlock()
	if _, err := r.Send(t.Context(), toAda, text("Hi")); err != nil {
		t.Error(err)
	}
	if n, now := r.x.Renewed(); n != 1 || !slices.Equal(r.host.saved(), []string{now}) {
		t.Errorf("renewed %d times, saved %q, X has %q", n, r.host.saved(), now)
	}
	r.sound(t)
}

// TestCrashBetween: the gateway ends between X's answer and the disk. The old token
// is all there is: X takes it once more, or an administrator must act, and is told.
func TestCrashBetween(t *testing.T) {
	for grace, want := range map[bool]string{true: "ok", false: "config"} {
		r := dial(t, byOAuth2, func(o *sim.Options) { o.Grace = grace })
		r.host.unsaved = errors.New("killed")
		_, _ = r.Send(t.Context(), toAda, text("Hi"))
		r.host.mu.Lock()
		r.host.unsaved = nil
		r.host.mu.Unlock()
		r.all = new(accounts) // another process, as soon as it may be that the first has ended
		r.pass(renewLimit)
		r.reopen(t, r.set)
		_, err := r.Send(t.Context(), toAda, text("Hi"))
		got := "ok"
		if err != nil {
			got = verdict(err)
		}
		if why, _ := r.health.state(); got != want || (why != "") != (want == "config") {
			t.Errorf("grace %v: %v, want %s; health %q", grace, err, want, why)
		}
	}
}

// TestReopened: new settings do not bring back a refresh token that was used; one
// that the operator wrote anew counts.
func TestReopened(t *testing.T) {
	r := dial(t, byOAuth2)
	send := func() error { _, err := r.Send(t.Context(), toAda, text("Hi")); return err }
	if err := send(); err != nil {
		t.Fatal(err)
	}
	r.pass(24 * time.Hour)
	r.reopen(t, r.set) // with the first token
	if err := send(); err != nil {
		t.Error(err)
	}
	next := r.set
	next.RefreshToken = r.host.saved()[1]
	r.reopen(t, next) // with the one that was saved
	if n, _ := r.x.Renewed(); send() != nil || n != 2 {
		t.Errorf("renewed %d times", n)
	}
	r.sound(t)
	next.RefreshToken = "written-by-hand"
	r.reopen(t, next)
	if err := send(); !errors.Is(err, sdk.ErrAuthConfig) {
		t.Errorf("a new token was not tried: %v", err)
	}
}

// TestRefusedRefresh: X does not want the refresh token: it is not asked for every
// message, the operator is told, and authorizing anew ends it.
func TestRefusedRefresh(t *testing.T) {
	r := dial(t, byOAuth2, func(o *sim.Options) { o.RefreshToken = "another" })
	for range 5 {
		if _, err := r.Send(t.Context(), toAda, text("Hi")); !errors.Is(err, sdk.ErrAuthConfig) {
			t.Errorf("%v", err)
		}
	}
	if n := len(r.x.Breaks()); n != 1 {
		t.Errorf("X was asked %d times", n)
	}
	if err := r.Listen(t.Context(), nil); err == nil {
		t.Error("the listener does not tell")
	}
	if body := r.authorizeAll(t); len(body) == 0 {
		t.Fatal("not authorized")
	}
	if _, err := r.Send(t.Context(), toAda, text("Hi")); err != nil {
		t.Error(err)
	}
}

// TestAuthorizedMeanwhile: an administrator authorizes anew while the old refresh
// token is being renewed: what comes of that does not count any more.
func TestAuthorizedMeanwhile(t *testing.T) {
	for _, status := range []int{400, 200} {
		var r *rig
		far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			if q.URL.Path != "/2/oauth2/token" {
				_, _ = io.WriteString(w, `{"data":{"dm_event_id":"`+strconv.Itoa(len(q.Header.Get("Authorization")))+`"}}`)
				return
			}
			if err := r.account.have(q.Context(), r.channel, tokens{Access: "new", Refresh: "new-refresh", Seconds: 7200}); err != nil {
				t.Error(err)
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{"access_token":"stale","refresh_token":"stale-refresh","expires_in":7200}`)
		}))
		r = at(t, byOAuth2(far.URL))
		receipt, err := r.Send(t.Context(), toAda, text("Hi"))
		if err != nil || receipt.MessageID != strconv.Itoa(len("Bearer new")) {
			t.Errorf("%d: %+v %v", status, receipt, err)
		}
		if why, _ := r.health.state(); why != "" || !slices.Equal(r.host.saved(), []string{"new-refresh"}) {
			t.Errorf("%d: health %q, saved %q", status, why, r.host.saved())
		}
		far.Close()
	}
}

// TestRenewalTrouble: what X's token endpoint may answer besides.
func TestRenewalTrouble(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault sim.Fault
		want  string
	}{
		{"down", sim.Fault{Status: 503}, "retry"}, {"a proxy gives up", sim.Fault{Status: 504}, "retry"}, {"limited", sim.Fault{Status: 429}, "throttled 1m0s"},
		{"no token", sim.Fault{Status: 200, Body: `{}`}, "retry"}, {"a page", sim.Fault{Status: 200, Body: `<html>`}, "retry"},
		{"wrong client", sim.Fault{Status: 401, Body: `{"error":"invalid_client"}`}, "config"},
		{"invalid", sim.Fault{Status: 400, Body: `{"error":"invalid_request"}`}, "config"},
		{"no next token", sim.Fault{Status: 200, Body: `{"access_token":"a","expires_in":7200}`}, "config"}, // X does not know a
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := dial(t, byOAuth2)
			tt.fault.Path = "/2/oauth2/token"
			r.x.Fail(tt.fault)
			if _, err := r.Send(t.Context(), toAda, text("Hi")); verdict(err) != tt.want {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
}

// TestImpatient: who does not wait for a renewal does not end it: its answer is the
// only copy of the next token.
func TestImpatient(t *testing.T) {
	r := dial(t, byOAuth2)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := r.Send(ctx, toAda, text("Hi"))
	if plugintest.Verdict(err) != "retry" {
		t.Errorf("%v, want retry", err)
	}
	if err := r.CloseInstance(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, now := r.x.Renewed(); n != 1 || !slices.Equal(r.host.saved(), []string{now}) {
		t.Errorf("renewed %d times, saved %q, X has %q", n, r.host.saved(), now)
	}
}

// TestFallsBack: with both OAuths, and 2.0 not authorized yet, messages go by 1.0a.
func TestFallsBack(t *testing.T) {
	r := dial(t, func(url string) settings {
		s := byOAuth2(url)
		s.RefreshToken, s.AccessToken, s.AccessTokenSecret = "", byOAuth1(url).AccessToken, byOAuth1(url).AccessTokenSecret
		return s
	})
	if _, err := r.Send(t.Context(), toAda, text("Hi")); err != nil || r.x.Sent()[0].Auth != "OAuth 1.0a" {
		t.Errorf("%v %+v", err, r.x.Sent())
	}
	r.sound(t)
}

// web asks the channel as the gateway does for a browser.
func (r *rig) web(t *testing.T, method, path, query, body string) sdk.WebhookResponse {
	t.Helper()
	res, err := r.Webhook(t.Context(), &sdk.WebhookRequest{Method: method, Path: path, Query: query, Body: []byte(body), Header: http.Header{}})
	if err != nil {
		t.Fatal(err)
	}
	return res
}
