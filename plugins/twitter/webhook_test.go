package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/sdk"
)

// bare are settings of a channel that makes no calls.
func bare(t testing.TB) *rig { return at(t, byOAuth1("http://127.0.0.1:1")) }

func TestSignVectors(t *testing.T) {
	for body, want := range map[string]string{
		"crc-abc-123": "sha256=lfuBGf0kOBoq3OwXvxUmlTigfDq8mJqeSMS+IcOW6zM=",
		`{"for_user_id":"42","direct_message_events":[]}`: "sha256=UiecOkWKAYNrxfGeOKsG2LL/st4SlhqrDugNBnJTqNA=",
	} {
		if got := sign("z_consumer_secret_1", []byte(body)); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
}

func TestChallenge(t *testing.T) {
	s := byOAuth1("http://127.0.0.1:1")
	s.ConsumerSecret = "z_consumer_secret_1"
	r := at(t, s)
	res, err := r.Webhook(t.Context(), &sdk.WebhookRequest{Method: "GET", Query: "crc_token=crc-abc-123&nonce=n"})
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]string
	if err := json.Unmarshal(res.Body, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"response_token": "sha256=lfuBGf0kOBoq3OwXvxUmlTigfDq8mJqeSMS+IcOW6zM="}
	if d := cmp.Diff(want, got); d != "" || res.Status != 200 || res.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%d %v\n%s", res.Status, res.Header, d)
	}
}

// TestChallengeSignsNoWebhook: X signs webhooks with the function that answers the
// challenge. Nobody gets a signature of a webhook by asking for one.
func TestChallengeSignsNoWebhook(t *testing.T) {
	r := bare(t)
	for _, token := range []string{
		`{"for_user_id":"43","direct_message_events":[]}`, " {}", "{", "[]", `"x"`, "", "a b{", strings.Repeat("a", 513), "é", "\x00",
	} {
		res, err := r.Webhook(t.Context(), &sdk.WebhookRequest{Method: "GET", Query: url.Values{"crc_token": {token}}.Encode()})
		if err != nil || res.Status != 400 || bytes.Contains(res.Body, []byte("sha256")) {
			t.Errorf("%.40q: %d %s %v", token, res.Status, res.Body, err)
		}
	}
	for _, query := range []string{"", "crc_token=a&crc_token=b", "%zz", "crc=a"} {
		if res, err := r.Webhook(t.Context(), &sdk.WebhookRequest{Method: "GET", Query: query}); err != nil || res.Status != 400 {
			t.Errorf("%q: %d %v", query, res.Status, err)
		}
	}
}

// TestForged: none of these signatures is X's.
func TestForged(t *testing.T) {
	r := bare(t)
	body := `{"for_user_id":"43","direct_message_events":[` + hello + `]}`
	right := sign(consumerSecret, []byte(body))
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(right, "sha256="))
	if err != nil {
		t.Fatal(err)
	}
	compact := new(bytes.Buffer)
	if err := json.Indent(compact, []byte(body), "", " "); err != nil {
		t.Fatal(err)
	}
	for name, signatures := range map[string][]string{
		"none": nil, "empty": {""}, "another secret": {sign("other", []byte(body))}, "another body": {sign(consumerSecret, []byte("{}"))},
		"cut": {right[:len(right)-4]}, "longer": {right + "="}, "upper case": {strings.ToUpper(right)}, "no algorithm": {right[7:]},
		"another algorithm": {"sha1=" + right[7:]}, "hex": {"sha256=" + hex.EncodeToString(raw)}, "two": {right, right},
		"one wrong, one right": {"x", right}, "body written anew": {sign(consumerSecret, compact.Bytes())}, "blank before": {" " + right},
	} {
		q := &sdk.WebhookRequest{Method: "POST", Body: []byte(body), Header: http.Header{signatureHeader: signatures}}
		res, err := r.Webhook(t.Context(), q)
		if err != nil || res.Status != 401 || len(res.Events) != 0 || res.Quarantine != "" {
			t.Errorf("%s: %d, %d events, quarantine %q, %v", name, res.Status, len(res.Events), res.Quarantine, err)
		}
	}
	if res := r.take(t, body); res.Status != 0 || len(res.Events) != 1 {
		t.Errorf("the right one: %+v", res)
	}
}

// TestTwoSecrets: X signs with the app's secret of OAuth 1.0a, with that of 2.0, or
// with both, and asks for the challenge to be answered with either.
func TestTwoSecrets(t *testing.T) {
	const clientSecret = "canary-client-secret"
	body := []byte(`{"for_user_id":"43","direct_message_events":[` + hello + `]}`)
	one, two := sign(consumerSecret, body), sign(clientSecret, body)
	alone := func(url string) settings { s := byOAuth2(url); s.ConsumerKey, s.ConsumerSecret = "", ""; return s }
	for _, tt := range []struct {
		name           string
		by             func(string) settings
		legacy, oauth2 []string
		want           int
	}{
		{"1.0a by 1.0a", byOAuth1, []string{one}, nil, 0}, {"both, and only one secret here", byOAuth1, []string{one}, []string{two}, 0},
		{"2.0 alone, and another secret here", byOAuth1, nil, []string{two}, 401},
		{"both", byOAuth2, []string{one}, []string{two}, 0}, {"2.0 of both", byOAuth2, nil, []string{two}, 0}, {"1.0a of both", byOAuth2, []string{one}, nil, 0},
		{"2.0 wrong, 1.0a right", byOAuth2, []string{one}, []string{one}, 401}, {"2.0 twice", byOAuth2, []string{one}, []string{two, two}, 401},
		{"2.0 alone", alone, nil, []string{two}, 0}, {"1.0a without its secret", alone, []string{one}, nil, 401},
		{"1.0a with no secret", alone, []string{sign("", body)}, nil, 401}, {"2.0 with the other secret", alone, nil, []string{one}, 401},
	} {
		r := at(t, tt.by("http://127.0.0.1:1"))
		q := &sdk.WebhookRequest{Method: "POST", Body: body, Header: http.Header{}}
		for _, v := range tt.legacy {
			q.Header.Add("x-twitter-webhooks-signature", v)
		}
		for _, v := range tt.oauth2 {
			q.Header.Add("X-Twitter-Webhooks-Signature-OAuth2", v)
		}
		res, err := r.Webhook(t.Context(), q)
		if err != nil || res.Status != tt.want || (len(res.Events) == 1) != (tt.want == 0) {
			t.Errorf("%s: %d, %d events, %v", tt.name, res.Status, len(res.Events), err)
		}
	}
	client := byOAuth2("http://127.0.0.1:1")
	client.WebhookSecret = "client"
	for want, s := range map[string]settings{consumerSecret: byOAuth2("http://127.0.0.1:1"), clientSecret: client} {
		res, err := at(t, s).Webhook(t.Context(), &sdk.WebhookRequest{Method: "GET", Query: "crc_token=a"})
		if err != nil || !bytes.Contains(res.Body, []byte(sign(want, []byte("a")))) {
			t.Errorf("challenge by %s: %s %v", want, res.Body, err)
		}
	}
	if res, err := at(t, alone("http://127.0.0.1:1")).Webhook(t.Context(), &sdk.WebhookRequest{Method: "GET", Query: "crc_token=a"}); err != nil ||
		!bytes.Contains(res.Body, []byte(sign(clientSecret, []byte("a")))) {
		t.Errorf("challenge: %s %v", res.Body, err)
	}
}

// TestReplayed: X's signatures have no time, so the same request is taken again,
// with the same ids: the gateway takes each once.
func TestReplayed(t *testing.T) {
	r := bare(t)
	for _, body := range []string{
		`{"for_user_id":"43","direct_message_events":[` + hello + `]}`,
		`{"data":{"event_uuid":"-7","filter":{"user_id":"43"},"event_type":"chat.received","payload":{"sender_id":"30"}}}`,
		`{"data":{"event_uuid":"-8","filter":{"user_id":"43"},"event_type":"post.create","payload":{"text":"x"}}}`,
		`{"for_user_id":"43","direct_message_mark_read_events":[{"sender_id":"30","last_read_event_id":"9"}]}`,
	} {
		first := r.take(t, body).Events
		r.pass(301e9)
		again := r.take(t, body).Events
		if len(first) != 1 || len(again) != 1 || first[0].ID == "" || first[0].ID != again[0].ID {
			t.Errorf("%s: %+v and %+v", body, first, again)
		}
	}
}

func TestOtherRequests(t *testing.T) {
	r := bare(t)
	for _, tt := range []struct {
		method, path string
		status       int
	}{
		{"POST", "/x", 404}, {"GET", "/oauth", 404}, {"PUT", "", 405}, {"DELETE", "/", 405}, {"HEAD", "", 405}, {"BREW", "/%zz", 404},
		{"POST", "/oauth/start", 404}, {"POST", "/oauth/callback", 400}, {"GET", "/oauth/callback", 403},
	} {
		res, err := r.Webhook(t.Context(), &sdk.WebhookRequest{Method: tt.method, Path: tt.path, Header: http.Header{}})
		if err != nil || res.Status != tt.status || len(res.Events) != 0 {
			t.Errorf("%s %s: %d %v, want %d", tt.method, tt.path, res.Status, err, tt.status)
		}
	}
}
