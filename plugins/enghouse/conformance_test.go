package main

import (
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/openccsp/gateway/examples/enghouse-sim/sim"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/sdktest"
)

func TestConformance(t *testing.T) {
	srv := httptest.NewServer(sim.New(sim.Options{}))
	defer srv.Close()
	sdktest.Run(t, sdktest.Config{
		Plugin: plugin(),
		Driver: "enghouse",
		Settings: map[string]any{"base_url": srv.URL, "queue": "retail", "basic_auth": "gateway:canary-7f3a",
			"poll": map[string]any{"active": "500ms", "max_errors": 2}, "extra_headers": map[string]string{"X-Tenant": "7"}},
		BadSettings: []any{
			map[string]any{},
			map[string]any{"base_url": "ftp://desk.example.com"},
			map[string]any{"base_url": srv.URL, "timeout": "soon"},
			map[string]any{"base_url": srv.URL, "quue": "retail"},
			map[string]any{"base_url": srv.URL, "port": 2324},
			map[string]any{"base_url": srv.URL, "poll": map[string]any{"active": "5s", "idle": "1s"}},
		},
	})
}

// TestThroughTheGateway: what the mapping makes survives the way through the
// plugin's frames.
func TestThroughTheGateway(t *testing.T) {
	s := sim.New(sim.Options{})
	srv := httptest.NewServer(s)
	defer srv.Close()
	g := sdktest.Start(t, plugin(), "desk", "enghouse", settings{BaseURL: srv.URL, Queue: "retail"})
	if err := g.Validate(t.Context(), settings{BaseURL: srv.URL}); err != nil {
		t.Errorf("validate: %v", err)
	}
	c := chat
	ref, err := g.Open(t.Context(), c, sdk.Message{ID: "m1", Text: "Hello"})
	if err != nil {
		t.Fatal(err)
	}
	c.Ref = ref
	res, err := g.Poll(t.Context(), c, nil)
	if err != nil || len(res.Events) != 1 {
		t.Fatalf("%d events, %v", len(res.Events), err)
	}
	e := res.Events[0]
	if e.Type != sdk.ChatQueued || e.ID != string(ref)+":3" || e.Queue != "retail" || e.Kind != "about" ||
		e.EstWait == nil || *e.EstWait != time.Minute || len(e.Payload) == 0 {
		t.Errorf("event %+v, want chat_queued for about a minute", e)
	}
	if res.Next < 900*time.Millisecond || res.Next > 1100*time.Millisecond {
		t.Errorf("next poll after %v, want about 1s", res.Next)
	}
	for _, a := range []struct {
		name string
		args sim.Args
	}{{"take", sim.Args{}}, {"push", sim.Args{URL: "https://e.com"}}, {"typing", sim.Args{On: true}}, {"close", sim.Args{}}} {
		if err := s.Act(string(ref), a.name, a.args); err != nil {
			t.Fatal(err)
		}
	}
	res, err = g.Poll(t.Context(), c, res.Cursor)
	if err != nil || len(res.Events) != 4 {
		t.Fatalf("%d events, %v", len(res.Events), err)
	}
	if m, end := res.Events[2], res.Events[3]; m.URLPush != "https://e.com" || m.Agent.Name != "Agent" || end.Status != "closed" || end.By != "agent" {
		t.Errorf("message %+v, end %+v", m, end)
	}
	if typed := <-g.TypingReports(); typed.Ref != ref || !typed.On {
		t.Errorf("typing %+v, want the agent's", typed)
	}
	if _, err := g.SendToChat(t.Context(), c, sdk.Message{ID: "m2", Text: "Hello?"}); !errors.Is(err, sdk.ErrChatGone) {
		t.Errorf("a message to a closed chat: %v, want %v", err, sdk.ErrChatGone)
	}
}
