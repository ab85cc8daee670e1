package main

import (
	"bytes"
	"encoding/json"
	"strings"
)

// fields are the members of an object. A value may be what it is called, or the
// same as text: "1" is 1 and "true" is true.
type fields map[string]json.RawMessage

// object reads raw as an object; ok is false if it is none.
func object(raw []byte) (f fields, ok bool) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || raw[0] != '{' || json.Unmarshal(raw, &f) != nil {
		return nil, false
	}
	return f, true
}

// list reads raw as a list; ok is false if it is none.
func list(raw []byte) (l []json.RawMessage, ok bool) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || raw[0] != '[' || json.Unmarshal(raw, &l) != nil {
		return nil, false
	}
	return l, true
}

// scalar returns a string, number or bool as text, "" for anything else.
func scalar(raw []byte) string {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || raw[0] == '{' || raw[0] == '[' || raw[0] == 'n' {
		return ""
	}
	if raw[0] != '"' {
		return string(raw)
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return strings.ReplaceAll(s, "\x00", "") // no channel can carry it
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

// word is text without blanks around it, cut to what a name may have.
func (f fields) word(names ...string) string {
	s := strings.TrimSpace(f.text(names...))
	if len(s) > maxName {
		s = strings.ToValidUTF8(s[:maxName], "")
	}
	return s
}

// yes reports whether a member is true, and standby if it is not there.
func (f fields) yes(name string, standby bool) bool {
	switch strings.ToLower(f.word(name)) {
	case "":
		return standby
	case "true", "yes", "on", "1":
		return true
	}
	return false
}

// params returns the members of an object as texts; what is no scalar stays
// JSON. They are nil if there are none.
func params(raw []byte, but ...string) map[string]string {
	f, ok := object(raw)
	if !ok {
		return nil
	}
	for _, name := range but {
		delete(f, name)
	}
	if len(f) == 0 {
		return nil
	}
	out := make(map[string]string, len(f))
	for name, v := range f {
		out[name] = plain(v)
	}
	return out
}

// plain returns a value as text; an object or a list as JSON.
func plain(raw []byte) string {
	raw = bytes.TrimSpace(raw)
	var b bytes.Buffer
	if len(raw) > 0 && (raw[0] == '{' || raw[0] == '[') && json.Compact(&b, raw) == nil {
		return b.String()
	}
	return scalar(raw)
}
