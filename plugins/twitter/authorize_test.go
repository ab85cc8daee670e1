package main

import (
	"bytes"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/examples/twitter-sim/sim"
	"github.com/openccsp/gateway/sdk"
)

const redirect = "https://gw.example.com/oauth/shop/callback"

// unauthorized are settings of a channel that nobody has authorized yet.
func unauthorized(url string) settings {
	s := byOAuth2(url)
	s.RefreshToken = ""
	return s
}

// goToX writes the key into the form, and follows X back to the callback's query.
func (r *rig) goToX(t *testing.T) (query string) {
	t.Helper()
	res := r.web(t, "POST", startPath, "", url.Values{"key": {setupKey}}.Encode())
	if res.Status != http.StatusSeeOther {
		t.Fatalf("start: %d %s", res.Status, res.Body)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	back, err := client.Get(res.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	defer back.Body.Close()
	address, query, _ := strings.Cut(back.Header.Get("Location"), "?")
	if address != redirect {
		t.Fatalf("X sends to %q with %d", address, back.StatusCode)
	}
	return query
}

func (r *rig) authorizeAll(t *testing.T) []byte {
	t.Helper()
	res := r.web(t, "GET", callbackPath, r.goToX(t), "")
	if res.Status != http.StatusOK {
		t.Fatalf("callback: %d %s", res.Status, res.Body)
	}
	return res.Body
}

// TestAuthorize: from nothing to a message, without a token being pasted.
func TestAuthorize(t *testing.T) {
	r := dial(t, unauthorized, func(o *sim.Options) { o.RedirectURI = redirect })
	_, err := r.Send(t.Context(), toAda, text("Hi"))
	if verdict(err) != "config" || !strings.Contains(err.Error(), "https://gw.example.com/hooks/shop/oauth/start") {
		t.Errorf("before: %v", err)
	}
	form := r.web(t, "GET", startPath, "", "")
	if form.Status != 200 || !bytes.Contains(form.Body, []byte(`type="password"`)) || bytes.Contains(form.Body, []byte(setupKey)) {
		t.Errorf("form: %d %s", form.Status, form.Body)
	}
	for _, h := range []string{"Cache-Control", "Referrer-Policy", "X-Frame-Options", "Content-Security-Policy"} {
		if form.Header.Get(h) == "" {
			t.Errorf("the form has no %s", h)
		}
	}
	if body := r.authorizeAll(t); !bytes.Contains(body, []byte("Done")) {
		t.Errorf("callback: %s", body)
	}
	if _, err := r.Send(t.Context(), toAda, text("Hi")); err != nil {
		t.Error(err)
	}
	if n, now := r.x.Renewed(); n != 1 || len(r.host.saved()) != 1 || r.host.saved()[0] != now {
		t.Errorf("given %d times, saved %q", n, r.host.saved())
	}
	r.sound(t)

	res := r.web(t, "POST", startPath, "", url.Values{"key": {setupKey}}.Encode())
	if res.Status != http.StatusForbidden {
		t.Errorf("the key works twice: %d", res.Status)
	}
	next := r.set
	next.SetupKey = "canary-setup-key-2"
	r.reopen(t, next)
	if res := r.web(t, "POST", startPath, "", url.Values{"key": {next.SetupKey}}.Encode()); res.Status != http.StatusSeeOther {
		t.Errorf("another key: %d %s", res.Status, res.Body)
	}
}

// TestCallbackRefused: only the end of an authorization that began here counts,
// once, in time, and for this account.
func TestCallbackRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(r *rig, q url.Values)
		status int
	}{
		{"another state", func(_ *rig, q url.Values) { q.Set("state", "x") }, 403},
		{"no state", func(_ *rig, q url.Values) { q.Del("state") }, 403},
		{"too late", func(r *rig, _ url.Values) { r.pass(11 * time.Minute) }, 403},
		{"another code", func(_ *rig, q url.Values) { q.Set("code", "x") }, 502},
		{"denied", func(_ *rig, q url.Values) { q.Del("code"); q.Set("error", "access_denied") }, 400},
		{"begun anew meanwhile", func(r *rig, _ url.Values) { r.account.attempt.begin(noon) }, 403},
		{"too long", func(_ *rig, q url.Values) { q.Set("x", strings.Repeat("a", maxParameters)) }, 400},
		{"another account", func(r *rig, _ url.Values) {
			r.x.Fail(sim.Fault{Path: "/2/users/me", Status: 200, Body: `{"data":{"id":"99"}}`})
		}, 502},
		{"X is down", func(r *rig, _ url.Values) { r.x.Fail(sim.Fault{Path: "/2/oauth2", Status: 503, Body: "<script>"}) }, 502},
		{"no refresh token", func(r *rig, _ url.Values) {
			r.x.Fail(sim.Fault{Path: "/2/oauth2", Status: 200, Body: `{"access_token":"a"}`})
		}, 502},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := dial(t, unauthorized)
			q, err := url.ParseQuery(r.goToX(t))
			if err != nil {
				t.Fatal(err)
			}
			good := q.Encode()
			tt.change(r, q)
			res := r.web(t, "GET", callbackPath, q.Encode(), "")
			if res.Status != tt.status || bytes.Contains(res.Body, []byte("<script>")) || len(res.Events) != 0 {
				t.Errorf("%d %s, want %d", res.Status, res.Body, tt.status)
			}
			if r.account.authorized() || len(r.host.saved()) != 0 {
				t.Error("tokens were kept")
			}
			if tt.status == 502 && r.web(t, "GET", callbackPath, good, "").Status != 403 {
				t.Error("the state counts twice")
			}
		})
	}
}

// TestGuess: the key cannot be tried out.
func TestGuess(t *testing.T) {
	r := dial(t, unauthorized)
	post := func(body string) int { return r.web(t, "POST", startPath, "", body).Status }
	for i := range triesOfKey {
		if got := post("key=wrong"); got != 401 {
			t.Errorf("attempt %d: %d", i, got)
		}
	}
	right := url.Values{"key": {setupKey}}.Encode()
	if got := post(right); got != 429 {
		t.Errorf("one attempt too many: %d", got)
	}
	from := func(address string) int {
		res, err := r.Webhook(t.Context(), &sdk.WebhookRequest{Method: "POST", Path: startPath, Body: []byte(right), RemoteAddr: address})
		if err != nil {
			t.Error(err)
		}
		return res.Status
	}
	if got := from("192.0.2.1"); got != 303 {
		t.Errorf("from elsewhere: %d", got)
	}
	for i := range maxTriers {
		from(strconv.Itoa(i))
	}
	if got, known := from("192.0.2.2"), from("192.0.2.1"); got != 429 || known != 303 {
		t.Errorf("from too many addresses: %d, from one of before %d", got, known)
	}
	r.pass(2 * time.Minute)
	for _, body := range []string{"", "key=", "%zz", "key=a&key=b"} {
		if got := post(body); got != 401 {
			t.Errorf("%q: %d", body, got)
		}
	}
	if got := post(right); got != 303 {
		t.Errorf("the right one: %d", got)
	}
	if got := r.web(t, "PUT", startPath, "", right).Status; got != 405 {
		t.Errorf("PUT: %d", got)
	}
}

// TestNoSetup: without a key there is no page.
func TestNoSetup(t *testing.T) {
	r := bare(t)
	for _, method := range []string{"GET", "POST"} {
		res, err := r.Webhook(t.Context(), &sdk.WebhookRequest{Method: method, Path: startPath})
		if err != nil || res.Status != 404 {
			t.Errorf("%s: %d %v", method, res.Status, err)
		}
	}
}
