package sim_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/examples/imichat-sim/sim"
	"github.com/openccsp/gateway/examples/internal/desk"
)

// next returns the next webhook's object.
func (h *hooks) next(t *testing.T) map[string]any {
	t.Helper()
	line := <-h.got
	var e map[string]any
	if err := json.Unmarshal([]byte(line[strings.Index(line, "{"):]), &e); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return e
}

// TestAgentsOnTheWire: the webhooks of what agents do.
func TestAgentsOnTheWire(t *testing.T) {
	h := new(hooks)
	f := start(t, sim.Options{Hook: listen(t, h), HookAuth: "none"})
	id := f.create(t, "")
	h.next(t)
	for _, tt := range []struct {
		act  string
		args sim.Args
		want map[string]any
	}{
		{"note", sim.Args{Text: "a VIP"}, map[string]any{"event_type": "incoming_message", "messageid": "1", "message": "a VIP", "agent": "", "visibility": "agent"}},
		{"pick", sim.Args{Agent: "Ann"}, map[string]any{"event_type": "chat_picked", "agent": "Ann"}},
		{"say", sim.Args{Text: "The manual", URL: "https://e.com/a.pdf", File: "a.pdf", MIME: "application/pdf", Size: 7},
			map[string]any{"event_type": "incoming_message", "messageid": "2", "message": "The manual", "agent": "Ann",
				"attachments": []any{map[string]any{"url": "https://e.com/a.pdf", "name": "a.pdf", "mime_type": "application/pdf", "size": 7.0}}}},
		{"event", sim.Args{Name: "control_passed", Params: map[string]string{"to": "bot"}},
			map[string]any{"event_type": "custom_event", "event_name": "control_passed", "params": map[string]any{"to": "bot"}}},
		{"transfer", sim.Args{To: "Bob"}, map[string]any{"event_type": "chat_transferred", "from": "Ann", "to_agent": "Bob"}},
		{"transfer", sim.Args{Team: 4}, map[string]any{"event_type": "chat_transferred", "from": "", "team_id": 4.0}},
		{"pick", sim.Args{Agent: "Cleo"}, map[string]any{"event_type": "chat_picked", "agent": "Cleo"}},
		{"close", sim.Args{Reason: "resolved", Disposition: "refunded"},
			map[string]any{"event_type": "chat_closed", "status": "closed", "reason": "resolved", "disposition": "refunded", "agent": "Cleo"}},
		{"reopen", sim.Args{Agent: "Dan"}, map[string]any{"event_type": "chat_reopened", "agent": "Dan"}},
	} {
		if err := f.Act(id, tt.act, tt.args); err != nil {
			t.Fatalf("%s: %v", tt.act, err)
		}
		tt.want["chatid"] = id
		if diff := cmp.Diff(tt.want, h.next(t)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.act, diff)
		}
	}
	if c := f.Chats()[0]; c.Agent != "Dan" || c.Team != 4 || c.State != "picked" {
		t.Errorf("chat %+v, want it with Dan in team 4", c)
	}
}

// TestAgentBegins: a chat that an agent begins names the customer and the asset.
func TestAgentBegins(t *testing.T) {
	h := new(hooks)
	f := start(t, sim.Options{Hook: listen(t, h), HookAuth: "none"})
	status, body := f.call(t, "POST", "/agent/chats/+41791112233/start", "", `{"agent":"Ann","asset":"+41800"}`)
	var got struct{ Chat sim.Chat }
	if err := json.Unmarshal([]byte(body), &got); err != nil || status != 200 || got.Chat.State != "picked" || got.Chat.Agent != "Ann" {
		t.Fatalf("%d %s", status, body)
	}
	want := map[string]any{"event_type": "agent_chat_initiated", "chatid": got.Chat.ID, "agent": "Ann", "customer": "+41791112233", "asset": "+41800"}
	if diff := cmp.Diff(want, h.next(t)); diff != "" {
		t.Errorf("webhook (-want +got):\n%s", diff)
	}
	if status, body := f.call(t, "POST", "/v3.1/chats/"+got.Chat.ID+"/messages", "", message("Hi")); status != 200 {
		t.Errorf("the customer answers: %d %s", status, body)
	}
}

// TestOutageHoldsWebhooks: who is down calls nobody; afterwards all comes, in order.
func TestOutageHoldsWebhooks(t *testing.T) {
	h := new(hooks)
	f := start(t, sim.Options{Hook: listen(t, h), HookAuth: "none"})
	id := f.create(t, "")
	h.next(t)
	if err := f.SetOutage(desk.Outage{}); err != nil {
		t.Fatal(err)
	}
	if status, body := f.call(t, "GET", "/v3.1/chats/"+id, "", ""); status != 503 || !strings.Contains(body, `"status_code":`) {
		t.Errorf("%d %s, want 503 in the envelope", status, body)
	}
	for _, act := range []string{"pick", "say", "close"} {
		if err := f.Act(id, act, sim.Args{Text: "Hi"}); err != nil {
			t.Fatal(err)
		}
	}
	if n := f.Chats()[0].Waiting; n != 3 || len(h.got) != 0 {
		t.Errorf("%d webhooks wait and %d came, want 3 and none", n, len(h.got))
	}
	f.EndOutage()
	for _, want := range []string{"chat_picked", "incoming_message", "chat_closed"} {
		if got := h.next(t)["event_type"]; got != want {
			t.Errorf("%v, want %s", got, want)
		}
	}
}

// TestChatObject: a chat can be read, with what both sides said in it.
func TestChatObject(t *testing.T) {
	f := start(t, sim.Options{Options: desk.Options{Now: func() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC) }}})
	body := `{"team_id":17,"team_name":"Retail","alias_id":"a","channel":"livechat","thread_id":"t","subject":"Order","tag":["vip"],"flag":"red",
		"customer":{"id":"+41","name":"Ada","locale":"de-CH","addresses":{"sms":"+41"},"attributes":{"tier":"gold"}},"asset":{"id":"s"},
		"route_params":{"a":"b"},"messages":[
		{"message_id":"a.1","direction":"inbound","author":{"type":"customer","name":"Ada"},"type":"text","text":"Where is it?","attachments":[]},
		{"message_id":"a.2","direction":"outbound","author":{"type":"bot","name":"Robo"},"type":"text","text":"Which one?","attachments":[]},
		{"message_id":"m1","direction":"inbound","type":"text","text":"An agent, please","attachments":[]}]}`
	if status, got := f.call(t, "POST", "/v3.1/chats", "", body); status != 200 {
		t.Fatalf("%d %s", status, got)
	}
	c := f.Chats()[0]
	if c.Unanswered == nil || c.Heard != 3 {
		t.Errorf("chat %+v, want three lines heard, the last unanswered", c)
	}
	for _, a := range []struct {
		name string
		args sim.Args
	}{{"pick", sim.Args{Agent: "Ann"}}, {"say", sim.Args{Text: "Here I am"}}, {"note", sim.Args{Text: "psst"}},
		{"say", sim.Args{URL: "https://e.com/a"}}, {"event", sim.Args{Name: "vip"}}} {
		if err := f.Act(c.ID, a.name, a.args); err != nil {
			t.Fatal(err)
		}
	}
	if status, got := f.call(t, "POST", "/v3.1/chats/"+c.ID+"/receipts", "", `{"message_id":"1","status":"failed","reason":"window closed"}`); status != 200 {
		t.Fatalf("receipt: %d %s", status, got)
	}
	_, list, err := f.Messages(c.ID, 0)
	if err != nil || list[4].Status != "failed" || !list[0].Earlier || list[1].Author != "bot" || list[2].Earlier {
		t.Errorf("lines %+v, %v", list, err)
	}
	_, raw := f.call(t, "GET", "/v3.1/chats/"+c.ID, "", "")
	var got struct{ Response map[string]any }
	if err := json.Unmarshal([]byte(raw), &got); err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, m := range got.Response["messages"].([]any) {
		m := m.(map[string]any)
		said = append(said, strings.TrimSpace(fmt.Sprintf("%v %v %v %v %v", m["message_id"], m["direction"], m["type"], m["text"], m["visibility"])))
	}
	want := []string{"a.1 inbound text Where is it? <nil>", "a.2 outbound text Which one? <nil>", "m1 inbound text An agent, please <nil>",
		"1 outbound text Here I am <nil>", "2 outbound text psst agent", "3 outbound attachment  <nil>"}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	delete(got.Response, "messages")
	object := map[string]any{"team_id": 17.0, "team_name": "Retail", "chat_id": c.ID, "alias_id": "a", "status": "picked",
		"channel": "livechat", "subject": "Order", "thread_id": "t", "assignee": "Ann", "flag": "red", "tag": []any{"vip"},
		"route_params": map[string]any{"a": "b"}, "asset": map[string]any{"id": "s"}, "created_at": "2026-01-02T12:00:00Z",
		"updated_at": "2026-01-02T12:00:00Z",
		"customer": map[string]any{"id": "+41", "name": "Ada", "first_name": "", "last_name": "", "locale": "de-CH", "timezone": "",
			"addresses": map[string]any{"sms": "+41"}, "attributes": map[string]any{"tier": "gold"}}}
	if diff := cmp.Diff(object, got.Response); diff != "" {
		t.Errorf("chat (-want +got):\n%s", diff)
	}
}

// TestUpdate: the agent sees a profile that has changed.
func TestUpdate(t *testing.T) {
	f := start(t, sim.Options{})
	id := f.create(t, "")
	if status, body := f.call(t, "PUT", "/v3.1/chats/"+id, "", `{"subject":"Order","customer":{"id":"+41","name":"Ada King","attributes":{"tier":"gold"}},
		"tag":["vip"],"flag":"red","route_params":{"a":"c"}}`); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	c := f.Chats()[0]
	want := desk.Facts("Name", "Ada King", "Address", "+41", "tier", "gold", "Channel", "sms", "Asset", "s", "Subject", "Order",
		"Tags", "vip", "Flag", "red", "Alias", c.Alias)
	if diff := cmp.Diff(want, c.Profile); diff != "" || c.Name != "Ada King" || c.Params["a"] != "c" {
		t.Errorf("chat %+v; profile (-want +got):\n%s", c, diff)
	}
}
