package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/examples/imichat-sim/sim"
	"github.com/openccsp/gateway/sdk"
)

// members are what the events have.
var members = []string{
	"agent", "agent_id", "asset", "assignee", "attachments", "by", "closed_by", "comment", "customer", "direction", "est_wait",
	"event_name", "flowparams", "from", "idle_time", "kind", "message", "messageid", "params", "position", "private", "queue", "reason",
	"reason_code", "score", "status", "team_id", "text", "timed_out", "to", "visibility", "wait_time",
}

// odd are values that a member may have by mistake.
var odd = []string{
	`null`, `true`, `7`, `-0.5`, `1e999`, `"7"`, `""`, `" "`, `"\u0000"`, `"\ud800"`, `{}`, `[]`, `[[[]]]`, `{"a":{"b":[1]}}`, `["a",null]`,
	`"{"`, `"[1,"`, `"{\"id\":7}"`, `"` + strings.Repeat("é", 4000) + `"`,
}

// TestWrongTypes: each member of each event with each value that it should not
// have: one event of its chat, or a custom one that keeps all; never a message
// for the customer that nobody wrote.
func TestWrongTypes(t *testing.T) {
	c, _ := receiver(t, func(s *settings) { s.Assets = map[string]string{"shop": "a1"} })
	types := slices.Sorted(maps.Keys(knownTypes()))
	for _, typ := range append(types, "ticket_made") {
		for _, name := range members {
			for _, value := range odd {
				raw := fmt.Sprintf(`{"event_type":%q,"chatid":"C",%q:%s}`, typ, name, value)
				res := c.take([]byte(raw))
				if strings.HasPrefix(typ, "typing") {
					if len(res.Events) != 0 || res.Status != 0 {
						t.Errorf("%.99s: %+v", raw, res)
					}
					continue
				}
				if len(res.Events) != 1 || res.Status != 0 || res.Quarantine != "" {
					t.Fatalf("%.99s: %+v, want one event", raw, res)
				}
				e := res.Events[0]
				if e.Ref != "C" || e.Type == "" || !json.Valid(e.Payload) || e.Type == sdk.CustomEvent && e.EventName == "" {
					t.Errorf("%.99s: %+v", raw, e)
				}
				if e.Type == sdk.IncomingMessage && e.Text == "" && len(e.Attachments) == 0 {
					t.Errorf("%.99s: an empty message", raw)
				}
				if e.Channel != "" && (e.Customer.Address == "" || e.By != "agent") {
					t.Errorf("%.99s: a chat with nobody: %+v", raw, e)
				}
			}
		}
	}
}

// TestSameAsText: numbers and truth as texts mean the same, and back.
func TestSameAsText(t *testing.T) {
	c, _ := receiver(t)
	for _, tt := range []struct{ typ, name, plain, text string }{
		{"incoming_message", "messageid", `5,"text":"a"`, `"5","text":"a"`},
		{"incoming_message", "private", `true,"text":"a"`, `"true","text":"a"`},
		{"incoming_message", "text", `5`, `"5"`},
		{"customer_unattended", "wait_time", `15.5`, `" 15.5 "`},
		{"chat_idle", "idle_time", `10`, `"10"`},
		{"chat_queued", "position", `2`, `"2"`},
		{"chat_queued", "est_wait", `3`, `"3.0"`},
		{"chat_closed", "timed_out", `true`, `"yes"`},
		{"chat_closed", "reason_code", `8`, `"8"`},
		{"chat_transferred", "team_id", `4`, `"4"`},
		{"survey_rated", "score", `4`, `"4"`},
		{"flow_triggered", "flowparams", `{"a":1}`, `"{\"a\":\"1\"}"`},
		{"custom_event", "params", `{"a":true}`, `"{\"a\":true}"`},
	} {
		var got [2]sdk.Event
		for i, value := range []string{tt.plain, tt.text} {
			res := c.take(fmt.Appendf(nil, `{"event_type":%q,"chatid":"C",%q:%s}`, tt.typ, tt.name, value))
			if len(res.Events) != 1 || res.Events[0].EventName == "invalid" {
				t.Fatalf("%s %s: %+v", tt.typ, value, res)
			}
			got[i] = bare(res.Events[0])
		}
		if diff := cmp.Diff(got[0], got[1]); diff != "" {
			t.Errorf("%s %s (-plain +text):\n%s", tt.typ, tt.name, diff)
		}
	}
}

// TestTruncated: no beginning of a good body, or of a sample, becomes an event.
func TestTruncated(t *testing.T) {
	c, _ := receiver(t)
	bodies := [][]byte{[]byte(`[{"event_type":"chat_closed","chatid":"C","status":"closed"},{"event_type":"chat_opened","chatid":"D"}]`)}
	for _, name := range samples {
		bodies = append(bodies, []byte(strings.TrimSpace(string(sample(t, name)))))
	}
	for _, b := range bodies {
		for n := range len(b) {
			if res := c.take(b[:n]); len(res.Events) > 0 || res.Status != 400 || res.Quarantine == "" {
				t.Errorf("%q: %+v", b[:n], res)
			}
		}
	}
}

// TestForgedStaleReplayed: a webhook of somebody who does not have a secret, of
// one that was valid once, and one that somebody sends again.
func TestForgedStaleReplayed(t *testing.T) {
	message := `{"event_type":"incoming_message","chatid":"C","messageid":"1","message":"a"}`
	during, _ := receiver(t, func(s *settings) { s.TeamSecret, s.FurtherSecrets = "canary-next", secret })
	after, host := receiver(t, func(s *settings) { s.TeamSecret = "canary-next" })
	post := func(c *connector, signature, body string) sdk.WebhookResponse {
		t.Helper()
		res, err := c.Webhook(t.Context(), &sdk.WebhookRequest{Method: "POST", Body: []byte(body), Header: header("X-Hub-Signature", signature)})
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	old, next := sim.Sign(secret, []byte(message)), sim.Sign("canary-next", []byte(message))
	if res := post(during, old, message); len(res.Events) != 1 {
		t.Errorf("while it is replaced: %+v", res)
	}
	for name, signature := range map[string]string{"stale": old, "forged": sim.Sign("guess", []byte(message)), "of another body": sim.Sign("canary-next", []byte(opened)), "none": ""} {
		if res := post(after, signature, message); res.Status != 401 || len(res.Events) > 0 || res.Quarantine != "" {
			t.Errorf("%s: %+v, want 401 and nothing kept", name, res)
		}
	}
	host.Set(noon)
	first := post(after, next, message).Events[0]
	host.Set(noon.Add(2 * 24 * time.Hour))
	if again := post(after, next, message).Events[0]; again.ID != first.ID {
		t.Errorf("a message that is sent again has the id %s, want %s", again.ID, first.ID)
	}
	flow := `{"event_type":"flow_triggered","chatid":"C","messageid":"5","flowparams":{"a":"b"}}`
	signature := sim.Sign("canary-next", []byte(flow))
	if a, b := post(after, signature, flow).Events[0], post(after, signature, flow).Events[0]; a.ID != b.ID {
		t.Errorf("a flow that is sent again has the ids %s and %s", a.ID, b.ID)
	}
	closing := `{"event_type":"chat_closed","chatid":"C","status":"closed"}`
	signature = sim.Sign("canary-next", []byte(closing))
	if a, b := post(after, signature, closing).Events[0], post(after, signature, closing).Events[0]; a.ID != b.ID {
		t.Errorf("an end that is sent again has the ids %s and %s", a.ID, b.ID)
	}
}

// TestReordered: events that overtake each other are what they are; a repetition
// is known by its id wherever it comes.
func TestReordered(t *testing.T) {
	all := []string{
		`{"event_type":"chat_opened","chatid":"C"}`, `{"event_type":"chat_picked","chatid":"C","agent":"Ann"}`,
		`{"event_type":"incoming_message","chatid":"C","messageid":"1","message":"a"}`,
		`{"event_type":"incoming_message","chatid":"C","messageid":"2","message":"b"}`, `{"event_type":"chat_closed","chatid":"C"}`,
	}
	want := []string{"chat_assigned", "chat_closed", "chat_opened", "incoming_message", "incoming_message"}
	for _, order := range [][]int{{4, 3, 2, 1, 0}, {2, 0, 4, 1, 3}, {1, 1, 0, 3, 2, 4, 3, 2}} {
		c, _ := receiver(t)
		ids := map[string]string{}
		for _, i := range order {
			e := c.take([]byte(all[i])).Events[0]
			ids[e.ID] = e.Type
		}
		if diff := cmp.Diff(want, slices.Sorted(maps.Values(ids))); diff != "" {
			t.Errorf("%v (-want +got):\n%s", order, diff)
		}
	}
}

// FuzzMark: whatever the gateway has kept as a cursor, it can be gone on with.
func FuzzMark(f *testing.F) {
	for _, s := range []string{"", "null", `{"v":1}`, `{"v":1,"status":"picked","turns":-1,"known":["a","6b86b273ff34"],"closing":true}`, `{"v":1,"known":null}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, cursor []byte) {
		m := readMark(cursor)
		m.add("1")
		if !m.has("1") || len(m.Known) > maxKnown || m.Version != markVersion {
			t.Errorf("%q: %+v", cursor, m)
		}
		if diff := cmp.Diff(m, readMark(m.bytes())); diff != "" {
			t.Errorf("%q (-kept +read):\n%s", cursor, diff)
		}
	})
}
