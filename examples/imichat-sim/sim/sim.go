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
	"net/http"
	"time"

	"github.com/openccsp/gateway/examples/internal/desk"
)

// BodyLimit is how many bytes a request may have.
const BodyLimit = 256 << 10

// Fault is one way to misbehave.
type Fault = desk.Fault

// Options are what can be chosen. The zero value is a contact center that takes
// every secret, tells nobody, and where nobody answers until the agent API is
// called.
type Options struct {
	desk.Options
	Secrets []string // valid in the header key; none: every one is
	Teams   []int64  // the teams there are; none: every number is one

	Hook        string          // where webhooks go; "": nowhere
	HookAuth    string          // hmac (or ""), header, query, none
	HookSecret  string          // "": the first of Secrets
	Repeat      []time.Duration // waits before repetitions of a webhook; nil: 60 s, three times
	Timeout     time.Duration   // of a webhook; 0: 10 s
	Typographic bool            // webhooks are written as in IMIchat's manual, which is no JSON
}

// Sim is a contact center. It is safe for concurrent use.
type Sim struct {
	*desk.Desk[*chat, Chat, Args]
	opts    Options
	http    *http.Client
	hook    string           // the desk's lock guards it, and
	aliases map[string]*chat // those of open chats
}

// New returns a contact center without chats. Close ends it.
func New(o Options) *Sim {
	if o.Repeat == nil {
		o.Repeat = []time.Duration{time.Minute, time.Minute, time.Minute}
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	if o.HookSecret == "" && len(o.Secrets) > 0 {
		o.HookSecret = o.Secrets[0]
	}
	s := &Sim{
		opts: o, hook: o.Hook, aliases: map[string]*chat{},
		http: &http.Client{Timeout: o.Timeout, Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 30 * time.Second}},
	}
	s.Desk = desk.New(o.Options, desk.Vendor[*chat, Chat, Args]{
		Page: page, Acts: s.acts(), Start: s.Start, Commands: commands,
		Wire: desk.Wire{At: isWire, Serve: s.serveWire, MaxBody: BodyLimit, Write: s.writeEnvelope, Refuse: refuse,
			Half: `{"status_code":200,"response":{"chat_id":"CSR`},
	})
	return s
}

// Close ends webhooks and automatic answers, and waits until they have ended.
func (s *Sim) Close() {
	s.Desk.Close()
	s.http.CloseIdleConnections()
}

// SetHook says where webhooks go from now on.
func (s *Sim) SetHook(url string) {
	s.Lock()
	defer s.Unlock()
	s.hook = url
}

var page = desk.Page{
	Vendor: "IMIchat", Take: "pick", Open: statePicked, Held: stateHeld,
	Buttons: []desk.Button{
		{Act: "pick", Label: "Pick chat", Class: "primary", In: "queued"},
		{Act: "hold", Label: "Hold", In: "picked"},
		{Act: "resume", Label: "Resume", Class: "primary", In: "onhold"},
		{Act: "event", Label: "Back to bot", In: "picked onhold", Args: `{"name":"control_passed","params":{"to":"bot"}}`},
		{Act: "unattended", Label: "Unattended 15", In: "queued picked onhold", Args: `{"minutes":15}`},
		{Act: "idle", Label: "Idle 10", In: "queued picked onhold", Args: `{"minutes":10}`},
		{Act: "reopen", Label: "Open again", In: "closed"},
	},
	URL:   desk.URL{Act: "say", Label: "Address of a file", Hint: "file"},
	File:  "file",
	Group: desk.Group{Arg: "team", Label: "Team", Number: true, In: "queued picked"},
	Endings: []desk.Ending{
		{Label: "Closed", Args: `{"status":"closed"}`},
		{Label: "Resolved", Args: `{"status":"closed","reason":"resolved"}`},
		{Label: "Customer does not answer", Args: `{"status":"closed","reason":"no_answer"}`},
		{Label: "Timed out", Args: `{"status":"timed_out"}`},
	},
	Start: &desk.Start{Address: "Customer's address", Asset: "Asset"},
}
