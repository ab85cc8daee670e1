package main

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// envelope is the body of a webhook.
type envelope struct {
	Object string            `json:"object"`
	Entry  []json.RawMessage `json:"entry"`
}

type entry struct {
	ID        text              `json:"id"`
	Time      millis            `json:"time"`
	Messaging []json.RawMessage `json:"messaging"`
	Standby   []json.RawMessage `json:"standby"`
	Changes   []json.RawMessage `json:"changes"`
}

// happening is what all events of the page have, and those parts of single kinds
// that are read.
type happening struct {
	Sender    party  `json:"sender"`
	Recipient party  `json:"recipient"`
	Timestamp millis `json:"timestamp"`
}

type party struct {
	ID text `json:"id"`
}

// message is read in two steps: what is odd about its parts does not take its text
// with it.
type message struct {
	Mid         text            `json:"mid"`
	Text        text            `json:"text"`
	Echo        bool            `json:"is_echo"`
	AppID       text            `json:"app_id"`
	Metadata    text            `json:"metadata"`
	QuickReply  json.RawMessage `json:"quick_reply"` // payload
	Attachments json.RawMessage `json:"attachments"` // of attachment
	Deleted     bool            `json:"is_deleted"`

	Referral json.RawMessage `json:"referral"`
}

type payload struct {
	Payload text `json:"payload"`
}

type postback struct {
	Mid      text            `json:"mid"`
	Title    text            `json:"title"`
	Payload  text            `json:"payload"`
	Referral json.RawMessage `json:"referral"`
}

type attachment struct {
	Type    text `json:"type"`
	Title   text `json:"title"`
	URL     text `json:"url"`
	Payload struct {
		URL         text `json:"url"`
		Title       text `json:"title"`
		StickerID   text `json:"sticker_id"`
		Coordinates *struct {
			Lat  float64 `json:"lat"`
			Long float64 `json:"long"`
		} `json:"coordinates"`
	} `json:"payload"`
}

type marks struct {
	Mids      []text `json:"mids"`
	Watermark millis `json:"watermark"`
}

// text is a text, or a number as Meta writes some ids.
type text string

// UnmarshalJSON implements json.Unmarshaler.
func (t *text) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(b, []byte(`"`)) {
		return json.Unmarshal(b, (*string)(t))
	}
	if string(b) == "null" {
		return nil
	}
	var n json.Number
	if err := json.Unmarshal(b, &n); err != nil {
		return err
	}
	*t = text(n)
	return nil
}

// millis is a time in milliseconds, as a number or a text; 0 is none.
type millis int64

// maxMillis is in the year 9999.
const maxMillis = 253402300799999

// UnmarshalJSON implements json.Unmarshaler. What is no time is none.
func (m *millis) UnmarshalJSON(b []byte) error {
	n, err := strconv.ParseInt(strings.Trim(string(b), `"`), 10, 64)
	if err != nil || n < 0 || n > maxMillis {
		n = 0
	}
	*m = millis(n)
	return nil
}

// time is the zero time if there is none.
func (m millis) time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(m)).UTC()
}

var pageScoped = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// addressable says whether an id can be that of a customer: it becomes part of
// addresses.
func addressable(id string) bool { return pageScoped.MatchString(id) }
