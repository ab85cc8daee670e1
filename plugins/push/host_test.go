package main

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openccsp/gateway/examples/push-sim/sim"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/sdktest"
)

var (
	ada = sdk.Customer{Address: "ada"}
	bob = sdk.Customer{Address: "bob"}
	// Apps.
	android = "fcm:dQw4w9WgXcQ:APA91b-x_y"
	phone   = "apns:" + strings.Repeat("0a1b", 16)
	tablet  = "apns:" + strings.Repeat("ff00", 16)
)

// rig is a gateway with the driver, and both services.
type rig struct {
	*sdktest.Gateway
	sim      *sim.Sim
	settings Settings

	mu    sync.Mutex
	ahead time.Duration
}

// services serves a simulator over HTTP/2, and returns settings that go there.
func services(t testing.TB, s *sim.Sim) Settings {
	t.Helper()
	srv := httptest.NewUnstartedServer(s)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return Settings{
		FCM:  &FCMSettings{BaseURL: srv.URL, ChannelID: "chat"},
		APNs: &APNsSettings{KeyID: sim.KeyID, TeamID: sim.TeamID, Topic: sim.Topic, BaseURL: srv.URL},
		CA:   authority(t, srv.Certificate().Raw), FCMServiceAccount: s.ServiceAccount(srv.URL), APNsKey: s.AppleKey(),
	}
}

// foreign is the service account of somebody else.
func foreign(t *testing.T) string {
	t.Helper()
	s, err := sim.New(sim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s.ServiceAccount("https://another.example")
}

// authority writes a certificate into a file.
func authority(t testing.TB, der []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// googleKey is made once: it takes a while.
var googleKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func newSim(t testing.TB, now func() time.Time) *sim.Sim {
	t.Helper()
	key, err := googleKey()
	if err != nil {
		t.Fatal(err)
	}
	s, err := sim.New(sim.Options{Google: key, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// connect opens an instance against the simulator.
func connect(t *testing.T, change ...func(*Settings)) *rig {
	t.Helper()
	r := &rig{}
	r.sim = newSim(t, r.now)
	r.settings = services(t, r.sim)
	for _, f := range change {
		f(&r.settings)
	}
	r.Gateway = sdktest.Start(t, plugin(), "app", "push", r.settings)
	now := time.Now() // Apple's token has just begun, whatever the time is
	r.advance(now.Truncate(providerSlot).Add(providerSlot + providerAge).Sub(now))
	return r
}

// only leaves one platform in the settings.
func only(name string) func(*Settings) {
	return func(s *Settings) {
		if name == onFCM {
			s.APNs, s.APNsKey = nil, ""
		} else {
			s.FCM, s.FCMServiceAccount = nil, ""
		}
	}
}

// now is the time of both sides.
func (r *rig) now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Now().Add(r.ahead)
}

// advance moves the clocks of both sides.
func (r *rig) advance(d time.Duration) {
	r.mu.Lock()
	r.ahead += d
	r.mu.Unlock()
	r.Advance(d)
}

// register registers apps of ada.
func (r *rig) register(t *testing.T, tokens ...string) {
	t.Helper()
	for _, token := range tokens {
		if err := r.Register(t.Context(), ada, token); err != nil {
			t.Fatal(err)
		}
	}
}

// fails sets a fault.
func (r *rig) fails(t *testing.T, f sim.Fault) {
	t.Helper()
	if err := r.sim.SetFault(f); err != nil {
		t.Fatal(err)
	}
}

// push sends a notice to ada.
func (r *rig) push(t *testing.T, m sdk.Message) error {
	t.Helper()
	if m.ID == "" {
		m.ID = "c.1"
	}
	_, err := r.Send(t.Context(), ada, m)
	return err
}

// unbroken checks that the services had nothing to complain of.
func (r *rig) unbroken(t *testing.T) {
	t.Helper()
	if b := r.sim.Breaks(); len(b) > 0 {
		t.Errorf("the contract was broken: %q", b)
	}
}
