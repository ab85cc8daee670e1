package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/examples/imichat-sim/sim"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/sdktest"
)

func TestConformance(t *testing.T) {
	s := sim.New(sim.Options{Secrets: []string{secret}})
	defer s.Close()
	srv := httptest.NewServer(s)
	defer srv.Close()
	with := func(name string, value any) map[string]any {
		return map[string]any{"instance_url": srv.URL, "team_secret": secret, name: value}
	}
	sdktest.Run(t, sdktest.Config{
		Plugin: plugin(),
		Driver: "imichat",
		Settings: map[string]any{"instance_url": srv.URL, "team_secret": secret, "further_secrets": older, "team_id": 17,
			"webhook_auth": "hmac", "endpoints": map[string]any{"transfer": "off"}},
		BadSettings: []any{
			map[string]any{},
			map[string]any{"instance_url": srv.URL},
			map[string]any{"team_secret": secret},
			with("instance_url", "ftp://acme.imi.chat"),
			with("timeout", "soon"),
			with("teem_id", 17),
			with("team_id", "17"),
			with("webhook_auth", "none"),
			with("endpoints", map[string]any{"append": "off"}),
			with("endpoints", map[string]any{"dance": "POST /dance/{chat_id}"}),
		},
	})
}

// gateway is a gateway with a hook, and what came through it.
type gateway struct {
	*sdktest.Gateway
	url     string
	answers chan int // statuses
	events  chan sdk.Event
}

func startGateway(t *testing.T, instance settings) *gateway {
	t.Helper()
	g := &gateway{answers: make(chan int, 100), events: make(chan sdk.Event, 100)}
	g.Gateway = sdktest.Start(t, plugin(), "desk", "imichat", instance)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		res, err := g.Webhook(r.Context(), &sdk.WebhookRequest{Method: r.Method, Query: r.URL.RawQuery, Header: r.Header,
			Body: body, RemoteAddr: strings.Split(r.RemoteAddr, ":")[0]})
		if err != nil {
			res.Status = http.StatusServiceUnavailable
		}
		w.WriteHeader(res.Status)
		for _, e := range res.Events {
			g.events <- e
		}
		g.answers <- res.Status
	}))
	t.Cleanup(hook.Close)
	g.url = hook.URL
	return g
}

// next waits for n events and names them.
func (g *gateway) next(t *testing.T, n int) (out []string) {
	t.Helper()
	for range n {
		select {
		case e := <-g.events:
			name := strings.TrimSpace(e.Type + " " + e.EventName + e.Text + e.Agent.Name)
			if e.Private {
				name = "private " + name
			}
			out = append(out, name)
		case <-time.After(time.Minute):
			t.Fatalf("after %q no event came", out)
		}
	}
	return out
}

// TestWholeChat: one chat in both directions through the plugin's frames, with
// each proof of webhooks, in JSON and in what the manual calls so.
func TestWholeChat(t *testing.T) {
	for _, tt := range []struct {
		hookAuth, mode string
		typographic    bool
	}{
		{"hmac", "secret", false}, {"header", "secret", true}, {"hmac", "hmac", true}, {"header", "header_token", false},
		{"query", "query_token", true}, {"none", "none", false},
	} {
		t.Run(fmt.Sprintf("%s for %s", tt.hookAuth, tt.mode), func(t *testing.T) {
			s := sim.New(sim.Options{Secrets: []string{"next-secret", secret}, HookSecret: secret, HookAuth: tt.hookAuth,
				Typographic: tt.typographic, Timeout: time.Minute})
			defer s.Close()
			far := httptest.NewServer(s)
			defer far.Close()
			set := settings{InstanceURL: far.URL, TeamSecret: "next-secret", FurtherSecrets: secret, routing: routing{TeamID: 17}, WebhookAuth: tt.mode,
				IPAllow: []string{"127.0.0.1"}}
			g := startGateway(t, set)
			s.SetHook(g.url)
			wholeChat(t, s, g, set)
		})
	}
}

func wholeChat(t *testing.T, s *sim.Sim, g *gateway, set settings) {
	ctx := t.Context()
	if err := g.Validate(ctx, set); err != nil {
		t.Fatalf("validate: %v", err)
	}
	c := chat
	ref, err := g.Open(ctx, c, sdk.Message{ID: "m1", Text: "Hello", Author: sdk.AuthorCustomer})
	if err != nil {
		t.Fatal(err)
	}
	c.Ref = ref
	act := func(name string, a sim.Args) {
		t.Helper()
		if err := s.Act(string(ref), name, a); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	expect := func(want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, g.next(t, len(want))); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	}
	expect("chat_opened")
	act("pick", sim.Args{Agent: "Ann"})
	act("typing", sim.Args{On: true})
	act("say", sim.Args{Text: "Hi \"Ada\", “you”"})
	act("say", sim.Args{Text: "The manual", URL: "https://e.com/a.pdf"})
	act("note", sim.Args{Text: "talkative"})
	act("event", sim.Args{Name: "vip", Params: map[string]string{"level": "3"}})
	act("flow", sim.Args{Params: map[string]string{"survey": "short"}})
	act("unattended", sim.Args{Minutes: 15})
	act("idle", sim.Args{Minutes: 10})
	act("transfer", sim.Args{Team: 4})
	expect("chat_assigned Ann", "incoming_message Hi \"Ada\", “you”Ann", "incoming_message The manualAnn",
		"private incoming_message talkativeAnn", "custom_event vip", "flow_triggered", "customer_unattended", "chat_idle",
		"chat_transferred")
	if typed := <-g.TypingReports(); typed.Ref != ref || !typed.On {
		t.Errorf("typing %+v, want the agent's", typed)
	}
	for _, m := range []sdk.Message{{ID: "m2", Text: strings.Repeat("😀", textLimit/2)}, {ID: "m3", Text: "sorry", Author: sdk.AuthorSystem},
		{ID: "m4", Attachments: []sdk.Attachment{{URL: "https://gw/a", MIME: "image/png"}}}} {
		if r, err := g.SendToChat(ctx, c, m); err != nil || r.MessageID != m.ID {
			t.Errorf("send %s: %+v, %v", m.ID, r, err)
		}
	}
	for _, err := range []error{g.TypingToChat(ctx, c, true), g.SendEvent(ctx, c, "cart", map[string]string{"items": "2"}), g.Transfer(ctx, c, "17")} {
		if err != nil {
			t.Error(err)
		}
	}
	v, list, err := s.Messages(string(ref), 0)
	if err != nil || !v.Typing || v.Team != 17 || v.Name != "Ada Lovelace" || v.Channel != "sms" || v.Alias != "0123-2" {
		t.Errorf("chat %+v, %v", v, err)
	}
	var got []string
	for _, e := range list {
		if e.From == "customer" {
			got = append(got, e.Text)
		}
		if e.Truncated {
			t.Errorf("entry %d lost text", e.N)
		}
	}
	want := []string{"Hello", strings.Repeat("😀", textLimit/2), "[system] sorry", "", "cart"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the customer's lines (-want +got):\n%s", diff)
	}
	act("close", sim.Args{Status: "timed_out"})
	expect("chat_closed")
	if _, err := g.SendToChat(ctx, c, sdk.Message{ID: "m5", Text: "Hello?"}); !errors.Is(err, sdk.ErrChatGone) {
		t.Errorf("a message to a closed chat: %v, want %v", err, sdk.ErrChatGone)
	}
	if err := g.Close(ctx, c, "closed"); err != nil {
		t.Errorf("closing a closed chat: %v", err)
	}
	if again, err := g.Reopen(ctx, c); err != nil || again != ref {
		t.Errorf("reopen: %q, %v", again, err)
	}
	if err := g.Close(ctx, c, "customer"); err != nil {
		t.Error(err)
	}
	if v, _, _ := s.Messages(string(ref), 0); v.State != "closed" {
		t.Errorf("the chat is %s, want closed", v.State)
	}
}

// TestUnknownChat: what happens in a chat that the gateway did not open goes in
// under its chatid.
func TestUnknownChat(t *testing.T) {
	s := sim.New(sim.Options{Secrets: []string{secret}, Timeout: time.Minute})
	defer s.Close()
	g := startGateway(t, settings{InstanceURL: "https://acme.imi.chat", TeamSecret: secret})
	s.SetHook(g.url)
	id, err := s.Start("+41791112233", sim.Args{Agent: "Ann"})
	if err != nil {
		t.Fatal(err)
	}
	e := <-g.events
	want := map[string]string{"agent": "Ann", "customer": "+41791112233"}
	if diff := cmp.Diff(want, e.Params); e.Ref != id || e.EventName != agentChat || diff != "" {
		t.Errorf("%+v, want agent_chat_initiated of %s\n%s", e, id, diff)
	}
	for _, name := range samples {
		res, err := g.Webhook(t.Context(), hooked(string(sample(t, name))))
		if err != nil || len(res.Events) != 1 || res.Events[0].Ref != "CSR123092121929" || res.Events[0].Type != name {
			t.Errorf("%s: %+v, %v", name, res, err)
		}
	}
}

// TestWrongSecret: a sender that has another secret gets nothing in.
func TestWrongSecret(t *testing.T) {
	s := sim.New(sim.Options{HookSecret: "guess", Timeout: time.Minute, Repeat: []time.Duration{}})
	defer s.Close()
	far := httptest.NewServer(s)
	defer far.Close()
	g := startGateway(t, settingsFor(far.URL))
	s.SetHook(g.url)
	if _, err := g.Open(t.Context(), chat, sdk.Message{ID: "m1", Text: "Hello"}); err != nil {
		t.Fatal(err)
	}
	if status := <-g.answers; status != http.StatusUnauthorized {
		t.Errorf("status %d, want 401", status)
	}
	if len(g.events) > 0 {
		t.Errorf("%d events came in", len(g.events))
	}
}

// TestAnswerLost: the message arrived, the answer did not or said that it went
// wrong; that must be said, not retried here.
func TestAnswerLost(t *testing.T) {
	for _, kind := range []string{"rst", "500", "502", "504", "html", "half"} {
		s := sim.New(sim.Options{Secrets: []string{secret}})
		defer s.Close()
		c, _ := dial(t, s)
		ch := chat
		var err error
		if ch.Ref, err = c.Open(t.Context(), chat, sdk.Message{Text: "Hello"}); err != nil {
			t.Fatal(err)
		}
		if err := s.SetFault(sim.Fault{Verb: "append", Kind: kind, Count: 1, After: true}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Send(t.Context(), ch, sdk.Message{Text: "once"}); plugintest.Verdict(err) != "ambiguous" {
			t.Errorf("%s: %v, want ambiguous", kind, err)
		}
		_, list, err := s.Messages(string(ch.Ref), 1)
		if err != nil || len(list) != 1 {
			t.Errorf("%s: %d messages arrived (%v), want 1", kind, len(list), err)
		}
	}
}
