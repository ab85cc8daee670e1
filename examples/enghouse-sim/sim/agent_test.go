package sim_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/examples/enghouse-sim/sim"
	"github.com/openccsp/gateway/examples/internal/desk"
	"github.com/openccsp/gateway/examples/internal/desk/desktest"
)

func TestAgentAPI(t *testing.T) {
	_, base := start(t, sim.Options{})
	id := join(t, base, "Hello")
	chat := base + "/agent/chats/" + id
	for _, tt := range []struct {
		name, act, body string
		status          int
		state           string
	}{
		{"say before take", "say", `{"text":"a"}`, 409, ""},
		{"tell the wait", "estimate", `{"minutes":7,"about":3}`, 200, "queued"},
		{"a wait that is none", "estimate", `{"minutes":-1}`, 400, ""},
		{"an estimate of no kind", "estimate", `{"minutes":1,"about":4}`, 400, ""},
		{"note before take", "note", `{"text":"a VIP"}`, 200, "queued"},
		{"keep it for Ann", "transfer", `{"to":"Ann"}`, 200, "queued"},
		{"another takes it", "take", `{"agent":"Bob"}`, 409, ""},
		{"take", "take", `{"agent":"Ann"}`, 200, "taken"},
		{"take twice", "take", `{"agent":"Bob"}`, 409, ""},
		{"say", "say", `{"text":"Hi"}`, 200, "taken"},
		{"say nothing", "say", `{"text":""}`, 400, ""},
		{"push", "push", `{"text":"See","url":"https://example.com/a"}`, 200, "taken"},
		{"event", "event", `{"name":"stoppedCoBrowsing"}`, 200, "taken"},
		{"typing", "typing", `{"on":true}`, 200, "taken"},
		{"event with parameters", "event", `{"name":"offer","params":{"amount":"20"}}`, 200, "taken"},
		{"event without a name", "event", `{"params":{"amount":"20"}}`, 400, ""},
		{"note", "note", `{"text":"talkative"}`, 200, "taken"},
		{"note nothing", "note", `{}`, 400, ""},
		{"error", "error", `{"code":17}`, 200, "taken"},
		{"hold", "hold", ``, 200, "held"},
		{"resume", "resume", ``, 200, "taken"},
		{"transfer", "transfer", `{"queue":"sales"}`, 200, "queued"},
		{"take again", "take", `{"agent":"Bob"}`, 200, "taken"},
		{"close", "close", `{"disposition":"refunded"}`, 200, "closed"},
		{"say after close", "say", `{"text":"a"}`, 409, ""},
		{"unknown act", "dance", `{}`, 400, ""},
		{"unknown field", "say", `{"txt":"a"}`, 400, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, body := do(t, "POST", chat+"/"+tt.act, tt.body)
			var got struct{ Chat sim.Chat }
			if err := json.Unmarshal([]byte(body), &got); err != nil {
				t.Fatalf("%q: %v", body, err)
			}
			if status != tt.status || got.Chat.State != tt.state {
				t.Errorf("%d %q (%s), want %d %q", status, got.Chat.State, body, tt.status, tt.state)
			}
		})
	}
	if status, _ := do(t, "POST", base+"/agent/chats/nope/take", "{}"); status != 404 {
		t.Errorf("unknown chat: %d, want 404", status)
	}
}

// TestAgentsOnTheWire: what of the agent's acts the gateway learns, and how.
func TestAgentsOnTheWire(t *testing.T) {
	s, base := start(t, sim.Options{Queues: []string{"retail", "sales"}})
	id := join(t, base, "Hello")
	for _, a := range []struct {
		name string
		args sim.Args
	}{
		{"estimate", sim.Args{Minutes: 7, About: 3}},
		{"note", sim.Args{Text: "a VIP"}},
		{"take", sim.Args{Agent: "Ann"}},
		{"event", sim.Args{Name: "offer", Params: map[string]string{"why": "late parcel", "amount": "20"}}},
		{"event", sim.Args{Name: "control_passed"}},
		{"push", sim.Args{Text: "The manual", URL: "https://e.com/a.pdf"}},
		{"note", sim.Args{Text: "talkative"}},
		{"error", sim.Args{Code: 17}},
		{"transfer", sim.Args{To: "Bob"}},
		{"take", sim.Args{Agent: "Bob"}},
		{"transfer", sim.Args{Queue: "sales"}},
		{"take", sim.Args{Agent: "Cleo"}},
		{"close", sim.Args{Reason: 17, Disposition: "refunded"}},
	} {
		act(t, s, id, a.name, a.args)
	}
	var got []string
	for _, e := range poll(t, base, id, 3) {
		got = append(got, strings.Join(strings.Fields(strings.Join([]string{e.Command, show(e.Status_Code), show(e.Error_Code),
			e.Participant_Name, e.Message_Text, e.URL_Pushed, show(e.Estimated_Time), show(e.Additional_Information)}, " ")), " "))
	}
	want := []string{"status 165 7 3", "status 166", "status 106", "read Ann [ccspChatEvent]offer amount=20 why=late parcel",
		"read Ann [ccspChatEvent]control_passed", "read Ann The manual https://e.com/a.pdf", "Error 17",
		"status 105", "status 166", "status 106", "status 165 1 2", "status 166", "status 106", "status 107 17",
		"ParticipantDisconnected Cleo"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if c := s.Chats()[0]; c.Disposition != "refunded" || c.Queue != "sales" {
		t.Errorf("chat %+v, want it refunded in sales", c)
	}
	if err := s.Act(join(t, base, "Hello"), "transfer", sim.Args{Queue: "nowhere"}); err == nil {
		t.Error("a chat went to a queue that there is not")
	}
}

func TestRejectNamesReason(t *testing.T) {
	s, base := start(t, sim.Options{})
	id := join(t, base, "Hello")
	act(t, s, id, "reject", sim.Args{Reason: 8})
	events := poll(t, base, id, 3)
	if len(events) != 1 || show(events[0].Status_Code) != "107" || show(events[0].Additional_Information) != "8" {
		t.Errorf("events %+v, want 107 with reason 8 alone", events)
	}
}

func TestTranscript(t *testing.T) {
	s, base := start(t, sim.Options{})
	id := join(t, base, "Grüezi 😀")
	act(t, s, id, "take", sim.Args{Agent: "Ann"})
	act(t, s, id, "say", sim.Args{Text: "Hi"})
	_, body := do(t, "GET", base+"/agent/chats/"+id+"/messages?after=0", "")
	var got struct {
		Chat     sim.Chat
		Profile  []desk.Fact
		Messages []desk.Entry
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, e := range got.Messages {
		have = append(have, e.From+" "+e.Kind+" "+e.Text)
	}
	want := []string{"customer text Grüezi 😀", "system status Ann took the chat.", "agent text Hi"}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("transcript (-want +got):\n%s", diff)
	}
	if m := got.Messages[0]; m.Units != 9 || m.Bytes != 12 {
		t.Errorf("%d units, %d bytes; want 9, 12", m.Units, m.Bytes)
	}
	profile := []desk.Fact{{Name: "First name", Value: "Ada"}, {Name: "Source", Value: "facebook"}, {Name: "Queue", Value: "retail"},
		{Name: "Priority", Value: "-1"}, {Name: "Routing priority", Value: "0"}, {Name: "TQOS", Value: "0"},
		{Name: "Tenant", Value: "17"}, {Name: "Application", Value: "7"}, {Name: "Account", Value: "0"},
		{Name: "Call center", Value: "ics1"}, {Name: "Port", Value: "2324"}}
	if diff := cmp.Diff(profile, got.Profile); diff != "" {
		t.Errorf("profile (-want +got):\n%s", diff)
	}
	if got.Chat.Name != "Ada" || got.Chat.Source != "facebook" || len(got.Chat.Params) != 1 {
		t.Errorf("chat %+v, want Ada from facebook with one parameter", got.Chat)
	}
}

func TestLongAnswer(t *testing.T) {
	s, base := start(t, sim.Options{})
	id := join(t, base, "Hello")
	act(t, s, id, "take", sim.Args{})
	text := strings.Repeat("ä", 50_000)
	if status, body := do(t, "POST", base+"/agent/chats/"+id+"/say", `{"text":"`+text+`"}`); status != 200 {
		t.Fatalf("%d %q", status, body)
	}
	events := poll(t, base, id, 5)
	if len(events) != 1 || events[0].Message_Text != text {
		t.Errorf("a text of %d bytes did not come whole", len(text))
	}
}

func TestDesk(t *testing.T) {
	s, base := start(t, sim.Options{})
	desktest.Run(t, s, "Enghouse", func(t *testing.T) { join(t, base, "Hello") })
}
