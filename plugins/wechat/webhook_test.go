package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/openccsp/gateway/sdk"
)

func TestRefusals(t *testing.T) {
	c := receiver(t)
	xml := http.Header{"Content-Type": {"text/xml"}}
	for _, tt := range []struct {
		name   string
		r      sdk.WebhookRequest
		status int
	}{
		{"another path", sdk.WebhookRequest{Method: "POST", Path: "/admin", Query: query, Header: xml}, 404},
		{"PUT", sdk.WebhookRequest{Method: "PUT", Query: query, Header: xml}, 405},
		{"too large", sdk.WebhookRequest{Method: "POST", Query: query, Header: xml, Body: make([]byte, maxBody+1)}, 413},
		{"JSON", sdk.WebhookRequest{Method: "POST", Query: query, Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(hello)}, 415},
		{"a form", sdk.WebhookRequest{Method: "POST", Query: query, Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, Body: []byte(hello)}, 415},
		{"no type at all", sdk.WebhookRequest{Method: "POST", Query: query, Header: http.Header{"Content-Type": {"/"}}, Body: []byte(hello)}, 415},
		{"compressed", sdk.WebhookRequest{Method: "POST", Query: query, Header: http.Header{"Content-Type": {"text/xml"}, "Content-Encoding": {"gzip"}}, Body: []byte(hello)}, 415},
		{"unsigned", sdk.WebhookRequest{Method: "POST", Header: xml, Body: []byte(hello)}, 401},
	} {
		res, err := c.Webhook(t.Context(), &tt.r)
		if err != nil || res.Status != tt.status || len(res.Events) > 0 || res.Quarantine != "" {
			t.Errorf("%s: %+v, %v, want %d", tt.name, res, err, tt.status)
		}
	}
}

// unreadableCases are authentic bodies that mean nothing.
var unreadableCases = map[string]string{
	"empty":               "",
	"no XML":              "{}",
	"cut":                 hello[:len(hello)-3],
	"another root":        "<html></html>",
	"two roots":           hello + hello,
	"text around":         hello + "x",
	"NUL":                 strings.Replace(hello, "你好", "\x00", 1),
	"invalid UTF-8":       strings.Replace(hello, "你好", "\xff", 1),
	"another encoding":    `<?xml version="1.0" encoding="GBK"?>` + hello,
	"a document type":     `<!DOCTYPE xml [<!ENTITY a "b">]>` + hello,
	"an external entity":  `<!DOCTYPE xml SYSTEM "file:///etc/passwd">` + hello,
	"an entity":           strings.Replace(hello, "<![CDATA[你好]]>", "&a;", 1),
	"billion laughs":      `<!DOCTYPE xml [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>` + strings.Replace(hello, "<![CDATA[你好]]>", "&b;", 1),
	"deep":                "<xml>" + strings.Repeat("<a>", 10_000) + strings.Repeat("</a>", 10_000) + "</xml>",
	"wide":                "<xml>" + strings.Repeat("<a/>", 10_000) + "</xml>",
	"a field twice":       strings.Replace(hello, "</xml>", "<FromUserName>oOther</FromUserName></xml>", 1),
	"nobody":              strings.Replace(hello, "oUser1", "", 1),
	"no id":               strings.Replace(hello, "oUser1", "a/../b", 1),
	"a long id":           strings.Replace(hello, "oUser1", strings.Repeat("o", 129), 1),
	"no time":             strings.Replace(hello, "<CreateTime>1700000000</CreateTime>", "", 1),
	"a time of letters":   strings.Replace(hello, "<CreateTime>1700000000", "<CreateTime>soon", 1),
	"no type":             strings.Replace(hello, "<MsgType><![CDATA[text]]></MsgType>", "", 1),
	"an event of no name": happening("", ""),
	"a long event name":   happening(strings.Repeat("e", 65), ""),
	"a long message id":   strings.Replace(hello, "24000000000000001", strings.Repeat("9", 65), 1),
}

// TestUnreadableKey: who chose encryption at WeChat alone is told what is missing.
func TestUnreadableKey(t *testing.T) {
	if res := post(receiver(t), t, aesQuery(encrypted), envelope(encrypted)); !strings.Contains(res.Quarantine, "encoding_aes_key") {
		t.Errorf("%+v, want that it names the setting", res)
	}
}

func TestUnreadable(t *testing.T) {
	for name, body := range unreadableCases {
		res := post(receiver(t), t, query, body)
		if res.Status != 400 || res.Quarantine == "" || len(res.Events) > 0 {
			t.Errorf("%s: %+v, want 400 and kept", name, res)
		}
	}
}

// sound reports what is wrong with an event that came of foreign bytes.
func sound(e sdk.Event) string {
	switch {
	case !openIDPattern.MatchString(e.Customer.Address):
		return "a customer that is none"
	case !utf8.ValidString(e.Text) || strings.Contains(e.Text, "\x00"):
		return "a text that no channel can carry"
	case e.Type == sdk.CustomerMessage && e.Text == "" && len(e.Attachments) == 0:
		return "a message that says nothing"
	case e.Type == sdk.CustomEvent && (e.EventName == "" || len(e.EventName) > maxEventName || len(e.ID) != 33):
		return "a custom event without name or id"
	case e.Type != sdk.CustomerMessage && e.Type != sdk.CustomEvent:
		return "a type that this channel does not have"
	}
	return ""
}

// mutate damages a body in one of the ways in which bodies are damaged.
func mutate(r *rand.Rand, body string) string {
	at := r.IntN(len(body))
	switch r.IntN(7) {
	case 0:
		return body[:at]
	case 1:
		return body[:at] + string(rune(r.IntN(0x3000))) + body[at:]
	case 2:
		return body[:at] + string([]byte{byte(r.IntN(256))}) + body[at+1:]
	case 3:
		end := at + r.IntN(len(body)-at)
		return body[:at] + body[end:]
	case 4:
		end := at + r.IntN(len(body)-at)
		return body[:at] + body[at:end] + body[at:]
	case 5:
		words := []string{"<", ">", "</", "<![CDATA[", "]]>", "&", "<!DOCTYPE x>", "<?xml?>", "<xml>", "</xml>", "\x00", "<!--"}
		return body[:at] + words[r.IntN(len(words))] + body[at:]
	}
	return strings.Repeat(body, 1+r.IntN(3))[at:]
}

// TestMalformed: 10,000 damaged bodies. None makes the driver panic or fail, and
// an event is one that stood in the body; unsigned they are nothing at all.
func TestMalformed(t *testing.T) {
	plain, secretive := receiver(t), receiver(t, func(s *Settings) { s.AESKey = key })
	r := rand.New(rand.NewPCG(1, 2))
	refused := 0
	for i := range 10_000 {
		body := mutate(r, eventCases[r.IntN(len(eventCases))].xml)
		nonce := fmt.Sprint("n", i)
		res := post(plain, t, signedAt(noon, nonce), body)
		if res.Status == 400 {
			refused++
		}
		if res.Status != 200 && res.Status != 400 || (res.Status == 200) != (len(res.Events) == 1) {
			t.Fatalf("%q: %+v", body, res)
		}
		for _, e := range res.Events {
			if wrong := sound(e); wrong != "" {
				t.Fatalf("%q: %s: %+v", body, wrong, e)
			}
		}
		forged := post(plain, t, strings.Replace(signedAt(noon, nonce), "signature=", "signature=0", 1), body)
		open := post(secretive, t, signedAt(noon, nonce)+"&encrypt_type=aes&msg_signature="+signature, body)
		if forged.Status != 401 || open.Status != 401 || len(forged.Events)+len(open.Events) > 0 {
			t.Fatalf("%q: forged %+v, in plain text %+v", body, forged, open)
		}
	}
	if refused < 3000 {
		t.Errorf("%d of 10,000 bodies were refused: they are not damaged enough", refused)
	}
}

// FuzzBody: whatever an authentic body holds, plain or encrypted.
func FuzzBody(f *testing.F) {
	for _, c := range eventCases {
		f.Add(c.xml, true)
	}
	for _, body := range unreadableCases {
		f.Add(body, false)
	}
	plain, secretive := receiver(f), receiver(f, func(s *Settings) { s.AESKey = key })
	f.Fuzz(func(t *testing.T, body string, seal bool) {
		q, c := query, plain
		if seal {
			c = secretive
			q, body = sealed(t, key, appID, body)
		}
		var err error
		if c.seen, err = newSeen(1); err != nil { // the nonce is always the same
			t.Fatal(err)
		}
		res := post(c, t, q, body)
		if res.Status != 200 && (res.Status != 400 || res.Quarantine == "") || (res.Status == 200) != (len(res.Events) == 1) {
			t.Fatalf("%q: %+v", body, res)
		}
		for _, e := range res.Events {
			if wrong := sound(e); wrong != "" {
				t.Fatalf("%q: %s: %+v", body, wrong, e)
			}
		}
	})
}

// FuzzEnvelope: whatever the body and the texts of a query are, without the token
// there is no event.
func FuzzEnvelope(f *testing.F) {
	f.Add(query, hello)
	f.Add(aesQuery(encrypted), envelope(encrypted))
	f.Add("signature=&timestamp=&nonce=&%zz", "<xml>")
	c := receiver(f, func(s *Settings) { s.Token, s.AESKey = "another", key })
	f.Fuzz(func(t *testing.T, q, body string) {
		if res := post(c, t, q, body); res.Status == 200 || len(res.Events) > 0 || res.Quarantine != "" {
			t.Fatalf("%q %q: %+v", q, body, res)
		}
	})
}
