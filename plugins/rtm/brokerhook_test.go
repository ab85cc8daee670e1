package main

import (
	"encoding/json"
	"testing"
)

func TestBrokerAsks(t *testing.T) {
	r := newRig(t, func(s *Settings) {
		s.MQTTListen, s.BrokerURL, s.BrokerUser, s.BrokerPassword = "", "mqtt://127.0.0.1:1", "gateway", "password of the gateway"
		s.BrokerHookSecret = "secret of the broker's questions"
	})
	secret := "Authorization: Bearer secret of the broker's questions"
	alice := r.user("alice").AccessToken
	ask := func(path string, q map[string]any) string {
		t.Helper()
		body, _ := json.Marshal(q)
		v := into[struct {
			Result string
			OK     bool
		}](t, r.call("POST", path, string(body), secret))
		if v.OK != (v.Result == "allow") {
			t.Errorf("%v: %+v", q, v)
		}
		return v.Result
	}
	for _, tt := range []struct{ user, password, id, want string }{
		{"webshop/alice", alice, "webshop/alice/d1", "allow"},
		{"webshop/alice", alice, "webshop/bob/d1", "deny"},
		{"webshop/bob", alice, "webshop/bob/d1", "deny"},
		{"webshop/alice", alice + "x", "webshop/alice/d1", "deny"},
		{"webshop/alice", "", "webshop/alice/d1", "deny"},
		{"gateway", "password of the gateway", "openccsp", "allow"},
		{"gateway", alice, "openccsp", "deny"},
		{"gateway", "", "openccsp", "deny"},
		{"", "", "", "deny"},
	} {
		if got := ask("/broker/auth", map[string]any{"username": tt.user, "password": tt.password, "clientid": tt.id}); got != tt.want {
			t.Errorf("auth of %s as %s: %s, want %s", tt.user, tt.id, got, tt.want)
		}
	}
	for _, tt := range []struct {
		user, topic string
		act         map[string]any
		want        string
	}{
		{"webshop/alice", "webshop/alice", map[string]any{"action": "subscribe"}, "allow"},
		{"webshop/alice", "webshop/alice", map[string]any{"acc": 1}, "allow"},
		{"webshop/alice", "webshop/alice", map[string]any{"acc": 4}, "allow"},
		{"webshop/alice", "webshop/alice", map[string]any{"acc": 3}, "deny"},
		{"webshop/alice", "webshop/alice", map[string]any{"action": "publish"}, "deny"},
		{"webshop/alice", "webshop/alice/mo", map[string]any{"action": "publish"}, "allow"},
		{"webshop/alice", "webshop/alice/presence", map[string]any{"acc": 2}, "allow"},
		{"webshop/alice", "webshop/alice/mo", map[string]any{"action": "subscribe"}, "deny"},
		{"webshop/alice", "webshop/bob/mo", map[string]any{"action": "publish"}, "deny"},
		{"webshop/alice", "webshop/#", map[string]any{"action": "subscribe"}, "deny"},
		{"webshop/+", "webshop/+", map[string]any{"action": "subscribe"}, "deny"},
		{"webshop/alice", "$SYS/#", map[string]any{"action": "subscribe"}, "deny"},
		{"webshop/alice", "webshop/alice", map[string]any{}, "deny"},
		{"gateway", "webshop/+/+", map[string]any{"action": "subscribe"}, "allow"},
		{"gateway", "other/alice", map[string]any{"action": "publish"}, "deny"},
	} {
		tt.act["username"], tt.act["topic"] = tt.user, tt.topic
		if got := ask("/broker/acl", tt.act); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.act, got, tt.want)
		}
	}
	for _, header := range []string{"Authorization: Bearer wrong", "X-None: 1", "accesstoken: " + alice} {
		if resp := r.call("POST", "/broker/auth", `{}`, header); resp.Status != 401 {
			t.Errorf("with %.30s: %d, want 401", header, resp.Status)
		}
	}
	if resp := newRig(t, nil).call("POST", "/broker/auth", `{}`, "Authorization: Bearer x"); resp.Status != 404 {
		t.Errorf("without a secret: %d, want 404", resp.Status)
	}
}
