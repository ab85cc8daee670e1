// Package sim is WeChat as an Official Account sees it: it calls the account's
// hook with what customers do, and takes what the account sends to them. It is
// strict, and keeps all in memory. It is for demos and tests.
//
//	s, err := sim.New(sim.Options{AppID: "wx5823bf96d3bd56c7", Secret: secret, Token: "wxtoken"})
//	srv := httptest.NewServer(s) // the API
//	s.SetHook(hook)
//	err = s.Say(ctx, "oUser1", "hello")
package sim

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/openccsp/gateway/examples/internal/faults"
)

const (
	maxBody = 16 << 20 // bytes of a request
	maxLog  = 10_000   // things remembered
)

// Options are what can be chosen.
type Options struct {
	AppID, Secret string // of the account
	Account       string // its original id; "": gh_1
	Token         string // it signs requests with it
	AESKey        string // EncodingAESKey; "": messages are not encrypted
	Compatible    bool   // with AESKey: they are in plain text, too
	Hook          string // of the gateway; "": nothing is called
	First         int    // ids of messages count from here; one that has been here before is a repetition to the gateway

	Limit time.Duration    // for the hook's answer; 0: 5 s
	Now   func() time.Time // nil: time.Now
	Log   *slog.Logger     // nil: nothing is logged

	// Wire gets what goes to the hook and comes from it, and what the account
	// sends; nil: nobody does.
	Wire func(toHook bool, what string)
}

// Shown is what a customer got to see.
type Shown struct {
	To      string   `json:"to"`
	Kind    string   `json:"kind"` // text, image, voice, video, news, msgmenu
	Text    string   `json:"text,omitempty"`
	Choices []Choice `json:"choices,omitempty"`
	File    []byte   `json:"file,omitempty"`
	Thumb   bool     `json:"thumb,omitempty"` // of a video
	Account string   `json:"account,omitempty"`
}

// Choice is a button of a menu.
type Choice struct {
	ID      string `json:"id"`
	Content string `json:"content"`
}

// Sim is one account at WeChat. It is safe for concurrent use.
type Sim struct {
	opts   Options
	key    []byte
	http   http.Handler
	client *http.Client
	faults *faults.List

	mu     sync.Mutex
	hook   string
	count  int // numbers of all kinds
	tokens tokens
	people map[string]*customer
	files  map[string]*stored
	shown  []Shown
	typing []string // commands
	breaks []string // of the contract
}

// New returns an account.
func New(o Options) (*Sim, error) {
	if o.AppID == "" || o.Secret == "" || o.Token == "" {
		return nil, errors.New("an account has an app id, a secret and a token")
	}
	if o.Account == "" {
		o.Account = "gh_1"
	}
	if o.Limit == 0 {
		o.Limit = 5 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Wire == nil {
		o.Wire = func(bool, string) {}
	}
	s := &Sim{opts: o, faults: misbehaviour(), hook: o.Hook, client: &http.Client{Timeout: o.Limit, Transport: &http.Transport{}},
		people: map[string]*customer{}, files: map[string]*stored{}, count: o.First}
	if o.AESKey != "" {
		var err error
		if s.key, err = decodeKey(o.AESKey); err != nil {
			return nil, err
		}
	}
	s.http = s.routes()
	return s, nil
}

// SetHook sets where requests go.
func (s *Sim) SetHook(url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = url
}

// ServeHTTP implements http.Handler.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.http.ServeHTTP(w, r) }

func (s *Sim) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /cgi-bin/stable_token", s.faults.Call("token", s.stableToken))
	mux.HandleFunc("GET /cgi-bin/token", s.faults.Call("token", s.oldToken))
	mux.HandleFunc("POST /cgi-bin/message/custom/send", s.faults.Call("send", s.authorized(s.send)))
	mux.HandleFunc("POST /cgi-bin/message/custom/typing", s.faults.Call("typing", s.authorized(s.showTyping)))
	mux.HandleFunc("POST /cgi-bin/media/upload", s.faults.Call("upload", s.authorized(s.upload)))
	mux.HandleFunc("GET /cgi-bin/media/get", s.faults.Call("get", s.authorized(s.get)))
	mux.HandleFunc("GET /public/{id}", s.public)
	mux.HandleFunc("GET /sim/shown", s.listShown)
	mux.HandleFunc("POST /sim/say", s.postSay)
	s.faults.Handle(mux)
	return mux
}

// Shown returns what customers got to see.
func (s *Sim) Shown() []Shown {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Shown{}, s.shown...)
}

// Typing returns what was shown of somebody who writes.
func (s *Sim) Typing() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.typing...)
}

// Breaks returns how the account broke the contract with WeChat: what WeChat takes,
// and what nobody should send.
func (s *Sim) Breaks() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.breaks...)
}

// broken notes a break. The caller holds s.mu.
func (s *Sim) broken(what string) {
	if len(s.breaks) < maxLog {
		s.breaks = append(s.breaks, what)
	}
	s.opts.Log.Warn("contract broken", "what", what)
}

// next numbers a thing. The caller holds s.mu.
func (s *Sim) next() int {
	s.count++
	return s.count
}

func (s *Sim) listShown(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, map[string]any{"shown": s.Shown(), "breaks": s.Breaks()})
}

// postSay has a customer write: {"from":"oUser1","text":"hello"}.
func (s *Sim) postSay(w http.ResponseWriter, r *http.Request) {
	var in struct{ From, Text string }
	if err := strictly(r.Body, &in); err != nil || in.From == "" || in.Text == "" {
		http.Error(w, "want from and text", http.StatusBadRequest)
		return
	}
	if err := s.Say(r.Context(), in.From, in.Text); err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	writeJSON(w, map[string]any{})
}

// strictly reads one JSON object without unknown members.
func strictly(r io.Reader, into any) error {
	d := json.NewDecoder(io.LimitReader(r, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	return nil
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; encoding=utf-8")
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // v is one of this package's own types
	}
	_, _ = io.WriteString(w, b.String()) // the client may be gone
}

// answer writes a code as WeChat does: with status 200.
func answer(w http.ResponseWriter, code int, message string) {
	writeJSON(w, map[string]any{"errcode": code, "errmsg": message})
}
