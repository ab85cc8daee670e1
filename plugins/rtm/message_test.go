package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/openccsp/gateway/sdk"
)

func TestMessage(t *testing.T) {
	r := newRig(t, nil)
	auth := "accesstoken: " + r.user("alice").AccessToken
	customer := sdk.Customer{Address: "alice"}
	tests := []struct {
		name, body string
		want       sdk.Event
	}{
		{"text", `{"tid":"c1","message":"Grüezi 👋🏽"}`,
			sdk.Event{Type: "customer_message", ID: "alice/c1", MessageID: "c1", Customer: customer, Text: "Grüezi 👋🏽"}},
		{"vendor's form", `{"tid":"c2","clientId":"webshop/alice/d1","channel":"rt","thread":{"id":"7"},"outgoing":true,"message":"hi","media":[],"extras":{}}`,
			sdk.Event{Type: "customer_message", ID: "alice/c2", MessageID: "c2", Customer: customer, Text: "hi"}},
		{"attachment", `{"tid":"c3","media":[{"url":"https://x.example/a.png","mime":"image/png","name":"a.png","bytes":3}]}`,
			sdk.Event{Type: "customer_message", ID: "alice/c3", MessageID: "c3", Customer: customer,
				Attachments: []sdk.Attachment{{URL: "https://x.example/a.png", MIME: "image/png", Name: "a.png", Bytes: 3}}}},
		{"quick reply", `{"tid":"c4","quickReply":{"title":"Yes","payload":"y"}}`,
			sdk.Event{Type: "customer_message", ID: "alice/c4", MessageID: "c4", Customer: customer, Text: "Yes",
				QuickReply: &sdk.QuickReply{Title: "Yes", Payload: "y"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp := r.call("POST", "/mo", tt.body, auth)
			if got := into[map[string]string](t, resp)["tid"]; got != tt.want.MessageID {
				t.Errorf("tid %q, want %q", got, tt.want.MessageID)
			}
			tt.want.Payload = json.RawMessage(tt.body)
			if diff := cmp.Diff([]sdk.Event{tt.want}, resp.Events); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("without tid is never a duplicate", func(t *testing.T) {
		a, b := r.call("POST", "/mo", `{"message":"x","clientId":"webshop/alice/d1"}`, auth), r.call("POST", "/mo", `{"message":"x"}`, auth)
		if a.Events[0].ID != "" || b.Events[0].ID != "" || a.Events[0].MessageID == b.Events[0].MessageID {
			t.Errorf("events %+v and %+v", a.Events[0], b.Events[0])
		}
	})
	t.Run("same tid of two users", func(t *testing.T) {
		a := r.call("POST", "/mo", `{"tid":"c","message":"x"}`, auth)
		b := r.call("POST", "/webshop/mo", `{"tid":"c","message":"x"}`, "Authorization: Bearer "+r.user("bob").AccessToken)
		if a.Events[0].ID == b.Events[0].ID {
			t.Errorf("both have id %q", a.Events[0].ID)
		}
	})
}

// refused are requests with status and code of their refusal.
func TestRefused(t *testing.T) {
	r := newRig(t, func(s *Settings) { s.Origins = []string{"https://shop.example.com"} })
	auth := "accesstoken: " + r.user("alice").AccessToken
	deep := `{"message":"x","extras":` + strings.Repeat(`[`, 10_000) + strings.Repeat(`]`, 10_000) + `}`
	long := strings.Repeat("x", defaultMaxMessage+1)
	tests := []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		code                     string
	}{
		{"no token", "POST", "/mo", `{"message":"x"}`, nil, 401, "unauthorized"},
		{"empty token", "POST", "/mo", `{"message":"x"}`, []string{"accesstoken: "}, 401, "unauthorized"},
		{"wrong token", "POST", "/mo", `{"message":"x"}`, []string{"accesstoken: x.y.z"}, 401, "unauthorized"},
		{"two tokens", "POST", "/mo", `{"message":"x"}`, []string{auth, auth}, 401, "unauthorized"},
		{"basic", "POST", "/mo", `{"message":"x"}`, []string{"Authorization: Basic YTpi"}, 401, "unauthorized"},
		{"form", "POST", "/mo", `message=x`, []string{auth, "Content-Type: application/x-www-form-urlencoded"}, 415, "unsupported_media_type"},
		{"plain text", "POST", "/mo", `{"message":"x"}`, []string{auth, "Content-Type: text/plain"}, 415, "unsupported_media_type"},
		{"no content type", "POST", "/mo", `{"message":"x"}`, []string{auth, "Content-Type: "}, 415, "unsupported_media_type"},
		{"latin 1", "POST", "/mo", `{"message":"x"}`, []string{auth, "Content-Type: application/json; charset=latin1"}, 415, "unsupported_media_type"},
		{"compressed", "POST", "/mo", `{"message":"x"}`, []string{auth, "Content-Encoding: gzip"}, 415, "unsupported_media_type"},
		{"too long a text", "POST", "/mo", `{"message":"` + long + `"}`, []string{auth}, 413, "too_large"},
		{"too long a choice for a text", "POST", "/mo", `{"quickReply":{"title":"` + long[:maxChoice+1] + `"}}`, []string{auth}, 400, "invalid"},
		{"too long a payload", "POST", "/mo", `{"quickReply":{"title":"x","payload":"` + long[:maxChoice+1] + `"}}`, []string{auth}, 400, "invalid"},
		{"too long a caption", "POST", "/mo", `{"media":[{"url":"https://x.example","caption":"` + long[:maxCaption+1] + `"}]}`, []string{auth}, 400, "invalid"},
		{"too long a file name", "POST", "/mo", `{"media":[{"url":"https://x.example","name":"` + long[:256] + `"}]}`, []string{auth}, 400, "invalid"},
		{"less than no bytes", "POST", "/mo", `{"media":[{"url":"https://x.example","bytes":-1}]}`, []string{auth}, 400, "invalid"},
		{"too large a body", "POST", "/mo", `{"message":"x","extras":"` + strings.Repeat("x", maxBody) + `"}`, []string{auth}, 413, "too_large"},
		{"empty body", "POST", "/mo", ``, []string{auth}, 400, "invalid"},
		{"empty message", "POST", "/mo", `{"message":""}`, []string{auth}, 400, "invalid"},
		{"half JSON", "POST", "/mo", `{"message":"x"`, []string{auth}, 400, "invalid"},
		{"two values", "POST", "/mo", `{"message":"x"}{}`, []string{auth}, 400, "invalid"},
		{"list", "POST", "/mo", `["x"]`, []string{auth}, 400, "invalid"},
		{"null", "POST", "/mo", `null`, []string{auth}, 400, "invalid"},
		{"NaN", "POST", "/mo", `{"message":NaN}`, []string{auth}, 400, "invalid"},
		{"number for text", "POST", "/mo", `{"message":7}`, []string{auth}, 400, "invalid"},
		{"duplicate key", "POST", "/mo", `{"message":"x","message":"y"}`, []string{auth}, 400, "invalid"},
		{"duplicate key in other case", "POST", "/mo", `{"message":"x","Message":"y"}`, []string{auth}, 400, "invalid"},
		{"deep", "POST", "/mo", deep, []string{auth}, 400, "invalid"},
		{"invalid UTF-8", "POST", "/mo", "{\"message\":\"\xff\"}", []string{auth}, 400, "invalid"},
		{"raw NUL", "POST", "/mo", "{\"message\":\"\x00\"}", []string{auth}, 400, "invalid"},
		{"escaped NUL", "POST", "/mo", `{"message":"\u0000"}`, []string{auth}, 400, "invalid"},
		{"NUL in a key", "POST", "/mo", `{"message":"x","extras":{"\u0000":1}}`, []string{auth}, 400, "invalid"},
		{"tid with space", "POST", "/mo", `{"message":"x","tid":"a b"}`, []string{auth}, 400, "invalid"},
		{"long tid", "POST", "/mo", `{"message":"x","tid":"` + strings.Repeat("x", maxMessageID+1) + `"}`, []string{auth}, 400, "invalid"},
		{"attachment by file", "POST", "/mo", `{"media":[{"url":"file:///etc/passwd"}]}`, []string{auth}, 400, "invalid"},
		{"attachment by script", "POST", "/mo", `{"media":[{"url":"javascript:alert(1)"}]}`, []string{auth}, 400, "invalid"},
		{"many attachments", "POST", "/mo", `{"media":[` + strings.Repeat(`{"url":"https://x.example"},`, 10) + `{"url":"https://x.example"}]}`, []string{auth}, 400, "invalid"},
		{"receipt without id", "POST", "/deliveryupdate", `{"status":2}`, []string{auth}, 400, "invalid"},
		{"receipt with bad id", "POST", "/deliveryupdate", `{"status":2,"tid":"C 1"}`, []string{auth}, 400, "invalid"},
		{"receipt with long id", "POST", "/deliveryupdate", `{"status":2,"tid":"` + strings.Repeat("1", 65) + `"}`, []string{auth}, 400, "invalid"},
		{"receipt with bad status", "POST", "/deliveryupdate", `{"status":4,"tid":"c.1.1"}`, []string{auth}, 400, "invalid"},
		{"receipt without status", "POST", "/deliveryupdate", `{"tid":"c.1.1"}`, []string{auth}, 400, "invalid"},
		{"many receipts", "POST", "/deliveryupdate", `{"status":2,"tids":["1"` + strings.Repeat(`,"1"`, maxReceipts) + `]}`, []string{auth}, 400, "invalid"},
		{"typing without on", "POST", "/typing", `{}`, []string{auth}, 400, "invalid"},
		{"typing with text", "POST", "/typing", `{"on":"yes"}`, []string{auth}, 400, "invalid"},
		{"messages without token", "GET", "/messages", ``, nil, 401, "unauthorized"},
		{"messages after what", "GET", "/messages?after=%2F", ``, []string{auth}, 400, "invalid"},
		{"messages bad limit", "GET", "/messages?limit=0", ``, []string{auth}, 400, "invalid"},
		{"messages bad query", "GET", "/messages?limit=%zz", ``, []string{auth}, 400, "invalid"},
		{"messages after a foreign one", "GET", "/messages?after=foreign.1", ``, []string{auth}, 400, "invalid"},
		{"unknown", "POST", "/nothing", `{}`, []string{auth}, 404, "not_found"},
		{"root", "GET", "", ``, nil, 404, "not_found"},
		{"wrong method", "GET", "/mo", ``, []string{auth}, 405, "method_not_allowed"},
		{"foreign page", "POST", "/mo", `{"message":"x"}`, []string{auth, "Origin: https://evil.example.com"}, 403, "forbidden"},
		{"page with no origin", "POST", "/mo", `{"message":"x"}`, []string{auth, "Origin: null"}, 403, "forbidden"},
		{"two origins", "POST", "/mo", `{"message":"x"}`, []string{auth, "Origin: https://shop.example.com", "Origin: https://evil.example.com"}, 403, "forbidden"},
		{"foreign preflight", "OPTIONS", "/mo", ``, []string{"Origin: https://evil.example.com"}, 403, "forbidden"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp := r.call(tt.method, tt.path, tt.body, tt.headers...)
			if resp.Status != tt.status || errorCode(t, resp) != tt.code || len(resp.Events) != 0 {
				t.Errorf("%d %s with %d events, want %d %s", resp.Status, resp.Body, len(resp.Events), tt.status, tt.code)
			}
		})
	}
}

func TestCrossOrigin(t *testing.T) {
	r := newRig(t, func(s *Settings) { s.Origins = []string{"https://Shop.example.com/"} })
	const page = "https://shop.example.com"
	resp := r.call("OPTIONS", "/mo", "", "Origin: "+page, "Access-Control-Request-Method: POST")
	if resp.Status != 204 || resp.Header.Get("Access-Control-Allow-Origin") != page ||
		!strings.Contains(resp.Header.Get("Access-Control-Allow-Headers"), "accesstoken") {
		t.Errorf("preflight: %d %v", resp.Status, resp.Header)
	}
	for _, origin := range []string{page, "https://gw.example.com"} {
		resp = r.call("POST", "/register", `{}`, "Origin: "+origin)
		if resp.Status != 200 || resp.Header.Get("Access-Control-Allow-Origin") != origin || resp.Header.Get("Vary") != "Origin" {
			t.Errorf("from %s: %d %v", origin, resp.Status, resp.Header)
		}
	}
	// A refusal is readable too.
	if resp = r.call("POST", "/mo", `{}`, "Origin: "+page); resp.Header.Get("Access-Control-Allow-Origin") != page {
		t.Errorf("refusal: %d %v", resp.Status, resp.Header)
	}
}

func TestMessagesAreLimitedByUser(t *testing.T) {
	r := newRig(t, func(s *Settings) { s.MessagesPerMinute = 2 })
	alice, bob := r.user("alice").AccessToken, r.user("bob").AccessToken
	var got []int
	for _, token := range []string{alice, alice, alice, bob} {
		got = append(got, r.call("POST", "/mo", `{"message":"x"}`, "accesstoken: "+token).Status)
	}
	if diff := cmp.Diff([]int{200, 200, 429, 200}, got); diff != "" {
		t.Error(diff)
	}
}

func TestReceipts(t *testing.T) {
	r := newRig(t, nil)
	auth := "accesstoken: " + r.user("alice").AccessToken
	event := func(kind, id string) sdk.Event {
		return sdk.Event{Type: kind, ID: kind + "/" + id, MessageID: id, Customer: sdk.Customer{Address: "alice"}}
	}
	tests := []struct {
		body string
		want []sdk.Event
	}{
		{`{"tid":"c.1.1","status":2}`, []sdk.Event{event("message_delivered", "c.1.1")}},
		{`{"tids":["c.1.1","c.1.2"],"status":"2","channel":"rt","clientId":"webshop/alice/d1"}`,
			[]sdk.Event{event("message_delivered", "c.1.1"), event("message_delivered", "c.1.2")}},
		{`{"tid":"c.1.1","status":3}`, []sdk.Event{event("message_delivered", "c.1.1"), event("message_read", "c.1.1")}},
	}
	for _, tt := range tests {
		resp := r.call("POST", "/deliveryupdate", tt.body, auth)
		if diff := cmp.Diff(tt.want, resp.Events, cmpopts.EquateEmpty()); resp.Status != 200 || diff != "" {
			t.Errorf("%s: %d %s", tt.body, resp.Status, diff)
		}
	}
}

func TestTypingOfCustomer(t *testing.T) {
	r := newRig(t, nil)
	auth := "accesstoken: " + r.user("alice").AccessToken
	const more = 200
	for i := range typingPerMinute + more { // more are taken, and not passed on
		if resp := r.call("POST", "/typing", fmt.Sprintf(`{"on":%t}`, i == 0), auth); resp.Status != 200 {
			t.Fatalf("status %d", resp.Status)
		}
		if i == 0 {
			if got := <-r.host.typed; got != "alice true" {
				t.Errorf("got %q", got)
			}
		} else if i < typingPerMinute {
			<-r.host.typed
		}
	}
	if n := len(r.host.typed); n >= more { // some of a minute's share comes back meanwhile
		t.Errorf("all %d above the limit were passed on", n)
	}
}

func TestMessagesOverREST(t *testing.T) {
	r := newRig(t, nil)
	auth := "accesstoken: " + r.user("alice").AccessToken
	r.host.keep("alice", text(1), text(2), text(3))
	r.host.keep("bob", text(4))
	ids := func(path string) (ids []string) {
		for _, m := range into[struct{ Messages []downlink }](t, r.call("GET", path, "", auth)).Messages {
			ids = append(ids, m.TID)
		}
		return ids
	}
	for path, want := range map[string][]string{
		"/messages":                     {"c.1.1", "c.1.2", "c.1.3"},
		"/messages?after=c.1.1":         {"c.1.2", "c.1.3"},
		"/messages?after=c.1.1&limit=1": {"c.1.2"},
		"/webshop/messages?after=c.1.3": nil,
	} {
		if diff := cmp.Diff(want, ids(path)); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
}

func TestMessagesInPagesThatFit(t *testing.T) {
	r := newRig(t, nil)
	auth := "accesstoken: " + r.user("alice").AccessToken
	for n := range maxPage {
		m := text(n)
		m.Text = strings.Repeat("<", maxDownlinkText)
		r.host.keep("alice", m)
	}
	after, got := "", 0
	for {
		resp := r.call("GET", "/messages?after="+after, "", auth)
		if len(resp.Body) > 2*maxPageBytes {
			t.Fatalf("a page of %d bytes", len(resp.Body))
		}
		page := into[struct{ Messages []downlink }](t, resp).Messages
		if len(page) == 0 {
			break
		}
		got += len(page)
		after = page[len(page)-1].TID
	}
	if got != maxPage {
		t.Errorf("%d messages, want %d", got, maxPage)
	}
	r.host.broken = true
	if resp := r.call("GET", "/messages", "", auth); resp.Status != 503 || errorCode(t, resp) != "unavailable" {
		t.Errorf("while the gateway does not answer: %d %s", resp.Status, resp.Body)
	}
}

// A client is told what it sent and what was wanted, in JSON's words.
func TestMismatchIsSaidInTheWordsOfJSON(t *testing.T) {
	var v struct {
		Media []string `json:"media"`
		Bytes int      `json:"bytes"`
		Name  string   `json:"name"`
	}
	for body, want := range map[string]string{
		`{"media":{}}`:  "media: got object, want array",
		`{"bytes":"3"}`: "bytes: got string, want number",
		`{"name":[1]}`:  "name: got array, want string",
	} {
		if err := decode([]byte(body), &v); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", body, err, want)
		}
	}
}

// Ten thousand broken bodies on each route: refused or understood, never a panic,
// an event from a refusal or a 5xx.
func TestBrokenBodies(t *testing.T) {
	const n = 10_000
	r := newRig(t, nil)
	token := r.user("alice").AccessToken
	auth := "accesstoken: " + token
	r.cfg.BrokerHookSecret = token // else its routes answer nothing
	p, err := r.packet("alice", sdk.Message{ID: "c.1.1", Text: addressForm})
	if err != nil {
		t.Fatal(err)
	}
	var sent downlink
	if err := json.Unmarshal(p.body, &sent); err != nil {
		t.Fatal(err)
	}
	seeds := []string{
		`{"tid":"c1","message":"hello","media":[{"url":"https://x.example/a"}],"quickReply":{"title":"a","payload":"b"}}`,
		`{"tids":["c.1.1"],"tid":"c.1.2","status":2}`, `{"on":true}`,
		`{"userId":"alice","deviceId":"d","timestamp":1,"signature":"00","data":{"name":"x","attributes":{"a":"b"}}}`,
		`{"platform":"fcm","token":"dQw4:x"}`, `{"formToken":"` + sent.FormToken + `","values":{"street":"x","size":"M"}}`,
		`{"username":"webshop/alice","password":"x","clientid":"webshop/alice/d","topic":"webshop/alice","action":"publish","acc":1}`,
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, rt := range routes() {
		if rt.needs&asJSON == 0 {
			continue
		}
		for range n {
			body := mutate(rng, seeds[rng.IntN(len(seeds))])
			resp := r.call(rt.method, rt.path, body, auth, "Content-Type: application/json")
			if resp.Status != 200 && resp.Status != 400 && resp.Status != 403 && resp.Status != 413 && resp.Status != 401 {
				t.Fatalf("%s %q: status %d", rt.path, body, resp.Status)
			}
			if resp.Status != 200 && len(resp.Events) > 0 {
				t.Fatalf("%s %q: refused, with events", rt.path, body)
			}
			for _, e := range resp.Events {
				if e.Customer.Address != "alice" {
					t.Fatalf("%s %q: an event of %q", rt.path, body, e.Customer.Address)
				}
			}
			for len(r.host.typed) > 0 {
				<-r.host.typed
			}
		}
	}
}

func mutate(rng *rand.Rand, s string) string {
	b := []byte(s)
	for range 1 + rng.IntN(3) {
		if len(b) == 0 {
			break
		}
		i := rng.IntN(len(b))
		switch rng.IntN(6) {
		case 0:
			b = b[:i]
		case 1:
			b[i] = byte(rng.UintN(256))
		case 2:
			b = append(b[:i:i], append([]byte(strings.Repeat("[{", rng.IntN(40))), b[i:]...)...)
		case 3:
			b = append(b[:i:i], append([]byte(`\u0000`), b[i:]...)...)
		case 4:
			b = append(b[:i:i], b...)
		case 5:
			b = append(b[:i:i], append([]byte{0xff, 0, '"'}[:rng.IntN(4)], b[i:]...)...)
		}
	}
	return string(b)
}
