package sim

import (
	"crypto/rand"
	"strconv"
	"time"
	"unicode/utf16"
)

// state is where a chat is in its life.
type state string

const (
	stateQueued state = "queued"
	stateTaken  state = "taken"
	stateHeld   state = "held"
	stateClosed state = "closed"
)

// Status codes of the wire protocol.
const (
	codeCalling      = 104
	codeInCall       = 106
	codeDisconnected = 107
	codeConnected    = 133
	codeHeld         = 157
	codeQueue        = 165
	codeCallID       = 166
)

// chat is one customer's call. Sim.mu guards it.
type chat struct {
	id     string
	number int
	join   joinData
	params []pair
	state  state
	agent  string
	opened time.Time
	typing bool // the customer is
	left   bool // the customer ended it: the id is unknown from then on

	lastEvent int
	events    []event
	lastEntry int
	entries   []Entry
}

// Entry is a line of the transcript.
type Entry struct {
	N         int       `json:"n"`
	At        time.Time `json:"at"`
	From      string    `json:"from"` // customer, agent, system
	Kind      string    `json:"kind"` // text, event, status, url
	Name      string    `json:"name,omitempty"`
	Text      string    `json:"text"`
	Units     int       `json:"units"`             // UTF-16 code units that arrived
	Bytes     int       `json:"bytes"`             // bytes of UTF-8 that arrived
	Truncated bool      `json:"truncated"`         // Text was cut at TextLimit
	Params    []pair    `json:"params,omitempty"`  // of an event or of joinchat
	Request   string    `json:"request,omitempty"` // the verb it came with
}

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

func newID() string { return rand.Text() }

// push gives e the next id and appends it.
func (c *chat) push(e event) {
	c.lastEvent++
	e.id = c.lastEvent
	e.ID = loose(c.lastEvent, c.lastEvent%3 == 0)
	c.events = append(c.events, e)
	if n := len(c.events); n > maxKept {
		c.events = append([]event(nil), c.events[n-maxKept:]...)
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

// after returns the events with an id above last.
func (c *chat) after(last int) []event {
	for i, e := range c.events {
		if e.id > last {
			return c.events[i:]
		}
	}
	return nil
}

// note appends a line to the transcript.
func (c *chat) note(e Entry) {
	c.lastEntry++
	e.N = c.lastEntry
	c.entries = append(c.entries, e)
	if n := len(c.entries); n > maxKept {
		c.entries = append([]Entry(nil), c.entries[n-maxKept:]...)
	}
}

// heard appends what the customer wrote, cut as the real server cuts it.
func (c *chat) heard(at time.Time, verb, text string) Entry {
	kept, units := cut(text)
	e := Entry{At: at, From: "customer", Kind: "text", Name: c.name(), Text: kept, Units: units,
		Bytes: len(text), Truncated: units > TextLimit, Request: verb}
	c.note(e)
	c.typing = false
	return e
}

func (c *chat) name() string {
	switch {
	case c.join.FirstName == "":
		return c.join.LastName
	case c.join.LastName == "":
		return c.join.FirstName
	}
	return c.join.FirstName + " " + c.join.LastName
}

// cut returns the first TextLimit UTF-16 units of text and how many it had. A
// pair that is cut in two becomes U+FFFD, as it does on the agent's screen.
func cut(text string) (string, int) {
	units := utf16.Encode([]rune(text))
	if len(units) <= TextLimit {
		return text, len(units)
	}
	return string(utf16.Decode(units[:TextLimit])), len(units)
}
