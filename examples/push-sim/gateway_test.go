package main

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openccsp/gateway/examples/internal/agent"
	"github.com/openccsp/gateway/examples/internal/rig"
	"github.com/openccsp/gateway/examples/push-sim/sim"
)

const shopHCL = `listen = %[1]q
data_dir = "data"
rules_dir = "rules.d"
plugin_dirs = ["plugins"]
admin {
  listen = %[2]q
}
channel "push" "app" {
  settings {
    fcm_service_account = file("fcm.json")
    apns_key            = file("apns.p8")
    ca                  = file("ca.pem")
    truncate            = true
    fcm                 = { base_url = %[3]q }
    apns                = { base_url = %[3]q, key_id = %[4]q, team_id = %[5]q, topic = %[6]q }
  }
}
channel "rtm" "shop" {
  settings {
    app_id = "shop"
  }
}
service "shop" {
  channels = ["shop", "app"]
  forward  = "none"
}
`

const shopRules = `rules:
  - name: tell the apps
    on: customer_message
    do:
      - push: { title: The shop, text: "{{ event.text ?? 'a file' }}" }
`

// Apps.
const (
	android = "canary-android-app"
	phone   = "ca4a" + "0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab"
)

// shop is a built gateway with its apps' services.
type shop struct {
	*rig.Home
	sim     *sim.Sim
	process *rig.Process

	mu    sync.Mutex
	calls []string // what the services were sent
	said  int      // by customers
}

func startShop(t *testing.T) *shop {
	t.Helper()
	home, err := rig.Build(t.Context(), t.TempDir(), "../..", "plugins/push", "plugins/rtm")
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{Home: home}
	if s.sim, err = sim.New(sim.Options{Wire: s.note}); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(s.sim)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	for name, text := range map[string]string{
		"fcm.json": s.sim.ServiceAccount(srv.URL), "apns.p8": s.sim.AppleKey(), "rules.d/a.yaml": shopRules,
		"ca.pem":      string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})),
		"gateway.hcl": fmt.Sprintf(shopHCL, s.Listen, s.Admin, srv.URL, sim.KeyID, sim.TeamID, sim.Topic),
	} {
		if err := os.WriteFile(s.Path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.start(t)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(s.LogTail())
		}
		s.process.Kill()
	})
	return s
}

func (s *shop) start(t *testing.T) {
	t.Helper()
	var err error
	if s.process, err = s.Start(t.Context(), nil, nil); err != nil {
		t.Fatalf("%v\n%s", err, s.LogTail())
	}
}

func (s *shop) note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, what)
}

// next is an id of a message that no other one has.
func (s *shop) next() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said++
	return fmt.Sprint(s.said)
}

// asked is how often a service was asked about an app.
func (s *shop) asked(token string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, call := range s.calls {
		if strings.Contains(call, token) {
			n++
		}
	}
	return n
}

// until waits for what another process does.
func (s *shop) until(t *testing.T, what string, done func(ctx context.Context) (bool, error)) {
	t.Helper()
	if err := agent.Until(t.Context(), what, done); err != nil {
		t.Fatal(err)
	}
}

// client is a customer's app.
type client struct {
	s      *shop
	header http.Header
}

// signsIn registers a customer, once the channel is open.
func (s *shop) signsIn(t *testing.T) *client {
	t.Helper()
	var got struct{ AccessToken string }
	s.until(t, "a customer can sign in", func(ctx context.Context) (bool, error) {
		err := agent.Call(ctx, http.MethodPost, s.Hook("shop")+"/register", nil, map[string]any{}, &got)
		if r, ok := errors.AsType[*agent.Refusal](err); ok && r.Status == http.StatusServiceUnavailable {
			return false, nil
		}
		return err == nil, err
	})
	return &client{s, http.Header{"Accesstoken": {got.AccessToken}}}
}

// call posts to the channel.
func (c *client) call(t *testing.T, method, path string, body any) {
	t.Helper()
	if err := agent.Call(t.Context(), method, c.s.Hook("shop")+path, c.header, body, nil); err != nil {
		t.Fatal(err)
	}
}

func (c *client) registers(t *testing.T, platform, token string) {
	t.Helper()
	c.call(t, http.MethodPost, "/push", map[string]string{"platform": platform, "token": token})
}

// hears writes a text, of which the rule tells the customer's apps, and waits until
// these have it.
func (c *client) hears(t *testing.T, text string, tokens ...string) {
	t.Helper()
	c.call(t, http.MethodPost, "/mo", map[string]string{"tid": c.s.next(), "message": text})
	for _, token := range tokens {
		c.s.until(t, token+" shows "+text, func(context.Context) (bool, error) { return c.s.shows(token, text), nil })
	}
}

// shows says whether an app shows a text.
func (s *shop) shows(token, text string) bool {
	for _, n := range s.sim.Notices() {
		if n.Token == token && n.Text == text {
			return true
		}
	}
	return false
}

// TestGateway plays the services against the built gateway with the built drivers.
func TestGateway(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the gateway")
	}
	s := startShop(t)
	ada := s.signsIn(t)
	forged := &client{s, http.Header{"Accesstoken": {"forged"}}}
	err := agent.Call(t.Context(), http.MethodPost, s.Hook("shop")+"/push", forged.header, map[string]string{"platform": "fcm", "token": "x"}, nil)
	if r, ok := errors.AsType[*agent.Refusal](err); !ok || r.Status != http.StatusUnauthorized {
		t.Errorf("an app with a forged access token: %v, want 401", err)
	}
	ada.registers(t, "fcm", android)
	ada.registers(t, "apns", phone)
	ada.hears(t, "first", android, phone)

	bob := s.signsIn(t) // on ada's phone
	bob.registers(t, "apns", phone)
	bob.hears(t, "for bob", phone)
	ada.hears(t, "for ada", android)
	if s.shows(phone, "for ada") {
		t.Error("who signed in on the phone before still gets notices there")
	}

	s.process.Kill()
	oauths := s.sim.OAuths() // what was under way may be sent again at once
	s.start(t)
	ada.hears(t, "after the kill", android)
	bob.hears(t, "bob, too", phone)
	if n := s.sim.OAuths() - oauths; n > 2 {
		t.Errorf("%d access tokens after the kill, want one for the check of the settings and one to send", n)
	}

	// Apple saw the app go before it was registered: it stays, and is asked again.
	s.sim.Forget("apns:"+phone, time.Now().Add(-time.Hour))
	before := s.asked(phone)
	bob.hears(t, "is it there")
	s.until(t, "APNs is asked", func(context.Context) (bool, error) { return s.asked(phone) > before, nil })
	s.sim.Forget("apns:"+phone, time.Now().Add(time.Hour)) // and now it went for good
	bob.registers(t, "fcm", "bobs-own")
	ada.registers(t, "apns", phone) // which is news to nobody: it is gone
	ada.hears(t, "only on android", android)
	s.until(t, "the gateway forgets the phone", func(context.Context) (bool, error) {
		return bytes.Contains([]byte(s.LogTail()), []byte("app is gone")), nil
	})
	before = s.asked(phone)
	ada.hears(t, "not on the phone", android)
	if n := s.asked(phone) - before; n != 0 {
		t.Errorf("APNs was asked %d times about an app that is gone", n)
	}

	long := strings.Repeat("é你😀", 600)
	ada.hears(t, long)
	s.until(t, "the long text, shortened", func(context.Context) (bool, error) {
		for _, n := range s.sim.Notices() {
			if kept, cut := strings.CutSuffix(n.Text, "…"); cut && len(kept) > 3000 && strings.HasPrefix(long, kept) {
				return true, nil
			}
		}
		return false, nil
	})
	if b := s.sim.Breaks(); len(b) > 0 {
		t.Errorf("the contract was broken: %q", b)
	}
	log, err := os.ReadFile(s.Path("gateway.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{android, phone, "PRIVATE KEY", "ya29.", "bearer ", ada.header.Get("Accesstoken")} {
		if bytes.Contains(log, []byte(secret)) {
			t.Errorf("the log has %s", secret)
		}
	}
}
