package main

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

// The vector of the protocol: the escapes are Meta's, and are signed as they are.
const (
	vectorBody = `{"object":"page","entry":[{"id":"1001","time":1700000000000,"messaging":[{"sender":{"id":"2002"},` +
		`"recipient":{"id":"1001"},"timestamp":1700000000000,"message":{"mid":"m_abc","text":"\u00e9\u4f60"}}]}]}`
	vectorSHA256 = "sha256=bc7223d72586138cc7cf23e74cba0f5f0ee68108e3aaee589c7d9e72b0a14cf9"
	vectorSHA1   = "sha1=125556cb6f0d19045cbf537dd1965d14a862efd9"
)

var vectorTime = time.UnixMilli(1700000000000)

// receiver is a channel that only takes webhooks, at the time of the vector.
func receiver(t testing.TB, change ...func(*settings)) (*channel, *plugintest.Host) {
	t.Helper()
	c, h := connect(t, "http://127.0.0.1:1", change...)
	h.Set(vectorTime)
	return c, h
}

func mac(algorithm func() hash.Hash, prefix, key, body string) string {
	m := hmac.New(algorithm, []byte(key))
	m.Write([]byte(body))
	return prefix + hex.EncodeToString(m.Sum(nil))
}

// signedAs is a request with body, signed with key.
func signedAs(key, body string) *sdk.WebhookRequest {
	return &sdk.WebhookRequest{Method: "POST", Body: []byte(body), Header: http.Header{
		"Content-Type": {"application/json"}, signature: {mac(sha256.New, "sha256=", key, body)}}}
}

func take(t testing.TB, c *channel, r *sdk.WebhookRequest) sdk.WebhookResponse {
	t.Helper()
	res, err := c.Webhook(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestVectors(t *testing.T) {
	if got, want := proof(testSecret, testToken), "f852ba8f3076845d14ccf0d1d958b53ef577df667d513a0a7d3a50e7a7ed6af7"; got != want {
		t.Errorf("appsecret_proof %s, want %s", got, want)
	}
	if got := mac(sha256.New, "sha256=", testSecret, vectorBody); got != vectorSHA256 || len(vectorBody) != 201 {
		t.Errorf("the vector is not as it should be: %s, %d bytes", got, len(vectorBody))
	}
	c, _ := receiver(t)
	res := take(t, c, &sdk.WebhookRequest{Method: "POST", Body: []byte(vectorBody),
		Header: http.Header{"Content-Type": {"application/json"}, "X-Hub-Signature-256": {vectorSHA256}}})
	if res.Status != 0 || len(res.Events) != 1 {
		t.Fatalf("%+v", res)
	}
	res.Events[0].Payload = nil
	want := sdk.Event{Type: sdk.CustomerMessage, ID: "m_abc", MessageID: "m_abc", Text: "é你", At: vectorTime.UTC(),
		Customer: sdk.Customer{Address: "2002"}}
	if diff := cmp.Diff(want, res.Events[0]); diff != "" {
		t.Error(diff)
	}
}

func TestVerification(t *testing.T) {
	c, _ := receiver(t)
	for _, tt := range []struct {
		query  string
		status int
		body   string
	}{
		{"hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=" + testVerify, 0, "1158201444"},
		{"hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=other", 403, ""},
		{"hub.mode=subscribe&hub.challenge=1158201444", 403, ""},
		{"hub.mode=unsubscribe&hub.challenge=1&hub.verify_token=" + testVerify, 403, ""},
		{"", 403, ""},
		{"%zz", 403, ""},
	} {
		res := take(t, c, &sdk.WebhookRequest{Method: "GET", Query: tt.query})
		if res.Status != tt.status || tt.body != "" && string(res.Body) != tt.body {
			t.Errorf("%s: %d %s, want %d %s", tt.query, res.Status, res.Body, tt.status, tt.body)
		}
	}
}

// Only who has the secret is heard (S6), and bodies that were sent long ago are not
// (S7).
func TestSignatures(t *testing.T) {
	const older = "the-secret-before"
	re := strings.ReplaceAll(vectorBody, `\u00e9\u4f60`, "é你") // the same JSON in other bytes
	header := func(name string, values ...string) http.Header {
		return http.Header{"Content-Type": {"application/json"}, name: values}
	}
	for _, tt := range []struct {
		name   string
		header http.Header
		body   string
		change func(*settings)
		want   int
	}{
		{"right", header(signature, vectorSHA256), vectorBody, nil, 0},
		{"none", header("X-Other", ""), vectorBody, nil, 401},
		{"empty", header(signature, ""), vectorBody, nil, 401},
		{"no prefix", header(signature, vectorSHA256[7:]), vectorBody, nil, 401},
		{"upper case", header(signature, "sha256="+strings.ToUpper(vectorSHA256[7:])), vectorBody, nil, 401},
		{"prefix in upper case", header(signature, "SHA256="+vectorSHA256[7:]), vectorBody, nil, 401},
		{"truncated", header(signature, vectorSHA256[:70]), vectorBody, nil, 401},
		{"longer", header(signature, vectorSHA256+"00"), vectorBody, nil, 401},
		{"not hex", header(signature, "sha256="+strings.Repeat("z", 64)), vectorBody, nil, 401},
		{"twice", header(signature, vectorSHA256, vectorSHA256), vectorBody, nil, 401},
		{"one wrong, one right", header(signature, vectorSHA256[:70]+"0", vectorSHA256), vectorBody, nil, 401},
		{"another key", header(signature, mac(sha256.New, "sha256=", "other", vectorBody)), vectorBody, nil, 401},
		{"sha1 in its place", header(signature, vectorSHA1), vectorBody, nil, 401},
		{"body written again", header(signature, vectorSHA256), re, nil, 401},
		{"body with a blank", header(signature, vectorSHA256), vectorBody + " ", nil, 401},
		{"body of nothing", header(signature, vectorSHA256), "", nil, 401},
		{"old header", header(signatureSHA1, vectorSHA1), vectorBody, nil, 401},
		{"old header, allowed", header(signatureSHA1, vectorSHA1), vectorBody, func(s *settings) { s.AllowSHA1 = true }, 0},
		{"old header, allowed and wrong", header(signatureSHA1, mac(sha1.New, "sha1=", "x", vectorBody)), vectorBody,
			func(s *settings) { s.AllowSHA1 = true }, 401},
		{"both, the new one wrong", http.Header{"Content-Type": {"application/json"}, signature: {"sha256=00"}, signatureSHA1: {vectorSHA1}},
			vectorBody, func(s *settings) { s.AllowSHA1 = true }, 401},
		{"old secret", header(signature, mac(sha256.New, "sha256=", older, vectorBody)), vectorBody, nil, 401},
		{"old secret during its replacement", header(signature, mac(sha256.New, "sha256=", older, vectorBody)), vectorBody,
			func(s *settings) { s.PreviousAppSecret = older }, 0},
		{"the new one meanwhile", header(signature, vectorSHA256), vectorBody, func(s *settings) { s.PreviousAppSecret = older }, 0},
		{"another type", http.Header{"Content-Type": {"text/plain"}, signature: {vectorSHA256}}, vectorBody, nil, 415},
		{"no type", http.Header{signature: {vectorSHA256}}, vectorBody, nil, 415},
		{"packed", http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}, signature: {vectorSHA256}}, vectorBody, nil, 415},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var change []func(*settings)
			if tt.change != nil {
				change = append(change, tt.change)
			}
			c, _ := receiver(t, change...)
			res := take(t, c, &sdk.WebhookRequest{Method: "POST", Header: tt.header, Body: []byte(tt.body)})
			if res.Status != tt.want || (len(res.Events) > 0) != (tt.want == 0) {
				t.Errorf("status %d with %d events, want %d", res.Status, len(res.Events), tt.want)
			}
		})
	}
}

// A webhook that comes again has the ids that it had: the gateway drops it. One
// that is older than Meta repeats is refused.
func TestReplayed(t *testing.T) {
	c, h := receiver(t)
	first := take(t, c, signedAs(testSecret, vectorBody))
	h.Set(vectorTime.Add(36 * time.Hour))
	again := take(t, c, signedAs(testSecret, vectorBody))
	if diff := cmp.Diff(first.Events, again.Events); diff != "" || again.Status != 0 {
		t.Errorf("%d %s", again.Status, diff)
	}
	h.Set(vectorTime.Add(169 * time.Hour))
	if late := take(t, c, signedAs(testSecret, vectorBody)); late.Status != 401 || len(late.Events) > 0 {
		t.Errorf("after a week: %+v", late)
	}
}

// What one webhook becomes is not much more than it was, however its members are
// nested and named: it goes in one frame.
func TestNoBlowUp(t *testing.T) {
	c, _ := receiver(t)
	long := strings.Repeat("n", 200_000)
	var members []string
	for i := range 50 {
		members = append(members, fmt.Sprintf(`"m%d":1`, i))
	}
	within := "{" + strings.Join(members, ",") + "}"
	for name, what := range map[string]string{
		"a long name around many":  `"odd":{"` + long + `":` + within + `}`,
		"many long names":          `"odd":{"a":{"` + long[:60_000] + `":{"b":` + within + `}}}`,
		"a message with much else": `"message":{"mid":"m1","text":"hi","more":"` + long + `"}`,
	} {
		body := batchOf("messaging", from("2002", 0, what))
		res := take(t, c, signedAs(testSecret, body))
		size := 0
		for _, e := range res.Events {
			size += len(e.Text) + len(e.Payload)
			for k, v := range e.Params {
				size += len(k) + len(v)
			}
		}
		if len(res.Events) != 1 || size > maxKept {
			t.Errorf("%s: %d events with %d bytes of a webhook of %d", name, len(res.Events), size, len(body))
		}
	}
}

func TestRefused(t *testing.T) {
	c, _ := receiver(t)
	many := `{"object":"page","entry":[{"id":"1001","messaging":[` + strings.TrimSuffix(strings.Repeat("{},", maxEvents+1), ",") + `]}]}`
	for _, tt := range []struct {
		name       string
		r          *sdk.WebhookRequest
		status     int
		quarantine bool
	}{
		{"elsewhere", &sdk.WebhookRequest{Method: "POST", Path: "/x"}, 404, false},
		{"put", &sdk.WebhookRequest{Method: "PUT"}, 405, false},
		{"large", &sdk.WebhookRequest{Method: "POST", Body: make([]byte, maxWebhook+1)}, 413, false},
		{"not JSON", signedAs(testSecret, `{"object":"page"`), 400, true},
		{"nothing", signedAs(testSecret, ""), 400, true},
		{"a list", signedAs(testSecret, "[]"), 400, true},
		{"of Instagram", signedAs(testSecret, `{"object":"instagram","entry":[]}`), 400, true},
		{"too many", signedAs(testSecret, many), 400, true},
		{"deep", signedAs(testSecret, `{"object":"page","entry":`+strings.Repeat("[", 20000)+strings.Repeat("]", 20000)+"}"), 400, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res := take(t, c, tt.r)
			if res.Status != tt.status || (res.Quarantine != "") != tt.quarantine || len(res.Events) > 0 {
				t.Errorf("%d %q with %d events, want %d", res.Status, res.Quarantine, len(res.Events), tt.status)
			}
		})
	}
}

// batchOf is the body of a webhook with these events.
func batchOf(list string, events ...string) string {
	return fmt.Sprintf(`{"object":"page","entry":[{"id":"1001","time":1700000000000,%q:[%s]}]}`, list, strings.Join(events, ","))
}

// from is an event of a customer's, so many milliseconds after the vector's.
func from(psid string, after int, what string) string {
	return fmt.Sprintf(`{"sender":{"id":%q},"recipient":{"id":"1001"},"timestamp":%d,%s}`, psid, 1700000000000+after, what)
}

// A full batch of 1000 in the wrong order, for two customers, in several entries,
// with one that cannot be read and one of another page.
func TestBatch(t *testing.T) {
	c, _ := receiver(t)
	var events []string
	for i := range 1000 {
		n := 999 - i
		events = append(events, from([]string{"2002", "3003"}[n%2], n, fmt.Sprintf(`"message":{"mid":"m%d","text":"%d"}`, n, n)))
	}
	half := strings.Join(events[:500], ",") + `,7`
	rest := strings.Join(events[500:], ",")
	res := take(t, c, signedAs(testSecret, `{"object":"page","entry":[{"id":"1001","time":1700000000000,"messaging":[`+half+
		`]},7,{"id":1001,"time":1700000000000,"messaging":[`+rest+`]},{"id":"5005","messaging":[`+events[0]+`]}]}`))
	if res.Status != 0 {
		t.Fatalf("%d %s", res.Status, res.Body)
	}
	next, invalid := 0, 0
	for _, e := range res.Events {
		if e.EventName == "invalid" {
			invalid++
			continue
		}
		if e.Text != fmt.Sprint(next) {
			t.Fatalf("event %d is %q: not in order", next, e.Text)
		}
		next++
	}
	if next != 1000 || invalid != 2 {
		t.Errorf("%d messages and %d that cannot be read, want 1000 and 2", next, invalid)
	}
}
