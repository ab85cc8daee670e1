package notify

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// typePrefix makes an event's type one that no other maker of CloudEvents has.
const typePrefix = "org.openccsp."

// envelope is the body as rules make it: that of Standard Webhooks.
type envelope struct {
	Type      string          `json:"type"`
	Timestamp string          `json:"timestamp"`
	Data      json.RawMessage `json:"data"`
}

// cloudEvent is the JSON of a structured CloudEvent
// (https://github.com/cloudevents/spec, 1.0.2, JSON format, read 2026-11).
type cloudEvent struct {
	SpecVersion     string          `json:"specversion"`
	ID              string          `json:"id"`
	Source          string          `json:"source"`
	Type            string          `json:"type"`
	Time            string          `json:"time,omitempty"`
	DataContentType string          `json:"datacontenttype"`
	Data            json.RawMessage `json:"data"`
}

// plain returns the headers that all requests to an endpoint have.
func (n *Notifier) plain(e *endpoint) http.Header {
	h := http.Header{}
	for name, value := range e.Headers {
		h.Set(name, value)
	}
	if e.Bearer != "" {
		h.Set("Authorization", "Bearer "+e.Bearer)
	}
	if e.Validate {
		h.Set(requestOrigin, n.origin)
	}
	return h
}

// dress returns the headers and the body of one attempt. A body that is no
// envelope goes as it is.
func (n *Notifier) dress(e *endpoint, id string, at time.Time, body []byte) (http.Header, []byte) {
	h := n.plain(e)
	h.Set("Content-Type", "application/json")
	if e.Format != Standard {
		body = n.cloud(e, id, body, h)
	}
	h.Set("webhook-id", id)
	h.Set("webhook-timestamp", strconv.FormatInt(at.Unix(), 10))
	if len(e.keys) > 0 {
		h.Set("webhook-signature", e.signature(id, at, body))
	}
	return h, body
}

// cloud makes a CloudEvent of an envelope: its body, and into h its headers.
func (n *Notifier) cloud(e *endpoint, id string, body []byte, h http.Header) []byte {
	var in envelope
	if json.Unmarshal(body, &in) != nil || in.Type == "" || len(in.Data) == 0 {
		return body
	}
	out := cloudEvent{
		SpecVersion: "1.0", ID: id, Source: n.source, Type: typePrefix + in.Type, Time: in.Timestamp,
		DataContentType: "application/json", Data: in.Data,
	}
	if e.Format == CloudEvents {
		b, err := json.Marshal(out)
		if err != nil {
			return body
		}
		h.Set("Content-Type", "application/cloudevents+json")
		return b
	}
	for name, value := range map[string]string{
		"ce-specversion": out.SpecVersion, "ce-id": out.ID, "ce-source": out.Source, "ce-type": out.Type, "ce-time": out.Time,
	} {
		h.Set(name, headerValue(value))
	}
	return in.Data
}

// headerValue encodes an attribute of a binary CloudEvent as the HTTP protocol
// binding wants it (section 3.1.3.2): spaces, quotes, percent signs and all that
// is not printable ASCII as percent and two digits a byte.
func headerValue(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for _, c := range []byte(strings.ToValidUTF8(s, "\uFFFD")) {
		if c <= ' ' || c == '"' || c == '%' || c > '~' {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
