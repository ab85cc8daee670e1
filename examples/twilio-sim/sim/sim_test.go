package sim_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/openccsp/gateway/examples/twilio-sim/sim"
)

const (
	account = "AC00000000000000000000000000000001"
	token   = "12345abcdef67890"
	own     = "+441172345678"
	ada     = "+447700900123"
)

func form(pairs ...string) url.Values {
	f := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		f.Add(pairs[i], pairs[i+1])
	}
	return f
}

// ask posts a form, and returns the status and Twilio's code.
func ask(t *testing.T, s http.Handler, path, user, password string, f url.Values) (status, code int) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(f.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(user, password)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	var body struct {
		Code int
		SID  string
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code == http.StatusCreated && body.SID == "" {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	return w.Code, body.Code
}

// TestStrict: what Twilio refuses is refused, with its code, and counted.
func TestStrict(t *testing.T) {
	const messages, calls = "/2010-04-01/Accounts/" + account + "/Messages.json", "/2010-04-01/Accounts/" + account + "/Calls.json"
	const say = "<Response><Say>Hi</Say></Response>"
	long := strings.Repeat("a", 1601)
	for _, tt := range []struct {
		name   string
		path   string
		f      url.Values
		status int
		code   int
		breach bool
	}{
		{"a message", messages, form("To", ada, "From", own, "Body", "Hi"), 201, 0, false},
		{"by a service", messages, form("To", ada, "MessagingServiceSid", "MG1", "Body", "Hi"), 201, 0, false},
		{"to nobody", messages, form("From", own, "Body", "Hi"), 400, 21604, true},
		{"to no number", messages, form("To", "447700900123x", "From", own, "Body", "Hi"), 400, 21211, true},
		{"from nobody", messages, form("To", ada, "Body", "Hi"), 400, 21603, true},
		{"no text", messages, form("To", ada, "From", own), 400, 21602, true},
		{"1601", messages, form("To", ada, "From", own, "Body", long), 400, 21617, true},
		{"callback by http", messages, form("To", ada, "From", own, "Body", "Hi", "StatusCallback", "http://x/y"), 400, 21609, true},
		{"no such parameter", messages, form("To", ada, "From", own, "Body", "Hi", "Boddy", "x"), 400, 20001, true},
		{"one twice", messages, form("To", ada, "From", own, "Body", "Hi", "Body", "x"), 400, 20001, true},
		{"waits too long", messages, form("To", ada, "From", own, "Body", "Hi", "ValidityPeriod", "36001"), 400, 20001, true},
		{"a magic number", messages, form("To", "+15005550004", "From", own, "Body", "Hi"), 400, 21610, false},
		{"another account", strings.Replace(messages, "01/M", "02/M", 1), form("To", ada), 404, 20404, true},
		{"a call", calls, form("To", ada, "From", own, "Twiml", say), 201, 0, false},
		{"with nothing to do", calls, form("To", ada, "From", own), 400, 21205, true},
		{"from no number", calls, form("To", ada, "From", "Acme", "Twiml", say), 400, 21212, true},
		{"too much TwiML", calls, form("To", ada, "From", own, "Twiml", "<Response><Say>"+strings.Repeat("a", 4000)+"</Say></Response>"), 400, 21240, true},
		{"no TwiML", calls, form("To", ada, "From", own, "Twiml", "<Response><Sing/></Response>"), 400, 12100, true},
		{"rings for ever", calls, form("To", ada, "From", own, "Twiml", say, "Timeout", "601"), 400, 20001, true},
		{"no such event", calls, form("To", ada, "From", own, "Twiml", say, "StatusCallbackEvent", "busy"), 400, 21626, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := sim.New(sim.Options{AccountSID: account, AuthToken: token})
			defer s.Close()
			status, code := ask(t, s, tt.path, account, token, tt.f)
			if status != tt.status || code != tt.code {
				t.Errorf("%d %d, want %d %d", status, code, tt.status, tt.code)
			}
			if got := len(s.Breaches()) > 0; got != tt.breach {
				t.Errorf("breaches %v", s.Breaches())
			}
		})
	}
	s := sim.New(sim.Options{AccountSID: account, AuthToken: token})
	defer s.Close()
	if status, code := ask(t, s, messages, account, "guess", form("To", ada)); status != 401 || code != 20003 || len(s.Breaches()) != 1 {
		t.Errorf("a wrong token: %d %d %v", status, code, s.Breaches())
	}
}

// TestControl: a person moves it.
func TestControl(t *testing.T) {
	s := sim.New(sim.Options{AccountSID: account, AuthToken: token})
	defer s.Close()
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Twilio-Signature") == "" || r.FormValue("From") != ada {
			t.Errorf("%v %v", r.Header, r.Form)
		}
		w.Header().Set("Content-Type", "text/xml")
		_, _ = w.Write([]byte("<Response/>"))
	}))
	defer hook.Close()
	s.SetHook(hook.URL, "")
	for _, tt := range []struct {
		path, body string
		want       int
	}{
		{"/sim/receive", `{"from":"` + ada + `","to":"` + own + `","body":"Hi"}`, 200},
		{"/sim/ring", `{"from":"` + ada + `","to":"` + own + `","hook":"` + hook.URL + `"}`, 200},
		{"/sim/fate", `{"to":"` + ada + `","status":"busy"}`, 200},
		{"/sim/faults", `{"kind":"429"}`, 200},
		{"/sim/faults", `{"kind":"tea"}`, 400},
		{"/sim/fate", `{"who":"x"}`, 400},
	} {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, tt.path, strings.NewReader(tt.body)))
		if w.Code != tt.want {
			t.Errorf("%s %s: %d %s, want %d", tt.path, tt.body, w.Code, w.Body, tt.want)
		}
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/sim/state", nil))
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"breaches":{}`) {
		t.Errorf("state %s", w.Body)
	}
}
