package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The lists of events that both of X's envelopes have.
const (
	listMessages = "direct_message_events"
	listTyping   = "direct_message_indicate_typing_events"
	listRead     = "direct_message_mark_read_events"
)

// maxItems is how many events of one body are read.
const maxItems = 1000

// item is one event of a webhook. forUser is whose subscription brought it, "" if
// X does not say.
type item struct {
	kind    string // the list it was in, or X's event_type, such as chat.received
	uuid    string // of the envelope, "" if it has none
	forUser id
	raw     json.RawMessage
	users   map[string]user
}

// user is a profile, in the form of either envelope.
type user struct {
	Name       string `json:"name"`
	ScreenName string `json:"screen_name"`
	Username   string `json:"username"`
	Data       *struct {
		Name     string `json:"name"`
		Username string `json:"username"`
	} `json:"data"`
}

func (u user) name() string {
	names := []string{u.Name, u.ScreenName, u.Username}
	if u.Data != nil {
		names = append(names, u.Data.Name, u.Data.Username)
	}
	for _, n := range names {
		if n = clean(n); n != "" {
			return n
		}
	}
	return ""
}

// parse reads a body of either API, or of both at once: Account Activity has
// its lists at the top, X Activity has one event in data. A part that is of another
// form than it should is an item as well; an error is a body that is no JSON object.
func parse(body []byte) ([]item, error) {
	var top map[string]json.RawMessage
	if err := json.Unmarshal(bytes.ToValidUTF8(body, []byte("\uFFFD")), &top); err != nil {
		return nil, fmt.Errorf("not a JSON object: %w", err)
	}
	if top == nil {
		return nil, errors.New("not a JSON object")
	}
	items := lists(top, item{forUser: member[id](top, "for_user_id")})
	for _, raw := range elements(top["data"]) {
		items = append(items, activity(raw)...)
	}
	if len(items) > maxItems {
		return nil, fmt.Errorf("more than %d events", maxItems)
	}
	return items, nil
}

// lists returns the events of an object whose members are lists of them.
func lists(object map[string]json.RawMessage, as item) (items []item) {
	as.users = users(object["users"])
	for _, name := range slices.Sorted(maps.Keys(object)) {
		switch name {
		case "for_user_id", "users", "apps", "data", "user_has_blocked":
			continue
		}
		for _, raw := range elements(object[name]) {
			one := as
			one.kind, one.raw = name, raw
			items = append(items, one)
		}
	}
	return items
}

// activity returns the events of X Activity's envelope: of its payload's lists, if
// it has some, else the payload is the event.
func activity(raw json.RawMessage) []item {
	var data map[string]json.RawMessage
	if json.Unmarshal(raw, &data) != nil {
		return []item{{kind: "data", raw: raw}}
	}
	filter := fields(data["filter"])
	as := item{kind: member[string](data, "event_type"), uuid: member[string](data, "event_uuid"),
		forUser: member[id](filter, "user_id"), raw: data["payload"]}
	payload := fields(data["payload"])
	if as.kind == "" {
		as.kind = "data"
	}
	for _, name := range []string{listMessages, listTyping, listRead, "user_event"} {
		if _, ok := payload[name]; ok {
			return lists(payload, as)
		}
	}
	as.users = users(payload["users"])
	return []item{as}
}

// elements returns those of a list; anything else is its only one.
func elements(raw json.RawMessage) []json.RawMessage {
	raw = bytes.TrimSpace(raw)
	var list []json.RawMessage
	switch {
	case len(raw) == 0 || bytes.Equal(raw, []byte("null")):
		return nil
	case json.Unmarshal(raw, &list) == nil:
		return list
	}
	return []json.RawMessage{raw}
}

// users reads profiles. One that cannot be read is left out.
func users(raw json.RawMessage) map[string]user {
	all := map[string]user{}
	for number, profile := range fields(raw) {
		var u user
		if json.Unmarshal(profile, &u) == nil {
			all[number] = u
		}
	}
	return all
}

// fields returns the members of an object, none of anything else.
func fields(raw json.RawMessage) (object map[string]json.RawMessage) {
	_ = json.Unmarshal(raw, &object)
	return object
}

// member reads one, the zero value if it is not there or of another form.
func member[T any](object map[string]json.RawMessage, name string) (v T) {
	if raw, ok := object[name]; !ok || json.Unmarshal(raw, &v) != nil {
		var none T
		return none
	}
	return v
}

// clean leaves out of a text what no channel can carry.
func clean(s string) string {
	return strings.TrimSpace(strings.ReplaceAll(s, "\x00", ""))
}
