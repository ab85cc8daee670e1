// Package sim is a contact center that speaks IMIchat's protocol: the REST API
// for the gateway, webhooks to it, a JSON API and a page for the agent. It keeps
// everything in memory. It is for demos and tests.
//
//	s := sim.New(sim.Options{Secrets: []string{"secret"}})
//	defer s.Close()
//	srv := httptest.NewServer(s)
//	defer srv.Close()
//	s.SetHook("https://gateway.example.com/hooks/desk")
package sim

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// Limits of the simulator itself, so that a mad client cannot fill the memory.
const (
	maxChats = 10_000 // remembered, the oldest closed ones go first
	maxKept  = 10_000 // transcript entries, and webhooks that wait, of one chat
)

// Limits of the wire.
const (
	TextLimit = 1024      // where a customer's text is cut, in UTF-16 code units
	BodyLimit = 256 << 10 // bytes of a request
)

// Options are what can be chosen. The zero value is a contact center that takes
// every secret, tells nobody, and where nobody answers until the agent API is
// called.
type Options struct {
	Log     *slog.Logger     // nil: nothing is logged
	Now     func() time.Time // nil: time.Now
	Secrets []string         // valid in the header key; none: every one is
	Teams   []int64          // the teams there are; none: every number is one

	Hook        string          // where webhooks go; "": nowhere
	HookAuth    string          // hmac (or ""), header, query, none
	HookSecret  string          // "": the first of Secrets
	Repeat      []time.Duration // waits before repetitions of a webhook; nil: 60 s, three times
	Timeout     time.Duration   // of a webhook; 0: 10 s
	Typographic bool            // webhooks are written as in IMIchat's manual, which is no JSON

	Auto *Auto // nil: no automatic agent
}

// Auto is an agent that takes every chat and answers by a script.
type Auto struct {
	Name   string        // "": "Robin"
	Delay  time.Duration // before the answer
	Script Script        // nil: everything is echoed
}

// Sim is a contact center. It is safe for concurrent use.
type Sim struct {
	opts   Options
	mux    *http.ServeMux
	faults faults
	http   *http.Client
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup // webhooks and automatic answers

	mu      sync.Mutex
	closed  bool
	hook    string
	chats   map[string]*chat
	order   []*chat // oldest first
	count   int     // of chats ever opened
	changed chan struct{}
}

// New returns a contact center without chats. Close ends it.
func New(o Options) *Sim {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Repeat == nil {
		o.Repeat = []time.Duration{time.Minute, time.Minute, time.Minute}
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	if o.HookSecret == "" && len(o.Secrets) > 0 {
		o.HookSecret = o.Secrets[0]
	}
	if o.Auto != nil && o.Auto.Name == "" {
		auto := *o.Auto
		auto.Name = "Robin"
		o.Auto = &auto
	}
	s := &Sim{
		opts: o, mux: http.NewServeMux(), hook: o.Hook, chats: map[string]*chat{}, changed: make(chan struct{}),
		http: &http.Client{Timeout: o.Timeout, Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 30 * time.Second}},
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.routes()
	return s
}

// Close ends webhooks and automatic answers, and waits until they have ended.
func (s *Sim) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.work.Wait()
	s.http.CloseIdleConnections()
}

// background runs f unless the simulator is closed. s.mu is held.
func (s *Sim) background(f func()) {
	if !s.closed {
		s.work.Go(f)
	}
}

// SetHook says where webhooks go from now on.
func (s *Sim) SetHook(url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = url
}

func (s *Sim) routes() {
	s.mux.HandleFunc("POST /sim/faults", s.setFault)
	s.mux.HandleFunc("GET /sim/faults", s.listFaults)
	s.mux.HandleFunc("DELETE /sim/faults", s.clearFaults)
	s.mux.HandleFunc("GET /agent/chats", s.listChats)
	s.mux.HandleFunc("GET /agent/chats/{id}/messages", s.listMessages)
	s.mux.HandleFunc("POST /agent/chats/{id}/{act}", s.act)
	s.mux.HandleFunc("GET /agent/changes", s.stream)
	s.mux.Handle("GET /", page())
}

// ServeHTTP serves the REST API, the agent API and the page.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if isWire(r.URL.Path) {
		s.serveWire(w, r)
		return
	}
	guard(s.mux).ServeHTTP(w, r)
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// touch wakes those who wait for news of any chat. s.mu is held.
func (s *Sim) touch() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// add makes room and remembers c. It reports false if every place is taken by
// an open chat. s.mu is held.
func (s *Sim) add(c *chat) bool {
	if len(s.order) >= maxChats && !s.forgetClosed() {
		return false
	}
	s.count++
	c.number = s.count
	s.chats[c.id] = c
	s.order = append(s.order, c)
	return true
}

func (s *Sim) forgetClosed() bool {
	for i, c := range s.order {
		if c.state == stateClosed && len(c.hooks) == 0 {
			delete(s.chats, c.id)
			s.order = append(s.order[:i:i], s.order[i+1:]...)
			return true
		}
	}
	return false
}
