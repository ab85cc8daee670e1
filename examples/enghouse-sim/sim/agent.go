package sim

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/openccsp/gateway/examples/internal/desk"
)

// Args are what an act may need.
type Args struct {
	Agent       string            `json:"agent"`       // take: who; "" is "Agent"
	Text        string            `json:"text"`        // say, push: the message, HTML as agents' desks send it; note
	URL         string            `json:"url"`         // push: the page
	On          bool              `json:"on"`          // typing
	Reason      int               `json:"reason"`      // reject, close: a reason code of status 107
	Disposition string            `json:"disposition"` // close: in the agent's words; it stays at the desk
	Name        string            `json:"name"`        // event: its name
	Params      map[string]string `json:"params"`      // event
	Queue       string            `json:"queue"`       // transfer: where to; "" is the same queue
	To          string            `json:"to"`          // transfer: to that agent
	Minutes     int               `json:"minutes"`     // estimate
	About       int               `json:"about"`       // estimate: 1 less than, 2 about (or 0), 3 longer than
	Code        int               `json:"code"`        // error: an error code
}

const (
	reasonInvalidQueue = 9
	reasonUnknownSkill = 13
	reasonRefused      = 18
)

// acts says in which states each act is possible.
func (s *Sim) acts() map[string]desk.Act[*chat, Args] {
	queued, taken, held := []string{desk.Queued}, []string{stateTaken}, []string{stateHeld}
	talking := []string{stateTaken, stateHeld}
	open := []string{desk.Queued, stateTaken, stateHeld}
	return map[string]desk.Act[*chat, Args]{
		"take":     {From: queued, Do: s.take},
		"reject":   {From: queued, Do: s.reject},
		"estimate": {From: queued, Do: s.estimate},
		"say":      {From: talking, Do: s.say},
		"push":     {From: talking, Do: s.pushURL},
		"note":     {From: open, Do: s.private},
		"typing":   {From: talking, Do: s.agentTyping},
		"event":    {From: talking, Do: s.event},
		"error":    {From: open, Do: s.fail},
		"hold":     {From: taken, Do: s.hold},
		"resume":   {From: held, Do: s.resume},
		"transfer": {From: open, Do: s.transfer},
		"close":    {From: open, Do: s.close},
	}
}

func (s *Sim) take(c *chat, a Args) error {
	if err := c.TakenBy(cmp.Or(a.Agent, "Agent")); err != nil {
		return err
	}
	s.Move(c, stateTaken)
	c.status(codeCallID, event{CallID: "CALL" + strconv.Itoa(c.Number)})
	c.status(codeInCall, event{})
	s.Mark(c, c.Agent+" took the chat.")
	return nil
}

func (s *Sim) reject(c *chat, a Args) error {
	if a.Reason == 0 {
		a.Reason = reasonRefused
	}
	s.end(c, a.Reason)
	return nil
}

// estimate tells the customer how long it will take.
func (s *Sim) estimate(c *chat, a Args) error {
	a.About = cmp.Or(a.About, aboutExactly)
	if a.Minutes < 0 || a.About < 1 || a.About > 3 {
		return errors.New("minutes is below 0, or about is not 1, 2 or 3")
	}
	s.tellEstimate(c, a.Minutes, a.About)
	s.Mark(c, fmt.Sprintf("The customer was told: %s %d minutes.", aboutWords[a.About], a.Minutes))
	return nil
}

const aboutExactly = 2

var aboutWords = map[int]string{1: "less than", aboutExactly: "about", 3: "longer than"}

func (s *Sim) tellEstimate(c *chat, minutes, about int) {
	c.status(codeQueue, event{Est: loose(minutes, c.Number%2 == 0), Info: loose(about, c.Number%2 == 1)})
}

// enqueue tells the customer that c waits, behind how many others.
func (s *Sim) enqueue(c *chat) {
	s.Move(c, desk.Queued)
	c.Agent = ""
	s.tellEstimate(c, s.Count(desk.Queued), aboutExactly)
}

func (s *Sim) say(c *chat, a Args) error {
	if a.Text == "" {
		return errors.New("text is missing")
	}
	c.push(event{Cmd: "read", Name: c.Agent, Text: a.Text})
	s.Said(c, a.Text, desk.Entry{Kind: "text", Text: a.Text})
	return nil
}

func (s *Sim) pushURL(c *chat, a Args) error {
	if a.URL == "" {
		return errors.New("url is missing")
	}
	c.push(event{Cmd: "read", Name: c.Agent, Text: a.Text, URL: a.URL})
	s.Said(c, a.Text, desk.Entry{Kind: "url", Text: a.Text + " " + a.URL})
	return nil
}

func (s *Sim) event(c *chat, a Args) error {
	if a.Name == "" {
		return errors.New("name is missing")
	}
	c.push(event{Cmd: "read", Name: c.Agent, Text: chatEvent(a)})
	e := desk.Entry{Kind: "event", Text: a.Name}
	if len(a.Params) > 0 {
		e.Params = a.Params
	}
	s.Said(c, "", e)
	return nil
}

// chatEvent is an event in a text. The wire has no place for parameters, so
// they follow the name.
func chatEvent(a Args) string {
	text := "[ccspChatEvent]" + a.Name
	for _, k := range slices.Sorted(maps.Keys(a.Params)) {
		text += " " + k + "=" + a.Params[k]
	}
	return text
}

// private is a note among agents. The protocol has none: it stays at the desk.
func (s *Sim) private(c *chat, a Args) error {
	if a.Text == "" {
		return errors.New("text is missing")
	}
	s.Said(c, "", desk.Entry{Kind: "note", Text: a.Text})
	return nil
}

// fail has the server report an error.
func (s *Sim) fail(c *chat, a Args) error {
	c.push(event{Cmd: "Error", Code: loose(a.Code, c.Number%2 == 0)})
	s.Mark(c, "The server reported error "+strconv.Itoa(a.Code)+".")
	return nil
}

func (s *Sim) agentTyping(c *chat, a Args) error {
	text := "2"
	if a.On {
		text = "1"
	}
	c.push(event{Cmd: "typingStatus", Name: c.Agent, Text: text})
	return nil
}

func (s *Sim) hold(c *chat, _ Args) error {
	s.Move(c, stateHeld)
	c.status(codeHeld, event{})
	s.Mark(c, "On hold.")
	return nil
}

func (s *Sim) resume(c *chat, _ Args) error {
	s.Move(c, stateTaken)
	c.status(codeInCall, event{})
	s.Mark(c, "Resumed.")
	return nil
}

// transfer shows to the customer as waiting: for an agent, or in a queue.
func (s *Sim) transfer(c *chat, a Args) error {
	from := cmp.Or(c.Agent, "The desk")
	if a.To != "" {
		s.Move(c, desk.Queued)
		c.Agent, c.For = "", a.To
		c.status(codeWaiting, event{})
		s.Mark(c, from+" sent the chat to "+a.To+".")
		return nil
	}
	if a.Queue != "" {
		if len(s.queues) > 0 && !slices.Contains(s.queues, a.Queue) {
			return fmt.Errorf("no queue %q", a.Queue)
		}
		c.Queue = a.Queue
	}
	c.For = ""
	s.Mark(c, from+" sent the chat to queue "+strconv.Quote(c.Queue)+".")
	s.enqueue(c)
	return nil
}

func (s *Sim) close(c *chat, a Args) error {
	c.Disposition = a.Disposition
	taken := c.State != desk.Queued
	if !taken && a.Reason == 0 {
		a.Reason = reasonRefused
	}
	s.end(c, a.Reason)
	if taken {
		c.push(event{Cmd: "ParticipantDisconnected", Name: c.Agent})
	}
	return nil
}

// end disconnects c, with a reason code if there is one. The desk is locked.
func (s *Sim) end(c *chat, reason int) {
	s.Move(c, desk.Closed)
	e := event{}
	text := "Closed."
	if c.Disposition != "" {
		text = "Closed: " + c.Disposition + "."
	}
	if reason != 0 {
		e.Info = loose(reason, c.Number%2 == 0)
		text = "Not connected: reason " + strconv.Itoa(reason) + "."
	}
	c.status(codeDisconnected, e)
	s.Mark(c, text)
}
