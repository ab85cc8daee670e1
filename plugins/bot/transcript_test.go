package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/sdk"
)

var record = flag.Bool("record", false, "write the transcripts in testdata anew")

// step is something that the gateway asks of the connector.
type step struct {
	name string
	do   func(*testing.T, *rig) error
}

func sends(m sdk.Message) step {
	return step{"send " + m.ID, func(t *testing.T, r *rig) error {
		_, err := r.Send(t.Context(), talk, m)
		return err
	}}
}

// hears has the bot say something at the hook.
func hears(body string, wrap func(testing.TB, string) *sdk.WebhookRequest) step {
	return step{"hook " + body, func(t *testing.T, r *rig) error {
		res, err := r.Webhook(t.Context(), wrap(t, body))
		if err != nil || res.Status != 0 {
			return fmt.Errorf("%d %s: %w", res.Status, res.Body, err)
		}
		return r.emit(t.Context(), res.Events...)
	}}
}

// steps are one conversation: customer and bot, a hand-over, agent and
// customer, with copies for the bot, and back.
func steps(wrap func(testing.TB, string) *sdk.WebhookRequest, later string) []step {
	customer := func(id, text string) sdk.Message {
		return sdk.Message{ID: id, Text: text, Author: sdk.AuthorCustomer, Part: 1, Parts: 1, Attempt: 1, At: noon}
	}
	file := customer("c0ffee.1.2", "")
	file.Attachments = []sdk.Attachment{{URL: "https://gw.example.com/media/a", MIME: "image/png", Name: "a.png", Bytes: 7, Caption: "My bill"}}
	choice := customer("c0ffee.1.3", "Opening hours")
	choice.QuickReplies = []sdk.QuickReply{{Title: "Opening hours", Payload: "/opening_hours"}}
	part := customer("c0ffee.1.4", "first half")
	part.Parts, part.Resent, part.Late = 2, true, true
	copied := sdk.Message{ID: "c0ffee.1.7", Text: "How can I help?", Author: sdk.AuthorAgent, Agent: sdk.Agent{ID: "7", Name: "Ann"}, At: noon, Copy: true}
	fromRule := sdk.Message{ID: "c0ffee.1.8", Text: "We are back.", Author: sdk.AuthorRule, URLPush: "https://example.com/<a>&b", ReplyTo: "x"}
	return []step{
		sends(customer("c0ffee.1.1", "Hello <b>&amp; “you”")), sends(file), sends(choice), sends(part),
		sends(customer("c0ffee.1.5", "/restart")), sends(customer("c0ffee.1.6", "a person please")),
		{"event control_passed", func(t *testing.T, r *rig) error {
			return r.SendEvent(t.Context(), talk, "control_passed", map[string]string{"to": "ccsp", "by": "agent"})
		}},
		sends(copied),
		{"event vip", func(t *testing.T, r *rig) error { return r.SendEvent(t.Context(), talk, "vip", nil) }},
		sends(fromRule),
		hears(later, wrap),
		{"close", func(t *testing.T, r *rig) error { return r.Close(t.Context(), talk, "customer") }},
	}
}

// TestTranscripts: what goes over the wire, byte by byte, and what comes of it.
func TestTranscripts(t *testing.T) {
	for _, tt := range []struct {
		name     string
		settings settings
		answers  []string
		later    string
	}{
		{"rasa", settings{Profile: profileRasa, HookToken: token, Authorization: "Bearer x", Name: "Robin"}, []string{
			`[{"recipient_id":"` + ref + `","text":"Hello Ada"},{"recipient_id":"` + ref + `","text":"What can I do?","buttons":[{"title":"Opening hours","payload":"/opening_hours"}]}]`,
			`[{"recipient_id":"` + ref + `","image":"https://example.com/a.png"}]`,
			`[{"recipient_id":"` + ref + `","text":"From 9 to 18."},{"recipient_id":"` + ref + `","custom":{"event":"milestone_reached","params":{"name":"hours"}}}]`,
			`[]`, `[]`,
			`[{"recipient_id":"` + ref + `","text":"One moment."},{"recipient_id":"` + ref + `","custom":{"handover":{"action":"offer","to":"ccsp","reason":"asked"}}}]`,
		}, `{"recipient_id":"` + ref + `","text":"I am back."}`},
		{"rasa-all", settings{Profile: profileRasa, HookToken: token, Channel: rasaCallback, Copies: true, SlashCommands: true,
			EventIntents: map[string]string{"control_passed": "agent_took_over", "chat_closed": "chat_closed"}},
			nil, `{"recipient_id":"` + ref + `","text":"I am back."}`},
		{"json", jsonAt(""), []string{
			`{"version":1,"events":[{"type":"typing"},{"type":"message","text":"Hello Ada"},{"type":"message","id":"b2","text":"What can I do?","quick_replies":[{"title":"Opening hours","payload":"hours"}]}]}`,
			`{"version":1,"conversation":"` + ref + `","events":[{"type":"message","attachments":[{"url":"https://example.com/a.png","mime":"image/png"}]}]}`,
			`{"version":1,"events":[{"type":"milestone_reached","params":{"name":"hours"}}]}`,
			`{}`, ``,
			`{"version":1,"events":[{"type":"message","text":"One moment."},{"type":"handover","action":"offer","to":"ccsp","reason":"asked","params":{"topic":"bill"}}]}`,
		}, `{"version":1,"conversation":"` + ref + `","events":[{"type":"message","text":"I am back."},{"type":"handover","action":"accept"}]}`},
	} {
		t.Run(tt.name, func(t *testing.T) { transcript(t, tt.name, tt.settings, tt.answers, tt.later) })
	}
}

func transcript(t *testing.T, name string, s settings, answers []string, later string) {
	var log bytes.Buffer // the requests come while a step runs
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		fmt.Fprintf(&log, "> %s %s\n", r.Method, r.URL.RequestURI())
		for _, h := range []string{"Content-Type", "Accept", "Authorization", "Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"} {
			if v := r.Header.Values(h); len(v) > 0 {
				fmt.Fprintf(&log, "> %s: %s\n", h, strings.Join(v, " | "))
			}
		}
		fmt.Fprintf(&log, "> %s\n", body)
		answer := "success"
		if s.Channel == rasaREST || s.Channel == "" {
			answer = "[]"
		}
		if s.Profile == profileJSON {
			answer = ""
		}
		if len(answers) > 0 {
			answer, answers = answers[0], answers[1:]
		}
		fmt.Fprintf(&log, "< %s\n", answer)
		if s.Profile == profileJSON {
			signedBy(t, secret, answer)(w, r)
			return
		}
		_, _ = io.WriteString(w, answer)
	}))
	defer srv.Close()
	s.URL = srv.URL + "/bots/1"
	wrap := func(_ testing.TB, body string) *sdk.WebhookRequest { return called(body) }
	if s.Profile == profileJSON {
		wrap = func(t testing.TB, body string) *sdk.WebhookRequest { return hooked(t, secret, "w1", noon, body) }
	}
	r := connect(t, s)
	for _, st := range steps(wrap, later) {
		fmt.Fprintf(&log, "\n# %s\n", st.name)
		before := len(r.took())
		if err := st.do(t, r); err != nil {
			fmt.Fprintf(&log, "! %v\n", err)
		}
		for _, e := range r.took()[before:] {
			b, err := json.Marshal(shown(e))
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&log, "= %s\n", b)
		}
	}
	file := "testdata/" + name + ".txt"
	if *record {
		if err := os.WriteFile(file, log.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(log.String(), "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// shown is as much of an event as a transcript shows.
func shown(e sdk.Event) []string {
	out := []string{e.Type, e.ID, e.Ref[:4], e.EventName, e.Text, e.Agent.Name, e.MessageID, e.To, e.Reason}
	for _, a := range e.Attachments {
		out = append(out, a.URL, a.MIME)
	}
	for _, q := range e.QuickReplies {
		out = append(out, q.Title, q.Payload)
	}
	var params []string
	for k, v := range e.Params {
		params = append(params, k+"="+v)
	}
	slices.Sort(params)
	return append(out, params...)
}
