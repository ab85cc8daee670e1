// Package sim is Firebase Cloud Messaging with Google's OAuth, and Apple's push
// service, on one server. It is strict, checks who is calling, and keeps what
// apps got in memory. It is for demos and tests.
//
//	s, err := sim.New(sim.Options{})
//	srv := httptest.NewUnstartedServer(s)
//	srv.EnableHTTP2 = true // APNs speaks nothing else
//	srv.StartTLS()
package sim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/openccsp/gateway/examples/internal/faults"
)

// What the account and the app are called.
const (
	Project = "demo-shop"
	Email   = "gateway@demo-shop.iam.gserviceaccount.com"
	KeyID   = "ABC123DEFG"
	TeamID  = "DEF123GHIJ"
	Topic   = "com.example.shop"
)

const (
	maxBody    = 64 << 10
	maxPayload = 4096
	maxLog     = 10_000
)

// Options are what can be chosen.
type Options struct {
	Google *rsa.PrivateKey   // of the service account; nil: a new one
	Now    func() time.Time  // nil: time.Now
	Wire   func(what string) // gets what the services are sent; nil: nobody does
}

// Notice is what an app got.
type Notice struct {
	Platform string            `json:"platform"` // fcm or apns
	Token    string            `json:"token"`
	ID       string            `json:"id"`  // apns-id, or FCM's name of it
	Key      string            `json:"key"` // a later one of the same key takes its place
	Title    string            `json:"title"`
	Text     string            `json:"text"`
	Image    string            `json:"image,omitempty"`
	Data     map[string]string `json:"data,omitempty"`
	Silent   bool              `json:"silent,omitempty"` // for the app alone
	Priority string            `json:"priority"`
}

// Sim is both services. It is safe for concurrent use.
type Sim struct {
	opts   Options
	google *rsa.PrivateKey
	apple  *ecdsa.PrivateKey
	http   http.Handler
	faults *faults.List

	mu       sync.Mutex
	count    int
	access   string
	until    time.Time
	oauths   int                  // access tokens that were given out
	provider map[string]time.Time // provider tokens that were seen first then
	gone     map[string]time.Time
	got      []Notice
	breaks   []string
}

// New returns the services, with keys of their own.
func New(o Options) (*Sim, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Wire == nil {
		o.Wire = func(string) {}
	}
	s := &Sim{opts: o, faults: misbehaviour(), provider: map[string]time.Time{}, gone: map[string]time.Time{}}
	var err error
	if s.google = o.Google; s.google == nil {
		if s.google, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			return nil, err
		}
	}
	if s.apple, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", s.faults.Call("oauth", s.oauth))
	mux.HandleFunc("POST /v1/projects/{project}/{send}", s.faults.Call("fcm", s.fcm))
	mux.HandleFunc("POST /3/device/{token}", s.faults.Call("apns", s.apns))
	mux.HandleFunc("GET /sim/notices", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{"notices": s.Notices(), "breaks": s.Breaks()})
	})
	s.faults.Handle(mux)
	s.http = mux
	return s, nil
}

// ServeHTTP implements http.Handler.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.http.ServeHTTP(w, r) }

// ServiceAccount is the file that Google gives out, for a server at base.
func (s *Sim) ServiceAccount(base string) string {
	b, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": Project, "private_key_id": "k1", "private_key": keyPEM(s.google),
		"client_email": Email, "token_uri": base + "/token",
	})
	if err != nil {
		panic(err) // they are texts
	}
	return string(b)
}

// AppleKey is the .p8 file that Apple gives out.
func (s *Sim) AppleKey() string { return keyPEM(s.apple) }

func keyPEM(key any) string {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err) // it is one of ours
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// Forget has an app removed: its token, as in fcm:…, is not valid from now on.
func (s *Sim) Forget(token string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone[token] = at
}

// EndAccess ends the access token of Google before its time.
func (s *Sim) EndAccess() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.access = ""
}

// OAuths is how many access tokens were given out.
func (s *Sim) OAuths() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.oauths
}

// Providers is how many provider tokens APNs saw.
func (s *Sim) Providers() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.provider)
}

// Notices returns what apps got. One that took the place of another is there
// instead of it.
func (s *Sim) Notices() []Notice {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Notice{}, s.got...)
}

// Breaks returns how the contract was broken.
func (s *Sim) Breaks() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.breaks...)
}

// broken notes a break. The caller holds s.mu.
func (s *Sim) broken(format string, args ...any) {
	if len(s.breaks) < maxLog {
		s.breaks = append(s.breaks, fmt.Sprintf(format, args...))
	}
}

// show has an app get a notice. The caller holds s.mu.
func (s *Sim) show(n Notice) {
	for i, old := range s.got {
		if n.Key != "" && old.Key == n.Key && old.Token == n.Token && old.Platform == n.Platform {
			s.got[i] = n
			return
		}
	}
	if len(s.got) < maxLog {
		s.got = append(s.got, n)
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	var b strings.Builder
	if err := json.NewEncoder(&b).Encode(v); err != nil {
		panic(err) // v is one of this package's own types
	}
	_, _ = w.Write([]byte(b.String())) // the client may be gone
}
