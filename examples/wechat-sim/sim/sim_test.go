package sim_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openccsp/gateway/examples/wechat-sim/sim"
)

const key = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"

// account is a simulator with a hook that answers so.
func account(t *testing.T, o sim.Options, hook http.HandlerFunc) (*sim.Sim, string) {
	t.Helper()
	o.AppID, o.Secret, o.Token = "wx1", "secret", "token"
	s, err := sim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	far, api := httptest.NewServer(hook), httptest.NewServer(s)
	t.Cleanup(far.Close)
	t.Cleanup(api.Close)
	s.SetHook(far.URL)
	return s, api.URL
}

func answers(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
}

// call posts to the API and returns what it says.
func call(t *testing.T, url, body string) string {
	t.Helper()
	res, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(got))
}

// TestFiveSeconds: an answer that is late or is no answer has the request repeated
// three times, and is then a break.
func TestFiveSeconds(t *testing.T) {
	for name, tt := range map[string]struct {
		hook  http.HandlerFunc
		calls int
	}{
		"success": {answers("success"), 1},
		"empty":   {answers(""), 1},
		"JSON":    {answers(`{"ok":true}`), 4},
		"late": {func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		}, 4},
	} {
		var calls atomic.Int32
		s, _ := account(t, sim.Options{Limit: 50 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
			calls.Add(1)
			tt.hook(w, r)
		})
		err := s.Say(t.Context(), "oUser1", "hello")
		if name == "success" || name == "empty" {
			if err != nil || len(s.Breaks()) > 0 {
				t.Errorf("%s: %v, %q", name, err, s.Breaks())
			}
		} else if err == nil || len(s.Breaks()) != 1 {
			t.Errorf("%s: %v, %q, want one break", name, err, s.Breaks())
		}
		if n := int(calls.Load()); n != tt.calls {
			t.Errorf("%s: asked %d times, want %d", name, n, tt.calls)
		}
	}
}

// TestStrict: what WeChat refuses, and with which code.
func TestStrict(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	s, url := account(t, sim.Options{AESKey: key, Now: func() time.Time { return now }}, answers("success"))
	const grant = `{"grant_type":"client_credential","appid":"wx1","secret":"secret","force_refresh":`
	for body, want := range map[string]string{
		`{`: "47001", `{"grant_type":"password"}`: "40002", strings.Replace(grant, "wx1", "wx2", 1) + "false}": "40013",
		strings.Replace(grant, `"secret"}`, `"x"}`, 1) + `false,"x":1}`: "47001", grant + "false}": `"expires_in":7200`,
	} {
		if got := call(t, url+"/cgi-bin/stable_token", body); !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
	if err := s.Say(t.Context(), "oUser1", "hello"); err != nil {
		t.Fatal(err)
	}
	send := url + "/cgi-bin/message/custom/send?access_token=" + s.Token()
	hi := `{"touser":"oUser1","msgtype":"text","text":{"content":"hi"}}`
	for _, tt := range []struct{ name, url, body, want string }{
		{"no token", url + "/cgi-bin/message/custom/send", hi, "41001"},
		{"another token", url + "/cgi-bin/message/custom/send?access_token=x", hi, "40001"},
		{"a field that nobody knows", send, strings.Replace(hi, "touser", "to", 1), "47001"},
		{"nobody", send, strings.Replace(hi, "oUser1", "oUser2", 1), "40003"},
		{"no text", send, strings.Replace(hi, "hi", "", 1), "44002"},
		{"too long", send, strings.Replace(hi, "hi", strings.Repeat("é", 1024), 1), "45002"},
		{"no such file", send, `{"touser":"oUser1","msgtype":"image","image":{"media_id":"x"}}`, "40007"},
		{"two articles", send, `{"touser":"oUser1","msgtype":"news","news":{"articles":[{"title":"a"},{"title":"b"}]}}`, "45008"},
		{"a kind that nobody knows", send, `{"touser":"oUser1","msgtype":"smell"}`, "40008"},
		{"good", send, hi, `"errcode":0`},
	} {
		if got := call(t, tt.url, tt.body); !strings.Contains(got, tt.want) {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	if n := len(s.Shown()); n != 1 {
		t.Errorf("%d messages are shown, want 1", n)
	}
	call(t, send, strings.Replace(hi, "hi", `\u003c`, 1))
	call(t, url+"/cgi-bin/stable_token", grant+"true}")
	if got := call(t, url+"/cgi-bin/stable_token", grant+"true}"); !strings.Contains(got, "45011") {
		t.Errorf("two forced tokens: %s", got)
	}
	if n := len(s.Breaks()); n != 2 {
		t.Errorf("%q, want two breaks: escapes, and two forced tokens", s.Breaks())
	}
	now = now.Add(3 * time.Hour)
	if got := call(t, send, hi); !strings.Contains(got, "42001") && !strings.Contains(got, "40001") {
		t.Errorf("an old token: %s", got)
	}
}
