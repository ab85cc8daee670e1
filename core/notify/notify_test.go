package notify_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/notify"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

const (
	secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	body   = `{"type":"chat.closed","timestamp":"2023-11-14T22:13:20Z","data":{"chatid":"CSR1"}}`
)

func newNotifier(t *testing.T, c notify.Config) *notify.Notifier {
	t.Helper()
	n, err := notify.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	return n
}

// The vectors that the reference libraries of three languages agree on; while a
// secret is replaced both sign.
func TestSignature(t *testing.T) {
	const (
		v1  = "v1,GRzWA19O5anR3+OKxIW24bNGUktVF13YhIP0U7wBLyQ="
		v1a = "v1a,ssA1jMwDjpOFL4zohj9tZHPjFLlseBVB3R8CyU0TZIrOZwoAD2dX8TvdZPYHAZmpC+CKYFWVAS95HIFXDzTXAg=="
	)
	var got []string
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = append(got, r.Header.Get("webhook-signature"))
	}))
	defer srv.Close()
	seed := "whsk_" + strings.TrimPrefix(secret, "whsec_")
	n := newNotifier(t, notify.Config{
		Now: func() time.Time { return time.Unix(1700000000, 0) },
		Endpoints: map[string]notify.Endpoint{
			"a": {URL: srv.URL, AllowPrivate: true, Secret: secret},
			"b": {URL: srv.URL, AllowPrivate: true, Secret: seed},
			"c": {URL: srv.URL, AllowPrivate: true, Secret: seed, Previous: secret},
		},
	})
	for i, want := range []string{v1, v1a, v1a + " " + v1} {
		post(t, n, string(rune('a'+i)), "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W", body)
		if got[i] != want {
			t.Errorf("got %s, want %s", got[i], want)
		}
	}
}

// post makes an attempt that must be made.
func post(t *testing.T, n *notify.Notifier, name, id, body string) *pluginv1.Result {
	t.Helper()
	r, fate := n.Do(t.Context(), name, id, []byte(body))
	if fate != core.Answered {
		t.Fatalf("%s: no attempt was made: %v", name, r)
	}
	return r
}

func TestKey(t *testing.T) {
	tests := []struct{ secret, want, err string }{
		{"", "", ""},
		{"whsec_YWJj", "abc", ""},
		{"YWJj", "abc", ""},
		{"not base64!", "not base64!", ""},
		{"whsec_not base64!", "", "what follows whsec_ in the secret is not base64"},
		{"whsec_", "", "what follows whsec_ in the secret is not base64"},
		{"whsk_!", "", "what follows whsk_ in the secret is not base64"},
		{"whsk_YWJj", "", "what follows whsk_ in the secret is no ed25519 key: want 32 or 64 bytes"},
	}
	for _, tt := range tests {
		key, err := notify.Key(tt.secret)
		if string(key) != tt.want || (err == nil) != (tt.err == "") || err != nil && err.Error() != tt.err {
			t.Errorf("Key(%q) = %q, %v; want %q, %q", tt.secret, key, err, tt.want, tt.err)
		}
	}
}

func TestRequest(t *testing.T) {
	var seen []*http.Request
	var bodies []string
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		seen, bodies = append(seen, r), append(bodies, string(b))
	}))
	defer srv.Close()
	n := newNotifier(t, notify.Config{Endpoints: map[string]notify.Endpoint{
		"signed": {URL: srv.URL + "/hook?x=1", Secret: secret, AllowPrivate: true, Headers: map[string]string{"Authorization": "Bearer x", "webhook-id": "no"}},
		"plain":  {URL: srv.URL, AllowPrivate: true},
	}})
	for _, name := range []string{"signed", "signed", "plain"} {
		if r, _ := n.Do(t.Context(), name, "0f.9a.7", []byte(body)); r.GetOutcome() != pluginv1.Outcome_OK {
			t.Fatalf("%s: got %v", name, r)
		}
	}
	hook, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range seen[:2] {
		if err := hook.Verify([]byte(bodies[i]), r.Header); err != nil {
			t.Errorf("attempt %d: the reference library says: %v", i+1, err)
		}
		if r.Method != "POST" || r.URL.String() != "/hook?x=1" || bodies[i] != body || r.Header.Get("webhook-id") != "0f-9a-7" ||
			r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Authorization") != "Bearer x" ||
			!strings.HasPrefix(r.Header.Get("User-Agent"), "OpenCCSP/") {
			t.Errorf("attempt %d: got %s %s %v", i+1, r.Method, r.URL, r.Header)
		}
	}
	if h := seen[2].Header; h.Get("webhook-signature") != "" || h.Get("webhook-id") == "" {
		t.Errorf("without a secret: got %v", h)
	}
	if err := hook.Verify([]byte(body+" "), seen[0].Header); err == nil {
		t.Error("a changed body is accepted")
	}
}

func TestOutcomes(t *testing.T) {
	future := time.Now().Add(600 * time.Second).UTC().Format(http.TimeFormat)
	tests := []struct {
		name       string
		status     int
		retryAfter string
		want       pluginv1.Outcome
		after      [2]uint64 // milliseconds, from and to
	}{
		{"ok", 200, "", pluginv1.Outcome_OK, [2]uint64{}},
		{"no content", 204, "", pluginv1.Outcome_OK, [2]uint64{}},
		{"redirect", 302, "", pluginv1.Outcome_REJECTED, [2]uint64{}},
		{"permanent redirect", 308, "", pluginv1.Outcome_REJECTED, [2]uint64{}},
		{"bad request", 400, "", pluginv1.Outcome_REJECTED, [2]uint64{}},
		{"unauthorized", 401, "", pluginv1.Outcome_REJECTED, [2]uint64{}},
		{"gone", 410, "5", pluginv1.Outcome_RECIPIENT_GONE, [2]uint64{}},
		{"request timeout", 408, "", pluginv1.Outcome_RETRY, [2]uint64{}},
		{"too early", 425, "", pluginv1.Outcome_RETRY, [2]uint64{}},
		{"too many", 429, "7", pluginv1.Outcome_THROTTLED, [2]uint64{7000, 7000}},
		{"too many for long", 429, "9999999", pluginv1.Outcome_THROTTLED, [2]uint64{86400000, 86400000}},
		{"error", 500, "", pluginv1.Outcome_RETRY, [2]uint64{}},
		{"unavailable until", 503, future, pluginv1.Outcome_RETRY, [2]uint64{300000, 600000}},
		{"unavailable, nonsense", 503, "soon", pluginv1.Outcome_RETRY, [2]uint64{}},
		{"unavailable, negative", 503, "-5", pluginv1.Outcome_RETRY, [2]uint64{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			calls := 0
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				calls++
				w.Header().Set("Location", "/elsewhere")
				if tt.retryAfter != "" {
					w.Header().Set("Retry-After", tt.retryAfter)
				}
				w.WriteHeader(tt.status)
			}))
			defer srv.Close()
			n := newNotifier(t, notify.Config{Endpoints: map[string]notify.Endpoint{"e": {URL: srv.URL, AllowPrivate: true}}})
			r, _ := n.Do(t.Context(), "e", "1", []byte(body))
			if r.GetOutcome() != tt.want || r.GetAfterMs() < tt.after[0] || r.GetAfterMs() > tt.after[1] || calls != 1 {
				t.Errorf("got %v after %d calls, want %s", r, calls, tt.want)
			}
		})
	}
}

func TestNoAnswer(t *testing.T) {
	hang := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/hang":
			<-hang
		case "/cut":
			conn, _, _ := w.(http.Hijacker).Hijack()
			conn.Close()
		case "/endless":
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		case "/headers":
			w.Header().Set("X", strings.Repeat("x", 1<<20))
		}
	}))
	defer srv.Close()
	defer close(hang)
	dead := httptest.NewServer(nil)
	dead.Close()
	endpoints := map[string]notify.Endpoint{"refused": {URL: dead.URL + "?token=s3cret", AllowPrivate: true}}
	for _, path := range []string{"hang", "cut", "endless", "headers"} {
		endpoints[path] = notify.Endpoint{URL: srv.URL + "/" + path + "?token=s3cret", AllowPrivate: true}
	}
	n := newNotifier(t, notify.Config{Endpoints: endpoints, Timeout: time.Minute})
	impatient := newNotifier(t, notify.Config{Endpoints: endpoints, Timeout: 100 * time.Millisecond})
	for name, want := range map[string]pluginv1.Outcome{
		"hang": pluginv1.Outcome_RETRY, "cut": pluginv1.Outcome_RETRY, "refused": pluginv1.Outcome_RETRY,
		"headers": pluginv1.Outcome_RETRY, "endless": pluginv1.Outcome_OK, "missing": pluginv1.Outcome_REJECTED,
	} {
		by := n
		if name == "hang" {
			by = impatient
		}
		r, _ := by.Do(t.Context(), name, "1", []byte(body))
		if r.GetOutcome() != want || strings.Contains(r.GetDetail(), "s3cret") {
			t.Errorf("%s: got %v, want %s", name, r, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r, _ := n.Do(ctx, "hang", "1", nil); r.GetOutcome() != pluginv1.Outcome_RETRY {
		t.Errorf("cancelled: got %v", r)
	}
}

// What an endpoint says is JSON within the limit, or nothing.
func TestAsk(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/failed":
			w.WriteHeader(http.StatusBadRequest)
		case "/cut":
			w.Header().Set("Content-Length", "100")
		}
		io.WriteString(w, r.URL.Query().Get("say"))
	}))
	defer srv.Close()
	tests := []struct {
		path, say, want string
		outcome         pluginv1.Outcome
	}{
		{"/ok", `{"id":7}`, `{"id":7}`, pluginv1.Outcome_OK},
		{"/ok", `"` + strings.Repeat("x", 18) + `"`, `"` + strings.Repeat("x", 18) + `"`, pluginv1.Outcome_OK},
		{"/ok", `"` + strings.Repeat("x", 19) + `"`, "", pluginv1.Outcome_OK},
		{"/ok", " \n", "null", pluginv1.Outcome_OK},
		{"/ok", "ok", "", pluginv1.Outcome_OK},
		{"/ok", "\"\xff\"", "", pluginv1.Outcome_OK},
		{"/failed", `{"id":7}`, "", pluginv1.Outcome_REJECTED},
		{"/cut", `{"id":7}`, "", pluginv1.Outcome_RETRY},
	}
	for _, tt := range tests {
		n := newNotifier(t, notify.Config{Endpoints: map[string]notify.Endpoint{
			"crm": {URL: srv.URL + tt.path + "?say=" + url.QueryEscape(tt.say), AllowPrivate: true},
		}})
		r, said, _ := n.Ask(t.Context(), "crm", "1", []byte(body), 20)
		if r.GetOutcome() != tt.outcome || string(said) != tt.want || (said == nil) != (tt.want == "") {
			t.Errorf("%s %q: got %v and %q, want %v and %q", tt.path, tt.say, r, said, tt.outcome, tt.want)
		}
	}
}

func TestSetEndpoints(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer srv.Close()
	n := newNotifier(t, notify.Config{})
	if err := n.SetEndpoints(map[string]notify.Endpoint{"a": {URL: srv.URL, AllowPrivate: true}}); err != nil {
		t.Fatal(err)
	}
	err := n.SetEndpoints(map[string]notify.Endpoint{"b": {URL: "ftp://tok3n@x/"}})
	if err == nil || err.Error() != `endpoint "b": the URL begins with "ftp"; only http and https can be used` {
		t.Errorf("got %v", err)
	}
	if r, _ := n.Do(t.Context(), "a", "1", nil); r.GetOutcome() != pluginv1.Outcome_OK {
		t.Errorf("a wrong set changed the old one: got %v", r)
	}
}
