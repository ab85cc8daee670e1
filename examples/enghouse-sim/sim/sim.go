// Package sim is a contact center that speaks Enghouse's chat protocol: the
// verbs of ChatExtension.DLL for the gateway, a JSON API and a page for the
// agent. It keeps everything in memory. It is for demos and tests.
//
//	s := sim.New(sim.Options{})
//	srv := httptest.NewServer(s)
//	defer srv.Close()
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
	maxBody  = 1 << 20 // bytes of a request
	maxChats = 10_000  // remembered, the oldest closed ones go first
	maxKept  = 10_000  // events, and transcript entries, of one chat
)

// TextLimit is where the real server cuts a customer's text, in UTF-16 code
// units.
const TextLimit = 1024

// Options are what can be chosen. The zero value is a contact center where
// nobody answers until the agent API is called.
type Options struct {
	Log    *slog.Logger     // nil: nothing is logged
	Now    func() time.Time // nil: time.Now
	Auto   *Auto            // nil: no automatic agent
	Queues []string         // the queues there are; none: every name is one
}

// Auto is an agent that takes every chat and answers by a script.
type Auto struct {
	Name   string        // "": "Robin"
	Delay  time.Duration // before each act
	Script Script        // nil: everything is echoed
}

// Sim is a contact center. It is safe for concurrent use.
type Sim struct {
	opts   Options
	mux    *http.ServeMux
	faults faults
	todo   chan job

	mu      sync.Mutex
	chats   map[string]*chat
	order   []*chat // oldest first
	count   int     // of chats ever opened
	changed chan struct{}
}

// New returns a contact center without chats. With Options.Auto set, Run must
// run for the automatic agent to act.
func New(o Options) *Sim {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Auto != nil && o.Auto.Name == "" {
		auto := *o.Auto
		auto.Name = "Robin"
		o.Auto = &auto
	}
	s := &Sim{
		opts: o, mux: http.NewServeMux(), chats: map[string]*chat{},
		todo: make(chan job, maxKept), changed: make(chan struct{}),
	}
	s.routes()
	return s
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

// ServeHTTP serves the wire protocol, the agent API and the page.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if isWire(r.URL.Path) {
		s.serveWire(w, r)
		return
	}
	guard(s.mux).ServeHTTP(w, r)
}

// Run lets the automatic agent act until ctx ends.
func (s *Sim) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case j := <-s.todo:
			if !sleep(ctx, j.due.Sub(s.opts.Now())) {
				return
			}
			s.perform(j)
		}
	}
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
		if c.state == stateClosed {
			delete(s.chats, c.id)
			s.order = append(s.order[:i:i], s.order[i+1:]...)
			return true
		}
	}
	return false
}
