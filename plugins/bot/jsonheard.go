package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/openccsp/gateway/sdk"
)

// parseHeard reads {"version":1,"conversation":"…","events":[…]}, or the pong.
func parseHeard(body []byte) (heard, error) {
	f, ok := object(body)
	if !ok {
		return heard{}, errors.New("no JSON object")
	}
	if len(f) == 0 {
		return heard{}, nil
	}
	if v := f.word("version"); v != "1" {
		return heard{}, fmt.Errorf("version %q is not 1", v)
	}
	typ := f.word("type")
	if typ == "pong" {
		return heard{pong: true}, nil
	}
	if _, there := f["events"]; !there || typ != "" { // such as the gateway's own request
		return heard{}, errors.New("no events")
	}
	h := heard{ref: f.word("conversation")}
	l, ok := list(f["events"])
	if !ok {
		return heard{}, errors.New("events is no list")
	}
	for _, raw := range l {
		h.said = append(h.said, one(raw))
	}
	return h, nil
}

// one reads an item of events.
func one(raw json.RawMessage) said {
	f, ok := object(raw)
	if !ok {
		return invalid(raw, "an event is no object")
	}
	s := read(raw, f)
	s.event.ID = f.text("id")
	if len(s.event.ID) > maxID {
		s = invalid(raw, "an id is longer than 256 bytes")
	}
	if s.event.Type == sdk.IncomingMessage {
		s.event.MessageID = s.event.ID
	}
	return s
}

func read(raw json.RawMessage, f fields) said {
	typ := f.word("type")
	switch eventName(typ) {
	case "":
		return invalid(raw, "an event has no type")
	case "message":
		files, problem := files(f["attachments"])
		s := message(raw, f.text("text"), files, buttons(f["quick_replies"]), problem)
		s.event.Private = f.yes("private", false)
		s.event.Agent.Name = f.word("name")
		return s
	case "typing":
		return typing(f.yes("on", true))
	case "handover":
		return handover(raw, f, f.word("action"))
	case "event", sdk.CustomEvent:
		name := f.word("name")
		if name == "" {
			return invalid(raw, "an event has no name")
		}
		return custom(raw, name, params(f["params"]))
	}
	if _, nested := object(f["params"]); nested {
		return custom(raw, typ, params(f["params"]))
	}
	return custom(raw, typ, params(raw, "type", "id"))
}

// files reads [{"url","name","mime","bytes","caption"}]. What has no address is
// left out.
func files(raw json.RawMessage) (all []sdk.Attachment, problem string) {
	l, ok := list(raw)
	if !ok && len(raw) > 0 && string(raw) != "null" {
		return nil, "attachments is no list"
	}
	for _, item := range l {
		f, _ := object(item)
		a := sdk.Attachment{URL: f.text("url"), Name: f.word("name"), MIME: f.word("mime"), Caption: f.text("caption")}
		if err := json.Unmarshal([]byte(f.word("bytes")), &a.Bytes); err != nil || a.Bytes < 0 {
			a.Bytes = 0
		}
		switch {
		case !httpURL(a.URL):
			problem = "a file has no http address"
		case len(all) == maxFiles:
			problem = fmt.Sprintf("more than %d files", maxFiles)
		default:
			a.MIME = strings.ToLower(a.MIME)
			all = append(all, a)
		}
	}
	return all, problem
}
