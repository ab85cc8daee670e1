package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/openccsp/gateway/sdk"
)

// sampleBodies are what X sends.
func sampleBodies() []string {
	side := `{"created_timestamp":"1516403560557","sender_id":"30","target":{"recipient_id":"43"},"last_read_event_id":"9550"}`
	file := with(`"message_data":{`, `"message_data":{"quick_reply_response":{"type":"options","metadata":"m1"},"attachment":{"type":"media","media":`+
		`{"id":5,"url":"https://t.co/f","media_url_https":"http://127.0.0.1:1/a.jpg","type":"video","video_info":{"variants":[{"content_type":"video/mp4","url":"http://127.0.0.1:1/a.mp4","bitrate":1}]}}},`,
		`"urls":[]`, `"urls":[{"url":"https://t.co/a","expanded_url":"https://e.com"}]`)
	return []string{
		accountBody(listMessages, hello, file), accountBody(listTyping, side), accountBody(listRead, side),
		activityBody("dm.received", `{"direct_message_events":[`+file+`],"users":{"30":{"data":{"username":"ada","name":"Ada"}}}}`),
		activityBody("chat.received", `{"id":"1","sender_id":"30","encoded":"AAA="}`), activityBody("oauth.revoke", `{"a":1}`),
		`{"user_event":{"revoke":{"source":{"user_id":"43"}}}}`, accountBody("follow_events", `{"id":"1"}`),
	}
}

// oddValues are what S1 asks for.
var oddValues = []string{
	`null`, `true`, `-1`, `1e999`, `NaN`, `""`, `"\u0000"`, `"\ud800"`, `{}`, `[]`, `[[]]`, `{"a":`, `"`, strings.Repeat("[", 10_000), "\xff\xfe", "\x00",
	`"` + strings.Repeat("x", 1000) + `"`, `{"data":{"data":[]}}`, `18446744073709551616`, `"id":1,"id":2`,
}

// mutate breaks a body in one of many ways.
func mutate(rnd *rand.Rand, body string) string {
	for range 1 + rnd.IntN(3) {
		at := rnd.IntN(len(body) + 1)
		odd := oddValues[rnd.IntN(len(oddValues))]
		switch rnd.IntN(6) {
		case 0:
			body = body[:at]
		case 1:
			body = body[:at] + odd + body[at:]
		case 2:
			body = body[:at] + string(rune(rnd.IntN(256))) + body[min(len(body), at+1):]
		case 3: // another value
			if colon := strings.IndexByte(body[at:], ':'); colon >= 0 {
				end := strings.IndexAny(body[at+colon:], ",}]")
				if end > 0 {
					body = body[:at+colon+1] + odd + body[at+colon+end:]
				}
			}
		case 4:
			body = body[at:] + body[:at]
		default:
			body = strings.Replace(body, `"43"`, `"44"`, 1)
		}
	}
	return body
}

// wrong returns what is wrong with an event that came of foreign bytes, "" if
// nothing is.
func wrong(e sdk.Event) string {
	switch {
	case e.Type == "" || !isID(e.Customer.Address) || e.Ref != "":
		return "it belongs to nobody"
	case e.Type == sdk.CustomEvent && e.EventName == "":
		return "an event without a name"
	case e.Type != sdk.CustomEvent && e.Customer.Address == shop:
		return "the account as a customer"
	case !utf8.ValidString(e.Text+e.EventName+e.Customer.Name) || strings.Contains(e.Text+e.EventName+e.Customer.Name, "\x00"):
		return "a text that cannot be carried"
	case utf8.RuneCountInString(e.EventName) > maxName || utf8.RuneCountInString(e.Customer.Name) > maxName:
		return "a long name"
	case e.Type == sdk.CustomerMessage && e.Text == encrypted == (e.ID == "dm:"+e.MessageID):
		return "a message by another id than its own"
	}
	return ""
}

// judge hands a body in, signed or not, and checks what becomes of it.
func judge(t *testing.T, r *rig, body string, isSigned bool) {
	t.Helper()
	q := signed(body)
	if !isSigned {
		q.Header.Set(signatureHeader, sign("another secret", q.Body))
	}
	res, err := r.Webhook(t.Context(), q)
	switch {
	case err != nil:
		t.Fatalf("%.200q: %v", body, err)
	case !isSigned:
		if res.Status != http.StatusUnauthorized || len(res.Events) != 0 || res.Quarantine != "" {
			t.Fatalf("%.200q is taken unsigned: %+v", body, res)
		}
	case res.Status == http.StatusBadRequest:
		if res.Quarantine == "" || len(res.Events) != 0 {
			t.Fatalf("%.200q: quarantine %q, %d events", body, res.Quarantine, len(res.Events))
		}
	case res.Status != 0:
		t.Fatalf("%.200q: status %d", body, res.Status)
	}
	for _, e := range res.Events {
		if why := wrong(e); why != "" {
			t.Fatalf("%.200q: %s: %+v", body, why, e)
		}
	}
}

// TestMalformed: 10,000 broken bodies, signed and not.
func TestMalformed(t *testing.T) {
	r := bare(t)
	r.host.refuse = sdk.Retry(context.DeadlineExceeded, 0)
	rnd := rand.New(rand.NewPCG(6, 3))
	bodies := sampleBodies()
	for i := range 10_000 {
		body := mutate(rnd, bodies[rnd.IntN(len(bodies))])
		judge(t, r, body, i%2 == 0)
	}
}

// TestLarge: what is large, deep or many ends in an answer.
func TestLarge(t *testing.T) {
	r := bare(t)
	many := strings.Repeat(hello+",", 2000)
	for _, body := range []string{
		strings.Repeat(" ", 1<<20), "{" + strings.Repeat(`"a":{`, 50_000), `{"for_user_id":"43","x":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`,
		accountBody(listMessages, with("Hello", strings.Repeat("é", 1<<18))), `{"for_user_id":"43","direct_message_events":[` + many[:len(many)-1] + `]}`,
	} {
		judge(t, r, body, true)
		judge(t, r, body, false)
	}
	if res := r.take(t, `{"direct_message_events":[`+many[:len(many)-1]+`]}`); res.Status != 400 || res.Quarantine == "" {
		t.Errorf("2000 events at once: %d %q", res.Status, res.Quarantine)
	}
}

func FuzzWebhook(f *testing.F) {
	for _, b := range sampleBodies() {
		f.Add(b, true)
	}
	for _, v := range oddValues {
		f.Add(fmt.Sprintf(`{"for_user_id":"43","direct_message_events":[%s],"data":%s}`, v, v), true)
		f.Add(v, false)
	}
	r := bare(f)
	r.host.refuse = sdk.Retry(context.DeadlineExceeded, 0)
	f.Fuzz(func(t *testing.T, body string, isSigned bool) { judge(t, r, body, isSigned) })
}

// FuzzAnswer: whatever X answers is a receipt, or an error that says what to do.
func FuzzAnswer(f *testing.F) {
	f.Add(201, `{"data":{"dm_event_id":"1"}}`)
	f.Add(403, `{"errors":[{"code":349}]}`)
	f.Add(429, `{"type":"https://api.x.com/2/problems/usage-capped"}`)
	f.Add(200, `{"event":{"id":1e9}}`)
	r := bare(f)
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 599 {
			return
		}
		a := ccspAnswer(status, body)
		var err error
		var receipt sdk.Receipt
		if good(a) {
			receipt, err = r.sent(a, nil)
		} else {
			err = refused(a, noon)
		}
		if err == nil && (!isID(receipt.MessageID) || status > 299) {
			t.Errorf("%d %q: %+v", status, body, receipt)
		}
		switch got := verdict(err); {
		case errors.Is(err, errUnauthorized):
		case got == "ok", got == "retry", got == "ambiguous", got == "gone", got == "config":
		case strings.HasPrefix(got, "rejected "), strings.HasPrefix(got, "throttled "):
		default:
			t.Errorf("%d %q: %v", status, body, err)
		}
	})
}
