package main

import (
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

// sound reports what is wrong with an event that came of foreign bytes.
func sound(e sdk.Event) string {
	switch {
	case e.Ref != ref:
		return "another conversation"
	case !utf8.ValidString(e.Text) || strings.Contains(e.Text, "\x00"):
		return "a text that no channel can carry"
	case e.Type == sdk.CustomEvent && (e.EventName == "" || len(e.EventName) > maxName):
		return "the name of a custom event"
	case len(e.ID) > maxID+8:
		return "a long id"
	case len(e.Attachments) > maxFiles:
		return "too many files"
	}
	for _, a := range e.Attachments {
		if !httpURL(a.URL) {
			return "a file of no server"
		}
	}
	return ""
}

// FuzzAnswer: whatever a bot answers, with whatever status, is events that are
// sound, or one of the errors that say what to do.
func FuzzAnswer(f *testing.F) {
	for _, c := range rasaCases {
		f.Add(true, 200, "["+c.item+"]")
	}
	for _, c := range jsonCases {
		f.Add(false, 200, `{"version":1,"events":[`+c.item+`]}`)
	}
	for _, s := range []string{"", "<", "[", "null", `[[[[`, `{"version":1e0,"events":[]}`} {
		f.Add(true, 200, s)
		f.Add(false, 503, s)
	}
	both := map[bool]*rig{true: connect(f, rasaAt("https://e.com")), false: connect(f, jsonAt("https://e.com"))}
	f.Fuzz(func(t *testing.T, isRasa bool, status int, body string) {
		if status < 200 || status > 599 {
			return
		}
		r := both[isRasa]
		q := &request{id: "m.1", ref: ref}
		a := ccsp.Answer{Status: status, Header: http.Header{}, Body: []byte(body)}
		if err := r.cfg.keys.signIf(a.Header, q.id, a.Body); err != nil {
			t.Fatal(err)
		}
		err := refused(a, noon)
		var things []said
		if err == nil {
			things, err = r.profile.answer(q, a, noon)
		}
		switch got := plugintest.Verdict(err); {
		case got == "ok", got == "retry", got == "ambiguous", got == "throttled 0s", got == "credentials refused":
		case strings.HasPrefix(got, "rejected "):
		default:
			t.Errorf("%d %q: %v", status, body, err)
		}
		for _, e := range r.connector.events(ref, q.id, things) {
			if wrong := sound(e); wrong != "" {
				t.Errorf("%d %q: %s: %+v", status, body, wrong, e)
			}
		}
	})
}

// signIf signs where the profile does.
func (k keys) signIf(h http.Header, id string, body []byte) error {
	if len(k) == 0 {
		return nil
	}
	return k.sign(h, id, noon, body)
}

// FuzzWebhook: the same of what comes to the hook, from the bot and from
// strangers.
func FuzzWebhook(f *testing.F) {
	f.Add(true, true, `{"recipient_id":"`+ref+`","text":"Hi"}`)
	f.Add(false, true, hello)
	f.Add(false, false, hello)
	for _, c := range jsonCases {
		f.Add(false, true, `{"version":1,"conversation":"`+ref+`","events":[`+c.item+`]}`)
	}
	both := map[bool]*rig{true: connect(f, rasaAt("https://e.com")), false: connect(f, jsonAt("https://e.com"))}
	f.Fuzz(func(t *testing.T, isRasa, proven bool, body string) {
		r := both[isRasa]
		q := &sdk.WebhookRequest{Method: http.MethodPost, Header: http.Header{}, Body: []byte(body)}
		if proven {
			q.Query = "token=" + token
			if err := r.cfg.keys.signIf(q.Header, "w1", q.Body); err != nil {
				t.Fatal(err)
			}
		}
		res, err := r.Webhook(t.Context(), q)
		if err != nil || res.Status >= 500 || !proven && (len(res.Events) > 0 || res.Status < 400 || res.Quarantine != "") {
			t.Fatalf("%q: %+v, %v", body, res, err)
		}
		for _, e := range res.Events {
			e.Ref = ref // any conversation may be meant
			if res.Status != 0 || sound(e) != "" {
				t.Errorf("%q: status %d, %s: %+v", body, res.Status, sound(e), e)
			}
		}
	})
}

// FuzzSignature tries texts as the headers of a signature. None but the right
// ones is valid.
func FuzzSignature(f *testing.F) {
	k, err := parseKeys(secret, older)
	if err != nil {
		f.Fatal(err)
	}
	good := http.Header{}
	if err := k.sign(good, "w1", noon, []byte(hello)); err != nil {
		f.Fatal(err)
	}
	right := good.Get("webhook-signature")
	for _, s := range []string{right, "v1,", "v1", "", right[:len(right)-2], "v1a," + right, "v1,x " + right} {
		f.Add("w1", "1767355200", s)
	}
	f.Fuzz(func(t *testing.T, id, at, signature string) {
		h := http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {at}, "Webhook-Signature": {signature}}
		_, err := k.verify(h, []byte(hello), noon)
		if err == nil && (id != "w1" || strings.TrimLeft(at, "0") != "1767355200" || !strings.Contains(signature, right)) {
			t.Errorf("%q %q %q is taken", id, at, signature)
		}
	})
}
