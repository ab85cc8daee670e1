package conversation_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

const secret = "dQw4w9WgXcQ:APA91b"

// appWorld is a service with a channel that reaches apps.
func appWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	svc := w.snap.Services["retail"]
	svc.Channels = append(svc.Channels, "app")
	w.snap.Instances["app"] = &conversation.Instance{
		Name: "app", Channel: true, Service: "retail", Abilities: []string{pluginv1.AbilityRegister},
		Caps: &pluginv1.Capabilities{ChannelType: "push"},
	}
	return w
}

// token is an app that can be reached, or, with remove, that no longer can.
func (w *world) token(instance, platform, token string, remove ...string) *conversation.Decision {
	w.t.Helper()
	params := map[string]string{"platform": platform, "token": token}
	for _, r := range remove {
		params["remove"] = r
	}
	return w.event(instance, &pluginv1.Event{
		Type: sdk.PushToken, Params: params, Payload: []byte(`{"token":"` + token + `"}`),
		Customer: &pluginv1.Customer{Address: "ada"},
	})
}

// registers are the commands to the push channel.
func (w *world) registers() (all []string) {
	for _, c := range w.all(state.CommandKind_REGISTER) {
		on := " off"
		if c.On {
			on = " on"
		}
		all = append(all, c.Lane+" "+c.Instance+" "+c.To+" "+c.Token+on)
	}
	return all
}

// An app's token goes to the push channel, and the customer is reached there from
// then on.
func TestPushToken(t *testing.T) {
	w := appWorld(t)
	w.customer("hello")
	w.token("web", "fcm", secret)
	if got, want := w.registers(), []string{"push app ada fcm:" + secret + " on"}; !slices.Equal(got, want) {
		t.Fatalf("registers %q, want %q", got, want)
	}
	if to := w.doc.Customer.Addresses["push"]; to != "ada" {
		t.Errorf("the address is %q", to)
	}
	w.sent(w.one(state.CommandKind_REGISTER))
	w.snap.Rules = on(sdk.CustomerMessage, core.Action{Kind: core.Push, Text: "News"})
	w.customer("push me")
	if c := w.one(state.CommandKind_PUSH); c.To != "ada" || c.Instance != "app" {
		t.Errorf("push %v", c)
	}
	w.token("web", "fcm", secret, "")
	if got, want := w.registers(), []string{"push app ada fcm:" + secret + " off"}; !slices.Equal(got, want) {
		t.Errorf("registers %q, want %q", got, want)
	}
}

func TestPushTokenKeepsTheAddress(t *testing.T) {
	w := appWorld(t)
	w.event("web", &pluginv1.Event{Type: sdk.CustomerMessage, Text: "hi",
		Customer: &pluginv1.Customer{Address: "ada", Addresses: map[string]string{"push": "4711"}}})
	w.token("web", "apns", "ff00")
	if got, want := w.registers(), []string{"push app 4711 apns:ff00 on"}; !slices.Equal(got, want) {
		t.Errorf("registers %q, want %q", got, want)
	}
}

// What registers nothing is recorded, and is no error.
func TestPushTokenThatGoesNowhere(t *testing.T) {
	tests := []struct {
		name            string
		change          func(*conversation.Snap)
		from            string
		platform, token string
		why             string
		ended           []string
	}{
		{"no push channel", func(s *conversation.Snap) { delete(s.Instances, "app") }, "web", "fcm", secret, "", nil},
		{"its driver registers none", func(s *conversation.Snap) { s.Instances["app"].Abilities = nil }, "web", "fcm", secret, "",
			[]string{"REGISTER dropped unsupported"}},
		{"it is being removed", func(s *conversation.Snap) { s.Instances["app"].Removed = true }, "web", "fcm", secret, "", nil},
		{"of the desk", nil, "desk", "fcm", secret, "no_customer", nil},
		{"no token", nil, "web", "fcm", "", "no token", nil},
		{"no platform", nil, "web", "", secret, "no token", nil},
		{"a platform with a colon", nil, "web", "fcm:x", secret, "no token", nil},
		{"a long token", nil, "web", "fcm", strings.Repeat("x", 5000), "no token", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := appWorld(t)
			w.customer("hello")
			if tt.change != nil {
				tt.change(w.snap)
			}
			w.token(tt.from, tt.platform, tt.token)
			if got := w.registers(); len(got) > 0 {
				t.Errorf("registers %q", got)
			}
			if r := w.records(); len(r) != 1 || r[0].DuplicateOf != tt.why || r[0].Dead != "" {
				t.Errorf("records %v, want %q", r, tt.why)
			}
			w.wantEnded(tt.ended...)
		})
	}
}

// A token is in the command alone: neither rules nor the history nor the document
// have it, whatever becomes of it.
func TestPushTokenIsSecret(t *testing.T) {
	for _, from := range []string{"web", "desk"} {
		w := appWorld(t)
		w.snap.Rules = rules(func(v *state.View) []core.Action {
			if v.Type == sdk.PushToken {
				t.Error("rules see it")
			}
			return nil
		})
		w.customer("hello")
		keeps := func() {
			t.Helper()
			doc, err := w.doc.MarshalVT()
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range w.last.Entries {
				doc = append(doc, e.Body...)
			}
			if bytes.Contains(doc, []byte(secret)) {
				t.Errorf("from %s, the token is kept: %q", from, doc)
			}
		}
		w.token(from, "fcm", secret)
		if p := w.records()[0].View.Event.Params; !strings.HasPrefix(p["token"], "sha256:") || p["platform"] != "fcm" {
			t.Errorf("recorded %v", p)
		}
		keeps()
		for _, c := range w.all(state.CommandKind_REGISTER) {
			w.dead(c, "rejected")
			keeps()
			if l := w.last.Dead; len(l) != 1 || l[0].Command.Token != "fcm:"+secret {
				t.Errorf("it cannot be replayed: %v", l)
			}
		}
		w.snap.Probe = func(int, string) { panic("poison") }
		w.token(from, "fcm", secret)
		keeps()
	}
}
