package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"
)

// id is a 64-bit number, which X writes as a text and at times as a number. It
// is kept as text: a float has no room for it.
type id string

// UnmarshalJSON implements json.Unmarshaler.
func (i *id) UnmarshalJSON(b []byte) error {
	text := string(b)
	if b[0] == '"' {
		if err := json.Unmarshal(b, &text); err != nil {
			return err
		}
	}
	switch {
	case text == "null" && b[0] == 'n', text == "":
		*i = ""
	case !isID(text):
		return errors.New("an id is not a number")
	default:
		*i = id(text)
	}
	return nil
}

// isID reports whether s can be the id of a user or message.
func isID(s string) bool { return len(s) <= 20 && isNumber(s) }

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// compare orders ids by the time in which they were made: they are snowflakes.
func (i id) compare(j id) int {
	a, b := strings.TrimLeft(string(i), "0"), strings.TrimLeft(string(j), "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

// epoch is when X began to make ids of the time, in milliseconds since 1970.
const epoch = 1288834974657

// idAt is between the ids that were made before at and those that were made after.
func idAt(at time.Time) id {
	return id(strconv.FormatInt(max(0, at.UnixMilli()-epoch)<<22, 10))
}

// millis is a time in milliseconds since 1970, a text or a number.
type millis string

// UnmarshalJSON implements json.Unmarshaler. A time that cannot be read is none.
func (m *millis) UnmarshalJSON(b []byte) error {
	if text := strings.Trim(string(b), `"`); isNumber(text) {
		*m = millis(text)
	}
	return nil
}

// time returns the zero value for what is no time of this age.
func (m millis) time() time.Time {
	n, err := strconv.ParseInt(string(m), 10, 64)
	if err != nil || n <= 0 || n > 1e14 {
		return time.Time{}
	}
	return time.UnixMilli(n).UTC()
}
