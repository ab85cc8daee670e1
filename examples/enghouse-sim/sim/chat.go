package sim

import (
	"strconv"

	"github.com/openccsp/gateway/examples/internal/desk"
)

// The states of a chat that an agent has, in Enghouse's words.
const (
	stateTaken = "taken"
	stateHeld  = "held"
)

// Status codes of the wire protocol.
const (
	codeCalling      = 104
	codeWaiting      = 105
	codeInCall       = 106
	codeDisconnected = 107
	codeConnected    = 133
	codeHeld         = 157
	codeQueue        = 165
	codeCallID       = 166
)

// Chat is a chat as the agent sees it in the list.
type Chat struct {
	desk.Chat
	Queue    string `json:"queue"`
	Source   string `json:"source"`
	Skills   string `json:"skills"`
	Priority string `json:"priority"`
	Params   []pair `json:"params"`
}

// chat is one customer's call. The desk's lock guards it.
type chat struct {
	Chat
	left      bool // the customer ended it: the id is unknown from then on
	lastEvent int
	events    []event
}

// View returns what the agent sees.
func (c *chat) View() Chat { return c.Chat }

type pair struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// event is an item of Events. Numbers go out as numbers or as strings, as the
// real server mixes them.
type event struct {
	ID     any    `json:"Event_ID"`
	Cmd    string `json:"Command"`
	Name   string `json:"Participant_Name,omitempty"`
	Text   string `json:"Message_Text,omitempty"`
	URL    string `json:"URL_Pushed,omitempty"`
	Status any    `json:"Status_Code,omitempty"`
	Est    any    `json:"Estimated_Time,omitempty"`
	Info   any    `json:"Additional_Information,omitempty"`
	CallID string `json:"CallID,omitempty"`
	Code   any    `json:"Error_Code,omitempty"`
	id     int
}

// push gives e the next id and appends it.
func (c *chat) push(e event) {
	c.lastEvent++
	e.id = c.lastEvent
	e.ID = loose(c.lastEvent, c.lastEvent%3 == 0)
	c.events = append(c.events, e)
	if n := len(c.events); n > desk.MaxKept {
		c.events = append([]event(nil), c.events[n-desk.MaxKept:]...)
	}
}

// status appends a status event; every second code is a string.
func (c *chat) status(code int, e event) {
	e.Cmd = "status"
	e.Status = loose(code, c.lastEvent%2 == 0)
	c.push(e)
}

func loose(n int, asString bool) any {
	if asString {
		return strconv.Itoa(n)
	}
	return n
}

// after returns the events with an id above last; they have no gap.
func (c *chat) after(last int) []event {
	return c.events[len(c.events)-max(0, min(len(c.events), c.lastEvent-last)):]
}
