// Package sim is Twilio as a channel sees it: the APIs Messages and Calls, signed
// webhooks, media, and phones that do what TwiML says. It is strict: what Twilio
// would refuse it refuses, and it counts what breaks the contract. It keeps all in
// memory, and is for demos and tests.
//
//	s := sim.New(sim.Options{AccountSID: sid, AuthToken: token, AllowHTTP: true})
//	defer s.Close()
//	srv := httptest.NewServer(s)
package sim

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/openccsp/gateway/examples/internal/faults"
)

// Options are what can be chosen. AccountSID and AuthToken are needed.
type Options struct {
	AccountSID, AuthToken string
	APIKey, APISecret     string       // accepted as well, if set
	Log                   *slog.Logger // nil: nothing is logged
	AllowHTTP             bool         // callbacks need not be https
	Disorder              bool         // callbacks come in reverse order
	Duplicate             bool         // and each of them twice
	SignFragment          bool         // the fragment of an address is signed, too
	Wire                  func(in bool, what string)
}

const (
	apiVersion = "2010-04-01"
	maxBody    = 1 << 20
	maxLog     = 10_000 // messages and calls remembered
)

// Sim is an account. It is safe for concurrent use.
type Sim struct {
	opts   Options
	http   http.Handler
	client *http.Client
	faults *faults.List
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu       sync.Mutex
	changed  chan struct{} // closed at the next change
	hook     string        // of messages
	base     string        // own address, for media
	messages []*Message
	calls    []*Call
	fate     map[string]Fate
	files    map[string]file
	stopped  map[string]bool // who has written STOP
	breaches map[string]int
	started  int // creations that were asked for, faults and refusals included
}

// Fate is what becomes of messages and calls to a number.
type Fate struct {
	Status     string `json:"status"`      // delivered, undelivered, failed, read; completed, busy, no-answer, failed, canceled
	Code       string `json:"code"`        // ErrorCode, SipResponseCode
	AnsweredBy string `json:"answered_by"` // human, machine_start, …
	Press      string `json:"press"`       // digits, where a call asks for some
}

// New returns an account. Close ends it.
func New(o Options) *Sim {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Sim{opts: o, faults: misbehaviour(), fate: map[string]Fate{}, files: map[string]file{},
		stopped: map[string]bool{}, breaches: map[string]int{}, changed: make(chan struct{}),
		client: &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.http = s.routes()
	return s
}

// Close ends what is under way, and waits until it has ended.
func (s *Sim) Close() {
	s.cancel()
	s.work.Wait()
	s.client.CloseIdleConnections()
}

func (s *Sim) routes() http.Handler {
	mux := http.NewServeMux()
	account := "/" + apiVersion + "/Accounts/{sid}"
	mux.HandleFunc("GET "+account, s.serveAccount)
	mux.HandleFunc("POST "+account+"/Messages.json", s.call("messages", s.createMessage))
	mux.HandleFunc("POST "+account+"/Calls.json", s.call("calls", s.createCall))
	mux.HandleFunc("GET "+account+"/Messages/{message}/Media/{media}", s.serveMedia)
	s.control(mux)
	return mux
}

// ServeHTTP implements http.Handler.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.http.ServeHTTP(w, r) }

// SetHook sets where a customer's messages are posted to: the webhook of the
// numbers. base is where the account itself can be reached, for its media.
func (s *Sim) SetHook(hook, base string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook, s.base = hook, base
}

// SetTransport has webhooks, and files that are fetched, go another way: for
// tests whose gateway is at no address. It is called before anything is sent.
func (s *Sim) SetTransport(rt http.RoundTripper) { s.client.Transport = rt }

// SetFate sets what becomes of messages and calls to a number.
func (s *Sim) SetFate(to string, f Fate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fate[to] = f
}

func (s *Sim) fateOf(to, usual string) Fate {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.fate[to]
	if f.Status == "" {
		f.Status = usual
	}
	return f
}

// Breaches counts what broke the contract, by what it was.
func (s *Sim) Breaches() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.breaches)
}

// Asked is how often something was to be created, whatever came of it.
func (s *Sim) Asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.started
}

func (s *Sim) breach(what string) {
	s.opts.Log.Warn("the contract is broken", "how", what)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.breaches[what]++
	s.touch()
}

// touch wakes who waits for a change. The caller holds s.mu.
func (s *Sim) touch() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Wait returns once ok is true of what there is, or ctx ends.
func (s *Sim) Wait(ctx context.Context, ok func(messages []Message, calls []Call) bool) error {
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if ok(s.Messages(), s.Calls()) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *Sim) wire(in bool, what string) {
	if s.opts.Wire != nil {
		s.opts.Wire(in, what)
	}
}

// authorized reports whether a request may use the account, and answers it if not.
func (s *Sim) authorized(w http.ResponseWriter, r *http.Request) bool {
	user, password, ok := r.BasicAuth()
	same := func(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
	good := same(user, s.opts.AccountSID) && same(password, s.opts.AuthToken) ||
		s.opts.APIKey != "" && same(user, s.opts.APIKey) && same(password, s.opts.APISecret)
	if ok && good {
		return true
	}
	s.breach("credentials")
	refuse(w, http.StatusUnauthorized, 20003, "Authenticate")
	return false
}

func (s *Sim) serveAccount(w http.ResponseWriter, r *http.Request) {
	sid := strings.TrimSuffix(r.PathValue("sid"), ".json")
	switch {
	case !s.authorized(w, r):
	case sid != s.opts.AccountSID:
		refuse(w, http.StatusNotFound, 20404, "The requested resource was not found")
	default:
		answer(w, http.StatusOK, map[string]string{"sid": sid, "status": "active", "type": "Full"})
	}
}

// refuse answers as Twilio does.
func refuse(w http.ResponseWriter, status, code int, why string) {
	answer(w, status, map[string]any{"code": code, "message": why, "status": status,
		"more_info": "https://www.twilio.com/docs/errors/" + itoa(code)})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}

func newSID(prefix string) string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return prefix + hex.EncodeToString(b[:])
}

// keep appends to a log and forgets the oldest.
func keep[T any](log []T, v T) []T {
	if len(log) == maxLog {
		log = slices.Delete(log, 0, maxLog/10)
	}
	return append(log, v)
}
