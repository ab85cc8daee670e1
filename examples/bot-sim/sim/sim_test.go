package sim_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/openccsp/gateway/examples/bot-sim/sim"
)

const (
	secret = "sixteen-bytes-long"
	rest   = "/webhooks/rest/webhook"
)

// start serves a bot.
func start(t *testing.T, o sim.Options) (*sim.Sim, string) {
	t.Helper()
	s, err := sim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s)
	t.Cleanup(func() { srv.Close(); s.Close() })
	return s, srv.URL
}

// head is an answer without its body.
type head struct {
	StatusCode int
	Header     http.Header
}

// do makes a request, signed under id if that is not "". The head is nil if no
// answer came.
func do(t *testing.T, method, url, typ, body, id string) (*head, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", typ)
	if id != "" {
		k, err := standardwebhooks.NewWebhookRaw([]byte(secret))
		if err != nil {
			t.Fatal(err)
		}
		signature, err := k.Sign(id, time.Now(), []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("webhook-id", id)
		r.Header.Set("webhook-timestamp", strconv.FormatInt(time.Now().Unix(), 10))
		r.Header.Set("webhook-signature", signature)
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, ""
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Errorf("the answer is cut off: %v", err)
	}
	return &head{res.StatusCode, res.Header}, string(b)
}

const message = `{"sender":"s1","message":"%","metadata":{"message_id":"m1","customer":{"first_name":"Ada"}}}`

// TestRasa: what it answers to words.
func TestRasa(t *testing.T) {
	_, base := start(t, sim.Options{})
	for text, want := range map[string]string{
		"Hello!": `[{"recipient_id":"s1","custom":{"on":true,"type":"typing"}},{"recipient_id":"s1","text":"Hello Ada, I am the shop's bot.",` +
			`"buttons":[{"title":"Opening hours","payload":"/opening_hours"},{"title":"Talk to a person","payload":"/talk_to_a_person"}]}]`,
		"this":    `unhandled_message`, // has hi in it, and does not say it
		"Weekday": `[{"recipient_id":"s1","text":"From 9 to 18 o'clock."}]`,
		"picture": `[{"recipient_id":"s1","image":"https://example.com/shop.png"}]`,
		"a human, please": `[{"recipient_id":"s1","text":"One moment, I ask somebody."},{"recipient_id":"s1",` +
			`"custom":{"handover":{"action":"offer","reason":"The customer asks for a person.","to":"ccsp"}}}]`,
		"/talk_to_a_person":             `"action":"offer"`,
		"now":                           `"action":"pass"`,
		"/chat_closed{\\\"a\\\":1}":     `Here I am again.`,
		`/chat_closed{\"to\":\"bot\"}`:  `Here I am again.`,
		`/chat_closed{\"to\":\"none\"}`: `[]`,
		"/no_such_intent{\\\"a\\\"}":    `[]`,
	} {
		res, got := do(t, http.MethodPost, base+rest, "application/json; charset=utf-8", strings.Replace(message, "%", text, 1), "")
		if res.StatusCode != http.StatusOK || !strings.Contains(got, want) {
			t.Errorf("%s: %d %s, want %s", text, res.StatusCode, got, want)
		}
	}
}

// TestRefused: what breaks the contract does not get through.
func TestRefused(t *testing.T) {
	s, base := start(t, sim.Options{Secrets: []string{secret}})
	const typ = "application/json"
	for _, tt := range []struct {
		path, typ, body, id string
		want                int
	}{
		{rest, typ, `{"message":"hi"}`, "", 400},
		{rest, typ, `{"sender":null,"message":"hi"}`, "", 400},
		{rest, typ, `{"sender":" ","message":"hi"}`, "", 400},
		{rest, typ, `{"sender":7,"message":"hi"}`, "", 400},
		{rest, typ, `{"sender":"s"}`, "", 400},
		{rest, typ, `{"sender":"s","message":["hi"]}`, "", 400},
		{rest, typ, `{"sender":"s","message":"hi","metadata":"x"}`, "", 400},
		{rest, typ, `{"sender":"s","message":"hi","massage":"x"}`, "", 400},
		{rest, typ, `["s"]`, "", 400},
		{rest, typ, `{"sender":"s","mess`, "", 400},
		{rest, typ, ``, "", 400},
		{rest, "text/plain", `{"sender":"s","message":"hi"}`, "", 415},
		{rest, "", `{"sender":"s","message":"hi"}`, "", 415},
		{rest, typ, `{"sender":"s","message":"` + strings.Repeat("a", 1<<20) + `"}`, "", 413},
		{"/webhooks/socketio/webhook", typ, `{}`, "", 404},
		{"/bot", typ, `{"version":1,"type":"ping"}`, "", 401},
		{"/bot", "text/plain", `{"version":1,"type":"ping"}`, "p", 415},
		{"/bot", typ, `{"version":2,"type":"ping"}`, "p", 400},
		{"/bot", typ, `{"version":"1","type":"ping"}`, "p", 400},
		{"/bot", typ, `{"version":1,"type":"dance"}`, "p", 400},
		{"/bot", typ, `{"version":1,"type":"message","conversation":{"id":"c"}}`, "p", 400},
		{"/bot", typ, `{"version":1,"type":"message","message":{"id":"m"}}`, "p", 400},
		{"/bot", typ, `{"version":1,"type":"event","conversation":{"id":"c"},"event":{}}`, "p", 400},
		{"/bot", typ, `{"version":1,"type":"ping","pong":true}`, "p", 400},
	} {
		res, got := do(t, http.MethodPost, base+tt.path, tt.typ, tt.body, tt.id)
		if res.StatusCode != tt.want {
			t.Errorf("%s %.60s: %d %s, want %d", tt.path, tt.body, res.StatusCode, got, tt.want)
		}
	}
	if got := s.Messages(0); len(got) > 0 {
		t.Errorf("it took %+v", got)
	}
	res, got := do(t, http.MethodPost, base+rest, typ, `{`, "")
	want := `{"description":"Bad Request","message":"Failed when parsing body as json","status":400}`
	if got != want || res.Header.Get("Content-Type") != typ {
		t.Errorf("%s, want Rasa's %s", got, want)
	}
}

// TestJSON: what is signed is answered, signed for the request, and a request
// that comes again is done once.
func TestJSON(t *testing.T) {
	s, base := start(t, sim.Options{Secrets: []string{secret}})
	body := `{"version":1,"type":"message","conversation":{"id":"c1"},"customer":{"name":"Ada"},"message":{"id":"m.1","author":"customer","text":"Sunday"}}`
	want := `{"version":1,"conversation":"c1","events":[{"type":"message","text":"On Sundays we are closed."}]}`
	k, err := standardwebhooks.NewWebhookRaw([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		res, got := do(t, http.MethodPost, base+"/bot", "application/json", body, "m-1")
		if got != want || res.Header.Get("webhook-id") != "m-1" || k.Verify([]byte(got), res.Header) != nil {
			t.Errorf("%s under %q, want %s, signed", got, res.Header.Get("webhook-id"), want)
		}
		if m := s.Messages(i); len(m) != 1 || m[0].Again != (i == 1) || m[0].Text != "Sunday" || m[0].ID != "m-1" {
			t.Errorf("got %+v", m)
		}
	}
	if _, got := do(t, http.MethodPost, base+"/bot", "application/json", `{"version":1,"type":"ping"}`, "p"); got != `{"version":1,"type":"pong"}` {
		t.Errorf("ping: %s", got)
	}
	for i, quiet := range []string{strings.Replace(body, `"message":{`, `"copy":true,"message":{`, 1),
		`{"version":1,"type":"event","conversation":{"id":"c1"},"event":{"name":"control_passed"}}`,
		`{"version":1,"type":"event","conversation":{"id":"c1"},"event":{"name":"chat_closed","params":{"to":"ccsp"}}}`} {
		if res, got := do(t, http.MethodPost, base+"/bot", "application/json", quiet, "q"+strconv.Itoa(i)); res.StatusCode != 204 || got != "" {
			t.Errorf("%s: %d %s, want 204", quiet, res.StatusCode, got)
		}
	}
	_, got := do(t, http.MethodGet, base+"/sim/messages?after=2", "", "", "")
	var list struct{ Messages []sim.Message }
	if err := json.Unmarshal([]byte(got), &list); err != nil || len(list.Messages) != 3 || !list.Messages[0].Copy || list.Messages[1].Event != "control_passed" {
		t.Errorf("messages %s, %v", got, err)
	}
	if res, _ := do(t, http.MethodGet, base+"/sim/messages?after=x", "", "", ""); res.StatusCode != 400 {
		t.Errorf("after=x: %d, want 400", res.StatusCode)
	}
}

// TestLater: callbacks and later answers come to the hook in order, and again
// if it was not there.
func TestLater(t *testing.T) {
	for _, tt := range []struct {
		name, path, body, id string
		o                    sim.Options
		want                 []string
	}{
		{"callback", "/webhooks/callback/webhook", strings.Replace(message, "%", "human", 1), "", sim.Options{HookToken: "t0k"}, []string{
			`token=t0k {"recipient_id":"s1","text":"One moment, I ask somebody."}`,
			`token=t0k {"recipient_id":"s1","custom":{"handover":{"action":"offer","reason":"The customer asks for a person.","to":"ccsp"}}}`,
			`token=t0k {"recipient_id":"s1","text":"Are you there?"}`}},
		{"json", "/bot", `{"version":1,"type":"message","conversation":{"id":"s1"},"message":{"id":"m","text":"sunday"}}`, "m",
			sim.Options{Secrets: []string{secret}, Later: true}, []string{
				`later-m {"version":1,"conversation":"s1","events":[{"type":"message","text":"On Sundays we are closed."}]}`,
				`say {"version":1,"conversation":"s1","events":[{"type":"message","text":"Are you there?"}]}`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := make(chan string, 10)
			down := true
			hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				b, err := io.ReadAll(r.Body)
				if err != nil || down { // it does one request at a time
					down = false
					w.WriteHeader(http.StatusServiceUnavailable)
					return
				}
				id, _, _ := strings.Cut(r.Header.Get("webhook-id"), "-")
				if id == "later" {
					id = r.Header.Get("webhook-id")
				}
				got <- r.URL.RawQuery + id + " " + string(b)
			}))
			defer hook.Close()
			tt.o.Retry = time.Millisecond
			s, base := start(t, tt.o)
			s.SetHook(hook.URL)
			res, answer := do(t, http.MethodPost, base+tt.path, "application/json", tt.body, tt.id)
			if res.StatusCode >= 300 || answer != "" && answer != "success" {
				t.Errorf("%d %s", res.StatusCode, answer)
			}
			if res, answer := do(t, http.MethodPost, base+"/sim/say", "", `{"conversation":"s1","text":"Are you there?"}`, ""); res.StatusCode != 202 {
				t.Errorf("say: %d %s", res.StatusCode, answer)
			}
			var all []string
			for range tt.want {
				select {
				case one := <-got:
					all = append(all, one)
				case <-time.After(time.Minute):
					t.Fatalf("after %q nothing came", all)
				}
			}
			if diff := cmp.Diff(tt.want, all); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestFaults: each kind of misbehaviour, as often as it was ordered.
func TestFaults(t *testing.T) {
	s, base := start(t, sim.Options{Secrets: []string{secret}})
	body := strings.Replace(message, "%", "sunday", 1)
	signed := `{"version":1,"type":"message","conversation":{"id":"c1"},"message":{"id":"m","text":"sunday"}}`
	const good = `[{"recipient_id":"s1","text":"On Sundays we are closed."}]`
	for kind, want := range map[string]string{
		"rst": "", "html": "200 <!DOCTYPE html>", "half": `200 [{"recipient_id":"`, "empty": "200 ", "redirect": "307 ",
		"500": `500 {"description":"Internal Server Error"`, "429": "429 ",
	} {
		if res, got := do(t, http.MethodPost, base+"/sim/faults", "", `{"verb":"rest","kind":"`+kind+`","count":1,"retry_after":7}`, ""); res.StatusCode != 200 {
			t.Fatalf("%s: %s", kind, got)
		}
		res, got := do(t, http.MethodPost, base+rest, "application/json", body, "")
		switch {
		case want == "" && res != nil:
			t.Errorf("%s: %d %s", kind, res.StatusCode, got)
		case want != "" && (res == nil || !strings.HasPrefix(strconv.Itoa(res.StatusCode)+" "+got, want)):
			t.Errorf("%s: %v %s, want %s", kind, res, got, want)
		case kind == "429" && res.Header.Get("Retry-After") != "7":
			t.Errorf("Retry-After %q", res.Header.Get("Retry-After"))
		}
		if _, got := do(t, http.MethodPost, base+rest, "application/json", body, ""); got != good {
			t.Errorf("after %s: %s", kind, got)
		}
	}
	before := len(s.Messages(0))
	for _, kind := range []string{"unsigned", "stale"} {
		if err := s.SetFault(sim.Fault{Verb: "json", Kind: kind, Count: 1}); err != nil {
			t.Fatal(err)
		}
		k, err := standardwebhooks.NewWebhookRaw([]byte(secret))
		if err != nil {
			t.Fatal(err)
		}
		res, got := do(t, http.MethodPost, base+"/bot", "application/json", signed, "x"+kind)
		if k.Verify([]byte(got), res.Header) == nil || !strings.Contains(got, "closed") {
			t.Errorf("%s: %d %s with %v", kind, res.StatusCode, got, res.Header)
		}
	}
	if err := s.SetFault(sim.Fault{Kind: "502", After: true}); err != nil {
		t.Fatal(err)
	}
	if res, _ := do(t, http.MethodPost, base+rest, "application/json", body, ""); res.StatusCode != 502 || len(s.Messages(before)) != 3 {
		t.Errorf("%d with %d messages taken, want 502 and 3", res.StatusCode, len(s.Messages(before)))
	}
	if _, got := do(t, http.MethodDelete, base+"/sim/faults", "", "", ""); got != `{"faults":[]}` {
		t.Errorf("cleared: %s", got)
	}
	if res, _ := do(t, http.MethodPost, base+"/sim/faults", "", `{"kind":"sulk"}`, ""); res.StatusCode != 400 {
		t.Errorf("an unknown kind: %d, want 400", res.StatusCode)
	}
	if res, _ := do(t, http.MethodGet, base+"/webhooks/rest/", "", "", ""); res.StatusCode != 200 {
		t.Errorf("status of the channel: %d", res.StatusCode)
	}
}

// TestScripts: a mistake is told with its place.
func TestScripts(t *testing.T) {
	for text, want := range map[string]string{
		"# nothing\n\nhello": `t.txt:3: no "=>"; write words => answer`,
		", => x":             "t.txt:1: an empty word; write * to match everything",
		"a => ":              "t.txt:1: an empty act",
		"a => !sing":         "t.txt:1: unknown act !sing; want one of buttons, image, typing, event, offer, pass, accept, release",
		"a => !buttons x":    "t.txt:1: !buttons does not follow a text",
		"a => x => !buttons A | B => !release done\n* => ?": "",
	} {
		_, err := sim.ReadScript("t.txt", text)
		if (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
