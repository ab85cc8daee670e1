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
	Agent   string            `json:"agent"`   // pick, start: who; "" is "Agent"
	Text    string            `json:"text"`    // say, note
	URL     string            `json:"url"`     // say: of an attachment
	On      bool              `json:"on"`      // typing
	Team    int64             `json:"team"`    // transfer: where to; 0 is the same team
	Name    string            `json:"name"`    // event: its name
	Params  map[string]string `json:"params"`  // event, flow
	Minutes int               `json:"minutes"` // idle, unattended
	Status  string            `json:"status"`  // close: "" is closed; timed_out
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

// acts says in which states each act is possible.
var acts = map[string]struct {
	from []state
	do   func(*Sim, *chat, Args) error
}{
	"pick":       {[]state{stateQueued}, (*Sim).pick},
	"say":        {[]state{statePicked, stateHeld}, (*Sim).say},
	"note":       {[]state{statePicked, stateHeld}, (*Sim).private},
	"typing":     {[]state{statePicked, stateHeld}, (*Sim).agentTyping},
	"event":      {[]state{stateQueued, statePicked, stateHeld}, (*Sim).event},
	"flow":       {[]state{stateQueued, statePicked, stateHeld}, (*Sim).flow},
	"hold":       {[]state{statePicked}, (*Sim).hold},
	"resume":     {[]state{stateHeld}, (*Sim).resume},
	"transfer":   {[]state{stateQueued, statePicked}, (*Sim).transfer},
	"idle":       {[]state{stateQueued, statePicked, stateHeld}, (*Sim).idle},
	"unattended": {[]state{stateQueued, statePicked, stateHeld}, (*Sim).unattended},
	"close":      {[]state{stateQueued, statePicked, stateHeld}, (*Sim).close},
	"reopen":     {[]state{stateClosed}, (*Sim).reopen},
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

// Start opens a chat that the agent begins, and returns its id.
func (s *Sim) Start(address string, a Args) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &chat{id: newID(), state: statePicked, agent: nameOf(a), opened: s.opts.Now(),
		create: createBody{Channel: "api", Customer: customer{ID: address, Name: address}}}
	if !s.add(c) {
		return "", errAct("too many chats are open")
	}
	defer s.touch()
	s.tell(c, "agent_chat_initiated", member{"agent", c.agent}, member{"customer", address})
	return c.id, nil
}

func nameOf(a Args) string {
	if a.Agent == "" {
		return "Agent"
	}
	return a.Agent
}

func (s *Sim) pick(c *chat, a Args) error {
	c.agent, c.state = nameOf(a), statePicked
	s.tell(c, "chat_picked", member{"agent", c.agent})
	s.mark(c, c.agent+" picked the chat.")
	return nil
}

func (s *Sim) say(c *chat, a Args) error {
	if a.Text == "" && a.URL == "" {
		return errAct("text is missing")
	}
	c.said++
	id := strconv.Itoa(c.said)
	m := []member{{"messageid", id}, {"message", a.Text}, {"agent", c.agent}}
	e := Entry{At: s.opts.Now(), From: "agent", Kind: "text", Name: c.agent, Text: a.Text, MessageID: id}
	if a.URL != "" {
		e.Attachments = []attachment{{URL: a.URL}}
		m = append(m, member{"attachments", e.Attachments})
	}
	_, e.Units = cut(a.Text)
	e.Bytes = len(a.Text)
	s.tell(c, "incoming_message", m...)
	c.note(e)
	return nil
}

// private is a note among agents. It goes out, so that the receiver can show
// that it keeps it from the customer.
func (s *Sim) private(c *chat, a Args) error {
	if a.Text == "" {
		return errAct("text is missing")
	}
	c.said++
	s.tell(c, "incoming_message", member{"messageid", strconv.Itoa(c.said)}, member{"message", a.Text},
		member{"agent", c.agent}, member{"visibility", "agent"})
	c.note(Entry{At: s.opts.Now(), From: "agent", Kind: "note", Name: c.agent, Text: a.Text})
	return nil
}

func (s *Sim) agentTyping(c *chat, a Args) error {
	event := "typing_stop"
	if a.On {
		event = "typing_start"
	}
	s.tell(c, event)
	return nil
}

func (s *Sim) event(c *chat, a Args) error {
	if a.Name == "" {
		return errAct("name is missing")
	}
	s.tell(c, "custom_event", member{"event_name", a.Name}, member{"params", orEmpty(a.Params)})
	c.note(Entry{At: s.opts.Now(), From: "agent", Kind: "event", Name: c.agent, Text: a.Name, Params: a.Params})
	return nil
}

func (s *Sim) flow(c *chat, a Args) error {
	s.tell(c, "flow_triggered", member{"messageid", strconv.Itoa(c.last)}, member{"flowparams", orEmpty(a.Params)})
	c.note(Entry{At: s.opts.Now(), From: "agent", Kind: "event", Name: c.agent, Text: "flow", Params: a.Params})
	return nil
}

func orEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

// hold and resume have no events.
func (s *Sim) hold(c *chat, _ Args) error {
	c.state = stateHeld
	s.mark(c, "On hold.")
	return nil
}

func (s *Sim) resume(c *chat, _ Args) error {
	c.state = statePicked
	s.mark(c, "Resumed.")
	return nil
}

func (s *Sim) transfer(c *chat, a Args) error {
	from := c.agent
	if a.Team != 0 {
		if !s.hasTeam(a.Team) {
			return errAct(fmt.Sprintf("no team %d", a.Team))
		}
		c.create.TeamID = a.Team
	}
	c.state, c.agent = stateQueued, ""
	s.tell(c, "chat_transferred", member{"from", from}, member{"team_id", c.create.TeamID})
	s.mark(c, "Transferred to team "+strconv.FormatInt(c.create.TeamID, 10)+".")
	return nil
}

func (s *Sim) idle(c *chat, a Args) error {
	s.tell(c, "chat_idle", member{"idle_time", strconv.Itoa(a.Minutes)})
	s.mark(c, "Idle.")
	return nil
}

func (s *Sim) unattended(c *chat, a Args) error {
	s.tell(c, "customer_unattended", member{"wait_time", strconv.Itoa(a.Minutes)})
	s.mark(c, "Unattended for "+strconv.Itoa(a.Minutes)+" minutes.")
	return nil
}

func (s *Sim) close(c *chat, a Args) error {
	status := a.Status
	if status == "" {
		status = "closed"
	}
	c.state, c.typing = stateClosed, false
	s.tell(c, "chat_closed", member{"status", status})
	s.mark(c, "Closed.")
	return nil
}

func (s *Sim) reopen(c *chat, _ Args) error {
	c.state = statePicked
	s.tell(c, "chat_reopened")
	s.mark(c, "Opened again.")
	return nil
}

// mark writes what happened into the transcript. s.mu is held.
func (s *Sim) mark(c *chat, text string) {
	c.note(Entry{At: s.opts.Now(), From: "system", Kind: "status", Text: text})
}

// Chat is a chat as the agent sees it in the list.
type Chat struct {
	ID      string            `json:"id"`
	Number  int               `json:"number"`
	State   string            `json:"state"` // queued, picked, onhold, closed
	Team    int64             `json:"team"`
	Alias   string            `json:"alias"`
	Name    string            `json:"name"`
	Address string            `json:"address"`
	Channel string            `json:"channel"`
	Agent   string            `json:"agent"`
	Opened  time.Time         `json:"opened"`
	Typing  bool              `json:"typing"`
	Last    string            `json:"last"` // the last text, shortened
	Entries int               `json:"messages"`
	Waiting int               `json:"webhooks_waiting"`
	Params  map[string]string `json:"params"`
}

func (c *chat) summary() Chat {
	v := Chat{ID: c.id, Number: c.number, State: string(c.state), Team: c.create.TeamID, Alias: c.create.AliasID,
		Name: c.create.Customer.Name, Address: c.create.Customer.ID, Channel: c.create.Channel, Agent: c.agent,
		Opened: c.opened, Typing: c.typing, Entries: len(c.entries), Waiting: len(c.hooks), Params: c.create.RouteParams}
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
	id, act := r.PathValue("id"), r.PathValue("act")
	var err error
	if act == "start" { // the id is the customer's address
		id, err = s.Start(id, a)
	} else {
		err = s.Act(id, act, a)
	}
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
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, BodyLimit))
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
