package twilio_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/plugins/internal/twilio"
)

func client(t *testing.T, a twilio.Account) *twilio.Client {
	t.Helper()
	a.AccountSID, a.AuthToken = account, token
	c, err := twilio.NewClient(a, twilio.PlainHTTP(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func create(ctx context.Context, c *twilio.Client) error {
	_, err := c.Create(ctx, "Messages", url.Values{"To": {"+447700900123"}})
	return err
}

// TestErrors: what each error means, of a message and of what must not happen
// twice.
func TestErrors(t *testing.T) {
	const lost = "ambiguous"
	auth, gone := "credentials refused", "recipient gone"
	for _, tt := range []struct {
		status, code int
		wait         string
		want         string
		once         string // "": the same
	}{
		{201, 0, "", lost, ""}, // without a sid
		{429, 20429, "7", "throttled 7s", ""},
		{429, 0, "", "throttled 0s", ""},
		{400, 14107, "", "throttled 0s", ""},
		{500, 20500, "", "retry", lost},
		{500, 0, "", lost, ""},
		{502, 0, "", lost, ""},
		{503, 20503, "", "retry", ""},
		{503, 20503, "3", "retry", "throttled 3s"},
		{504, 0, "", lost, ""},
		{400, 30001, "", "retry", ""},
		{401, 20003, "", auth, ""},
		{401, 0, "", auth, ""},
		{403, 0, "", auth, ""},
		{404, 20404, "", auth, ""},
		{404, 0, "", auth, ""},
		{400, 21606, "", auth, ""},
		{400, 21210, "", auth, ""},
		{400, 21212, "", auth, ""},
		{400, 21408, "", "rejected 21408", ""}, // of one destination: the others go on
		{400, 21215, "", "rejected 21215", ""},
		{400, 13227, "", "rejected 13227", ""},
		{400, 21610, "", gone, ""},
		{400, 21211, "", gone, ""},
		{400, 21214, "", gone, ""},
		{400, 21614, "", gone, ""},
		{400, 13224, "", gone, ""},
		{400, 30005, "", gone, ""},
		{400, 30006, "", gone, ""},
		{400, 21617, "", "rejected 21617", ""},
		{400, 30007, "", "rejected 30007", ""},
		{400, 30008, "", "rejected 30008", ""},
		{400, 21612, "", "rejected 21612", ""},
		{400, 21220, "", "rejected 21220", ""},
		{400, 32001, "", "rejected 32001", ""},
		{400, 0, "", "rejected status_400", ""},
		{301, 0, "", "rejected http_301", ""},
	} {
		for _, once := range []bool{false, true} {
			t.Run(fmt.Sprint(tt.status, " ", tt.code, " ", once), func(t *testing.T) {
				far := &plugintest.Far{Status: tt.status, Header: http.Header{}, Body: fmt.Sprintf(`{"code":%d,"message":"+447700900123"}`, tt.code)}
				if tt.wait != "" {
					far.Header.Set("Retry-After", tt.wait)
				}
				if tt.status == 301 {
					far.Header.Set("Location", "/elsewhere")
				}
				srv := httptest.NewServer(far)
				defer srv.Close()
				c := client(t, twilio.Account{BaseURL: srv.URL})
				c.Once = once
				want := tt.want
				if once && tt.once != "" {
					want = tt.once
				}
				err := create(t.Context(), c)
				got, _, _ := strings.Cut(plugintest.Verdict(err), ": ")
				if got != want {
					t.Errorf("%s, want %s", got, want)
				}
				if err != nil && strings.Contains(err.Error(), "447700900123") {
					t.Errorf("%v shows a number", err)
				}
				if n := len(far.Requests()); n != 1 {
					t.Errorf("%d requests", n)
				}
			})
		}
	}
}

// TestCall: what goes out.
func TestCall(t *testing.T) {
	var user, password string
	far := &plugintest.Far{Status: 201, Body: `{"sid":"SM1","status":"queued"}`}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ = r.BasicAuth()
		far.ServeHTTP(w, r)
	}))
	defer srv.Close()
	key := "SK" + strings.Repeat("0", 32)
	for _, tt := range []struct{ key, secret, user, password string }{
		{"", "", account, token},
		{key, "secret-of-the-key", key, "secret-of-the-key"},
	} {
		c := client(t, twilio.Account{BaseURL: srv.URL, APIKey: tt.key, APISecret: tt.secret})
		if err := create(t.Context(), c); err != nil || user != tt.user || password != tt.password {
			t.Errorf("%s:%s, %v", user, password, err)
		}
		if got := c.MediaHeader("https://elsewhere.example.com/x"); got != nil {
			t.Errorf("credentials for another host: %v", got)
		}
		if got := c.MediaHeader(srv.URL + "/x").Get("Authorization"); !strings.HasPrefix(got, "Basic ") {
			t.Errorf("media: %q", got)
		}
	}
	want := plugintest.Request{Method: "POST", URI: "/2010-04-01/Accounts/" + account + "/Messages.json",
		Type: "application/x-www-form-urlencoded", Body: "To=%2B447700900123"}
	if diff := cmp.Diff(want, far.Requests()[0]); diff != "" {
		t.Error(diff)
	}
}

// TestLostAnswers: nobody knows whether it happened.
func TestLostAnswers(t *testing.T) {
	for _, far := range plugintest.Lost {
		t.Run(far.Name, func(t *testing.T) {
			base := plugintest.Listen(t, far.Serve)
			got := plugintest.Patiently("ambiguous", func(limit time.Duration) error {
				return create(t.Context(), client(t, twilio.Account{BaseURL: base, Timeout: limit.String()}))
			})
			if got != "ambiguous" {
				t.Errorf("%s, want ambiguous", got)
			}
		})
	}
	for _, far := range plugintest.Nowhere(t) {
		if !strings.Contains(far.Base, "127.0.0.1") {
			continue // credentials would not be sent there
		}
		if got := plugintest.Verdict(create(far.Ctx, client(t, twilio.Account{BaseURL: far.Base}))); got != "retry" {
			t.Errorf("%s: %s, want retry", far.Name, got)
		}
	}
}

// TestNoRedirects: nobody else gets texts and credentials.
func TestNoRedirects(t *testing.T) {
	elsewhere := &plugintest.Far{}
	other := httptest.NewServer(elsewhere)
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		srv := httptest.NewServer(&plugintest.Far{Status: status, Header: http.Header{"Location": {other.URL}}})
		c := client(t, twilio.Account{BaseURL: srv.URL})
		if err := create(t.Context(), c); err == nil {
			t.Errorf("%d is taken for an answer", status)
		}
		if err := c.Probe(t.Context()); err == nil || !strings.Contains(err.Error(), "redirects") {
			t.Errorf("%d: probe: %v", status, err)
		}
		srv.Close()
	}
	if n := len(elsewhere.Requests()); n != 0 {
		t.Errorf("%d requests went elsewhere", n)
	}
}

func TestProbe(t *testing.T) {
	for _, tt := range []struct {
		status     int
		body, want string
	}{
		{200, `{"sid":"` + account + `","status":"active"}`, ""},
		{200, `{"sid":"` + account + `","status":"suspended"}`, "account_sid: the account is suspended"},
		{200, `{"sid":"AC2"}`, "base_url: what answers is not Twilio (HTTP 200)"},
		{200, `<html>`, "base_url: what answers is not Twilio (HTTP 200)"},
		{404, `{}`, "base_url: what answers is not Twilio (HTTP 404)"},
		{401, `{"code":20003}`, "Twilio refuses the credentials"},
		{503, ``, "base_url: the server answers with status 503; try again later"},
	} {
		srv := httptest.NewServer(&plugintest.Far{Status: tt.status, Body: tt.body})
		got := ""
		if err := client(t, twilio.Account{BaseURL: srv.URL}).Probe(t.Context()); err != nil {
			got = err.Error()
		}
		if (got == "") != (tt.want == "") || !strings.HasPrefix(got, tt.want) {
			t.Errorf("%d %s: %q, want %q", tt.status, tt.body, got, tt.want)
		}
		srv.Close()
	}
}

func TestAccount(t *testing.T) {
	good := twilio.Account{AccountSID: account, AuthToken: token}
	for _, tt := range []struct {
		change func(*twilio.Account)
		want   string
	}{
		{func(*twilio.Account) {}, ""},
		{func(a *twilio.Account) { a.BaseURL = "http://127.0.0.1:8086" }, ""},
		{func(a *twilio.Account) { a.AccountSID = "AC1" }, `account_sid "AC1" is not`},
		{func(a *twilio.Account) { a.AuthToken = "short" }, "auth_token is not 16 or more"},
		{func(a *twilio.Account) { a.APIKey = "SK1" }, `api_key "SK1" is not`},
		{func(a *twilio.Account) { a.APIKey = "SK" + strings.Repeat("a", 32) }, "api_key and api_secret go together"},
		{func(a *twilio.Account) { a.APISecret = "canary-of-16-bytes" }, "api_key and api_secret go together"},
		{func(a *twilio.Account) { a.BaseURL = "http://api.example.com" }, `base_url "http://api.example.com" is not https`},
		{func(a *twilio.Account) { a.BaseURL = "ftp://x" }, "base_url is not an http or https address"},
		{func(a *twilio.Account) { a.CallbackOptions = "rc=3&rp=5xx,ct" }, ""},
		{func(a *twilio.Account) { a.CallbackOptions = "#rc=3" }, `callback_options "#rc=3" is not written as`},
		{func(a *twilio.Account) { a.Timeout = "soon" }, `timeout "soon" is not a duration`},
	} {
		a := good
		tt.change(&a)
		err := a.Check()
		if (err == nil) != (tt.want == "") || err != nil && !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%v, want %q", err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("%v shows a secret", err)
		}
	}
}

func TestNumber(t *testing.T) {
	for text, want := range map[string]string{
		"+41790000001": "+41790000001", "4179000001": "+4179000001", "+41 (79) 000-00.01": "+41790000001", "12345": "12345",
		"whatsapp:+447700900123": "whatsapp:+447700900123", "ada": "", "": "", "+": "", "+4179\n": "", "javascript: alert": "",
		"12345678901234567890": "",
	} {
		if got := twilio.Number(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
