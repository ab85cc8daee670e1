package desk

import (
	"strings"
	"time"
	"unicode/utf16"
)

// TextLimit is where a customer's text is cut, in UTF-16 code units.
const TextLimit = 1024

// The first and the last state of a chat. Between them each vendor has words of
// its own.
const (
	Queued = "queued"
	Closed = "closed"
)

// Chat is what every chat has. A vendor embeds it in what the agent sees, and
// that in its own chat.
type Chat struct {
	ID     string    `json:"id"`
	Number int       `json:"number"`
	State  string    `json:"state"` // changed by Desk.Move alone
	Since  time.Time `json:"since"` // it is in that state
	Name   string    `json:"name"`  // the customer's
	Agent  string    `json:"agent"`
	For    string    `json:"for,omitempty"` // the agent whom a queued chat waits for, "" any
	Opened time.Time `json:"opened"`
	Typing bool      `json:"typing"` // the customer is
	Last   string    `json:"last"`   // the last text, shortened
	Count  int       `json:"messages"`
	Heard  int       `json:"heard"` // texts, files and events from outside, ever
	// Unanswered is when the oldest text came that no agent has answered.
	Unanswered  *time.Time `json:"unanswered,omitempty"`
	Disposition string     `json:"disposition,omitempty"` // how it ended, in the agent's words
	Profile     []Fact     `json:"-"`                     // comes with the messages
	Busy        bool       `json:"-"`                     // not to be forgotten, even if closed
	Noted       int        `json:"-"`                     // number of the last line

	entries []Entry
}

// Fact is a line of what the desk knows of a customer.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Facts makes a profile of names and values in turn, and leaves out what is
// unknown.
func Facts(namesAndValues ...string) []Fact {
	list := []Fact{}
	for i := 0; i+1 < len(namesAndValues); i += 2 {
		if namesAndValues[i+1] != "" {
			list = append(list, Fact{namesAndValues[i], namesAndValues[i+1]})
		}
	}
	return list
}

// Record is a vendor's chat. View is how the agent sees it just now; Common it
// has by embedding Chat.
type Record[V any] interface {
	View() V
	Common() *Chat
}

// Common returns c, whatever it is embedded in.
func (c *Chat) Common() *Chat { return c }

// Entry is a line of the transcript. What a vendor does not have is left out.
type Entry struct {
	N    int       `json:"n"`
	At   time.Time `json:"at"`
	From string    `json:"from"` // customer, agent, system
	Kind string    `json:"kind"` // text, event, status, url, note, receipt
	// Author is who wrote what came from outside, where it says that it was not
	// the customer: bot, agent, system, automatic.
	Author      string       `json:"author,omitempty"`
	Earlier     bool         `json:"earlier,omitempty"` // said before the chat opened
	Name        string       `json:"name,omitempty"`
	Text        string       `json:"text"`
	MessageID   string       `json:"message_id,omitempty"`
	Status      string       `json:"status,omitempty"` // of an agent's message: delivered, read, failed
	Units       int          `json:"units"`            // UTF-16 code units that arrived
	Bytes       int          `json:"bytes"`            // bytes of UTF-8 that arrived
	Truncated   bool         `json:"truncated"`        // Text was cut at TextLimit
	Params      any          `json:"params,omitempty"` // of an event, in the vendor's form
	Attachments []Attachment `json:"attachments,omitempty"`
	Request     string       `json:"request,omitempty"` // the call it came with
}

// Attachment is a file that came with a line.
type Attachment struct {
	URL     string `json:"url"`
	Name    string `json:"name,omitempty"`
	MIME    string `json:"mime_type,omitempty"`
	Size    int64  `json:"size,omitempty"`
	Caption string `json:"caption,omitempty"`
}

// Note appends a line to c's transcript. The desk is locked.
func (d *Desk[C, V, A]) Note(c C, e Entry) {
	own := c.Common()
	own.Noted++
	e.N, e.At = own.Noted, d.Now()
	own.entries = append(own.entries, e)
	if n := len(own.entries); n > MaxKept {
		own.entries = append([]Entry(nil), own.entries[n-MaxKept:]...)
	}
	own.Count = len(own.entries)
	if e.Kind == "text" {
		own.Last = shorten(e.Text)
	}
	if e.From == "customer" {
		own.Heard++
	}
}

// Heard notes a text of the customer, cut as the real server cuts it, and has
// the automatic agent answer it. The desk is locked.
func (d *Desk[C, V, A]) Heard(c C, e Entry) {
	own := c.Common()
	own.Typing = false
	text := e.Text
	e.From, e.Kind, e.Name, e.Bytes = "customer", "text", own.Name, len(text)
	e.Text, e.Units = cut(text)
	e.Truncated = e.Units > TextLimit
	if e.Author == "" {
		e.Author = author(text)
	}
	d.Note(c, e)
	if e.Author != "" { // nobody waits for an answer to it
		return
	}
	if own.Unanswered == nil {
		now := d.Now()
		own.Unanswered = &now
	}
	d.schedule(own, e.Text)
}

// author returns who wrote text, as the gateway marks it: "[bot] Hello".
func author(text string) string {
	mark, _, ok := strings.Cut(strings.TrimPrefix(text, "["), "] ")
	if !ok || !strings.HasPrefix(text, "[") {
		return ""
	}
	word, _, _ := strings.Cut(mark, " ")
	switch word {
	case "bot", "system", "automatic", "agent":
		return word
	}
	return ""
}

// Entries returns the lines of the transcript that are kept. The desk is locked.
func (c *Chat) Entries() []Entry { return c.entries }

// Receipt notes what became of the agent's message with that id: delivered,
// read or failed. It reports false if there is no such message. The desk is
// locked.
func (d *Desk[C, V, A]) Receipt(c C, id, status, reason string) bool {
	own := c.Common()
	for i := len(own.entries) - 1; i >= 0; i-- {
		e := &own.entries[i]
		if e.From != "agent" || e.MessageID != id || e.Kind == "receipt" {
			continue
		}
		if e.Status != "read" || status == "failed" { // receipts may overtake each other
			e.Status = status
		}
		d.Note(c, Entry{From: "system", Kind: "receipt", MessageID: id, Status: e.Status, Text: reason})
		return true
	}
	return false
}

// Said notes what the agent wrote; text is what of it is measured. The desk is
// locked.
func (d *Desk[C, V, A]) Said(c C, text string, e Entry) {
	e.From, e.Name, e.Bytes = "agent", c.Common().Agent, len(text)
	_, e.Units = cut(text)
	d.Note(c, e)
	if e.Kind == "text" || e.Kind == "url" {
		c.Common().Unanswered = nil
	}
}

// Mark notes what happened. The desk is locked.
func (d *Desk[C, V, A]) Mark(c C, text string) {
	d.Note(c, Entry{From: "system", Kind: "status", Text: text})
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
