package sim

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"

	"github.com/openccsp/gateway/examples/internal/desk"
)

// Args are what an act may need.
type Args struct {
	Agent   string            `json:"agent"`   // pick, start: who; "" is "Agent"
	Text    string            `json:"text"`    // say, note
	URL     string            `json:"url"`     // say: of an attachment
	File    string            `json:"file"`    // say: its name
	MIME    string            `json:"mime"`    // say: its media type
	Size    int64             `json:"size"`    // say: its bytes
	On      bool              `json:"on"`      // typing
	Team    int64             `json:"team"`    // transfer: where to; 0 is the same team
	To      string            `json:"to"`      // transfer: to that agent
	Asset   string            `json:"asset"`   // start: IMIchat's asset that the customer is reached by
	Name    string            `json:"name"`    // event: its name
	Params  map[string]string `json:"params"`  // event, flow
	Minutes int               `json:"minutes"` // idle, unattended
	Status  string            `json:"status"`  // close: "" is closed; timed_out
	Reason  string            `json:"reason"`  // close
	// Disposition is how it ended, in the agent's words: close.
	Disposition string `json:"disposition"`
}

// acts says in which states each act is possible.
func (s *Sim) acts() map[string]desk.Act[*chat, Args] {
	queued, picked, held := []string{desk.Queued}, []string{statePicked}, []string{stateHeld}
	talking := []string{statePicked, stateHeld}
	open := []string{desk.Queued, statePicked, stateHeld}
	return map[string]desk.Act[*chat, Args]{
		"pick":       {From: queued, Do: s.pick},
		"say":        {From: talking, Do: s.say},
		"note":       {From: open, Do: s.private},
		"typing":     {From: talking, Do: s.agentTyping},
		"event":      {From: open, Do: s.event},
		"flow":       {From: open, Do: s.flow},
		"hold":       {From: picked, Do: s.hold},
		"resume":     {From: held, Do: s.resume},
		"transfer":   {From: []string{desk.Queued, statePicked}, Do: s.transfer},
		"idle":       {From: open, Do: s.idle},
		"unattended": {From: open, Do: s.unattended},
		"close":      {From: open, Do: s.close},
		"reopen":     {From: []string{desk.Closed}, Do: s.reopen},
	}
}

// Start opens a chat that the agent begins, and returns its id.
func (s *Sim) Start(address string, a Args) (string, error) {
	s.Lock()
	defer s.Unlock()
	c := newChat(createBody{Channel: "api", Customer: customer{ID: address, Name: address}, Asset: asset{ID: a.Asset}})
	c.State, c.Agent = statePicked, cmp.Or(a.Agent, "Agent")
	if !s.Add(c) {
		return "", errors.New("too many chats are open")
	}
	defer s.Touch()
	m := []member{{"agent", c.Agent}, {"customer", address}}
	if a.Asset != "" {
		m = append(m, member{"asset", a.Asset})
	}
	s.tell(c, "agent_chat_initiated", m...)
	s.Mark(c, c.Agent+" began the chat.")
	return c.ID, nil
}

func (s *Sim) pick(c *chat, a Args) error {
	if err := c.TakenBy(cmp.Or(a.Agent, "Agent")); err != nil {
		return err
	}
	s.Move(c, statePicked)
	s.tell(c, "chat_picked", member{"agent", c.Agent})
	s.Mark(c, c.Agent+" picked the chat.")
	return nil
}

func (s *Sim) say(c *chat, a Args) error {
	if a.Text == "" && a.URL == "" {
		return errors.New("text is missing")
	}
	c.said++
	id := strconv.Itoa(c.said)
	m := []member{{"messageid", id}, {"message", a.Text}, {"agent", c.Agent}}
	e := desk.Entry{Kind: "text", Text: a.Text, MessageID: id}
	if a.URL != "" {
		e.Attachments = []desk.Attachment{{URL: a.URL, Name: a.File, MIME: a.MIME, Size: a.Size}}
		m = append(m, member{"attachments", e.Attachments})
	}
	s.tell(c, "incoming_message", m...)
	s.Said(c, a.Text, e)
	return nil
}

// private is a note among agents. It goes out, so that the receiver can show
// that it keeps it from the customer.
func (s *Sim) private(c *chat, a Args) error {
	if a.Text == "" {
		return errors.New("text is missing")
	}
	c.said++
	id := strconv.Itoa(c.said)
	s.tell(c, "incoming_message", member{"messageid", id}, member{"message", a.Text},
		member{"agent", c.Agent}, member{"visibility", "agent"})
	s.Said(c, "", desk.Entry{Kind: "note", Text: a.Text, MessageID: id})
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
		return errors.New("name is missing")
	}
	s.tell(c, "custom_event", member{"event_name", a.Name}, member{"params", orEmpty(a.Params)})
	s.Said(c, "", desk.Entry{Kind: "event", Text: a.Name, Params: shown(a.Params)})
	return nil
}

func (s *Sim) flow(c *chat, a Args) error {
	s.tell(c, "flow_triggered", member{"messageid", strconv.Itoa(c.Noted)}, member{"flowparams", orEmpty(a.Params)})
	s.Said(c, "", desk.Entry{Kind: "event", Text: "flow", Params: shown(a.Params)})
	return nil
}

// shown leaves parameters that are none out of the transcript.
func shown(m map[string]string) any {
	if len(m) == 0 {
		return nil
	}
	return m
}

func orEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

// hold and resume have no events of their own in IMIchat's manual.
func (s *Sim) hold(c *chat, _ Args) error {
	s.Move(c, stateHeld)
	s.Mark(c, "On hold.")
	return nil
}

func (s *Sim) resume(c *chat, _ Args) error {
	s.Move(c, statePicked)
	s.Mark(c, "Resumed.")
	return nil
}

func (s *Sim) transfer(c *chat, a Args) error {
	from := cmp.Or(c.Agent, "The desk")
	if a.Team != 0 {
		if !s.hasTeam(a.Team) {
			return fmt.Errorf("no team %d", a.Team)
		}
		c.Team, c.team = a.Team, ""
	}
	s.Move(c, desk.Queued)
	m := []member{{"from", c.Agent}}
	c.Agent, c.For = "", a.To
	if a.To != "" {
		s.tell(c, "chat_transferred", append(m, member{"to_agent", a.To})...)
		s.Mark(c, from+" sent the chat to "+a.To+".")
		return nil
	}
	s.tell(c, "chat_transferred", append(m, member{"team_id", c.Team})...)
	s.Mark(c, "Transferred to team "+strconv.FormatInt(c.Team, 10)+".")
	return nil
}

func (s *Sim) idle(c *chat, a Args) error {
	s.tell(c, "chat_idle", member{"idle_time", strconv.Itoa(a.Minutes)})
	s.Mark(c, "Idle.")
	return nil
}

func (s *Sim) unattended(c *chat, a Args) error {
	s.tell(c, "customer_unattended", member{"wait_time", strconv.Itoa(a.Minutes)})
	s.Mark(c, "Unattended for "+strconv.Itoa(a.Minutes)+" minutes.")
	return nil
}

func (s *Sim) close(c *chat, a Args) error {
	s.shut(c)
	c.Disposition = a.Disposition
	m := []member{{"status", cmp.Or(a.Status, "closed")}}
	for _, more := range []member{{"reason", a.Reason}, {"disposition", a.Disposition}, {"agent", c.Agent}} {
		if more.value != "" {
			m = append(m, more)
		}
	}
	s.tell(c, "chat_closed", m...)
	text := "Closed."
	if a.Disposition != "" {
		text = "Closed: " + a.Disposition + "."
	}
	s.Mark(c, text)
	return nil
}

func (s *Sim) reopen(c *chat, a Args) error {
	if _, ok := s.aliases[c.Alias]; ok && c.Alias != "" {
		return errors.New("the customer has another open chat by now")
	}
	s.open(c, statePicked)
	c.Agent = cmp.Or(a.Agent, c.Agent, "Agent")
	s.tell(c, "chat_reopened", member{"agent", c.Agent})
	s.Mark(c, "Opened again.")
	return nil
}
