package notify_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/notify"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// asked is an endpoint that answers OPTIONS as the test says.
type asked struct {
	*httptest.Server
	mu      sync.Mutex
	options func(w http.ResponseWriter)
	got     []*http.Request
}

func newAsked(t *testing.T) *asked {
	a := &asked{options: func(http.ResponseWriter) {}}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.got = append(a.got, r)
		if r.Method == http.MethodOptions {
			a.options(w)
		}
	}))
	t.Cleanup(a.Close)
	return a
}

// says sets what is answered to OPTIONS: headers and their values.
func (a *asked) says(status int, headers ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.options = func(w http.ResponseWriter) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
	}
}

// methods are those of the requests that came.
func (a *asked) methods() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []string
	for _, r := range a.got {
		all = append(all, r.Method)
	}
	return strings.Join(all, " ")
}

const origin = "gw.example.com"

func validated(url string, more func(*notify.Endpoint)) notify.Config {
	e := notify.Endpoint{URL: url, AllowPrivate: true, Format: notify.CloudEvents, Validate: true}
	if more != nil {
		more(&e)
	}
	return notify.Config{Source: "https://" + origin + ":8443/base", Endpoints: map[string]notify.Endpoint{"e": e}}
}

// TestConsent: an endpoint is asked once, and told by each request who sends it.
func TestConsent(t *testing.T) {
	for _, allowed := range []string{origin, "GW.example.com", "*"} {
		far := newAsked(t)
		far.says(http.StatusMethodNotAllowed, "WebHook-Allowed-Origin", allowed, "WebHook-Allowed-Rate", "*") // the status says nothing
		n := newNotifier(t, validated(far.URL+"/hook?a=b", func(e *notify.Endpoint) { e.Bearer, e.Rate = "t0ken", 2 }))
		for range 2 {
			if r := post(t, n, "e", "1", body); r.GetOutcome() != pluginv1.Outcome_OK {
				t.Fatalf("%s: %v", allowed, r)
			}
		}
		if got := far.methods(); got != "OPTIONS POST POST" {
			t.Errorf("%s: %s", allowed, got)
		}
		for _, r := range far.got {
			if r.Header.Get("WebHook-Request-Origin") != origin || r.Header.Get("Authorization") != "Bearer t0ken" || r.URL.String() != "/hook?a=b" {
				t.Errorf("%s %s with %v", r.Method, r.URL, r.Header)
			}
			if rate := r.Header.Get("WebHook-Request-Rate"); (rate == "120") != (r.Method == http.MethodOptions) {
				t.Errorf("%s asks for the rate %q", r.Method, rate)
			}
		}
	}
}

// TestNoConsent: what does not say that it wants notifications gets none, is asked
// again as one that fails, and disabled like it.
func TestNoConsent(t *testing.T) {
	tests := []struct {
		name    string
		status  int
		headers []string
		outcome pluginv1.Outcome
		code    string
	}{
		{"no headers", 200, nil, pluginv1.Outcome_RETRY, "no_consent"},
		{"another origin", 200, []string{"WebHook-Allowed-Origin", "other.example.com"}, pluginv1.Outcome_RETRY, "no_consent"},
		{"an origin that begins so", 200, []string{"WebHook-Allowed-Origin", origin + ".evil.example"}, pluginv1.Outcome_RETRY, "no_consent"},
		{"a rate alone", 200, []string{"WebHook-Allowed-Rate", "100"}, pluginv1.Outcome_RETRY, "no_consent"},
		{"CORS", 204, []string{"Access-Control-Allow-Origin", "*", "Allow", "POST"}, pluginv1.Outcome_RETRY, "no_consent"},
		{"no OPTIONS", 405, nil, pluginv1.Outcome_RETRY, "no_consent"},
		{"elsewhere", 302, []string{"Location", "/ok"}, pluginv1.Outcome_RETRY, "no_consent"},
		{"too often", 429, []string{"Retry-After", "70"}, pluginv1.Outcome_THROTTLED, "429"},
		{"broken", 503, nil, pluginv1.Outcome_RETRY, "503"},
		{"gone", 410, nil, pluginv1.Outcome_RECIPIENT_GONE, "410"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			far := newAsked(t)
			far.says(tt.status, tt.headers...)
			n := newNotifier(t, validated(far.URL, nil))
			if r := post(t, n, "e", "1", body); r.GetOutcome() != tt.outcome || r.GetCode() != tt.code {
				t.Errorf("%v", r)
			}
			if got := far.methods(); got != "OPTIONS" {
				t.Errorf("it got %s", got)
			}
			if s := n.Status()[0]; s.State == notify.Answers || s.Reason == "" {
				t.Errorf("status: %+v", s)
			}
		})
	}
}

// TestConsentAfterAll: the breaker keeps who has not agreed from being asked all the
// time, and once it agrees all go.
func TestConsentAfterAll(t *testing.T) {
	far, clock := newAsked(t), newFar(t)
	c := validated(far.URL, nil)
	c.Now = clock.clock
	var log bytes.Buffer
	c.Log = slog.New(slog.NewTextHandler(&log, nil))
	n := newNotifier(t, c)
	for range 5 {
		post(t, n, "e", "1", body)
	}
	if r, fate := n.Do(t.Context(), "e", "1", []byte(body)); fate != core.NotSent || r.GetAfterMs() < 14_000 {
		t.Errorf("it is asked again at once: %v, %v", r, fate)
	}
	clock.pass(time.Minute)
	far.says(200, "WebHook-Allowed-Origin", "*")
	for range 3 {
		if r := post(t, n, "e", "1", body); r.GetOutcome() != pluginv1.Outcome_OK {
			t.Errorf("it has agreed: %v", r)
		}
	}
	if got, want := far.methods(), strings.Repeat("OPTIONS ", 6)+"POST POST POST"; got != want {
		t.Errorf("it got %s, want %s", got, want)
	}
	if n := strings.Count(log.String(), "does not say that it wants"); n != 5 {
		t.Errorf("the log says so %d times", n)
	}
}

// TestConsentOnce: while one attempt asks, the others wait.
func TestConsentOnce(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodOptions {
			close(entered)
			<-leave
			w.Header().Set("WebHook-Allowed-Origin", "*")
		}
	}))
	defer srv.Close()
	n := newNotifier(t, validated(srv.URL, nil))
	done := make(chan *pluginv1.Result, 1)
	go func() {
		r, _ := n.Do(t.Context(), "e", "1", []byte(body))
		done <- r
	}()
	<-entered
	if r, fate := n.Do(t.Context(), "e", "2", []byte(body)); fate != core.NotSent || r.GetAfterMs() == 0 {
		t.Errorf("beside the one who asks: %v, %v", r, fate)
	}
	close(leave)
	if r := <-done; r.GetOutcome() != pluginv1.Outcome_OK {
		t.Errorf("who asked: %v", r)
	}
}

// TestAllowedRate: an endpoint gets no more than it allows, nor than the operator.
func TestAllowedRate(t *testing.T) {
	tests := []struct {
		allowed string
		own     float64
		wait    bool // the fourth
	}{
		{"120", 0, true}, {"120", 100, true}, {"*", 0, false}, {"", 0, false}, {"60000", 2, true},
		{"0", 0, false}, {"-5", 0, false}, {"many", 0, false},
	}
	for _, tt := range tests {
		far, clock := newAsked(t), newFar(t)
		far.says(200, "WebHook-Allowed-Origin", "*", "WebHook-Allowed-Rate", tt.allowed)
		c := validated(far.URL, func(e *notify.Endpoint) { e.Rate = tt.own })
		c.Now = clock.clock // it stands still
		n := newNotifier(t, c)
		for range 3 { // the first of which asked, when nothing was known of a rate
			post(t, n, "e", "1", body)
		}
		hurried, cancel := context.WithCancel(t.Context())
		cancel() // it goes at once or not at all
		if _, fate := n.Do(hurried, "e", "1", []byte(body)); (fate == core.NotSent) != tt.wait {
			t.Errorf("allowed %q, own rate %v: %v, want it to wait: %v", tt.allowed, tt.own, fate, tt.wait)
		}
	}
}

// TestConsentIsKept: other settings do not make the gateway ask again, another URL or
// an operator who enables the endpoint do.
func TestConsentIsKept(t *testing.T) {
	far := newAsked(t)
	far.says(200, "WebHook-Allowed-Origin", "*")
	n := newNotifier(t, validated(far.URL, nil))
	post(t, n, "e", "1", body)
	change := func(url string, validate bool) {
		t.Helper()
		c := validated(url, func(e *notify.Endpoint) { e.Validate, e.Rate = validate, 100 })
		if err := n.SetEndpoints(c.Endpoints); err != nil {
			t.Fatal(err)
		}
		post(t, n, "e", "1", body)
	}
	change(far.URL, true)
	change(far.URL, false)
	change(far.URL, true)
	change(far.URL+"/other", true)
	if err := n.Enable(t.Context(), "e"); err != nil {
		t.Fatal(err)
	}
	post(t, n, "e", "1", body)
	if got, want := far.methods(), "OPTIONS POST POST POST POST OPTIONS POST OPTIONS POST"; got != want {
		t.Errorf("it got %s, want %s", got, want)
	}
}

// TestValidateMistakes: what cannot be validated is told at once.
func TestValidateMistakes(t *testing.T) {
	c := validated("https://x.example", nil)
	c.Source = ""
	if _, err := notify.New(c); core.CodeOf(err) != core.Invalid || !strings.Contains(err.Error(), "name") {
		t.Errorf("without a name: %v", err)
	}
	c = validated("https://x.example", func(e *notify.Endpoint) { e.Format = "" })
	if _, err := notify.New(c); core.CodeOf(err) != core.Invalid || !strings.Contains(err.Error(), "CloudEvents") {
		t.Errorf("another format: %v", err)
	}
}

// TestConsentIsGuarded: OPTIONS reaches a private network no more than POST does.
func TestConsentIsGuarded(t *testing.T) {
	far := newAsked(t)
	far.says(200, "WebHook-Allowed-Origin", "*")
	n := newNotifier(t, validated(far.URL, func(e *notify.Endpoint) { e.AllowPrivate = false }))
	if r := post(t, n, "e", "1", body); r.GetCode() != "private_address" || far.methods() != "" {
		t.Errorf("%v after %q", r, far.methods())
	}
}
