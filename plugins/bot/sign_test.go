package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

const hello = `{"version":1,"conversation":"` + ref + `","events":[{"type":"message","text":"Hi"}]}`

// TestForgedWebhooks: nothing gets in but what one of the secrets signed, as it
// is, not long ago.
func TestForgedWebhooks(t *testing.T) {
	for _, tt := range []struct {
		name   string
		secret string
		at     time.Time
		change func(*sdk.WebhookRequest)
		want   int
	}{
		{"good", secret, noon, nil, 0},
		{"the older secret", older, noon, nil, 0},
		{"another secret", "guess-of-sixteen-bytes", noon, nil, 401},
		{"almost too old", secret, noon.Add(-5 * time.Minute), nil, 0},
		{"too old", secret, noon.Add(-5*time.Minute - time.Second), nil, 401},
		{"almost too new", secret, noon.Add(5 * time.Minute), nil, 0},
		{"too new", secret, noon.Add(5*time.Minute + time.Second), nil, 401},
		{"another text", secret, noon, func(r *sdk.WebhookRequest) { r.Body = []byte(strings.Replace(hello, "Hi", "Ho", 1)) }, 401},
		{"another id", secret, noon, func(r *sdk.WebhookRequest) { r.Header.Set("webhook-id", "w2") }, 401},
		{"another time", secret, noon, func(r *sdk.WebhookRequest) { r.Header.Set("webhook-timestamp", "1767355201") }, 401},
		{"no id", secret, noon, func(r *sdk.WebhookRequest) { r.Header.Del("webhook-id") }, 401},
		{"no time", secret, noon, func(r *sdk.WebhookRequest) { r.Header.Del("webhook-timestamp") }, 401},
		{"no signature", secret, noon, func(r *sdk.WebhookRequest) { r.Header.Del("webhook-signature") }, 401},
		{"empty signature", secret, noon, func(r *sdk.WebhookRequest) { r.Header.Set("webhook-signature", "") }, 401},
		{"signature of another version", secret, noon, func(r *sdk.WebhookRequest) {
			r.Header.Set("webhook-signature", strings.Replace(r.Header.Get("webhook-signature"), "v1,", "v2,", 1))
		}, 401},
		{"several signatures in one", secret, noon, func(r *sdk.WebhookRequest) {
			r.Header.Set("webhook-signature", "v1,AAAA "+r.Header.Get("webhook-signature"))
		}, 0},
		{"two headers of signatures", secret, noon, func(r *sdk.WebhookRequest) { r.Header.Add("webhook-signature", "v1,AAAA") }, 401},
		{"two ids", secret, noon, func(r *sdk.WebhookRequest) { r.Header.Add("webhook-id", "w2") }, 401},
		{"an id of a page", secret, noon, func(r *sdk.WebhookRequest) { r.Header.Set("webhook-id", big(maxID+1)) }, 401},
		{"a time that is none", secret, noon, func(r *sdk.WebhookRequest) { r.Header.Set("webhook-timestamp", "noon") }, 401},
		{"a time with a sign", secret, noon, func(r *sdk.WebhookRequest) {
			r.Header.Set("webhook-timestamp", "+"+r.Header.Get("webhook-timestamp"))
		}, 401},
		{"a time beyond all", secret, noon, func(r *sdk.WebhookRequest) { r.Header.Set("webhook-timestamp", "9223372036854775807") }, 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := connect(t, jsonAt("https://bot.example.com"))
			q := hooked(t, tt.secret, "w1", tt.at, hello)
			if tt.change != nil {
				tt.change(q)
			}
			res, err := r.Webhook(t.Context(), q)
			if err != nil || res.Status != tt.want || (len(res.Events) == 1) != (tt.want == 0) || res.Quarantine != "" {
				t.Errorf("%d with %d events, quarantine %q, %v; want %d", res.Status, len(res.Events), res.Quarantine, err, tt.want)
			}
		})
	}
}

// TestReplayedWebhook: a request that comes again does nothing twice, since it
// has the same ids. It cannot be refused: the bot repeats what was answered
// with 503.
func TestReplayedWebhook(t *testing.T) {
	r := connect(t, jsonAt("https://bot.example.com"))
	ids := map[string]int{}
	for _, at := range []time.Time{noon, noon, noon.Add(time.Minute)} { // the third is the bot's own retry
		res, err := r.Webhook(t.Context(), hooked(t, secret, "w1", at, hello))
		if err != nil || len(res.Events) != 1 {
			t.Fatalf("%+v, %v", res, err)
		}
		ids[res.Events[0].ID]++
	}
	if len(ids) != 1 || ids["w1#0"] != 3 {
		t.Errorf("ids %v, want w1#0 each time", ids)
	}
	r.host.Set(noon.Add(tolerance + time.Second))
	if res, _ := r.Webhook(t.Context(), hooked(t, secret, "w1", noon, hello)); res.Status != http.StatusUnauthorized {
		t.Errorf("replayed later: %d, want 401", res.Status)
	}
}

// TestReflected: what the gateway signed is no proof of the bot, at the hook or
// in an answer, and what one answer said is no answer to another request.
func TestReflected(t *testing.T) {
	var request http.Header
	var body []byte
	r := dial(t, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		request, body = q.Header.Clone(), make([]byte, q.ContentLength)
		_, _ = q.Body.Read(body)
		for _, name := range []string{"Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"} {
			w.Header()[name] = request[name]
		}
		_, _ = w.Write(body)
	}), profileJSON)
	for name, act := range acts {
		want := asClose(name, "ambiguous")
		if err := act(t.Context(), r); plugintest.Verdict(err) != want {
			t.Errorf("%s, answered with itself: %v, want %s", name, err, want)
		}
		q := &sdk.WebhookRequest{Method: http.MethodPost, Header: request, Body: body}
		if res, err := r.Webhook(t.Context(), q); err != nil || res.Status != http.StatusBadRequest || len(res.Events) > 0 {
			t.Errorf("%s at the hook: %+v, %v, want 400", name, res, err)
		}
	}
	if got := r.took(); len(got) > 0 {
		t.Errorf("events %+v", got)
	}
}

// TestForgedAnswers: what an answer says counts only if it is signed for the
// very request, now.
func TestForgedAnswers(t *testing.T) {
	sign := func(secret, id string, at time.Time) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if id == "" {
				id = r.Header.Get("webhook-id")
			}
			k, err := parseKeys(secret, "")
			if err == nil {
				err = k.sign(w.Header(), id, at, []byte(hello))
			}
			if err != nil {
				t.Error(err)
			}
			_, _ = w.Write([]byte(hello))
		}
	}
	for _, tt := range []struct {
		name string
		bot  http.HandlerFunc
		want string
	}{
		{"good", sign(secret, "", noon), "ok"},
		{"the older secret", sign(older, "", noon), "ok"},
		{"another secret", sign("guess-of-sixteen-bytes", "", noon), "credentials refused"},
		{"an answer to another request", sign(secret, "m-0", noon), "credentials refused"},
		{"stale", sign(secret, "", noon.Add(-time.Hour)), "credentials refused"},
		{"from the future", sign(secret, "", noon.Add(time.Hour)), "credentials refused"},
		{"unsigned", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(hello)) }, "credentials refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := dial(t, tt.bot, profileJSON)
			err := acts["send"](t.Context(), r)
			if got := plugintest.Verdict(err); got != tt.want || (len(r.took()) == 1) != (tt.want == "ok") {
				t.Errorf("%s with %d events, want %s: %v", got, len(r.took()), tt.want, err)
			}
		})
	}
}

// TestAnswerForAnother: an answer that names another conversation reaches no
// customer.
func TestAnswerForAnother(t *testing.T) {
	other := strings.Replace(hello, ref, strings.Repeat("f", 32), 1)
	r := dial(t, signedBy(t, secret, other), profileJSON)
	if err := acts["send"](t.Context(), r); err != nil {
		t.Fatal(err)
	}
	got := r.took()
	if len(got) != 1 || got[0].EventName != "invalid" || len(got[0].Payload) > 0 || got[0].Ref != ref {
		t.Errorf("%+v, want one event invalid, without what was said", got)
	}
}

// TestRasaHookToken: Rasa's callbacks prove themselves by a token.
func TestRasaHookToken(t *testing.T) {
	body := `{"recipient_id":"` + ref + `","text":"Hi"}`
	basic := httptest.NewRequest(http.MethodPost, "/", nil)
	basic.SetBasicAuth("rasa", token)
	for _, tt := range []struct {
		name, query, auth string
		want              int
	}{
		{"query", "token=" + token, "", 0},
		{"bearer", "", "Bearer " + token, 0},
		{"bearer, lower case", "", "bearer " + token, 0},
		{"basic", "", basic.Header.Get("Authorization"), 0},
		{"none", "", "", 401},
		{"empty", "token=", "", 401},
		{"wrong", "token=" + token + "x", "", 401},
		{"two", "token=" + token + "&token=x", "", 401},
		{"wrong bearer beside a good query", "token=" + token, "Bearer x", 401},
		{"another scheme", "", "Digest " + token, 401},
		{"query that is none", "token=%zz", "", 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := connect(t, rasaAt("https://bot.example.com"))
			q := called(body)
			q.Query = tt.query
			if tt.auth != "" {
				q.Header.Set("Authorization", tt.auth)
			}
			res, err := r.Webhook(t.Context(), q)
			if err != nil || res.Status != tt.want || (len(res.Events) == 1) != (tt.want == 0) {
				t.Errorf("%d with %d events, %v; want %d", res.Status, len(res.Events), err, tt.want)
			}
		})
	}
	r := connect(t, settings{Profile: profileRasa, URL: "https://bot.example.com"})
	q := called(body)
	q.Query = "token="
	if res, _ := r.Webhook(t.Context(), q); res.Status != http.StatusUnauthorized {
		t.Errorf("without a hook_token: %d, want 401", res.Status)
	}
}
