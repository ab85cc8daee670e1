package main

import (
	"maps"
	"regexp"
	"slices"
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

// hidden is an event that the agent's desk hid in a text: its name, and what is
// known of it. One that has the name of the event of files and brings an
// address is a file, and one that has the name of an event of control is that.
func (r *reading) hidden(e wireEvent, id, rest, link string) {
	name, more, _ := strings.Cut(strings.TrimSpace(rest), " ")
	params := readParams(more)
	if file, ok := fileIn(link, params); ok && name == r.event {
		r.say(e, id, sdk.Event{Type: sdk.IncomingMessage, Agent: agent(e), Attachments: []sdk.Attachment{file}})
		return
	}
	if link != "" {
		params["url"] = link
	}
	switch name {
	case sdk.ControlOffered, sdk.ControlAccepted, sdk.ControlPassed, sdk.ControlReleased:
		to, reason := params["to"], params["reason"]
		delete(params, "to")
		delete(params, "reason")
		r.emit(e, id, sdk.Event{Type: name, To: to, Reason: reason, Params: params, Agent: agent(e)})
		return
	case "":
		name = "ccspChatEvent"
	}
	r.emit(e, id, sdk.Event{Type: sdk.CustomEvent, EventName: clip(name), Params: params, Agent: agent(e), Private: true})
}

var param = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*=`)

// readParams reads what follows the name of an event: key=value, whose values
// may have blanks. What comes before the first key is the text.
//
//	now level=3 why=too slow
//	{"text": "now", "level": "3", "why": "too slow"}
func readParams(s string) map[string]string {
	params := map[string]string{}
	key := "text"
	for _, word := range strings.Fields(s) {
		if k := param.FindString(word); k != "" {
			key, word = strings.TrimSuffix(k, "="), word[len(k):]
			params[key] = word
			continue
		}
		params[key] = strings.TrimPrefix(params[key]+" "+word, " ")
	}
	return params
}

// fileIn is the file at a link, or else at an address in parameters.
func fileIn(link string, params map[string]string) (sdk.Attachment, bool) {
	if file, ok := attachmentAt(link); ok {
		return file, true
	}
	for _, key := range slices.Sorted(maps.Keys(params)) {
		for _, word := range strings.Fields(params[key]) {
			if file, ok := attachmentAt(word); ok {
				return file, true
			}
		}
	}
	return sdk.Attachment{}, false
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
