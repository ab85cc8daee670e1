package sim

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Args are what an act may need.
type Args struct {
	Agent  string `json:"agent"`  // take: who; "" is "Agent"
	Text   string `json:"text"`   // say, push: the message, HTML as agents' desks send it
	URL    string `json:"url"`    // push: the page
	On     bool   `json:"on"`     // typing
	Reason int    `json:"reason"` // reject, close: a reason code of status 107
	Name   string `json:"name"`   // event: its name
	Queue  string `json:"queue"`  // transfer: where to; "" is the same queue
}

// ErrNoChat is returned for an id that no chat has.
var ErrNoChat = errors.New("no such chat")

// errState is an act that does not fit the chat's state.
type errState struct {
	act string
	is  state
}

func (e *errState) Error() string { return fmt.Sprintf("cannot %s a chat that is %s", e.act, e.is) }

// errAct is an act that cannot be understood.
type errAct string

func (e errAct) Error() string { return string(e) }

const (
	reasonInvalidQueue = 9
	reasonRefused      = 18
)

// acts says in which states each act is possible.
var acts = map[string]struct {
	from []state
	do   func(*Sim, *chat, Args) error
}{
	"take":     {[]state{stateQueued}, (*Sim).take},
	"reject":   {[]state{stateQueued}, (*Sim).reject},
	"say":      {[]state{stateTaken, stateHeld}, (*Sim).say},
	"push":     {[]state{stateTaken, stateHeld}, (*Sim).pushURL},
	"typing":   {[]state{stateTaken, stateHeld}, (*Sim).agentTyping},
	"event":    {[]state{stateTaken, stateHeld}, (*Sim).event},
	"hold":     {[]state{stateTaken}, (*Sim).hold},
	"resume":   {[]state{stateHeld}, (*Sim).resume},
	"transfer": {[]state{stateTaken, stateHeld}, (*Sim).transfer},
	"close":    {[]state{stateQueued, stateTaken, stateHeld}, (*Sim).close},
}

// Act does for the agent what POST /agent/chats/{id}/{act} does.
func (s *Sim) Act(id, act string, a Args) error {
	spec, ok := acts[act]
	if !ok {
		return errAct(fmt.Sprintf("unknown act %q", act))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.chats[id]
	if c == nil {
		return ErrNoChat
	}
	if !slices.Contains(spec.from, c.state) {
		return &errState{act, c.state}
	}
	defer s.touch()
	return spec.do(s, c, a)
}

func (s *Sim) take(c *chat, a Args) error {
	c.agent = a.Agent
	if c.agent == "" {
		c.agent = "Agent"
	}
	c.state = stateTaken
	c.status(codeCallID, event{CallID: "CALL" + strconv.Itoa(c.number)})
	c.status(codeInCall, event{})
	s.mark(c, c.agent+" took the chat.")
	return nil
}

func (s *Sim) reject(c *chat, a Args) error {
	if a.Reason == 0 {
		a.Reason = reasonRefused
	}
	s.end(c, a.Reason)
	return nil
}

func (s *Sim) say(c *chat, a Args) error {
	if a.Text == "" {
		return errAct("text is missing")
	}
	c.push(event{Cmd: "read", Name: c.agent, Text: a.Text})
	c.note(Entry{At: s.opts.Now(), From: "agent", Kind: "text", Name: c.agent, Text: a.Text,
		Units: units(a.Text), Bytes: len(a.Text)})
	return nil
}

func (s *Sim) pushURL(c *chat, a Args) error {
	if a.URL == "" {
		return errAct("url is missing")
	}
	c.push(event{Cmd: "read", Name: c.agent, Text: a.Text, URL: a.URL})
	c.note(Entry{At: s.opts.Now(), From: "agent", Kind: "url", Name: c.agent, Text: a.Text + " " + a.URL,
		Units: units(a.Text), Bytes: len(a.Text)})
	return nil
}

func (s *Sim) event(c *chat, a Args) error {
	if a.Name == "" {
		return errAct("name is missing")
	}
	c.push(event{Cmd: "read", Name: c.agent, Text: "[ccspChatEvent]" + a.Name})
	c.note(Entry{At: s.opts.Now(), From: "agent", Kind: "event", Name: c.agent, Text: a.Name})
	return nil
}

func (s *Sim) agentTyping(c *chat, a Args) error {
	text := "2"
	if a.On {
		text = "1"
	}
	c.push(event{Cmd: "typingStatus", Name: c.agent, Text: text})
	return nil
}

func (s *Sim) hold(c *chat, _ Args) error {
	c.state = stateHeld
	c.status(codeHeld, event{})
	s.mark(c, "On hold.")
	return nil
}

func (s *Sim) resume(c *chat, _ Args) error {
	c.state = stateTaken
	c.status(codeInCall, event{})
	s.mark(c, "Resumed.")
	return nil
}

func (s *Sim) transfer(c *chat, a Args) error {
	if a.Queue != "" {
		c.join.Queue = a.Queue
	}
	s.mark(c, c.agent+" sent the chat to queue "+strconv.Quote(c.join.Queue)+".")
	s.enqueue(c)
	return nil
}

func (s *Sim) close(c *chat, a Args) error {
	taken := c.state != stateQueued
	if !taken && a.Reason == 0 {
		a.Reason = reasonRefused
	}
	s.end(c, a.Reason)
	if taken {
		c.push(event{Cmd: "ParticipantDisconnected", Name: c.agent})
	}
	return nil
}

// end disconnects c, with a reason code if there is one. s.mu is held.
func (s *Sim) end(c *chat, reason int) {
	c.state, c.typing = stateClosed, false
	e := event{}
	text := "Closed."
	if reason != 0 {
		e.Info = loose(reason, c.number%2 == 0)
		text = "Not connected: reason " + strconv.Itoa(reason) + "."
	}
	c.status(codeDisconnected, e)
	s.mark(c, text)
}

func (s *Sim) mark(c *chat, text string) {
	c.note(Entry{At: s.opts.Now(), From: "system", Kind: "status", Text: text})
}

func units(text string) int {
	_, n := cut(text)
	return n
}

// Chat is a chat as the agent sees it in the list.
type Chat struct {
	ID      string    `json:"id"`
	Number  int       `json:"number"`
	State   string    `json:"state"` // queued, taken, held, closed
	Queue   string    `json:"queue"`
	Name    string    `json:"name"`
	Source  string    `json:"source"`
	Agent   string    `json:"agent"`
	Opened  time.Time `json:"opened"`
	Typing  bool      `json:"typing"`
	Last    string    `json:"last"` // the last text, shortened
	Entries int       `json:"messages"`
	Params  []pair    `json:"params"`
}

func (c *chat) summary() Chat {
	v := Chat{ID: c.id, Number: c.number, State: string(c.state), Queue: c.join.Queue, Name: c.name(),
		Source: c.join.URL, Agent: c.agent, Opened: c.opened, Typing: c.typing, Entries: len(c.entries),
		Params: c.params}
	for _, e := range slices.Backward(c.entries) {
		if e.Kind == "text" {
			v.Last = shorten(e.Text)
			break
		}
	}
	return v
}

func shorten(text string) string {
	const most = 80
	n := 0
	for i := range text {
		if n++; n > most {
			return text[:i] + "…"
		}
	}
	return text
}

// Chats returns all chats, the oldest first.
func (s *Sim) Chats() []Chat {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Chat, 0, len(s.order))
	for _, c := range s.order {
		list = append(list, c.summary())
	}
	return list
}

// Messages returns the lines of a chat's transcript with a number above after.
func (s *Sim) Messages(id string, after int) (Chat, []Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.chats[id]
	if c == nil {
		return Chat{}, nil, ErrNoChat
	}
	list := []Entry{}
	for _, e := range c.entries {
		if e.N > after {
			list = append(list, e)
		}
	}
	return c.summary(), list, nil
}

// listChats answers GET /agent/chats.
func (s *Sim) listChats(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{"chats": s.Chats()})
}

// listMessages answers GET /agent/chats/{id}/messages?after=<n>.
func (s *Sim) listMessages(w http.ResponseWriter, r *http.Request) {
	after := 0
	if q := r.URL.Query().Get("after"); q != "" {
		n, err := strconv.Atoi(q)
		if err != nil {
			fail(w, http.StatusBadRequest, "after is not a number")
			return
		}
		after = n
	}
	c, list, err := s.Messages(r.PathValue("id"), after)
	if err != nil {
		fail(w, http.StatusNotFound, err.Error())
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"chat": c, "messages": list})
}

// act answers POST /agent/chats/{id}/{act} with the chat as it is then.
func (s *Sim) act(w http.ResponseWriter, r *http.Request) {
	var a Args
	if !readJSON(w, r, &a) {
		return
	}
	id := r.PathValue("id")
	err := s.Act(id, r.PathValue("act"), a)
	var unfit *errState
	switch {
	case errors.As(err, &unfit):
		fail(w, http.StatusConflict, err.Error())
	case errors.Is(err, ErrNoChat):
		fail(w, http.StatusNotFound, err.Error())
	case err != nil:
		fail(w, http.StatusBadRequest, err.Error())
	default:
		c, _, _ := s.Messages(id, 1<<30)
		writeJSON(w, http.StatusOK, map[string]any{"chat": c})
	}
}

// readJSON reads the body into v; an empty one leaves v as it is.
func readJSON(w http.ResponseWriter, r *http.Request, v any) bool {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	if r.ContentLength == 0 {
		return true
	}
	if err := d.Decode(v); err != nil {
		fail(w, http.StatusBadRequest, "body: "+err.Error())
		return false
	}
	return true
}

func fail(w http.ResponseWriter, status int, what string) {
	writeJSON(w, status, map[string]string{"error": what})
}
