package desk

import (
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
	State  string    `json:"state"`
	Name   string    `json:"name"` // the customer's
	Agent  string    `json:"agent"`
	Opened time.Time `json:"opened"`
	Typing bool      `json:"typing"` // the customer is
	Last   string    `json:"last"`   // the last text, shortened
	Count  int       `json:"messages"`
	Busy   bool      `json:"-"` // not to be forgotten, even if closed
	Noted  int       `json:"-"` // number of the last line

	entries []Entry
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
	N           int          `json:"n"`
	At          time.Time    `json:"at"`
	From        string       `json:"from"` // customer, agent, system
	Kind        string       `json:"kind"` // text, event, status, url, note
	Name        string       `json:"name,omitempty"`
	Text        string       `json:"text"`
	MessageID   string       `json:"message_id,omitempty"`
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
	d.Note(c, e)
	d.schedule(own, e.Text)
}

// Said notes what the agent wrote; text is what of it is measured. The desk is
// locked.
func (d *Desk[C, V, A]) Said(c C, text string, e Entry) {
	e.From, e.Name, e.Bytes = "agent", c.Common().Agent, len(text)
	_, e.Units = cut(text)
	d.Note(c, e)
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
