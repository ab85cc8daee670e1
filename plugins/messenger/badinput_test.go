package main

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/openccsp/gateway/sdk"
)

// seeds are bodies of all kinds.
var seeds = []string{
	vectorBody,
	batchOf("messaging", from("2002", 0, `"message":{"mid":"m1","text":"Yes","quick_reply":{"payload":"Y"},"reply_to":{"mid":"m0"}}`),
		from("2002", 1, `"message":{"mid":"m2","attachments":[{"type":"location","payload":{"coordinates":{"lat":1.5,"long":2}}}]}`)),
	batchOf("messaging", from("2002", 0, `"postback":{"mid":"m3","title":"Start","payload":"GET_STARTED","referral":{"ref":"r"}}`)),
	batchOf("messaging", from("2002", 0, `"delivery":{"mids":["m5"],"watermark":1700000000001}`), from("2002", 0, `"read":{"watermark":1700000000001}`)),
	batchOf("messaging", `{"sender":{"id":"1001"},"recipient":{"id":"2002"},"timestamp":1,"message":{"is_echo":true,"app_id":7,"mid":"m4","text":"a"}}`),
	batchOf("standby", from("2002", 0, `"message":{"mid":"m1","text":"hi"}`)),
	batchOf("changes", `{"field":"feed","value":{"item":"post"}}`),
	batchOf("messaging", `{"recipient":{"id":"1001"},"policy_enforcement":{"action":"block"}}`, from("2002", 0, `"reaction":{"mid":"m","emoji":"❤"}`)),
}

// splices are what mutations put in.
var splices = []string{`null`, `{}`, `[]`, `""`, `7`, `-1`, `1e999`, `NaN`, `true`, `"\ud800"`, `"\u0000"`, "\x00", "\xff\xfe", `{"id":{"id":1}}`,
	`"id":"x","id":"y"`, strings.Repeat("[", 200), `"` + strings.Repeat("é", 5000) + `"`, `<html>`, `a=b&c=d`, `9223372036854775808`}

// mutate breaks a body in one or a few places.
func mutate(r *rand.Rand, body string) string {
	b := []byte(body)
	for range 1 + r.IntN(3) {
		if len(b) == 0 {
			return ""
		}
		i := r.IntN(len(b))
		j := min(len(b), i+r.IntN(12))
		switch r.IntN(5) {
		case 0:
			b = b[:i]
		case 1:
			b[i] = byte(r.IntN(256))
		case 2:
			b = append(b[:i:i], b[j:]...)
		case 3:
			b = append(append(b[:i:i], splices[r.IntN(len(splices))]...), b[j:]...)
		case 4:
			b = replaceValue(r, b)
		}
	}
	return string(b)
}

// replaceValue puts something else where a value was, so that the body stays JSON.
func replaceValue(r *rand.Rand, b []byte) []byte {
	var ends []int
	for i, c := range b {
		if c == ':' {
			ends = append(ends, i+1)
		}
	}
	if len(ends) == 0 {
		return b
	}
	i := ends[r.IntN(len(ends))]
	d := json.NewDecoder(strings.NewReader(string(b[i:])))
	var v json.RawMessage
	if d.Decode(&v) != nil {
		return b
	}
	return append(append(b[:i:i], splices[r.IntN(10)]...), b[i+int(d.InputOffset()):]...)
}

// sound looks at what became of a body: 10,000 broken ones are answered, and what
// they say is an event that can be addressed and told apart.
func sound(t testing.TB, c *channel, body string, res sdk.WebhookResponse) {
	t.Helper()
	switch {
	case res.Status == 0 && res.Quarantine == "":
	case (res.Status == 400 && res.Quarantine != "" || res.Status == 401) && len(res.Events) == 0:
	default:
		t.Fatalf("%q: status %d, %d events, quarantine %q", body, res.Status, len(res.Events), res.Quarantine)
	}
	for _, e := range res.Events {
		switch {
		case e.Type == "" || e.Type == sdk.CustomEvent && e.EventName == "":
			t.Fatalf("%q: an event without a type: %+v", body, e)
		case !addressable(e.Customer.Address):
			t.Fatalf("%q: an event of %q", body, e.Customer.Address)
		case e.ID == "":
			t.Fatalf("%q: %s without an id", body, e.Type)
		case e.Type == sdk.CustomerMessage && (e.Text == "" && len(e.Attachments) == 0 || e.Customer.Address == c.cfg.PageID):
			t.Fatalf("%q: an empty message, or one of the page's: %+v", body, e)
		case e.Payload != nil && !json.Valid(e.Payload):
			t.Fatalf("%q: the payload is no JSON", body)
		}
	}
}

func TestBrokenBodies(t *testing.T) {
	c, _ := receiver(t)
	r := rand.New(rand.NewPCG(7, 11))
	taken := 0
	for range 10_000 {
		body := mutate(r, seeds[r.IntN(len(seeds))])
		res := take(t, c, signedAs(testSecret, body))
		sound(t, c, body, res)
		taken += len(res.Events)
		forged := signedAs(testSecret, body)
		forged.Body = append(forged.Body, ' ')
		unsigned := signedAs(testSecret, body)
		unsigned.Header.Del(signature)
		for _, q := range []*sdk.WebhookRequest{forged, unsigned, signedAs("another secret", body)} {
			if res := take(t, c, q); res.Status != 401 || len(res.Events) > 0 || res.Quarantine != "" {
				t.Fatalf("%q without a good signature: %d with %d events", body, res.Status, len(res.Events))
			}
		}
	}
	if taken < 2000 {
		t.Errorf("%d events in 10,000 broken bodies: the mutations break too much", taken)
	}
}

// FuzzWebhook: whatever somebody signs is answered, and addressed.
func FuzzWebhook(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	for _, s := range splices {
		f.Add(batchOf("messaging", s, from("2002", 0, `"message":`+s)))
	}
	c, _ := receiver(f)
	f.Fuzz(func(t *testing.T, body string) {
		if len(body) > 1<<16 || strings.Contains(body, "http") { // nothing is to be fetched
			return
		}
		sound(t, c, body, take(t, c, signedAs(testSecret, body)))
	})
}
