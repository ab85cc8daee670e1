package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/examples/messenger-sim/sim"
	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

// TestTaxonomy: what each code and subcode has the gateway do.
func TestTaxonomy(t *testing.T) {
	const throttled = "throttled 1m0s"
	for _, tt := range []struct {
		code, subcode, status int
		want                  string
	}{
		{1, 0, 400, "retry"}, {2, 0, 400, "retry"}, {1200, 0, 400, "retry"}, {1, 0, 500, "retry"}, {99, 0, 503, "retry"},
		{4, 0, 400, throttled}, {17, 0, 400, throttled}, {32, 0, 400, throttled}, {613, 0, 400, throttled}, {80006, 0, 400, throttled},
		{99, 0, 429, throttled},
		{190, 0, 401, "auth config"}, {190, 458, 400, "auth config"}, {190, 459, 400, "auth config"}, {190, 460, 400, "auth config"},
		{190, 463, 400, "auth config"}, {190, 467, 400, "auth config"}, {102, 0, 400, "auth config"}, {10904, 0, 400, "auth config"},
		{3, 0, 400, "auth config"}, {10, 0, 400, "auth config"}, {10, 2018065, 400, "window closed"}, {10, 2018278, 400, "window closed"},
		{10, 2534022, 400, "window closed"}, {10, 2018300, 400, "retry 1m0s"}, {200, 0, 403, "auth config"},
		{200, 2018028, 400, "auth config"}, {200, 1545041, 400, "recipient gone"}, {551, 0, 400, "recipient gone"},
		{551, 1545041, 400, "recipient gone"}, {100, 2018001, 400, "recipient gone"}, {100, 2018108, 400, "recipient gone"},
		{10, 2018108, 400, "recipient gone"}, {100, 0, 400, "rejected 100"}, {100, 2018034, 400, "rejected 100/2018034"},
		{100, 2018109, 400, "rejected 100/2018109"}, {100, 2018047, 400, "rejected 100/2018047"}, {2022, 0, 400, "rejected 2022"},
		{368, 0, 400, "rejected 368"}, {230, 0, 400, "rejected 230"}, {10900, 0, 400, "rejected 10900"},
	} {
		far := httptest.NewServer(&plugintest.Far{Status: tt.status, Body: fmt.Sprintf(
			`{"error":{"message":"(#%d) no","type":"OAuthException","code":%[1]d,"error_subcode":%d,"fbtrace_id":"T"}}`, tt.code, tt.subcode)})
		c, _ := connect(t, far.URL)
		_, err := c.Send(t.Context(), ada, sdk.Message{ID: "1", Text: "a"})
		far.Close()
		if got := verdict(err); got != tt.want {
			t.Errorf("%d/%d with %d: %s, want %s", tt.code, tt.subcode, tt.status, got, tt.want)
		}
		if err != nil && !strings.Contains(err.Error(), fmt.Sprint(tt.code)) {
			t.Errorf("%d/%d: %v does not name the code", tt.code, tt.subcode, err)
		}
	}
}

// TestStrange: answers that are not the Graph API's.
func TestStrange(t *testing.T) {
	for _, tt := range []struct {
		status int
		body   string
		header http.Header
		want   string
	}{
		{200, `{}`, nil, "ambiguous"}, {200, ``, nil, "ambiguous"}, {200, `<html>`, nil, "ambiguous"}, {200, `[]`, nil, "ambiguous"},
		{200, `{"message_id":7}`, nil, "ambiguous"}, {200, strings.Repeat(" ", 2<<20), nil, "ambiguous"},
		{302, ``, http.Header{"Location": {"https://e.com"}}, "rejected http_302"},
		{401, ``, nil, "auth config"}, {403, `<html>`, nil, "auth config"}, {404, `<html>`, nil, "rejected http_404"},
		{408, ``, nil, "retry"}, {429, ``, nil, "throttled 1m0s"}, {429, ``, http.Header{"Retry-After": {"120"}}, "throttled 2m0s"},
		{500, ``, nil, "retry"}, {502, `<html>`, nil, "ambiguous"}, {503, ``, nil, "retry"}, {504, ``, nil, "ambiguous"},
		{400, `{"error":"x"}`, nil, "rejected http_400"}, {400, `{"error":{"message":"m"}}`, nil, "rejected 0"},
		{400, `{"error":{"message":"m","code":77,"is_transient":true}}`, nil, "retry"},
	} {
		far := httptest.NewServer(&plugintest.Far{Status: tt.status, Body: tt.body, Header: tt.header})
		c, _ := connect(t, far.URL)
		_, err := c.Send(t.Context(), ada, sdk.Message{ID: "1", Text: "a"})
		far.Close()
		if got := verdict(err); got != tt.want {
			t.Errorf("%d %.20s: %s (%v), want %s", tt.status, tt.body, got, err, tt.want)
		}
	}
}

// Where nothing went out a message is tried again; where something did and no
// answer came, it may have arrived.
func TestLost(t *testing.T) {
	for _, u := range plugintest.Nowhere(t) {
		c, _ := connect(t, u.Base)
		if _, err := c.Send(u.Ctx, ada, sdk.Message{ID: "1", Text: "a"}); verdict(err) != "retry" {
			t.Errorf("%s: %v, want a retry", u.Name, err)
		}
	}
	for _, l := range plugintest.Lost {
		base := plugintest.Listen(t, l.Serve)
		got := plugintest.Patiently("ambiguous", func(limit time.Duration) error {
			c, _ := connect(t, base, func(s *settings) { s.Timeout = limit.String() })
			_, err := c.Send(t.Context(), ada, sdk.Message{ID: "1", Text: "a"})
			return err
		})
		if got != "ambiguous" {
			t.Errorf("%s: %s, want ambiguous", l.Name, got)
		}
	}
}

// What Meta says of a token quotes it at times: neither error nor log may.
func TestSecretsInErrors(t *testing.T) {
	for _, words := range []string{"Malformed access token " + testToken, "bad proof " + proof(testSecret, testToken), testSecret} {
		b, err := json.Marshal(map[string]any{"error": map[string]any{"code": 190, "message": words + strings.Repeat("x", 5000)}})
		if err != nil {
			t.Fatal(err)
		}
		far := httptest.NewServer(&plugintest.Far{Status: 400, Body: string(b)})
		c, h := connect(t, far.URL)
		_, err = c.Send(t.Context(), ada, sdk.Message{ID: "1", Text: "a"})
		_ = c.profile(t.Context(), "2002")
		far.Close()
		for _, secret := range []string{testToken, testSecret, proof(testSecret, testToken)} {
			if strings.Contains(err.Error(), secret) || strings.Contains(h.Logged(), secret) {
				t.Errorf("%v shows a secret", err)
			}
		}
		if len(err.Error()) > 400 {
			t.Errorf("%d bytes of an error", len(err.Error()))
		}
	}
	c, _ := connect(t, "http://127.0.0.1:1")
	if _, err := c.Send(t.Context(), ada, sdk.Message{Text: "a"}); strings.Contains(err.Error(), testToken) {
		t.Errorf("%v shows the token", err)
	}
}

// The headers of usage slow the channel down before Meta refuses.
func TestPace(t *testing.T) {
	now := time.Unix(1700000000, 0)
	head := func(name, value string) http.Header { return http.Header{name: {value}} }
	const cases = `{"1001":[{"type":"messenger","call_count":%d,"total_cputime":1,"total_time":2,"estimated_time_to_regain_access":%d}],"7":[{"call_count":100}]}`
	for _, tt := range []struct {
		name   string
		h      http.Header
		regain time.Duration
		second time.Duration // how long the second call waits
		want   string        // of the first call
	}{
		{"none", http.Header{}, 0, 0, "ok"},
		{"the vector", head("X-Business-Use-Case-Usage", fmt.Sprintf(cases, 33, 0)), 0, 0, "ok"},
		{"app at 80", head("X-App-Usage", `{"call_count":80,"total_time":1,"total_cputime":1}`), 0, 0, "ok"},
		{"app at 90", head("X-App-Usage", `{"call_count":2,"total_time":90,"total_cputime":1}`), 0, 500 * time.Millisecond, "ok"},
		{"page at 99", head("X-Page-Usage", `{"call_count":2,"total_time":1,"total_cputime":99}`), 0, 950 * time.Millisecond, "ok"},
		{"case at 85", head("X-Business-Use-Case-Usage", fmt.Sprintf(cases, 85, 0)), 0, 250 * time.Millisecond, "ok"},
		{"all used", head("X-Page-Usage", `{"call_count":100}`), time.Minute, 0, "throttled 1m0s"},
		{"minutes", head("X-Business-Use-Case-Usage", fmt.Sprintf(cases, 105, 30)), 30 * time.Minute, 0, "throttled 30m0s"},
		{"for ever", head("X-Business-Use-Case-Usage", fmt.Sprintf(cases, 105, 1<<30)), 24 * time.Hour, 0, "throttled 24h0m0s"},
		{"garbage", head("X-App-Usage", `{"call_count":"many"}`), 0, 0, "ok"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPace("1001", func() time.Time { return now })
			if got := p.heard(tt.h); got != tt.regain {
				t.Errorf("regain %v, want %v", got, tt.regain)
			}
			if _, err := p.turn(false); verdict(err) != tt.want {
				t.Errorf("%v, want %s", err, tt.want)
			}
			if got, _ := p.turn(false); got != tt.second {
				t.Errorf("the second call waits %v, want %v", got, tt.second)
			}
		})
	}
}

// What slowed calls down is forgotten; audio and video have a pace of their own.
func TestPaceHeavy(t *testing.T) {
	now := time.Unix(1700000000, 0)
	p := newPace("1001", func() time.Time { return now })
	p.heard(http.Header{"X-App-Usage": {`{"call_count":99}`}})
	now = now.Add(slowFor)
	for range 20 {
		if d, err := p.turn(false); d != 0 || err != nil {
			t.Fatal(d, err)
		}
	}
	p = newPace("1001", func() time.Time { return now })
	var last time.Duration
	for range heavyPerSec + 5 {
		last, _ = p.turn(true)
	}
	if last < 400*time.Millisecond || last > 600*time.Millisecond {
		t.Errorf("the fifth video above 10 waits %v, want half a second", last)
	}
	var err error
	for range 20 {
		_, err = p.turn(true)
	}
	if got := verdict(err); !strings.HasPrefix(got, "throttled") {
		t.Errorf("the 35th video: %s, want throttled", got)
	}
	if d, err := p.turn(false); err != nil {
		t.Errorf("a text waits for videos: %v %v", d, err)
	}
}

// A page that Meta has blocked sends nothing for a while.
func TestBlocked(t *testing.T) {
	s := begin(t, sim.Options{})
	s.sim.Say("2002", "hi")
	if err := s.sim.SetFault(sim.Fault{Verb: "messages", Kind: "368/0", Count: 1}); err != nil {
		t.Fatal(err)
	}
	m := sdk.Message{ID: "1", Text: "a"}
	for i, want := range []string{"rejected 368", "throttled"} {
		if _, err := s.Send(t.Context(), ada, m); !strings.HasPrefix(verdict(err), want) {
			t.Errorf("message %d: %v, want %s", i, err, want)
		}
	}
	s.Advance(blockedFor)
	if _, err := s.Send(t.Context(), ada, m); err != nil {
		t.Errorf("after %v: %v", blockedFor, err)
	}
}

// The platform's headers reach the pace.
func TestUsageThroughCalls(t *testing.T) {
	s := begin(t, sim.Options{Usage: 100, Regain: 7})
	s.sim.Say("2002", "hi")
	if _, err := s.Send(t.Context(), ada, sdk.Message{ID: "1", Text: "a"}); err != nil {
		t.Fatal(err)
	}
	_, err := s.Send(t.Context(), ada, sdk.Message{ID: "2", Text: "b"})
	if got := verdict(err); !strings.HasPrefix(got, "throttled 6m59") && got != "throttled 7m0s" {
		t.Errorf("%s, want throttled for 7 minutes", got)
	}
	s.sim.SetUsage(10, 0)
	s.Advance(7 * time.Minute)
	if _, err := s.Send(t.Context(), ada, sdk.Message{ID: "2", Text: "b"}); err != nil {
		t.Error(err)
	}
	s.unbroken(t)
}

// FuzzAnswer: whatever answers, it is known what to do next, for how long to wait is
// bounded, and no secret is shown.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{`{"recipient_id":"1","message_id":"m_1"}`, `{"success":true}`, `{"error":{"code":10,"error_subcode":2018300}}`, ``, `null`, `[]`, `"x"`,
		`{"error":{"message":"` + testToken + `","code":190}}`, `{"error":{"code":"4"}}`, `{"error":{"code":1e9}}`, `<html>`, `{"message_id":7}`} {
		f.Add(200, s, `{"call_count":99}`, "7")
		f.Add(400, s, `{"1001":[{"call_count":1e300,"estimated_time_to_regain_access":-1}]}`, "x")
	}
	f.Fuzz(func(t *testing.T, status int, body, usage, after string) {
		if status < 200 || status > 599 {
			return
		}
		c, _ := connect(t, "http://127.0.0.1:1")
		h := http.Header{"X-App-Usage": {usage}, "X-Business-Use-Case-Usage": {usage}, "Retry-After": {after}}
		var answer struct {
			MessageID string `json:"message_id"`
		}
		err := c.graph.read(ccsp.Answer{Status: status, Header: h, Body: []byte(body)}, &answer)
		var retry *sdk.RetryError
		switch {
		case errors.As(err, &retry) && (retry.After < 0 || retry.After > maxRegain):
			t.Errorf("a wait of %v", retry.After)
		case err != nil && (strings.Contains(err.Error(), testToken) || len(err.Error()) > 2000):
			t.Errorf("%d bytes: %.300s", len(err.Error()), err)
		case err == nil && (status >= 300 || !json.Valid([]byte(body))):
			t.Errorf("%d %q is no error", status, body)
		}
	})
}
