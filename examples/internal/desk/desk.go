// Package desk is what the simulators of contact centers have in common: the
// agent's page and its API, an automatic agent, faults to order, and the life
// of the program. A simulator adds its vendor's protocol and words.
package desk

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/openccsp/gateway/examples/internal/faults"
)

// Limits, so that a mad client cannot fill the memory.
const (
	MaxChats = 10_000  // remembered, the oldest closed ones go first
	MaxKept  = 10_000  // lines of one chat's transcript, and of whatever else waits
	maxBody  = 1 << 20 // bytes of a request to the agent's API
)

// Options are what can be chosen for every desk.
type Options struct {
	Log  *slog.Logger     // nil: nothing is logged
	Now  func() time.Time // nil: time.Now
	Auto *Auto            // nil: no automatic agent
	// Canned are the answers that agents can insert, with {name} for the
	// customer's and {agent} for their own; nil: some that are common.
	Canned []string
}

// Vendor is what a simulator adds. C is its chat, V that chat as the agent sees
// it, A what an act may need.
type Vendor[C Record[V], V, A any] struct {
	Page     Page
	Acts     map[string]Act[C, A]
	Commands Commands[A]
	Wire     Wire
	// Start opens a chat that the agent begins and returns its id; nil: there is no such thing.
	Start func(address string, a A) (id string, err error)
}

// Desk is where agents answer. It is safe for concurrent use; its lock guards
// the chats, for the vendor's code as well.
type Desk[C Record[V], V, A any] struct {
	sync.Mutex
	Options
	vendor Vendor[C, V, A]
	http   http.Handler
	faults faults.List
	outage outage
	files  shelf
	todo   chan job
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup

	closed  bool
	chats   map[string]C
	order   []C // oldest first
	states  map[string]int
	count   int // of chats ever opened
	refused refused
	changed chan struct{}
}

// New returns a desk without chats. Close ends it.
func New[C Record[V], V, A any](o Options, v Vendor[C, V, A]) *Desk[C, V, A] {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Canned == nil {
		o.Canned = commonAnswers()
	}
	d := &Desk[C, V, A]{Options: o, vendor: v, chats: map[string]C{}, states: map[string]int{},
		changed: make(chan struct{})}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	d.outage.shut = make(chan time.Duration)
	d.faults.Half, d.faults.Envelope, d.faults.Refuse = v.Wire.Half, v.Wire.Refuse != nil, d.refuse
	d.http = guard(d.routes())
	if o.Auto != nil {
		d.todo = make(chan job, MaxKept)
		d.Background(d.answerAll)
	}
	return d
}

func (d *Desk[C, V, A]) routes() http.Handler {
	mux := http.NewServeMux()
	d.faults.Handle(mux)
	mux.HandleFunc("POST /sim/outage", d.setOutage)
	mux.HandleFunc("GET /sim/outage", d.showOutage)
	mux.HandleFunc("DELETE /sim/outage", d.endOutage)
	mux.HandleFunc("GET /sim/refused", d.listRefused)
	mux.HandleFunc("DELETE /sim/refused", d.clearRefused)
	mux.HandleFunc("GET /agent/canned", d.listCanned)
	mux.HandleFunc("POST /agent/files", d.addFile)
	mux.HandleFunc("GET "+filePath+"{id}/{name}", d.serveFile)
	mux.HandleFunc("GET /agent/chats", d.listChats)
	mux.HandleFunc("GET /agent/chats/{id}/messages", d.listMessages)
	mux.HandleFunc("POST /agent/chats/{id}/{act}", d.act)
	mux.HandleFunc("GET /agent/changes", d.stream)
	mux.Handle("GET /{$}", index(d.vendor.Page))
	mux.Handle("GET /", files())
	return mux
}

// ServeHTTP serves the vendor's protocol, the agent's API and the page.
func (d *Desk[C, V, A]) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if wire := d.vendor.Wire; wire.At(r.URL.Path) {
		wire.Serve(w, r)
		return
	}
	d.http.ServeHTTP(w, r)
}

// Close ends what runs in the background, and waits until it has ended.
func (d *Desk[C, V, A]) Close() {
	d.Lock()
	d.closed = true
	d.Unlock()
	d.cancel()
	d.work.Wait()
}

// Background runs f, which ends with its ctx, unless the desk is closed. The
// desk is locked.
func (d *Desk[C, V, A]) Background(f func(ctx context.Context)) {
	if !d.closed {
		d.work.Go(func() { f(d.ctx) })
	}
}

// Sleep waits for t and reports false if ctx ended before.
func Sleep(ctx context.Context, t time.Duration) bool {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// Touch wakes those who wait for news of any chat. The desk is locked.
func (d *Desk[C, V, A]) Touch() {
	close(d.changed)
	d.changed = make(chan struct{})
}

// Add makes room and remembers c. It reports false if every place is taken by
// an open chat. The desk is locked.
func (d *Desk[C, V, A]) Add(c C) bool {
	if len(d.order) >= MaxChats && !d.forgetClosed() {
		return false
	}
	d.count++
	own := c.Common()
	own.Number, own.Opened, own.Since = d.count, d.Now(), d.Now()
	d.chats[own.ID] = c
	d.order = append(d.order, c)
	d.states[own.State]++
	return true
}

// Move puts a chat that was added into another state. The desk is locked.
func (d *Desk[C, V, A]) Move(c C, state string) {
	own := c.Common()
	d.states[own.State]--
	d.states[state]++
	own.State, own.Since = state, d.Now()
	if state != Queued {
		own.For = ""
	}
	if state == Closed {
		own.Typing, own.Unanswered = false, nil
	}
}

func (d *Desk[C, V, A]) forgetClosed() bool {
	if d.states[Closed] == 0 {
		return false
	}
	for i, c := range d.order {
		if own := c.Common(); own.State == Closed && !own.Busy {
			delete(d.chats, own.ID)
			d.states[Closed]--
			d.order = slices.Delete(d.order, i, i+1)
			return true
		}
	}
	return false
}

// Find returns the chat with that id. The desk is locked.
func (d *Desk[C, V, A]) Find(id string) (c C, ok bool) {
	c, ok = d.chats[id]
	return c, ok
}

// Count returns how many chats are in a state. The desk is locked.
func (d *Desk[C, V, A]) Count(state string) int { return d.states[state] }
