// Package sim is a bot that speaks Rasa's channels rest and callback, and the
// gateway's signed JSON. It keeps what it got in memory. It is for demos and
// tests.
//
//	s, err := sim.New(sim.Options{Secrets: []string{secret}})
//	defer s.Close()
//	srv := httptest.NewServer(s) // Rasa below /webhooks, signed JSON at /bot
package sim

import (
	"context"
	_ "embed" // for the small talk
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/openccsp/gateway/examples/internal/faults"
)

const (
	maxBody = 1 << 20 // bytes of a request
	maxLog  = 10_000  // messages remembered
)

//go:embed talk.txt
var smallTalk string

// Options are what can be chosen. The zero value is a Rasa that answers in the
// response.
type Options struct {
	Script Script           // nil: some small talk
	Log    *slog.Logger     // nil: nothing is logged
	Now    func() time.Time // nil: time.Now
	Delay  time.Duration    // before each answer

	Hook      string        // of the gateway, for what is said later; "": nowhere
	HookToken string        // of Rasa's callbacks
	Retry     time.Duration // wait before what the hook did not take is sent again; 0: 1 s
	Secrets   []string      // of the signed JSON, the first one signs; none: it is not spoken
	Later     bool          // signed JSON is answered at the hook
}

// Message is something that the bot got.
type Message struct {
	N            int             `json:"n"`
	At           time.Time       `json:"at"`
	Profile      string          `json:"profile"` // rest, callback, json
	Conversation string          `json:"conversation"`
	ID           string          `json:"id,omitempty"`
	Text         string          `json:"text"`
	Event        string          `json:"event,omitempty"` // it is an event of that name
	Copy         bool            `json:"copy,omitempty"`
	Again        bool            `json:"again,omitempty"` // it had come before
	Body         json.RawMessage `json:"body"`
}

// Sim is a bot. It is safe for concurrent use.
type Sim struct {
	opts   Options
	keys   []*standardwebhooks.Webhook
	http   http.Handler
	client *http.Client
	faults *faults.List
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu       sync.Mutex
	hook     string
	count    int
	got      []Message
	answered map[string][]byte        // by webhook-id
	order    []string                 // of answered
	last     map[string]chan struct{} // closed when the last thing said later has gone, by conversation
}

// New returns a bot. Close ends it.
func New(o Options) (*Sim, error) {
	if o.Script == nil {
		var err error
		if o.Script, err = ReadScript("talk.txt", smallTalk); err != nil {
			return nil, err
		}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Retry <= 0 {
		o.Retry = time.Second
	}
	s := &Sim{opts: o, faults: misbehaviour(), hook: o.Hook, client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{}},
		answered: map[string][]byte{}, last: map[string]chan struct{}{}}
	for _, secret := range o.Secrets {
		key, err := key(secret)
		if err != nil {
			return nil, err
		}
		s.keys = append(s.keys, key)
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.http = s.routes()
	return s, nil
}

// Close ends what is still to be said, and waits until that has ended.
func (s *Sim) Close() {
	s.cancel()
	s.work.Wait()
	s.client.CloseIdleConnections()
}

// SetHook sets where to say things later.
func (s *Sim) SetHook(url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = url
}

func (s *Sim) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "Hello from a bot that looks like Rasa: 3\n")
	})
	for _, channel := range []string{"rest", "callback"} {
		mux.HandleFunc("GET /webhooks/"+channel+"/{$}", func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
		})
		mux.HandleFunc("POST /webhooks/"+channel+"/webhook", s.call(channel, s.serveRasa(channel)))
	}
	mux.HandleFunc("POST /bot", s.call("json", s.serveJSON))
	mux.HandleFunc("GET /sim/messages", s.listMessages)
	mux.HandleFunc("POST /sim/say", s.say)
	s.faults.Handle(mux)
	return mux
}

// ServeHTTP implements http.Handler.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.http.ServeHTTP(w, r) }

// note remembers what came.
func (s *Sim) note(m Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	m.N, m.At = s.count, s.opts.Now().UTC()
	if len(s.got) == maxLog {
		s.got = slices.Delete(s.got, 0, maxLog/10)
	}
	s.got = append(s.got, m)
	s.opts.Log.Debug("got", "profile", m.Profile, "conversation", m.Conversation, "event", m.Event, "copy", m.Copy)
}

// Messages returns what came after the n-th.
func (s *Sim) Messages(n int) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []Message{}
	for _, m := range s.got {
		if m.N > n {
			out = append(out, m)
		}
	}
	return out
}

func (s *Sim) listMessages(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.URL.Query().Get("after"))
	if err != nil && r.URL.Query().Has("after") {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "after is not a number"})
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"messages": s.Messages(n)})
}

// think lets the time to answer pass.
func (s *Sim) think(ctx context.Context) bool {
	if s.opts.Delay <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(s.opts.Delay)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	case <-s.ctx.Done():
		return false
	}
}

// read returns the JSON that r carries.
func read(r *http.Request) ([]byte, int, error) {
	typ, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || typ != "application/json" {
		return nil, http.StatusUnsupportedMediaType, errors.New("the body is not said to be application/json")
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, http.StatusRequestEntityTooLarge, err
	case err != nil || !json.Valid(body):
		return nil, http.StatusBadRequest, errors.New("Failed when parsing body as json") //nolint:staticcheck // Rasa's words
	}
	return body, 0, nil
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(encode(v)) // the client may be gone
}

// encode writes v as JSON.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // v is one of this package's own types
	}
	return b
}
