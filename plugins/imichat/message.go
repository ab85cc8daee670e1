package main

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

// The directions of messages, seen from the contact center.
const (
	inbound  = "inbound"
	outbound = "outbound"
)

// authors are the kinds of authors in a transcript.
var authors = map[sdk.AuthorKind]string{
	sdk.AuthorCustomer: "customer", sdk.AuthorAgent: "agent", sdk.AuthorBot: "bot",
	sdk.AuthorSystem: "system", sdk.AuthorRule: "system",
}

// message makes the far side's message of m: the body of append, and an item of
// messages. It is nil if it would be empty.
func (c *connector) message(m sdk.Message) (wireObject, error) {
	text, err := ccsp.Marked(m, textOf(m), c.limit())
	if err != nil {
		return nil, err
	}
	return c.wire(m, text, inbound, nil), nil
}

// history is what was said before the chat: who wrote each line is in its
// members, or marked in the text if author is not sent.
func (c *connector) history(chat sdk.Chat) []wireObject {
	all := []wireObject{}
	for i, l := range chat.Transcript {
		m := sdk.Message{
			ID: c.aliasOf(chat) + "." + strconv.Itoa(i+1), Text: l.Text, Attachments: l.Attachments, Author: l.Author,
			Agent: sdk.Agent{Name: l.Name}, At: l.At,
		}
		direction := outbound
		if l.Author == sdk.AuthorCustomer || l.Author == sdk.AuthorUnknown {
			direction = inbound
		}
		author := c.cfg.names.object("author", member{name: "type", value: authors[l.Author]}, member{name: "name", value: l.Name})
		text := textOf(m)
		if c.cfg.names.of("message", "author") == off {
			if marked, err := ccsp.Marked(m, text, c.limit()); err == nil {
				text = marked
			}
		}
		if w := c.wire(m, text, direction, author); w != nil {
			all = append(all, w)
		}
	}
	return all
}

func (c *connector) wire(m sdk.Message, text, direction string, author wireObject) wireObject {
	kind, files := "text", []wireObject{}
	for _, f := range m.Attachments {
		if f.URL == "" {
			continue // it is named in the text
		}
		kind = "attachment"
		files = append(files, c.cfg.names.object("attachment",
			member{name: "url", value: f.URL}, member{name: "name", value: f.Name}, member{name: "mime_type", value: f.MIME},
			member{name: "size", value: f.Bytes}, member{name: "caption", value: f.Caption}))
	}
	if text == "" && len(files) == 0 {
		return nil
	}
	at := ""
	if !m.At.IsZero() {
		at = m.At.UTC().Format(time.RFC3339)
	}
	return c.cfg.names.object("message",
		member{name: "message_id", value: m.ID},
		member{name: "direction", value: direction},
		member{name: "author", value: author},
		member{name: "type", value: kind},
		member{name: "text", value: text, always: true},
		member{name: "attachments", value: files, always: true},
		member{name: "timestamp", value: at},
	)
}

// textOf is the text of m, with what has no place of its own.
func textOf(m sdk.Message) string {
	var b strings.Builder
	b.WriteString(m.Text)
	if m.URLPush != "" && !strings.Contains(m.Text, m.URLPush) {
		ccsp.AddLine(&b, m.URLPush)
	}
	for _, f := range m.Attachments {
		if f.URL == "" {
			ccsp.AddFile(&b, f)
		}
	}
	return b.String()
}

// limit is the longest text in UTF-16 units. A text that the gateway split by
// another unit is within it.
func (c *connector) limit() int {
	l := c.host.TextLimit()
	switch {
	case l.Limit <= 0:
		return math.MaxInt
	case l.Unit == sdk.Rune:
		return 2 * l.Limit
	case l.Unit == sdk.Grapheme:
		return math.MaxInt
	}
	return l.Limit
}
