package main

import (
	"strings"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

// message is a text of the agent's, a page or a file that the agent pushes, or
// an event in the guise of a text.
func (r *reading) message(e wireEvent, id string) {
	text, link := plainText(string(e.Text)), strings.TrimSpace(string(e.URL))
	for _, s := range []string{strings.TrimSpace(string(e.Text)), text} { // the second one was in markup
		if rest, ok := strings.CutPrefix(s, chatEvent); ok {
			r.hidden(e, id, rest, link)
			return
		}
	}
	m := sdk.Event{Type: sdk.IncomingMessage, Text: text, Agent: agent(e)}
	if file, ok := fileAt(link); ok {
		m.Attachments = []sdk.Attachment{file}
	} else if link != "" {
		m.URLPush = link
		if !strings.Contains(text, link) {
			m.Text = strings.TrimPrefix(text+"\n"+link, "\n")
		}
	}
	r.say(e, id, m)
}

// say emits a message, unless there is nothing in it.
func (r *reading) say(e wireEvent, id string, m sdk.Event) {
	if m.Text == "" && len(m.Attachments) == 0 {
		r.log.Debug("empty message skipped", "event", id)
		return
	}
	r.spoke(e, id)
	r.emit(e, id, m)
}

// hidden is an event that the agent's desk hid in a text. Its name is the
// first word. One that has the name of the event of files and brings an address
// is a file.
func (r *reading) hidden(e wireEvent, id, rest, link string) {
	name, more, _ := strings.Cut(strings.TrimSpace(rest), " ")
	more = strings.TrimSpace(more)
	if name == r.event {
		for _, address := range append([]string{link}, strings.Fields(more)...) {
			if file, ok := attachmentAt(address); ok {
				r.say(e, id, sdk.Event{Type: sdk.IncomingMessage, Agent: agent(e), Attachments: []sdk.Attachment{file}})
				return
			}
		}
	}
	if name == "" {
		name = "ccspChatEvent"
	}
	params := map[string]string{}
	if more != "" {
		params["text"] = more
	}
	if link != "" {
		params["url"] = link
	}
	r.emit(e, id, sdk.Event{Type: sdk.CustomEvent, EventName: clip(name), Params: params, Agent: agent(e), Private: true})
}

// fileAt is the file at an address, if it looks like one.
func fileAt(address string) (sdk.Attachment, bool) {
	name, mime, ok := ccsp.FileAt(address)
	return sdk.Attachment{URL: address, MIME: mime, Name: name}, ok
}

// attachmentAt is the file at an address that is known to be one.
func attachmentAt(address string) (sdk.Attachment, bool) {
	if file, ok := fileAt(address); ok {
		return file, true
	}
	return sdk.Attachment{URL: address}, link(address) == address && strings.HasPrefix(address, "http")
}
