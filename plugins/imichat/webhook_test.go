package main

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/openccsp/gateway/examples/imichat-sim/sim"
	"github.com/openccsp/gateway/sdk"
)

// hooked is a request that is signed.
func hooked(body string) *sdk.WebhookRequest {
	return &sdk.WebhookRequest{Method: "POST", Body: []byte(body), RemoteAddr: "192.0.2.1",
		Header: http.Header{"X-Hub-Signature": {sim.Sign(secret, []byte(body))}}}
}

func TestWebhookAnswers(t *testing.T) {
	c, host := receiver(t)
	event := func(n int) string { return fmt.Sprintf(`{"event_type":"chat_opened","chatid":"C%d"}`, n) }
	events := func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(event(i) + ",")
		}
		return "[" + b.String() + "]"
	}
	for _, tt := range []struct {
		name       string
		request    *sdk.WebhookRequest
		status     int
		events     int
		quarantine string
	}{
		{"one", hooked(event(1)), 0, 1, ""},
		{"several", hooked("[" + event(1) + "," + event(2) + "]"), 0, 2, ""},
		{"none", hooked("[]"), 0, 0, ""},
		{"as many as go", hooked(events(maxEvents)), 0, maxEvents, ""},
		{"too many", hooked(events(maxEvents + 1)), 400, 0, "more than 1000 events"},
		{"one of them unreadable", hooked("[" + event(1) + ",{\"a\":1}," + event(2) + "]"), 0, 2, "event 2: no chatid"},
		{"no JSON", hooked("event_type=chat_opened"), 400, 0, "the body cannot be read: byte 0: no value"},
		{"a web page", hooked("<html></html>"), 400, 0, "the body cannot be read: byte 0: no value"},
		{"half", hooked(event(1)[:30]), 400, 0, "the body cannot be read: byte 30: a string does not end"},
		{"empty", hooked(""), 400, 0, "the body cannot be read: byte 0: no value"},
		{"a number", hooked("7"), 400, 0, "no object"},
		{"null", hooked("null"), 400, 0, "no object"},
		{"an empty object", hooked("{}"), 400, 0, "no chatid"},
		{"no type", hooked(`{"chatid":"C"}`), 400, 0, "no event_type"},
		{"a type that is an object", hooked(`{"chatid":"C","event_type":{}}`), 400, 0, "no event_type"},
		{"a key twice", hooked(`{"chatid":"C","chatid":"D","event_type":"x"}`), 400, 0, "the body cannot be read: byte 22: an object has the same key twice"},
		{"large", hooked(`{"event_type":"x","chatid":"C","a":"` + strings.Repeat("a", maxBody-38) + `"}`), 0, 1, ""},
		{"too large", hooked(strings.Repeat(" ", maxBody) + event(1)), 413, 0, ""},
		{"GET", &sdk.WebhookRequest{Method: "GET"}, 405, 0, ""},
		{"a try of the address", &sdk.WebhookRequest{Method: "HEAD"}, 0, 0, ""},
		{"another path", &sdk.WebhookRequest{Method: "POST", Path: "/admin"}, 404, 0, ""},
		{"a slash", func() *sdk.WebhookRequest { r := hooked(event(1)); r.Path = "/"; return r }(), 0, 1, ""},
		{"a stranger", &sdk.WebhookRequest{Method: "POST", Body: []byte(event(1))}, 401, 0, ""},
		{"a stranger's garbage", &sdk.WebhookRequest{Method: "POST", Body: []byte("{")}, 401, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res, err := c.Webhook(t.Context(), tt.request)
			if err != nil || res.Status != tt.status || len(res.Events) != tt.events || res.Quarantine != tt.quarantine {
				t.Errorf("status %d, %d events, quarantine %q, %v; want %d, %d, %q",
					res.Status, len(res.Events), res.Quarantine, err, tt.status, tt.events, tt.quarantine)
			}
			if tt.status >= 400 && !bytes.HasPrefix(res.Body, []byte(`{"error":"`)) {
				t.Errorf("body %q says nothing", res.Body)
			}
		})
	}
	if log := host.Logged(); strings.Contains(log, secret) || strings.Contains(log, "CSR") {
		t.Errorf("the log has a secret or a body:\n%s", log)
	}
}

// TestOrder: events stay in the order of the body.
func TestOrder(t *testing.T) {
	c, _ := receiver(t)
	var b strings.Builder
	for i := range 100 {
		fmt.Fprintf(&b, `{"event_type":"incoming_message","chatid":"C","messageid":%d,"message":"%d"},`, i, i)
	}
	res := c.take([]byte("[" + b.String() + "]"))
	if len(res.Events) != 100 {
		t.Fatalf("%d events, want 100", len(res.Events))
	}
	for i, e := range res.Events {
		if e.Text != fmt.Sprint(i) {
			t.Fatalf("event %d is message %s", i, e.Text)
		}
	}
}

// TestRepairIsLogged: the operator can find out, the text stays out of it.
func TestRepairIsLogged(t *testing.T) {
	c, host := receiver(t)
	if res, err := c.Webhook(t.Context(), hooked(string(sample(t, "chat_closed")))); err != nil || len(res.Events) != 1 {
		t.Fatalf("%+v, %v", res, err)
	}
	if log := host.Logged(); !strings.Contains(log, "repaired") || strings.Contains(log, "chat_closed") {
		t.Errorf("log %q, want that it was repaired, and no text", log)
	}
}
