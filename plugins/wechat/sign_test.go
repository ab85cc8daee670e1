package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/sdk"
)

const (
	signature = "c1c2e2086597fc447a3b0688d4543e09af0b0f2f"
	query     = "signature=" + signature + "&timestamp=1700000000&nonce=" + nonce
	hello     = `<xml><ToUserName><![CDATA[gh_1]]></ToUserName><FromUserName><![CDATA[oUser1]]></FromUserName>` +
		`<CreateTime>1700000000</CreateTime><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[你好]]></Content>` +
		`<MsgId>24000000000000001</MsgId></xml>`
)

// TestSignatureVector is the one that was made with openssl.
func TestSignatureVector(t *testing.T) {
	if got := sign(token, "1700000000", nonce); got != signature {
		t.Errorf("%s, want %s", got, signature)
	}
}

func TestEcho(t *testing.T) {
	for _, tt := range []struct {
		name, query string
		status      int
		body        string
	}{
		{"the check", query + "&echostr=5983432", 200, "5983432"},
		{"a page", query + "&echostr=%3Cscript%3E", 200, "<script>"}, // as plain text
		{"none", query, 400, "there is no echostr"},
		{"forged", strings.Replace(query, "c1", "c2", 1) + "&echostr=1", 401, "the signature is not right"},
		{"long", query + "&echostr=" + strings.Repeat("a", maxEcho+1), 400, "there is no echostr"},
	} {
		res, err := receiver(t).Webhook(t.Context(), &sdk.WebhookRequest{Method: http.MethodGet, Query: tt.query})
		if err != nil || res.Status != tt.status || string(res.Body) != tt.body || len(res.Events) > 0 {
			t.Errorf("%s: %d %q %v, want %d %q", tt.name, res.Status, res.Body, err, tt.status, tt.body)
		}
		if got := res.Header.Get("Content-Type") + res.Header.Get("X-Content-Type-Options"); got != "text/plain; charset=utf-8nosniff" {
			t.Errorf("%s: %s: a browser may take it for a page", tt.name, got)
		}
	}
}

// TestForged: a signature of somebody who does not have the token, in whatever
// form, is worth nothing.
func TestForged(t *testing.T) {
	c := receiver(t)
	other := sign("guess", "1700000000", nonce)
	for name, q := range map[string]string{
		"none":             "timestamp=1700000000&nonce=" + nonce,
		"empty":            "signature=&timestamp=1700000000&nonce=" + nonce,
		"other token":      strings.Replace(query, signature, other, 1),
		"truncated":        strings.Replace(query, signature, signature[:39], 1),
		"longer":           strings.Replace(query, signature, signature+"0", 1),
		"upper case":       strings.Replace(query, signature, strings.ToUpper(signature), 1),
		"twice":            query + "&signature=" + signature,
		"two nonces":       query + "&nonce=2",
		"other nonce":      strings.Replace(query, nonce, "2", 1),
		"other time":       strings.Replace(query, "1700000000", "1700000001", 1),
		"no nonce":         "signature=" + sign(token, "1700000000", "") + "&timestamp=1700000000",
		"not of numbers":   "signature=" + sign(token, "17e8", nonce) + "&timestamp=17e8&nonce=" + nonce,
		"negative":         "signature=" + sign(token, "-1", nonce) + "&timestamp=-1&nonce=" + nonce,
		"half a query":     query + "&%zz",
		"semicolons":       strings.ReplaceAll(query, "&", ";"),
		"sorted otherwise": strings.Replace(query, signature, sign(token+"1700000000", nonce), 1) + "x",
	} {
		res := post(c, t, q, hello)
		if res.Status != http.StatusUnauthorized || len(res.Events) > 0 || res.Quarantine != "" {
			t.Errorf("%s: %+v, want 401 and nothing kept", name, res)
		}
	}
}

// TestForgedByTheThousand: 1,000 signatures that are nearly right.
func TestForgedByTheThousand(t *testing.T) {
	c := receiver(t)
	for i := range 1000 {
		forged := []byte(signature)
		at := i % len(forged)
		forged[at] = "0123456789abcdef"[(strings.IndexByte("0123456789abcdef", forged[at])+1+i/len(forged)%15)%16]
		if string(forged) == signature {
			continue
		}
		if res := post(c, t, strings.Replace(query, signature, string(forged), 1), hello); res.Status != 401 || len(res.Events) > 0 {
			t.Fatalf("%s: %+v", forged, res)
		}
	}
}

// signedAt is a query that is signed at a time.
func signedAt(at time.Time, nonce string) string {
	ts := fmt.Sprint(at.Unix())
	return url.Values{"signature": {sign(token, ts, nonce)}, "timestamp": {ts}, "nonce": {nonce}}.Encode()
}

func TestStale(t *testing.T) {
	for _, tt := range []struct {
		off    time.Duration
		status int
	}{
		{0, 200}, {-299 * time.Second, 200}, {-300 * time.Second, 200}, {-301 * time.Second, 401}, {299 * time.Second, 200}, {301 * time.Second, 401},
		{-24 * time.Hour, 401}, {1e6 * time.Hour, 401},
	} {
		if res := post(receiver(t), t, signedAt(noon.Add(tt.off), nonce), hello); res.Status != tt.status {
			t.Errorf("%v: %d, want %d", tt.off, res.Status, tt.status)
		}
	}
}

// TestReplayed: WeChat itself repeats a request three times; the gateway knows
// them by the id of the message. Another body with the same signature is from
// somebody who saw it.
func TestReplayed(t *testing.T) {
	c := receiver(t)
	var ids []string
	for range deliveries {
		res := post(c, t, query, hello)
		if res.Status != 200 || len(res.Events) != 1 {
			t.Fatalf("%+v", res)
		}
		ids = append(ids, res.Events[0].ID)
	}
	for _, id := range ids {
		if id != "24000000000000001" {
			t.Errorf("the id of a repetition is %s", id)
		}
	}
	for name, body := range map[string]string{"once more": hello, "another text": strings.Replace(hello, "你好", "send money", 1)} {
		if res := post(c, t, query, body); res.Status != 401 || len(res.Events) > 0 || res.Quarantine != "" {
			t.Errorf("%s: %+v, want 401", name, res)
		}
	}
	c = receiver(t)
	post(c, t, query, hello)
	if res := post(c, t, query, strings.Replace(hello, "你好", "send money", 1)); res.Status != 401 {
		t.Errorf("another body at once: %d, want 401", res.Status)
	}
	if res := post(c, t, signedAt(noon, "7"), hello); res.Status != 200 || res.Events[0].ID != ids[0] {
		t.Errorf("a repetition with a signature of its own: %+v", res)
	}
}

// TestReplayedCheck: the signature of a check of the address would do for a message.
func TestReplayedCheck(t *testing.T) {
	c := receiver(t)
	check := func(echoed string) int {
		res, err := c.Webhook(t.Context(), &sdk.WebhookRequest{Method: http.MethodGet, Query: query + "&echostr=" + echoed})
		if err != nil {
			t.Fatal(err)
		}
		return res.Status
	}
	if first, again, other := check("5983432"), check("5983432"), check("6"); first != 200 || again != 200 || other != 401 {
		t.Errorf("%d, once more %d, another text %d", first, again, other)
	}
	if res := post(c, t, query, hello); res.Status != 401 || len(res.Events) > 0 {
		t.Errorf("a message with the signature of a check: %+v, want 401", res)
	}
}

// TestForgotten: of requests that are too many to remember none that came before
// can be replayed with another body.
func TestForgotten(t *testing.T) {
	c := receiver(t)
	var err error
	if c.seen, err = newSeen(10); err != nil {
		t.Fatal(err)
	}
	at := func(i int) string { return signedAt(noon.Add(time.Duration(i-100)*time.Second), fmt.Sprint("n", i)) }
	for i := range 20 {
		if res := post(c, t, at(i), hello); res.Status != 200 {
			t.Fatalf("%d: %+v", i, res)
		}
	}
	for i := range 20 {
		if res := post(c, t, at(i), strings.Replace(hello, "你好", "send money", 1)); res.Status != 401 || len(res.Events) > 0 {
			t.Errorf("another body for request %d: %+v, want 401", i, res)
		}
	}
	for _, i := range []int{10, 19, 20} { // what WeChat repeats, and what it sends next
		if res := post(c, t, at(i), hello); res.Status != 200 {
			t.Errorf("request %d: %+v, want 200", i, res)
		}
	}
}

// TestReplayedOtherwiseCut: WeChat signs the parts in a row, so the end of a nonce can
// be made the beginning of the time without a change of the signature.
func TestReplayedOtherwiseCut(t *testing.T) {
	c := receiver(t)
	first, again := "timestamp=1700000000&nonce=0120", "timestamp=01700000000&nonce=012"
	proven := "&signature=" + sign(token, "1700000000", "0120")
	if res := post(c, t, first+proven, hello); res.Status != 200 {
		t.Fatalf("%+v", res)
	}
	if res := post(c, t, again+proven, strings.Replace(hello, "你好", "send money", 1)); res.Status != 401 || len(res.Events) > 0 {
		t.Errorf("%+v, want 401", res)
	}
}
