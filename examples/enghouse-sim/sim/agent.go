package sim

import (
	"cmp"
	"errors"
	"strconv"

	"github.com/openccsp/gateway/examples/internal/desk"
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

const (
	reasonInvalidQueue = 9
	reasonRefused      = 18
)

// acts says in which states each act is possible.
func (s *Sim) acts() map[string]desk.Act[*chat, Args] {
	queued, taken, held := []string{desk.Queued}, []string{stateTaken}, []string{stateHeld}
	talking := []string{stateTaken, stateHeld}
	return map[string]desk.Act[*chat, Args]{
		"take":     {From: queued, Do: s.take},
		"reject":   {From: queued, Do: s.reject},
		"say":      {From: talking, Do: s.say},
		"push":     {From: talking, Do: s.pushURL},
		"typing":   {From: talking, Do: s.agentTyping},
		"event":    {From: talking, Do: s.event},
		"hold":     {From: taken, Do: s.hold},
		"resume":   {From: held, Do: s.resume},
		"transfer": {From: talking, Do: s.transfer},
		"close":    {From: []string{desk.Queued, stateTaken, stateHeld}, Do: s.close},
	}
}

func (s *Sim) take(c *chat, a Args) error {
	c.Agent, c.State = cmp.Or(a.Agent, "Agent"), stateTaken
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
	c.push(event{Cmd: "read", Name: c.Agent, Text: "[ccspChatEvent]" + a.Name})
	s.Said(c, "", desk.Entry{Kind: "event", Text: a.Name})
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
	c.State = stateHeld
	c.status(codeHeld, event{})
	s.Mark(c, "On hold.")
	return nil
}

func (s *Sim) resume(c *chat, _ Args) error {
	c.State = stateTaken
	c.status(codeInCall, event{})
	s.Mark(c, "Resumed.")
	return nil
}

func (s *Sim) transfer(c *chat, a Args) error {
	if a.Queue != "" {
		c.Queue = a.Queue
	}
	s.Mark(c, c.Agent+" sent the chat to queue "+strconv.Quote(c.Queue)+".")
	s.enqueue(c)
	return nil
}

func (s *Sim) close(c *chat, a Args) error {
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
	c.State, c.Typing = desk.Closed, false
	e := event{}
	text := "Closed."
	if reason != 0 {
		e.Info = loose(reason, c.Number%2 == 0)
		text = "Not connected: reason " + strconv.Itoa(reason) + "."
	}
	c.status(codeDisconnected, e)
	s.Mark(c, text)
}
