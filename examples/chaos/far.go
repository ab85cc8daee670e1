package main

import (
	"encoding/json"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// arrival is one request that the far side took: it had its effect.
type arrival struct {
	key    string
	resent bool
	order  int64 // over all arrivals
	life   int64 // of the gateway
	to     string
	at     time.Time
}

// mark says which plugin process brought something, and when.
type mark struct {
	by string
	at time.Time
}

// far is the far side of all instances: the phones of customers and the desks
// of agents. It keeps what it took.
type far struct {
	server  http.Server
	url     string
	mood    atomic.Pointer[mood]
	opened  func(conversation, chat string) // a desk has a new chat
	mu      sync.Mutex
	order   int64
	took    map[string][]arrival // by the id in the text
	opens   map[string]string    // the key that a chat was opened with, by chat
	marks   []mark               // by variants of the plugin
	refused int64                // requests that were answered and had no effect
	cut     int64                // requests that got no answer
	life    atomic.Int64         // of the gateway, from 1
}

// mood is how the far side treats requests: shares of all.
type mood struct {
	refuse, throttle, reset, hang float64
	hangFor                       time.Duration
	delay                         time.Duration // of all
}

var calm = &mood{}

// delivery is what the benchmark's plugin posts.
type delivery struct {
	Key, To, Conversation, Chat, Op, Text, By string
	Resent                                    bool
}

func newFar() (*far, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	f := &far{url: "http://" + ln.Addr().String(), took: map[string][]arrival{}, opens: map[string]string{}}
	f.mood.Store(calm)
	f.server.Handler = f
	go func() { _ = f.server.Serve(ln) }()
	return f, nil
}

// ServeHTTP takes or refuses one message.
func (f *far) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	var d delivery
	if err != nil || json.Unmarshal(b, &d) != nil || d.Key == "" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	m := f.mood.Load()
	dice := rand.Float64()
	time.Sleep(m.delay)
	switch {
	case dice < m.refuse:
		f.count(&f.refused)
		w.WriteHeader(http.StatusInternalServerError)
		return
	case dice < m.refuse+m.throttle:
		f.count(&f.refused)
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
		return
	case dice < m.refuse+m.throttle+m.reset:
		f.cutOff(w, d, 0)
		return
	case dice < m.refuse+m.throttle+m.reset+m.hang:
		f.cutOff(w, d, m.hangFor)
		return
	}
	f.take(d)
	w.WriteHeader(http.StatusOK)
}

func (f *far) count(n *int64) {
	f.mu.Lock()
	*n++
	f.mu.Unlock()
}

// cutOff resets the connection without an answer, after a while. Half of such
// messages have had their effect: who sent them cannot know.
func (f *far) cutOff(w http.ResponseWriter, d delivery, after time.Duration) {
	f.count(&f.cut)
	if rand.IntN(2) == 0 {
		f.take(d)
	}
	time.Sleep(after)
	c, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}

// arrivals returns how many messages had their effect so far.
func (f *far) arrivals() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.order
}

func (f *far) take(d delivery) {
	if d.Op == "close" {
		return
	}
	id, _, _ := strings.Cut(d.Text, " ")
	f.mu.Lock()
	f.order++
	now := time.Now()
	f.took[id] = append(f.took[id], arrival{d.Key, d.Resent, f.order, f.life.Load(), d.To, now})
	if d.By != "" {
		f.marks = append(f.marks, mark{d.By, now})
	}
	if d.Op == "open" {
		f.opens[d.Chat] = d.Key
	}
	f.mu.Unlock()
	if d.Op == "open" {
		f.opened(d.To, d.Chat)
	}
}
