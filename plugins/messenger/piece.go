package main

import (
	"fmt"
	"strings"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

// piece is what one call can send: a text or a file.
type piece struct {
	key     string // the message's id, and which piece of it
	text    string
	file    *sdk.Attachment
	replies []quickReply // with the last one: they vanish with the next message
}

// outgoing is the body of a call to send.
type outgoing struct {
	Recipient recipient `json:"recipient"`
	Type      string    `json:"messaging_type"`
	Tag       string    `json:"tag,omitempty"`
	Message   body      `json:"message"`
}

type recipient struct {
	ID string `json:"id"`
}

type body struct {
	Text         string       `json:"text,omitempty"`
	Attachment   *outFile     `json:"attachment,omitempty"`
	QuickReplies []quickReply `json:"quick_replies,omitempty"`
	Metadata     string       `json:"metadata,omitempty"`
}

type outFile struct {
	Type    string     `json:"type"`
	Payload outPayload `json:"payload"`
}

type outPayload struct {
	URL      string `json:"url,omitempty"`
	Reusable bool   `json:"is_reusable"`
}

type quickReply struct {
	ContentType string `json:"content_type"`
	Title       string `json:"title"`
	Payload     string `json:"payload"`
}

// maxPayload is how many characters of a button's payload Meta takes.
const maxPayload = 1000

// pieces cuts a message into what single calls can send: its files, each with its
// caption behind it, and then its text. A file that Meta refuses so leaves nothing
// half said.
func (c *channel) pieces(m sdk.Message) (all []piece, err error) {
	add := func(p piece) {
		p.key = fmt.Sprintf("%s/%d", m.ID, len(all)+1)
		if m.ID == "" {
			p.key = ""
		}
		all = append(all, p)
	}
	limit := c.host.TextLimit()
	words := func(text string) {
		for _, t := range ccsp.Chop(text, limit) {
			add(piece{text: t})
		}
	}
	for i := range m.Attachments {
		a := &m.Attachments[i]
		if a.Bytes > maxFile {
			return nil, sdk.Rejected("file_too_large", fmt.Sprintf("a file has more than %d bytes", maxFile))
		}
		add(piece{file: a})
		if a.Caption != "" && a.Caption != m.Text {
			words(a.Caption)
		}
	}
	var b strings.Builder
	ccsp.AddLine(&b, m.Text)
	if m.URLPush != "" && !strings.Contains(m.Text, m.URLPush) {
		ccsp.AddLine(&b, m.URLPush)
	}
	switch text := b.String(); {
	case !ccsp.Fits(m.Text, limit):
		return nil, sdk.Rejected("too_long", fmt.Sprintf("more than %d characters", limit.Limit))
	case !ccsp.Fits(text, limit):
		words(m.Text)
		words(m.URLPush)
	case strings.TrimSpace(text) != "":
		add(piece{text: text})
	}
	if len(all) == 0 {
		return nil, sdk.Rejected("empty", "neither a text nor a file")
	}
	all[len(all)-1].replies, err = buttons(m.QuickReplies)
	return all, err
}

// buttons are the quick replies. Those that do not fit the gateway has put into
// the text, so more is a mistake.
func buttons(replies []sdk.QuickReply) (all []quickReply, err error) {
	if len(replies) > maxReplies {
		return nil, sdk.Rejected("quick_replies", fmt.Sprintf("more than %d", maxReplies))
	}
	for _, r := range replies {
		q := quickReply{ContentType: "text", Title: r.Title, Payload: r.Payload}
		if q.Payload == "" {
			q.Payload = r.Title
		}
		if n := len([]rune(q.Title)); n == 0 || n > maxTitle || len([]rune(q.Payload)) > maxPayload {
			return nil, sdk.Rejected("quick_replies", fmt.Sprintf("a title has not 1 to %d characters, or a payload more than %d", maxTitle, maxPayload))
		}
		all = append(all, q)
	}
	return all, nil
}

// kindOf is what Meta calls a file of a MIME type.
func kindOf(mime string) string {
	for _, kind := range []string{"image", "audio", "video"} {
		if strings.HasPrefix(mime, kind+"/") {
			return kind
		}
	}
	return "file"
}

// heavy says whether Meta counts a piece among those of which it takes fewer.
func (p piece) heavy() bool {
	if p.file == nil {
		return false
	}
	kind := kindOf(p.file.MIME)
	return kind == "audio" || kind == "video"
}
