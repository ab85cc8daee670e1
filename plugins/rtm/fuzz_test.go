package main

import (
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/openccsp/gateway/sdk"
)

// FuzzBody sends any body to any route.
func FuzzBody(f *testing.F) {
	for i, body := range []string{
		`{"deviceId":"d","data":{"name":"Ada"}}`, `{"tid":"c1","message":"hi","media":[{"url":"https://x.example"}]}`,
		`{"tids":["c.1.1"],"status":2}`, `{"on":true}`, `{"userId":"a","timestamp":"1","signature":"00"}`,
		`{"a":{"b":[{"c":null}]}}`, "", "null", `{"message":"\ud800"}`,
	} {
		f.Add(uint8(i), []byte(body))
	}
	h := newFakeHost()
	h.dir = f.TempDir()
	c, err := new(secrets).open(f.Context(), Settings{AppID: "webshop", Secret: testSecret, MessagesPerMinute: 1 << 30, RegistersPerMinute: 1 << 30,
		ReceiptsPerMinute: 1 << 30, ReadsPerMinute: 1 << 30}, h)
	if err != nil {
		f.Fatal(err)
	}
	token, _, err := c.signer.issue("alice", identity{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, n uint8, body []byte) {
		rt := routes()[int(n)%len(routes())]
		resp, err := c.Webhook(t.Context(), &sdk.WebhookRequest{
			Method: rt.method, Path: rt.path, Body: body, RemoteAddr: "192.0.2.1",
			Header: http.Header{"Content-Type": {"application/json"}, "Accesstoken": {token}}, Query: "name=a&bytes=9&upload=x&offset=1",
		})
		for len(h.typed) > 0 {
			<-h.typed
		}
		if err != nil || resp.Status >= 500 {
			t.Fatalf("%s %q: %d %v", rt.path, body, resp.Status, err)
		}
		for _, e := range resp.Events {
			if resp.Status != 200 || e.Customer.Address != "alice" || !utf8.ValidString(e.Text) || strings.Contains(e.Text, "\x00") {
				t.Errorf("%s %q: status %d, event %+v", rt.path, body, resp.Status, e)
			}
		}
	})
}

// FuzzToken tries texts as access token, backend's JWT and signature. None but
// the right ones is valid.
func FuzzToken(f *testing.F) {
	s := newSigner("webshop", testSecret, time.Hour, func() time.Time { return time.Unix(1_800_000_000, 0) })
	good, _, err := s.issue("alice", identity{Profile: profile{Name: "Ada"}})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{good, good[:len(good)-1], good + ".", "..", "eyJhbGciOiJub25lIn0.e30.", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if cl, err := s.access(token); err == nil && (cl.Subject != "alice" || token != good) {
			t.Errorf("access(%q) = %+v", token, cl)
		}
		if cl, err := s.backend(token); err == nil {
			t.Errorf("backend(%q) = %+v", token, cl)
		}
		if err := s.signature("alice", "1800000000", token); err == nil {
			t.Errorf("signature(%q) is valid", token)
		}
	})
}
