// Package sim is as much of Meta's Messenger Platform as a page with one app sees:
// the Graph API, version 26, and signed webhooks. It refuses what Meta would
// refuse, counts what breaks Meta's contract, and misbehaves when told to. It keeps
// everything in memory, and is for demos and tests.
//
//	s := sim.New(sim.Options{Page: "1001", Token: token, AppSecret: secret, Hook: hook})
//	defer s.Close()
//	srv := httptest.NewServer(s)
//	s.SetBase(srv.URL)
//	s.Say("2002", "Hello")
package sim

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/openccsp/gateway/examples/internal/faults"
)

// Options are what can be chosen. Page, Token and AppSecret are needed.
type Options struct {
	Page      string
	App       string // its id; "": 9001
	Token     string // of the page
	AppSecret string // signs webhooks, and proves calls
	Version   string // of the Graph API; "": v26.0
	Hook      string // of the gateway; "": nothing is sent
	First     int    // ids of messages count from here; one that has been here before is a repetition to the gateway
	// Default is the app that has the threads that no other app controls, as the
	// page's settings say: threads are routed. "": every app may write in them.
	Default string

	HumanAgent bool          // the app has the feature Human Agent
	Echoes     bool          // what is sent comes back as an echo
	Receipts   bool          // what is sent is delivered; it is read with the customer's next act
	Usage      int           // percent, in the headers of each answer; 0: no headers
	Regain     int           // minutes, beside it
	FileFor    time.Duration // how long files can be had; 0: an hour
	Retry      time.Duration // wait before a webhook that was not taken comes again; 0: 1 s

	Now func() time.Time // nil: time.Now
	Log *slog.Logger     // nil: nothing is logged
	// Wire sees each body that goes over the wire, in to the gateway or out of it;
	// nil: nobody does.
	Wire func(in bool, body string)
}

// Message is one that the page sent.
type Message struct {
	N        int
	At       time.Time
	Mid      string
	To       string
	Type     string // messaging_type
	Tag      string
	Text     string
	Kind     string // of its file, "" if it has none
	URL      string // of its file
	File     []byte // that was uploaded
	MIME     string
	Replies  []string // titles
	Metadata string
}

// Sim is the platform. It is safe for concurrent use.
type Sim struct {
	opts   Options
	http   http.Handler
	client *http.Client
	faults *faults.List
	hooks  hooks
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu       sync.Mutex
	base     string
	sent     []Message
	actions  []string // sender actions and those on threads, such as typing_on 2002
	breaks   []string
	people   map[string]*person
	files    map[string]kept
	fields   []string // that are subscribed
	changed  chan struct{}
	messages int // ids given
}

// person is a customer of the page.
type person struct {
	acted   time.Time // for the last time
	owner   string    // app that controls the thread, "": it is idle
	blocked bool
	unread  time.Time // last delivery that is not read yet
	first   string
	last    string
}

// New returns the platform. Close ends it.
func New(o Options) *Sim {
	o.App, o.Version = cmp.Or(o.App, "9001"), cmp.Or(o.Version, "v26.0")
	o.FileFor, o.Retry = cmp.Or(o.FileFor, time.Hour), cmp.Or(o.Retry, time.Second)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Wire == nil {
		o.Wire = func(bool, string) {}
	}
	s := &Sim{opts: o, faults: misbehaviour(), client: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{}},
		people: map[string]*person{}, files: map[string]kept{}, changed: make(chan struct{}),
		fields: []string{"messages", "messaging_postbacks", "message_echoes", "message_deliveries", "message_reads"}}
	s.hooks.url, s.messages = o.Hook, o.First
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.http = s.routes()
	return s
}

// Close ends what is still to be sent, and waits until that has ended.
func (s *Sim) Close() {
	s.cancel()
	s.work.Wait()
	s.client.CloseIdleConnections()
}

// SetBase sets under which address s is served: files have it.
func (s *Sim) SetBase(url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.base = url
}

// SetUsage changes what the headers of usage say.
func (s *Sim) SetUsage(percent, regain int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opts.Usage, s.opts.Regain = percent, regain
}

// Subscribe sets the fields of webhooks that the app has subscribed to.
func (s *Sim) Subscribe(fields ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fields = fields
}

// Sent returns what the page has sent.
func (s *Sim) Sent() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Message{}, s.sent...)
}

// Actions returns the sender actions and those on threads, such as "typing_on 2002".
func (s *Sim) Actions() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.actions...)
}

// Breaks returns what the gateway did that breaks Meta's contract.
func (s *Sim) Breaks() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.breaks...)
}

// Await waits until ok, which looks at what Sent, Actions and Hooks return.
func (s *Sim) Await(ctx context.Context, ok func() bool) error {
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if ok() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// news wakes those who wait. The caller holds s.mu.
func (s *Sim) news() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// broke counts a break of the contract. The caller holds s.mu.
func (s *Sim) broke(format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	s.breaks = append(s.breaks, what)
	s.opts.Log.Warn("the contract is broken", "what", what)
}

// person returns a customer. The caller holds s.mu.
func (s *Sim) person(psid string) *person {
	p := s.people[psid]
	if p == nil {
		p = &person{first: "Ada", last: "Lovelace"}
		s.people[psid] = p
	}
	return p
}

// mid returns a new id of a message. The caller holds s.mu.
func (s *Sim) mid() string {
	s.messages++
	return fmt.Sprintf("m_%06d", s.messages)
}

func (s *Sim) routes() http.Handler {
	mux := http.NewServeMux()
	v := "/" + s.opts.Version + "/"
	mux.HandleFunc("GET "+v+"{node}", s.call("node", s.node))
	mux.HandleFunc("GET "+v+"{node}/subscribed_apps", s.call("subscribed_apps", s.subscribed))
	mux.HandleFunc("GET "+v+"{node}/thread_owner", s.call("thread_owner", s.threadOwner))
	mux.HandleFunc("POST "+v+"{node}/messages", s.call("messages", s.send))
	for _, verb := range []string{"take_thread_control", "pass_thread_control", "release_thread_control", "request_thread_control"} {
		mux.HandleFunc("POST "+v+"{node}/"+verb, s.call(verb, s.thread(verb)))
	}
	mux.HandleFunc("GET /files/{id}", s.serveFile)
	s.operate(mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.broke("%s %s is not there", r.Method, r.URL.Path)
		s.mu.Unlock()
		refuse(w, &graphError{status: http.StatusNotFound, Code: 2500, Message: "Unknown path components: " + r.URL.Path})
	})
	return mux
}

// ServeHTTP implements http.Handler.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(r.Body, maxBody), r.Body}
	s.http.ServeHTTP(w, r)
}
