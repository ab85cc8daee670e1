// Package sim is X, as far as direct messages go: the calls of API v2 and v1.1 that
// a channel makes, OAuth 1.0a and 2.0, uploads, limits, and signed webhooks in both
// envelopes. It refuses what X would refuse, and counts what breaks the contract.
// What it does was written from X's documents, with no code of the driver's.
package sim

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Options are the app and its account. Those of one OAuth may be left empty.
type Options struct {
	UserID                         string // of the account
	ConsumerKey, ConsumerSecret    string
	AccessToken, AccessTokenSecret string // OAuth 1.0a
	ClientID, ClientSecret         string // OAuth 2.0
	RefreshToken                   string // valid from the start
	RedirectURI                    string // where browsers may be sent; "": anywhere
	Bearer                         string // the app's own token

	Window    int           // messages in 15 minutes; 0: 1000
	AccessFor time.Duration // life of access tokens; 0: 2 h
	Grace     bool          // a refresh token may be used once more until the next one is

	Now  func() time.Time  // nil: time.Now
	Log  *slog.Logger      // nil: none
	Seen func(what string) // is told of each call and webhook; nil: nobody is
}

// Message is what a customer has got.
type Message struct {
	ID, To, Text string
	Media        []byte
	MediaType    string   // category, such as dm_image
	Options      []string // metadata of quick replies
	API          string   // v2 or v1.1
	Auth         string   // OAuth 1.0a or 2.0
}

// Sim is X. Its methods are safe for concurrent use.
type Sim struct {
	opts Options
	mux  *http.ServeMux

	mu      sync.Mutex
	lastID  int64
	sent    []Message
	list    []listed
	asides  []Aside
	breaks  []string
	faults  []Fault
	gone    map[string]bool // users who take no messages
	names   map[string]string
	nonces  map[string]bool
	tokens  tokens
	uploads map[string]*upload
	files   map[string]file // that customers sent
	windows map[string]*window
	hook    hook
	http    http.Client
}

// epoch is that of X's ids.
const epoch = 1288834974657

// New returns an X that knows nobody yet.
func New(o Options) *Sim {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Seen == nil {
		o.Seen = func(string) {}
	}
	s := &Sim{opts: o, mux: http.NewServeMux(), gone: map[string]bool{}, names: map[string]string{}, nonces: map[string]bool{},
		uploads: map[string]*upload{}, files: map[string]file{}, windows: map[string]*window{}}
	s.http = http.Client{Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	s.tokens.refresh = o.RefreshToken
	s.routes()
	return s
}

func (s *Sim) routes() {
	s.handle("GET /2/users/me", s.me, 75)
	s.handle("POST /2/dm_conversations/with/{id}/messages", s.sendV2, s.opts.Window)
	s.handle("POST /1.1/direct_messages/events/new.json", s.sendV11, s.opts.Window)
	s.handle("GET /2/dm_events", s.messages, dmReads)
	s.handle("POST /1.1/direct_messages/indicate_typing.json", s.indicateTyping, asides)
	s.handle("POST /1.1/direct_messages/mark_read.json", s.markRead, asides)
	s.handle("POST /2/media/upload", s.uploadSimple, 500)
	s.handle("POST /2/media/upload/initialize", s.uploadBegin, 500)
	s.handle("POST /2/media/upload/{id}/append", s.uploadAppend, 500)
	s.handle("POST /2/media/upload/{id}/finalize", s.uploadEnd, 500)
	s.handle("GET /2/media/upload", s.uploadState, 1000)
	s.handle("POST /2/oauth2/token", s.token, 0)
	s.handle("GET /i/oauth2/authorize", s.authorizePage, 0)
	s.handle("GET /1.1/ton/data/dm/{dm}/{id}/{name}", s.download, 0)
	s.handle("GET /2/dm_conversations/media/{dm}/{id}/{name}", s.download, 0)
	s.handle("POST /2/webhooks", s.register, 0)
	s.handle("GET /2/webhooks", s.registered, 0)
	s.handle("PUT /2/webhooks/{id}", s.revalidate, 0)
	s.handle("POST /2/activity/subscriptions", s.subscribe, 0)
	s.handle("GET /2/activity/subscriptions", s.subscriptions, 0)
	s.control()
}

// handle serves a route within a limit of calls in 15 minutes, 0: 1000.
func (s *Sim) handle(route string, f func(http.ResponseWriter, *http.Request), limit int) {
	if limit == 0 {
		limit = 1000
	}
	s.mux.HandleFunc(route, func(w http.ResponseWriter, r *http.Request) {
		if fault, ok := s.fault(r); ok && s.fail(w, r, fault) {
			return
		}
		if s.within(w, route, limit) {
			f(w, r)
		}
	})
}

// ServeHTTP implements http.Handler.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.opts.Log.Debug("call", "method", r.Method, "path", r.URL.Path)
	r.Body = http.MaxBytesReader(w, r.Body, 64<<20)
	s.mux.ServeHTTP(w, r)
}

// Name gives a user a name, for the profiles in webhooks.
func (s *Sim) Name(user, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names[user] = name
}

// Gone has a user take no messages any more.
func (s *Sim) Gone(user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone[user] = true
}

// Sent returns what customers have got.
func (s *Sim) Sent() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sent)
}

// Breaks returns what broke the contract: calls that X would refuse, and that a
// channel need not make.
func (s *Sim) Breaks() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.breaks)
}

func (s *Sim) broke(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.breaks = append(s.breaks, fmt.Sprintf(format, args...))
}

// nextID returns a snowflake of now. The caller holds s.mu.
func (s *Sim) nextID() string {
	s.lastID = max(s.lastID+1, (s.opts.Now().UnixMilli()-epoch)<<22)
	return strconv.FormatInt(s.lastID, 10)
}

// ID returns a new id, as X would give it now.
func (s *Sim) ID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nextID()
}

func (s *Sim) me(w http.ResponseWriter, r *http.Request) {
	if _, ok := s.user(w, r, nil); ok {
		reply(w, 200, map[string]any{"data": map[string]any{"id": s.opts.UserID, "name": "The shop", "username": "shop"}})
	}
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// blank is the type of a problem that has none.
const blank = "about:blank"

// refuse answers as v2 does.
func refuse(w http.ResponseWriter, status int, kind, title, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	if kind != blank {
		kind = "https://api.x.com/2/problems/" + kind
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"type": kind, "title": title, "detail": detail, "status": status})
}

// refuseCode answers as v1.1 does.
func refuseCode(w http.ResponseWriter, status, code int, message string) {
	reply(w, status, map[string]any{"errors": []any{map[string]any{"code": code, "message": message}}})
}

// invalid counts a broken contract, and answers that.
func (s *Sim) invalid(w http.ResponseWriter, r *http.Request, format string, args ...any) {
	why := fmt.Sprintf(format, args...)
	s.broke("%s %s: %s", r.Method, r.URL.Path, why)
	if strings.HasPrefix(r.URL.Path, "/1.1/") {
		refuseCode(w, 400, 214, why)
		return
	}
	refuse(w, 400, "invalid-request", "Invalid Request", why)
}
