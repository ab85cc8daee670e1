package sim

import (
	"crypto/rand"
	"time"
	"unicode/utf16"
)

// state is where a chat is in its life, in IMIchat's words.
type state string

const (
	stateQueued state = "queued"
	statePicked state = "picked"
	stateHeld   state = "onhold"
	stateClosed state = "closed"
)

// chat is one customer's chat. Sim.mu guards it.
type chat struct {
	id      string
	number  int
	create  createBody
	state   state
	agent   string
	opened  time.Time
	typing  bool // the customer is
	said    int  // messages of the agent
	entries []Entry
	last    int // number of the last entry

	hooks   []hook // that wait; the first is under way while sending
	sending bool

	texts []string // that the automatic agent has not answered
}

// Entry is a line of the transcript.
type Entry struct {
	N           int               `json:"n"`
	At          time.Time         `json:"at"`
	From        string            `json:"from"` // customer, agent, system
	Kind        string            `json:"kind"` // text, event, status, note
	Name        string            `json:"name,omitempty"`
	Text        string            `json:"text"`
	MessageID   string            `json:"message_id,omitempty"`
	Units       int               `json:"units"`     // UTF-16 code units that arrived
	Bytes       int               `json:"bytes"`     // bytes of UTF-8 that arrived
	Truncated   bool              `json:"truncated"` // Text was cut at TextLimit
	Params      map[string]string `json:"params,omitempty"`
	Attachments []attachment      `json:"attachments,omitempty"`
}

func newID() string { return "CSR" + rand.Text()[:12] }

// note appends a line to the transcript.
func (c *chat) note(e Entry) {
	c.last++
	e.N = c.last
	c.entries = append(c.entries, e)
	if n := len(c.entries); n > maxKept {
		c.entries = append([]Entry(nil), c.entries[n-maxKept:]...)
	}
}

// heard appends what the customer wrote, cut as the real server cuts it.
func (c *chat) heard(at time.Time, m messageBody) Entry {
	kept, units := cut(m.Text)
	e := Entry{At: at, From: "customer", Kind: "text", Name: c.create.Customer.Name, Text: kept, MessageID: m.ID,
		Units: units, Bytes: len(m.Text), Truncated: units > TextLimit, Attachments: m.Attachments}
	c.note(e)
	c.typing = false
	return e
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
