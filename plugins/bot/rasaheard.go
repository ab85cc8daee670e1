package main

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/openccsp/gateway/sdk"
)

// heard are the things that one Rasa message says, and to whom it goes. Rasa
// has {"recipient_id","text","image","attachment","buttons","custom"}.
func (r *rasa) heard(raw json.RawMessage) (recipient string, all []said) {
	f, ok := object(raw)
	if !ok {
		return "", []said{invalid(raw, "a reply is no object")}
	}
	recipient = f.word("recipient_id")
	own, problem := r.custom(raw, f["custom"])
	text := f.text("text")
	if name, slash := strings.CutPrefix(strings.TrimSpace(text), "/"); slash && r.handover(name) {
		return recipient, append([]said{handover(raw, nil, "offer")}, own...)
	}
	choices := append(buttons(f["buttons"]), buttons(f["quick_replies"])...)
	files, bad := rasaFiles(f)
	if bad != "" {
		problem = bad
	}
	if text != "" || len(choices) > 0 || len(files) > 0 || len(own) == 0 {
		all = append(all, message(raw, text, files, choices, problem))
	}
	return recipient, append(all, own...)
}

// rasaFiles reads image, an address, and attachment, an address or an object
// that has one.
func rasaFiles(f fields) (files []sdk.Attachment, problem string) {
	add := func(address string) {
		switch {
		case address == "":
		case !httpURL(address):
			problem = "a file has no http address"
		default:
			files = append(files, sdk.Attachment{URL: address})
		}
	}
	add(f.text("image"))
	if a, ok := object(f["attachment"]); ok {
		inner, _ := object(a["payload"])
		address := inner.text("src", "url")
		if address == "" {
			address = a.text("url", "src")
		}
		if address == "" {
			problem = "a file has no http address"
		}
		add(address)
	} else {
		add(f.text("attachment"))
	}
	return files, problem
}

// custom reads what a bot's author put into custom: a hand-over, an event, or
// anything.
func (r *rasa) custom(whole, raw json.RawMessage) (all []said, problem string) {
	f, ok := object(raw)
	if !ok {
		if text := plain(raw); text != "" {
			return []said{custom(whole, "custom", map[string]string{"value": text})}, ""
		}
		return nil, ""
	}
	if s, ok := r.asked(whole, f); ok {
		return []said{s}, ""
	}
	names := []string{"event", "name", "type", "action", "intent"}
	name := f.word(names...)
	switch {
	case len(f) == 0:
		return nil, ""
	case name == "":
		return []said{custom(whole, "custom", params(raw))}, ""
	case strings.EqualFold(name, "typing"):
		return []said{typing(f.yes("on", true))}, ""
	}
	if _, nested := object(f["params"]); nested {
		return []said{custom(whole, name, params(f["params"]))}, ""
	}
	return []said{custom(whole, name, params(raw, names...))}, ""
}

// asked reports whether a bot asks for an agent: {"handover": true}, a word of
// what it does, or an object; or an event, intent or action of that name.
func (r *rasa) asked(whole json.RawMessage, f fields) (said, bool) {
	h, ok := f[r.cfg.Handover]
	if !ok {
		h = f["handover"]
	}
	if inner, ok := object(h); ok {
		action := inner.word("action")
		if action == "" {
			action = "offer"
		}
		return handover(whole, inner, action), true
	}
	switch word := strings.ToLower(strings.TrimSpace(scalar(h))); word {
	case "", "false":
	case "true":
		return handover(whole, f, "offer"), true
	default:
		return handover(whole, f, word), true
	}
	for _, key := range []string{"event", "name", "type", "action", "intent"} {
		if !r.handover(f.word(key)) {
			continue
		}
		action := f.word("action")
		if key == "action" || action == "" {
			action = "offer"
		}
		return handover(whole, f, action), true
	}
	return said{}, false
}

// handover reports whether a name is that of the hand-over.
func (r *rasa) handover(name string) bool {
	return strings.EqualFold(name, r.cfg.Handover) || strings.EqualFold(name, "handover")
}

// answers reads the list that Rasa's REST channel answers with. What is for
// another conversation stays with nobody.
func (r *rasa) answers(ref string, body []byte) ([]said, error) {
	l, ok := list(body)
	if !ok {
		return nil, errors.New("the answer is not a list of messages")
	}
	var all []said
	for _, raw := range l {
		to, things := r.heard(raw)
		if to != "" && to != ref {
			things = []said{invalid(nil, "a reply has the recipient_id of another conversation")}
		}
		all = append(all, things...)
	}
	return all, nil
}
