package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
)

// nameable are the members of IMIchat's objects whose names are not documented.
// They are how such objects look, and the setting fields gives them others.
var nameable = map[string][]string{
	"customer":   {"id", "name", "first_name", "last_name", "locale", "timezone", "addresses", "attributes"},
	"asset":      {"id"},
	"message":    {"message_id", "direction", "author", "type", "text", "attachments", "timestamp"},
	"author":     {"type", "name"},
	"attachment": {"url", "name", "mime_type", "size", "caption"},
}

// names are the other names of members, or off, by object and member: message.text.
type names map[string]string

func parseNames(fields map[string]string) (names, error) {
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		of, name, _ := strings.Cut(key, ".")
		to := fields[key]
		switch {
		case !slices.Contains(nameable[of], name):
			return nil, fmt.Errorf("fields: %q is no member that can be named; such are %s", key, strings.Join(allNames(), ", "))
		case to == off && (key == "message.text" || key == "attachment.url" || key == "customer.id"):
			return nil, fmt.Errorf("fields: %s cannot be off", key)
		case to == "" || len(to) > 64 || strings.ContainsFunc(to, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' }):
			return nil, fmt.Errorf(`fields: %s is %q; write a name, or "off"`, key, to)
		}
	}
	n := names(fields)
	for of, all := range nameable {
		seen := make(map[string]bool)
		for _, name := range all {
			to := n.of(of, name)
			if to != off && seen[to] {
				return nil, errors.New("fields: two members of " + of + " have the name " + to)
			}
			seen[to] = true
		}
	}
	return n, nil
}

// allNames are the keys that the setting fields may have.
func allNames() (all []string) {
	for _, of := range slices.Sorted(maps.Keys(nameable)) {
		for _, name := range nameable[of] {
			all = append(all, of+"."+name)
		}
	}
	return all
}

// of returns the name that a member has on the wire, or off.
func (n names) of(object, name string) string { return cmp.Or(n[object+"."+name], name) }

// member is one member of an object.
type member struct {
	name   string
	value  any
	always bool // also if the value says nothing
}

// wireObject is an object whose members have an order.
type wireObject []member

// object makes an object of those members that say something.
func (n names) object(of string, all ...member) wireObject {
	out := make(wireObject, 0, len(all))
	for _, m := range all {
		if m.name = n.of(of, m.name); m.name != off && (m.always || !empty(m.value)) {
			out = append(out, m)
		}
	}
	return out
}

func empty(v any) bool {
	switch v := v.(type) {
	case string:
		return v == ""
	case int64:
		return v == 0
	case []string:
		return len(v) == 0
	case map[string]string:
		return len(v) == 0
	case wireObject:
		return len(v) == 0
	}
	return v == nil
}

// MarshalJSON implements json.Marshaler.
func (o wireObject) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	for i, m := range o {
		name, err := ccsp.JSON(m.name)
		if err != nil {
			return nil, err
		}
		value, err := ccsp.JSON(m.value)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%s:%s", name, value)
	}
	return []byte("{" + b.String() + "}"), nil
}

// read gives members that came under other names our own ones.
func (n names) read(of string, f fields) fields {
	for _, name := range nameable[of] {
		if to := n.of(of, name); to != name && to != off {
			if raw, ok := f[fold(to)]; ok {
				f = maps.Clone(f)
				f[fold(name)] = raw
			}
		}
	}
	return f
}
