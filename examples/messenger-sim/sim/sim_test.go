package sim_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/examples/messenger-sim/sim"
)

const (
	token  = "EAAGtoken123"
	secret = "0123456789abcdef0123456789abcdef"
	proof  = "f852ba8f3076845d14ccf0d1d958b53ef577df667d513a0a7d3a50e7a7ed6af7"
)

// hook keeps the webhooks that it takes.
type hook struct {
	mu     sync.Mutex
	bodies []string
	refuse int // as many
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	m := hmac.New(sha256.New, []byte(secret))
	m.Write(b)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refuse > 0 {
		h.refuse--
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if r.Header.Get("X-Hub-Signature-256") != "sha256="+hex.EncodeToString(m.Sum(nil)) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	h.bodies = append(h.bodies, string(b))
}

func (h *hook) got() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string{}, h.bodies...)
}

func start(t *testing.T, o sim.Options) (*sim.Sim, *hook, string) {
	t.Helper()
	h := new(hook)
	hooks := httptest.NewServer(h)
	t.Cleanup(hooks.Close)
	o.Page, o.Token, o.AppSecret, o.Hook, o.Retry = "1001", token, secret, hooks.URL, time.Millisecond
	s := sim.New(o)
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	t.Cleanup(s.Close)
	s.SetBase(srv.URL)
	return s, h, srv.URL
}

// post makes a call and returns the code and subcode of the error, "ok" without one.
func post(t *testing.T, base, path, query, body string) string {
	t.Helper()
	res, err := http.Post(base+"/v26.0/"+path+"?"+query, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var answer struct {
		Error *struct {
			Code, Subcode int
			ErrorSubcode  int `json:"error_subcode"`
		}
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	if answer.Error == nil {
		return "ok"
	}
	return fmt.Sprintf("%d/%d", answer.Error.Code, answer.Error.ErrorSubcode)
}

// TestStrict: what Meta would refuse is refused, and counted if it breaks the
// contract.
func TestStrict(t *testing.T) {
	const good = "access_token=" + token + "&appsecret_proof=" + proof
	text := func(s string) string {
		return fmt.Sprintf(`{"recipient":{"id":"2002"},"messaging_type":"RESPONSE","message":{"text":%q}}`, s)
	}
	reply := `{"content_type":"text","title":"a","payload":"b"}`
	for _, tt := range []struct {
		name, path, query, body, want string
		breaks                        bool
	}{
		{"good", "1001/messages", good, text("hi"), "ok", false},
		{"me", "me/messages", good, text("hi"), "ok", false},
		{"no token", "1001/messages", "appsecret_proof=" + proof, text("hi"), "190/0", true},
		{"no proof", "1001/messages", "access_token=" + token, text("hi"), "100/0", true},
		{"unknown parameter", "1001/messages", good + "&x=1", text("hi"), "100/0", true},
		{"another page", "7/messages", good, text("hi"), "100/33", true},
		{"unknown field", "1001/messages", good, `{"recipient":{"id":"2002"},"massage":{}}`, "100/0", true},
		{"no recipient", "1001/messages", good, `{"messaging_type":"RESPONSE","message":{"text":"a"}}`, "100/0", true},
		{"no type", "1001/messages", good, `{"recipient":{"id":"2002"},"message":{"text":"a"}}`, "100/0", true},
		{"a tag that is gone", "1001/messages", good,
			`{"recipient":{"id":"2002"},"messaging_type":"MESSAGE_TAG","tag":"ACCOUNT_UPDATE","message":{"text":"a"}}`, "100/2018199", true},
		{"empty", "1001/messages", good, text(""), "100/2018034", true},
		{"1999", "1001/messages", good, text(strings.Repeat("a", 1999)), "ok", false},
		{"2000", "1001/messages", good, text(strings.Repeat("a", 2000)), "100/2018109", true},
		{"13 replies", "1001/messages", good, strings.Replace(text("a"), `"a"`, `"a","quick_replies":[`+strings.Repeat(reply+",", 12)+reply+"]", 1), "ok", false},
		{"14 replies", "1001/messages", good, strings.Replace(text("a"), `"a"`, `"a","quick_replies":[`+strings.Repeat(reply+",", 13)+reply+"]", 1), "100/0", true},
		{"a long title", "1001/messages", good, strings.Replace(text("a"), `"a"`, `"a","quick_replies":[{"content_type":"text","title":"`+strings.Repeat("t", 21)+`","payload":"p"}]`, 1), "100/0", true},
		{"a file without https", "1001/messages", good, `{"recipient":{"id":"2002"},"messaging_type":"RESPONSE","message":{"attachment":{"type":"image","payload":{"url":"http://e.com/a"}}}}`, "100/2018008", true},
		{"typing", "1001/messages", good, `{"recipient":{"id":"2002"},"sender_action":"typing_on"}`, "ok", false},
		{"typing and a text", "1001/messages", good, `{"recipient":{"id":"2002"},"sender_action":"typing_on","message":{"text":"a"}}`, "100/0", true},
		{"a stranger", "1001/messages", good, strings.Replace(text("a"), "2002", "4004", 1), "100/2018001", false},
		{"take without a default app", "1001/take_thread_control", good, `{"recipient":{"id":"2002"}}`, "10/0", false},
		{"pass to nobody", "1001/pass_thread_control", good, `{"recipient":{"id":"2002"}}`, "100/0", true},
		{"no such edge", "1001/massages", good, `{}`, "2500/0", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, _, base := start(t, sim.Options{})
			s.Say("2002", "hi")
			if got := post(t, base, tt.path, tt.query, tt.body); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
			if b := s.Breaks(); (len(b) > 0) != tt.breaks {
				t.Errorf("breaks %q, want some: %v", b, tt.breaks)
			}
		})
	}
}

// TestWindowAndControl: by the platform's own clock.
func TestWindowAndControl(t *testing.T) {
	now := time.Unix(1700000000, 0)
	var mu sync.Mutex
	s, _, base := start(t, sim.Options{HumanAgent: true, Now: func() time.Time { mu.Lock(); defer mu.Unlock(); return now }})
	const good = "access_token=" + token + "&appsecret_proof=" + proof
	send := func(typ string) string {
		return post(t, base, "1001/messages", good, `{"recipient":{"id":"2002"},"messaging_type":`+typ+`,"message":{"text":"a"}}`)
	}
	const response, human = `"RESPONSE"`, `"MESSAGE_TAG","tag":"HUMAN_AGENT"`
	s.Say("2002", "hi")
	for _, tt := range []struct {
		after time.Duration
		typ   string
		want  string
	}{
		{24 * time.Hour, response, "ok"}, {25 * time.Hour, response, "10/2018278"}, {25 * time.Hour, human, "ok"},
		{7 * 24 * time.Hour, human, "ok"}, {7*24*time.Hour + 1, human, "10/2018278"},
	} {
		mu.Lock()
		now = time.Unix(1700000000, 0).Add(tt.after)
		mu.Unlock()
		if got := send(tt.typ); got != tt.want {
			t.Errorf("%s after %v: %s, want %s", tt.typ, tt.after, got, tt.want)
		}
	}
	s.Say("2002", "hi")
	s.Take("2002", "77", "")
	if got := send(response); got != "10/2018300" {
		t.Errorf("another's thread: %s", got)
	}
	s.Pass("2002", "9001", "")
	s.Block("2002")
	if got := send(response); got != "551/1545041" {
		t.Errorf("blocked: %s", got)
	}
}

// TestThreads: one app controls a thread, and who does is told.
func TestThreads(t *testing.T) {
	const good = "access_token=" + token + "&appsecret_proof=" + proof
	const take, pass, release, ask = "take_thread_control", "pass_thread_control", "release_thread_control", "request_thread_control"
	for _, tt := range []struct {
		name, dflt, owner string
		verb, body        string
		want, then        string // the answer, and the owner behind it
	}{
		{"take of the default app", "9001", "77", take, `{"recipient":{"id":"2002"}}`, "ok", "9001"},
		{"take of another app", "88", "77", take, `{"recipient":{"id":"2002"}}`, "10/0", "77"},
		{"take of its own", "88", "9001", take, `{"recipient":{"id":"2002"}}`, "ok", "9001"},
		{"pass", "88", "9001", pass, `{"recipient":{"id":"2002"},"target_app_id":"77","metadata":"m"}`, "ok", "77"},
		{"pass of another's", "88", "77", pass, `{"recipient":{"id":"2002"},"target_app_id":"9001"}`, "10/2018300", "77"},
		{"pass to a word", "88", "9001", pass, `{"recipient":{"id":"2002"},"target_app_id":"inbox"}`, "100/0", "9001"},
		{"release", "88", "9001", release, `{"recipient":{"id":"2002"}}`, "ok", ""},
		{"release of another's", "88", "77", release, `{"recipient":{"id":"2002"}}`, "10/2018300", "77"},
		{"ask", "88", "77", ask, `{"recipient":{"id":"2002"},"metadata":"m"}`, "ok", "77"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, _, base := start(t, sim.Options{Default: tt.dflt})
			s.Say("2002", "hi")
			s.Take("2002", tt.owner, "")
			if got := post(t, base, "1001/"+tt.verb, good, tt.body); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
			if got := s.Owner("2002"); got != tt.then {
				t.Errorf("the owner is %q, want %q", got, tt.then)
			}
		})
	}
	now := time.UnixMilli(1700000000000)
	s, h, base := start(t, sim.Options{Default: "77", Now: func() time.Time { return now }})
	list := func(e string) string {
		return `{"entry":[{"id":"1001","` + e + `],"time":1700000000000}],"object":"page"}`
	}
	const head = `"recipient":{"id":"1001"},"sender":{"id":"2002"},`
	s.Say("2002", "hi")
	s.Press("2002", "Start", "GO")
	s.Pass("2002", "9001", "a person, please")
	s.Press("2002", "Start", "GO")
	s.Take("2002", "77", "")
	want := []string{
		list(`standby":[{"message":{"mid":"m_000001","text":"hi"},` + head + `"timestamp":1700000000000}`),
		list(`standby":[{"postback":{"mid":"m_000002","title":"Start"},` + head + `"timestamp":1700000000000}`),
		list(`messaging":[{"pass_thread_control":{"metadata":"a person, please","new_owner_app_id":"9001","previous_owner_app_id":"77"},` +
			head + `"timestamp":1700000000000}`),
		list(`messaging":[{"postback":{"mid":"m_000003","payload":"GO","title":"Start"},` + head + `"timestamp":1700000000000}`),
		list(`messaging":[{` + head + `"take_thread_control":{"new_owner_app_id":"77","previous_owner_app_id":"9001"},"timestamp":1700000000000}`),
	}
	if diff := cmp.Diff(want, h.got()); diff != "" {
		t.Error(diff)
	}
	now = now.Add(25 * time.Hour)
	send := `{"recipient":{"id":"2002"},"messaging_type":"RESPONSE","message":{"text":"a"}}`
	if got := s.Owner("2002"); got != "" {
		t.Errorf("after a day the owner is %q, want none", got)
	}
	now = now.Add(-time.Hour - time.Minute)
	s.Pass("2002", "9001", "")
	if got := post(t, base, "1001/release_thread_control", good, `{"recipient":{"id":"2002"}}`); got != "ok" {
		t.Error(got)
	}
	if got := post(t, base, "1001/messages", good, send); got != "10/2018300" {
		t.Errorf("in an idle thread of the default app: %s", got)
	}
	if b := s.Breaks(); len(b) > 0 {
		t.Errorf("breaks %q", b)
	}
}

// TestWebhooks: signed as they are, escaped as Meta does, again until they are
// taken, twice and in the wrong order if told so.
func TestWebhooks(t *testing.T) {
	s, h, _ := start(t, sim.Options{Now: func() time.Time { return time.UnixMilli(1700000000000) }})
	h.refuse = 2
	s.Say("2002", "é你😀 a/b <")
	want := `{"entry":[{"id":"1001","messaging":[{"message":{"mid":"m_000001","text":"\u00e9\u4f60\ud83d\ude00 a\/b <"},` +
		`"recipient":{"id":"1001"},"sender":{"id":"2002"},"timestamp":1700000000000}],"time":1700000000000}],"object":"page"}`
	if diff := cmp.Diff([]string{want}, h.got()); diff != "" {
		t.Error(diff)
	}
	s.Disturb(2, true)
	s.Post(s.Act("2002", "read", 1), s.Act("2002", "read", 2))
	all := h.got()[1:]
	if len(all) != 3 || strings.Index(all[0], `"read":2`) > strings.Index(all[0], `"read":1`) {
		t.Errorf("%d webhooks: %q", len(all), all)
	}
	s.Disturb(0, false)
	var many []sim.Event
	for range 1001 {
		many = append(many, s.Act("2002", "read", 1))
	}
	s.Post(many...)
	if n := len(h.got()) - 4; n != 2 {
		t.Errorf("1001 events came in %d webhooks, want 2", n)
	}
	if taken, refused := s.Hooks(); taken != 6 || refused != 0 {
		t.Errorf("%d taken, %d refused", taken, refused)
	}
	h.refuse = 100
	s.Say("2002", "nobody hears it")
	if _, refused := s.Hooks(); refused != 1 {
		t.Errorf("%d refused for good, want 1", refused)
	}
}

// TestFilesExpire: the address of a file works for a while.
func TestFilesExpire(t *testing.T) {
	for life, want := range map[time.Duration]int{time.Hour: 200, -time.Hour: 403} {
		s, h, _ := start(t, sim.Options{FileFor: life})
		s.SendFile("2002", "image", "image/png", []byte("png"))
		_, rest, _ := strings.Cut(h.got()[0], `"url":"`)
		at, _, _ := strings.Cut(rest, `"`)
		res, err := http.Get(strings.ReplaceAll(at, `\/`, "/"))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("a file for %v: %d, want %d", life, res.StatusCode, want)
		}
	}
}

// TestControl: it is operated over HTTP, too.
func TestControl(t *testing.T) {
	_, h, base := start(t, sim.Options{})
	for path, body := range map[string]string{
		"/sim/say": `{"psid":"2002","text":"hi"}`, "/sim/press": `{"psid":"2002","text":"Start","payload":"GO"}`,
		"/sim/inbox": `{"psid":"2002","text":"mine"}`, "/sim/ask": `{"psid":"2002","app":"77"}`, "/sim/faults": `{"kind":"613/0","count":1}`,
	} {
		res, err := http.Post(base+path, "application/json", bytes.NewReader([]byte(body)))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != 200 {
			t.Errorf("%s: %s", path, res.Status)
		}
	}
	if n := len(h.got()); n != 4 {
		t.Errorf("%d webhooks, want 4", n)
	}
	const good = "access_token=" + token + "&appsecret_proof=" + proof
	for _, want := range []string{"613/0", "ok"} {
		if got := post(t, base, "1001/messages", good, `{"recipient":{"id":"2002"},"sender_action":"typing_on"}`); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	for _, bad := range []string{`{"kind":"meteor"}`, `{"knid":"500"}`, ``} {
		res, err := http.Post(base+"/sim/faults", "application/json", strings.NewReader(bad))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != 400 {
			t.Errorf("fault %s: %s", bad, res.Status)
		}
	}
}
