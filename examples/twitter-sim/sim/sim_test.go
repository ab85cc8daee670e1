package sim_test

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/examples/twitter-sim/sim"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func start(t *testing.T, change ...func(*sim.Options)) (*sim.Sim, string) {
	t.Helper()
	o := sim.Options{UserID: "43", ConsumerKey: "ck", ConsumerSecret: "cs", AccessToken: "at", AccessTokenSecret: "as",
		ClientID: "client", RefreshToken: "r0", Bearer: "app", Now: func() time.Time { return noon }}
	for _, f := range change {
		f(&o)
	}
	s := sim.New(o)
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return s, srv.URL
}

// call returns the status and body of an answer.
func call(t *testing.T, method, address, auth, contentType, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", auth)
	r.Header.Set("Content-Type", contentType)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// renew asks for tokens, and returns the access token.
func renew(t *testing.T, base, refresh string) (int, string) {
	t.Helper()
	status, body := call(t, "POST", base+"/2/oauth2/token", "", "application/x-www-form-urlencoded",
		url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "client_id": {"client"}}.Encode())
	_, rest, _ := strings.Cut(body, `"access_token":"`)
	access, _, _ := strings.Cut(rest, `"`)
	return status, access
}

// TestReuse: a refresh token that is used twice ends all of them.
func TestReuse(t *testing.T) {
	s, base := start(t)
	status, access := renew(t, base, "r0")
	if status != 200 || access == "" {
		t.Fatal(status)
	}
	if got, _ := call(t, "GET", base+"/2/users/me", "Bearer "+access, "", ""); got != 200 {
		t.Errorf("me: %d", got)
	}
	if status, _ := renew(t, base, "r0"); status != 400 {
		t.Errorf("the same again: %d", status)
	}
	_, next := s.Renewed()
	if status, _ := renew(t, base, next); next != "" || status != 400 {
		t.Errorf("the next one still counts: %q %d", next, status)
	}
	if got, _ := call(t, "GET", base+"/2/users/me", "Bearer "+access, "", ""); got != 401 {
		t.Errorf("the access token still counts: %d", got)
	}
	if n := len(s.Breaks()); n != 2 {
		t.Errorf("%d breaks: %v", n, s.Breaks())
	}
}

// TestRefuses: what X would not take is refused and counted.
func TestRefuses(t *testing.T) {
	for _, tt := range []struct{ name, body, contentType string }{
		{"unknown member", `{"text":"a","x":1}`, "application/json"}, {"two files", `{"attachments":[{"media_id":"1"},{"media_id":"2"}]}`, "application/json"},
		{"unknown file", `{"text":"a","attachments":[{"media_id":"1"}]}`, "application/json"}, {"nothing", `{}`, "application/json"},
		{"too long", `{"text":"` + strings.Repeat("é", 10_001) + `"}`, "application/json"}, {"no JSON", `{`, "application/json"}, {"a form", `{"text":"a"}`, "text/plain"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, base := start(t)
			_, access := renew(t, base, "r0")
			status, _ := call(t, "POST", base+"/2/dm_conversations/with/30/messages", "Bearer "+access, tt.contentType, tt.body)
			if status != 400 || len(s.Breaks()) != 1 || len(s.Sent()) != 0 {
				t.Errorf("%d, breaks %v", status, s.Breaks())
			}
		})
	}
}

// TestOAuth1Refused: each part of the header counts.
func TestOAuth1Refused(t *testing.T) {
	s, base := start(t)
	for _, auth := range []string{
		"OAuth a", `OAuth oauth_consumer_key="ck"`,
		`OAuth oauth_consumer_key="ck", oauth_token="at", oauth_signature_method="HMAC-SHA1", oauth_version="1.0", oauth_timestamp="1", oauth_nonce="n", oauth_signature="x"`,
		`OAuth oauth_consumer_key="ck", oauth_token="at", oauth_signature_method="HMAC-SHA1", oauth_version="1.0", oauth_timestamp="1767355200", oauth_nonce="n", oauth_signature="x"`,
	} {
		if got, _ := call(t, "GET", base+"/2/users/me", auth, "", ""); got != 401 {
			t.Errorf("%s: %d", auth, got)
		}
	}
	if n := len(s.Breaks()); n != 4 || !strings.Contains(s.Breaks()[3], "signature does not fit") {
		t.Errorf("%v", s.Breaks())
	}
}

// TestWindowCloses: the headers say how many are left, and one too many is refused.
func TestWindowCloses(t *testing.T) {
	s, base := start(t, func(o *sim.Options) { o.Window = 1 })
	_, access := renew(t, base, "r0")
	for _, want := range []int{201, 429} {
		if got, _ := call(t, "POST", base+"/2/dm_conversations/with/30/messages", "Bearer "+access, "application/json", `{"text":"a"}`); got != want {
			t.Errorf("%d, want %d", got, want)
		}
	}
	if n := len(s.Breaks()); n != 1 {
		t.Errorf("%v", s.Breaks())
	}
}

// TestList: what customers and the account wrote stands in the list, the newest first,
// page by page, for 30 days, with the fields that were asked for.
func TestList(t *testing.T) {
	now := noon
	s, base := start(t, func(o *sim.Options) { o.Now = func() time.Time { return now } })
	s.Message(sim.Said{From: "30", Text: "too old", ID: "1"})
	now = now.Add(31 * 24 * time.Hour)
	_, access := renew(t, base, "r0")
	list := func(query string) (int, string) {
		return call(t, "GET", base+"/2/dm_events"+query, "Bearer "+access, "", "")
	}
	if status, body := list(""); status != 200 || strings.Contains(body, "data") {
		t.Errorf("an empty list: %d %s", status, body)
	}
	s.Message(sim.Said{From: "30", Text: "a & b", ID: "2"})
	s.Message(sim.Said{From: "31", Text: "c", ID: "3"})
	status, body := list("?max_results=1&dm_event.fields=sender_id,dm_conversation_id")
	if want := `{"data":[{"dm_conversation_id":"31-43","event_type":"MessageCreate","id":"3","sender_id":"31","text":"c"}],"includes":{},"meta":{"next_token":"`; status != 200 || !strings.HasPrefix(body, want) {
		t.Errorf("%d %s", status, body)
	}
	_, rest, _ := strings.Cut(body, `"next_token":"`)
	token, _, _ := strings.Cut(rest, `"`)
	status, body = list("?pagination_token=" + token)
	if want := `{"data":[{"event_type":"MessageCreate","id":"2","text":"a \u0026amp; b"}],"includes":{},"meta":{"result_count":1}}`; status != 200 || strings.TrimSpace(body) != want {
		t.Errorf("%d %s", status, body)
	}
	for i, query := range []string{"?max_results=0", "?max_results=101", "?x=1", "?dm_event.fields=x", "?expansions=x", "?pagination_token=!"} {
		if status, _ := list(query); status != 400 || len(s.Breaks()) != i+1 {
			t.Errorf("%s: %d, breaks %v", query, status, s.Breaks())
		}
	}
}

// TestAsideRefused: typing and seen are forms, signed by OAuth 1.0a.
func TestAsideRefused(t *testing.T) {
	s, base := start(t)
	_, access := renew(t, base, "r0")
	for i, tt := range []struct {
		contentType, body string
		status            int
	}{{"application/json", "{}", 400}, {"application/x-www-form-urlencoded", "%zz", 400}, {"application/x-www-form-urlencoded", "recipient_id=30", 401}} {
		if got, _ := call(t, "POST", base+"/1.1/direct_messages/indicate_typing.json", "Bearer "+access, tt.contentType, tt.body); got != tt.status || len(s.Asides()) != 0 {
			t.Errorf("%d: %d, want %d; %v", i, got, tt.status, s.Asides())
		}
	}
}

// TestRegister: a hook that does not answer the challenge is not registered, and one
// that no longer does gets nothing.
func TestRegister(t *testing.T) {
	s, base := start(t)
	right, got := true, 0
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			got++
			return
		}
		token := s.Sign([]byte(r.URL.Query().Get("crc_token")))
		if !right {
			token = "sha256=" + base64.StdEncoding.EncodeToString([]byte("x"))
		}
		_, _ = io.WriteString(w, `{"response_token":"`+token+`"}`)
	}))
	defer hook.Close()
	register := func() int {
		status, _ := call(t, "POST", base+"/2/webhooks", "Bearer app", "application/json", `{"url":"`+hook.URL+`"}`)
		return status
	}
	right = false
	if status := register(); status != 400 {
		t.Errorf("a wrong answer: %d", status)
	}
	right = true
	if status := register(); status != 200 {
		t.Errorf("register: %d", status)
	}
	if err := s.PostAll(t.Context(), [][]byte{s.Typing("30"), s.Read("30", "1")}, sim.Chaos{Duplicate: true, Disorder: true}); err != nil || got != 4 {
		t.Errorf("%d webhooks, %v", got, err)
	}
	right = false
	if s.Recheck(t.Context()) {
		t.Error("still valid")
	}
	if _, err := s.Post(t.Context(), s.Typing("30")); err == nil || got != 4 {
		t.Errorf("%d webhooks, %v", got, err)
	}
}
