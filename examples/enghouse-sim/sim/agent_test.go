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
		{"take", "take", `{"agent":"Ann"}`, 200, "taken"},
		{"take twice", "take", `{"agent":"Bob"}`, 409, ""},
		{"say", "say", `{"text":"Hi"}`, 200, "taken"},
		{"say nothing", "say", `{"text":""}`, 400, ""},
		{"push", "push", `{"text":"See","url":"https://example.com/a"}`, 200, "taken"},
		{"event", "event", `{"name":"stoppedCoBrowsing"}`, 200, "taken"},
		{"typing", "typing", `{"on":true}`, 200, "taken"},
		{"hold", "hold", ``, 200, "held"},
		{"resume", "resume", ``, 200, "taken"},
		{"transfer", "transfer", `{"queue":"sales"}`, 200, "queued"},
		{"take again", "take", `{"agent":"Bob"}`, 200, "taken"},
		{"close", "close", `{}`, 200, "closed"},
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
