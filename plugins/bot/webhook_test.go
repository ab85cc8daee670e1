package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/openccsp/gateway/sdk"
)

// TestBadWebhooks: what is the bot's and cannot be read is answered so, kept
// for a person, and becomes no event.
func TestBadWebhooks(t *testing.T) {
	rasaItem, jsonItem := `{"recipient_id":"`+ref+`","text":"Hi"}`, `{"type":"message","text":"Hi"}`
	for _, tt := range []struct {
		name, profile, body string
		want                int // 0: it is taken
	}{
		{"empty", profileRasa, ``, 400},
		{"half", profileRasa, rasaItem[:20], 400},
		{"web page", profileRasa, `<html></html>`, 400},
		{"null", profileRasa, `null`, 400},
		{"empty list", profileRasa, `[]`, 400},
		{"no recipient", profileRasa, `{"text":"Hi"}`, 400},
		{"recipient that is none of ours", profileRasa, `{"recipient_id":"default","text":"Hi"}`, 400},
		{"recipient in capitals", profileRasa, `{"recipient_id":"` + strings.ToUpper(ref) + `","text":"Hi"}`, 400},
		{"recipient is a number", profileRasa, `{"recipient_id":42,"text":"Hi"}`, 400},
		{"two recipients", profileRasa, `[` + rasaItem + `,{"recipient_id":"` + strings.Repeat("f", 32) + `","text":"Hi"}]`, 400},
		{"a list", profileRasa, `[` + rasaItem + `,` + rasaItem + `]`, 0},
		{"too many", profileRasa, `[` + strings.Repeat(rasaItem+`,`, maxSaid) + rasaItem + `]`, 400},
		{"unknown conversation", profileRasa, `{"recipient_id":"` + strings.Repeat("f", 32) + `","text":"Hi"}`, 0}, // the core knows
		{"large", profileRasa, `{"recipient_id":"` + ref + `","text":"` + big(250<<10) + `"}`, 0},
		{"too large", profileRasa, `{"recipient_id":"` + ref + `","text":"` + big(maxBody) + `"}`, 413},

		{"empty", profileJSON, ``, 400},
		{"half", profileJSON, hello[:40], 400},
		{"web page", profileJSON, `<html></html>`, 400},
		{"a list", profileJSON, `[` + hello + `]`, 400},
		{"empty object", profileJSON, `{}`, 400},
		{"no version", profileJSON, `{"conversation":"` + ref + `","events":[` + jsonItem + `]}`, 400},
		{"version of another day", profileJSON, strings.Replace(hello, "1", "2", 1), 400},
		{"version as text", profileJSON, strings.Replace(hello, "1", `"1"`, 1), 0},
		{"no conversation", profileJSON, `{"version":1,"events":[` + jsonItem + `]}`, 400},
		{"conversation that is none of ours", profileJSON, `{"version":1,"conversation":"x","events":[` + jsonItem + `]}`, 400},
		{"conversation is an object", profileJSON, `{"version":1,"conversation":{"id":"` + ref + `"},"events":[` + jsonItem + `]}`, 400},
		{"no events", profileJSON, `{"version":1,"conversation":"` + ref + `"}`, 400},
		{"events is an object", profileJSON, `{"version":1,"conversation":"` + ref + `","events":` + jsonItem + `}`, 400},
		{"events is null", profileJSON, `{"version":1,"conversation":"` + ref + `","events":null}`, 400},
		{"nothing happened", profileJSON, `{"version":1,"conversation":"` + ref + `","events":[]}`, 0},
		{"pong", profileJSON, `{"version":1,"type":"pong"}`, 400},
		{"too many", profileJSON, `{"version":1,"conversation":"` + ref + `","events":[` + strings.Repeat(jsonItem+`,`, maxSaid) + jsonItem + `]}`, 400},
		{"unknown conversation", profileJSON, strings.Replace(hello, ref, strings.Repeat("f", 32), 1), 0},
		{"large", profileJSON, strings.Replace(hello, "Hi", big(250<<10), 1), 0},
		{"too large", profileJSON, strings.Replace(hello, "Hi", big(maxBody), 1), 413},
	} {
		t.Run(tt.profile+"/"+tt.name, func(t *testing.T) {
			r := connect(t, profiles[tt.profile]("https://bot.example.com"))
			q := called(tt.body)
			if tt.profile == profileJSON {
				q = hooked(t, secret, "w1", noon, tt.body)
			}
			res, err := r.Webhook(t.Context(), q)
			if err != nil || res.Status != tt.want {
				t.Fatalf("%d %s, %v; want %d", res.Status, res.Body, err, tt.want)
			}
			if kept := res.Quarantine != ""; kept != (tt.want == 400) || tt.want != 0 && len(res.Events) > 0 {
				t.Errorf("quarantine %q and %d events with %d", res.Quarantine, len(res.Events), tt.want)
			}
		})
	}
}

// TestStrangers: they learn nothing, and nothing of theirs is kept.
func TestStrangers(t *testing.T) {
	for profile, with := range profiles {
		r := connect(t, with("https://bot.example.com"))
		for _, tt := range []struct {
			q    sdk.WebhookRequest
			want int
		}{
			{sdk.WebhookRequest{Method: http.MethodPost, Body: []byte(hello)}, 401},
			{sdk.WebhookRequest{Method: http.MethodPost, Path: "/", Body: []byte("{")}, 401},
			{sdk.WebhookRequest{Method: http.MethodPost, Path: "/bot"}, 404},
			{sdk.WebhookRequest{Method: http.MethodGet}, 405},
			{sdk.WebhookRequest{Method: http.MethodPost, Body: make([]byte, maxBody+1)}, 413},
		} {
			res, err := r.Webhook(t.Context(), &tt.q)
			if err != nil || res.Status != tt.want || len(res.Events) > 0 || res.Quarantine != "" {
				t.Errorf("%s: %s %q: %+v, %v; want %d", profile, tt.q.Method, tt.q.Path, res, err, tt.want)
			}
		}
	}
}
