package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// fields are the members of an object by their folded names. Values may be
// what they are called, or the same as text: "15" is 15, and an object may
// stand inside of a string.
type fields map[string]json.RawMessage

// fold makes one name of those that differ in case and separators: Chat Closed,
// chat-closed, chatClosed.
func fold(name string) string {
	return strings.ToLower(strings.Map(func(r rune) rune {
		if r == '_' || r == '-' || r == ' ' {
			return -1
		}
		return r
	}, name))
}

// object reads raw, which is strict JSON, as an object; ok is false if it is
// none.
func object(raw json.RawMessage) (f fields, ok bool) {
	raw = unwrapped(raw, '{')
	var m map[string]json.RawMessage
	if len(raw) == 0 || raw[0] != '{' || json.Unmarshal(raw, &m) != nil {
		return nil, false
	}
	f = make(fields, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if _, twice := f[fold(name)]; !twice {
			f[fold(name)] = bytes.TrimSpace(m[name])
		}
	}
	return f, true
}

// list reads raw as a list, one value as a list of it.
func list(raw json.RawMessage) []json.RawMessage {
	raw = unwrapped(raw, '[')
	if scalar(raw) == "" && (len(raw) == 0 || raw[0] != '{' && raw[0] != '[') {
		return nil
	}
	var l []json.RawMessage
	if raw[0] != '[' {
		return []json.RawMessage{raw}
	}
	if json.Unmarshal(raw, &l) != nil {
		return nil
	}
	for i := range l {
		l[i] = bytes.TrimSpace(l[i])
	}
	return l
}

// unwrapped returns the JSON inside of a string that begins like one, else raw.
func unwrapped(raw json.RawMessage, first byte) json.RawMessage {
	raw = bytes.TrimSpace(raw)
	if inner := strings.TrimSpace(scalar(raw)); len(raw) > 0 && raw[0] == '"' && inner != "" && inner[0] == first {
		if clean, _, err := parse([]byte(inner)); err == nil {
			return clean
		}
	}
	return raw
}

// scalar returns a string, number or bool as text, "" for anything else.
func scalar(raw json.RawMessage) string {
	if len(raw) == 0 {
		return ""
	}
	switch raw[0] {
	case '"':
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return ""
		}
		return s
	case '{', '[', 'n':
		return ""
	}
	return string(raw)
}

// text returns the first of the members that has a text.
func (f fields) text(names ...string) string {
	for _, name := range names {
		if s := scalar(f[name]); strings.TrimSpace(s) != "" {
			return s
		}
	}
	return ""
}

// word is text without blanks around it.
func (f fields) word(names ...string) string { return strings.TrimSpace(f.text(names...)) }

// yes reports whether a member is true, "true", "yes" or 1.
func (f fields) yes(names ...string) bool {
	switch strings.ToLower(f.word(names...)) {
	case "true", "yes", "1":
		return true
	}
	return false
}

// minutes reads a member as a number of minutes, which is not negative.
func (f fields) minutes(names ...string) (time.Duration, bool) {
	n, err := strconv.ParseFloat(f.word(names...), 64)
	if err != nil || math.IsNaN(n) || n < 0 || n > float64(10*365*24*60) {
		return 0, false
	}
	return time.Duration(n * float64(time.Minute)), true
}

// params returns the members of an object as texts; what is no scalar stays
// JSON.
func params(raw json.RawMessage) map[string]string {
	raw = unwrapped(raw, '{')
	var m map[string]json.RawMessage
	if len(raw) == 0 || raw[0] != '{' || json.Unmarshal(raw, &m) != nil || len(m) == 0 {
		return nil
	}
	out := make(map[string]string, len(m))
	for name, v := range m {
		out[name] = plain(v)
	}
	return out
}

func plain(raw json.RawMessage) string {
	raw = bytes.TrimSpace(raw)
	if len(raw) > 0 && (raw[0] == '{' || raw[0] == '[') {
		var b bytes.Buffer
		if json.Compact(&b, raw) == nil {
			return b.String()
		}
	}
	return scalar(raw)
}
