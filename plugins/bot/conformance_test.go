package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/examples/bot-sim/sim"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/sdktest"
)

func TestConformance(t *testing.T) {
	s := newSim(t, sim.Options{Secrets: []string{secret}, Now: time.Now})
	srv := httptest.NewServer(s)
	defer srv.Close()
	for profile, good := range map[string]map[string]any{
		profileRasa: {"profile": "rasa", "url": srv.URL, "hook_token": token, "handover": "human_handoff"},
		profileJSON: {"profile": "json", "url": srv.URL + "/bot", "secret": secret, "further_secrets": older},
	} {
		with := func(name string, value any) map[string]any {
			m := map[string]any{name: value}
			for k, v := range good {
				if k != name {
					m[k] = v
				}
			}
			return m
		}
		t.Run(profile, func(t *testing.T) {
			sdktest.Run(t, sdktest.Config{Plugin: plugin(), Driver: "bot", Settings: good, BadSettings: []any{
				map[string]any{}, with("profile", "watson"), with("url", "ftp://e.com"), with("url", 7), with("timeout", "soon"),
				with("tiemout", "5s"), with("channel", "socketio"), with("copies", "yes"),
			}})
		})
	}
}

// gateway is a gateway with a hook, and what came in over both ways.
type gateway struct {
	*sdktest.Gateway
	hook   *httptest.Server
	events chan sdk.Event
}

func startGateway(t *testing.T, s settings) *gateway {
	t.Helper()
	g := &gateway{Gateway: sdktest.Start(t, plugin(), "helper", "bot", s), events: make(chan sdk.Event, 100)}
	g.hook = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		res, err := g.Webhook(r.Context(), &sdk.WebhookRequest{Method: r.Method, Query: r.URL.RawQuery, Header: r.Header, Body: body})
		if err != nil {
			res.Status = http.StatusServiceUnavailable
		}
		w.WriteHeader(res.Status)
		for _, e := range res.Events {
			g.events <- e
		}
	}))
	t.Cleanup(g.hook.Close)
	return g
}

// next waits for n events, from either way, and names them.
func (g *gateway) next(t *testing.T, n int) (out []string) {
	t.Helper()
	for range n {
		var e sdk.Event
		select {
		case e = <-g.events:
		case e = <-g.Events():
		case <-time.After(time.Minute):
			t.Fatalf("after %q no event came", out)
		}
		if e.Ref != ref {
			t.Errorf("%+v has another ref than the conversation's id", e)
		}
		text, _, _ := strings.Cut(e.Text, "\n")
		out = append(out, strings.TrimSpace(e.Type+" "+e.EventName+text+e.Reason))
	}
	return out
}

// TestWholeTalk: one talk with the simulator through the plugin's frames, by
// each profile, at once and later: greeting, a choice, an event, the hand-over,
// copies, and back.
func TestWholeTalk(t *testing.T) {
	intents := map[string]string{"control_passed": "control_passed", "chat_closed": "chat_closed"}
	for _, tt := range []struct {
		name     string
		settings settings
		bot      sim.Options
	}{
		{"rasa", settings{Profile: profileRasa, EventIntents: intents, Copies: true}, sim.Options{}},
		{"rasa, by callbacks", settings{Profile: profileRasa, Channel: rasaCallback, HookToken: token, EventIntents: intents, Copies: true},
			sim.Options{HookToken: token}},
		{"json", jsonAt(""), sim.Options{Secrets: []string{older}}},
		{"json, later", jsonAt(""), sim.Options{Secrets: []string{secret}, Later: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.bot.Now = time.Now
			if tt.settings.Profile == profileJSON { // the bot knows both, and signs with the first
				tt.bot.Secrets = append(tt.bot.Secrets, secret)
			}
			s := newSim(t, tt.bot)
			far := httptest.NewServer(s)
			defer far.Close()
			tt.settings.URL = far.URL
			atSim(&tt.settings)
			g := startGateway(t, tt.settings)
			s.SetHook(g.hook.URL)
			wholeTalk(t, s, g, tt.settings)
		})
	}
}

func wholeTalk(t *testing.T, s *sim.Sim, g *gateway, set settings) {
	ctx := t.Context()
	if err := g.Validate(ctx, set); err != nil {
		t.Fatalf("validate: %v", err)
	}
	n := 0
	say := func(m sdk.Message, want ...string) {
		t.Helper()
		n++
		m.ID = "c0ffee.1." + string(rune('0'+n))
		if m.Author == sdk.AuthorUnknown {
			m.Author = sdk.AuthorCustomer
		}
		if _, err := g.SendToChat(ctx, talk, m); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, g.next(t, len(want))); diff != "" {
			t.Errorf("%q (-want +got):\n%s", m.Text, diff)
		}
	}
	say(sdk.Message{Text: "Hello!"}, "incoming_message Hello Ada, I am the shop's bot.")
	if typed := <-g.TypingReports(); typed.Ref != ref || !typed.On {
		t.Errorf("typing %+v, want the bot's", typed)
	}
	say(sdk.Message{Text: "Opening hours", QuickReplies: []sdk.QuickReply{{Title: "Opening hours", Payload: "/opening_hours"}}},
		"incoming_message We are open from 9 to 18 o'clock. Which day do you mean?")
	say(sdk.Message{Text: "I order it"}, "incoming_message Your order is noted.", "custom_event milestone_reached")
	say(sdk.Message{Text: "Blah"}, "custom_event unhandled_message", "incoming_message I am only a bot and did not understand that.")
	say(sdk.Message{Text: "A human, please"}, "incoming_message One moment, I ask somebody.", "control_offered The customer asks for a person.")
	if err := g.SendEvent(ctx, talk, "control_passed", map[string]string{"to": "ccsp"}); err != nil {
		t.Fatal(err)
	}
	say(sdk.Message{Text: "Hello, I am Ann", Author: sdk.AuthorAgent, Agent: sdk.Agent{Name: "Ann"}, Copy: true})
	if err := g.SendEvent(ctx, talk, "chat_closed", map[string]string{"to": "bot", "status": "closed"}); err != nil {
		t.Fatal(err)
	}
	want := []string{"incoming_message Here I am again. Is there anything else?"}
	if diff := cmp.Diff(want, g.next(t, 1)); diff != "" {
		t.Errorf("when it is back (-want +got):\n%s", diff)
	}
	var got []string
	for _, m := range s.Messages(0) {
		line := m.Text
		if m.Copy {
			line = "copy " + line
		}
		if name, _, intent := strings.Cut(line, "{"); intent {
			line = name
		}
		got = append(got, line)
	}
	said := []string{"Hello!", "Opening hours", "I order it", "Blah", "A human, please", "/control_passed", "copy Hello, I am Ann", "/chat_closed"}
	if set.Profile == profileRasa {
		said[1] = "/opening_hours" // Rasa reads the payload
	}
	if diff := cmp.Diff(said, got); diff != "" {
		t.Errorf("what the bot got (-want +got):\n%s", diff)
	}
	s.Say(ref, sim.Reply{Text: "One more thing"})
	if set.Profile == profileJSON || set.HookToken != "" {
		if got := g.next(t, 1); got[0] != "incoming_message One more thing" {
			t.Errorf("unasked: %q", got)
		}
	}
}

// TestDrain: what the bot is asked when the plugin drains is still handed in.
func TestDrain(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(asked)
		<-release
		_, _ = io.WriteString(w, `[{"text":"Hi"}]`)
	}))
	defer far.Close()
	g := startGateway(t, settings{Profile: profileRasa, URL: far.URL})
	sent := make(chan error, 1)
	go func() {
		_, err := g.SendToChat(t.Context(), talk, sdk.Message{ID: "m1", Text: "Hello"})
		sent <- err
	}()
	<-asked
	drained := make(chan int, 1)
	go func() { drained <- g.Drain(t.Context(), time.Minute) }()
	close(release)
	if err := <-sent; err != nil {
		t.Errorf("send: %v", err)
	}
	if n := <-drained; n != 0 {
		t.Errorf("%d calls are unanswered", n)
	}
	if got := g.next(t, 1); got[0] != "incoming_message Hi" {
		t.Errorf("%q, want what the bot said", got)
	}
}
