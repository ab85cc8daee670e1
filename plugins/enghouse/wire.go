package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// wireEvent is an item of Events.
type wireEvent struct {
	ID      loose `json:"Event_ID"`
	Command loose
	Status  loose `json:"Status_Code"`
	Time    loose `json:"Estimated_Time"`
	Info    loose `json:"Additional_Information"`
	Name    loose `json:"Participant_Name"`
	Text    loose `json:"Message_Text"`
	URL     loose `json:"URL_Pushed"`
	CallID  loose `json:"CallID"`
	Code    loose `json:"Error_Code"`

	raw json.RawMessage
}

var errNoObject = errors.New("answer is not a JSON object")

// readEvents reads {"Events":[…]}. No body, no Events and null mean that there
// is nothing new. If cut is set, body is the first part of an answer that was
// too long, and the events that are whole are returned.
func readEvents(body []byte, cut bool) ([]wireEvent, error) {
	if body = bytes.TrimSpace(body); !cut && (len(body) == 0 || string(body) == "{}") { // most polls
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(body))
	events, err := readObject(d)
	if err != nil && (!cut || len(events) == 0) {
		return nil, err
	}
	return events, nil
}

func readObject(d *json.Decoder) (events []wireEvent, err error) {
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errNoObject
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return events, fmt.Errorf("answer: %w", err)
		}
		if key == "Events" {
			if events, err = readList(d); err != nil {
				return events, err
			}
			continue
		}
		var skip json.RawMessage
		if err := d.Decode(&skip); err != nil {
			return events, fmt.Errorf("answer: %w", err)
		}
	}
	if _, err := d.Token(); err != nil {
		return events, fmt.Errorf("answer: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return events, errors.New("answer goes on after its end")
	}
	return events, nil
}

func readList(d *json.Decoder) ([]wireEvent, error) {
	t, err := d.Token()
	if err != nil {
		return nil, fmt.Errorf("events: %w", err)
	}
	if t == nil || t == "" {
		return nil, nil
	}
	if t != json.Delim('[') {
		return nil, errors.New("events are not a list")
	}
	var list []wireEvent
	for d.More() {
		var e wireEvent
		if err := d.Decode(&e.raw); err != nil {
			return list, fmt.Errorf("event: %w", err)
		}
		if json.Unmarshal(e.raw, &e) != nil {
			e = wireEvent{raw: e.raw} // of no command that anybody knows
		}
		list = append(list, e)
	}
	if _, err := d.Token(); err != nil {
		return list, fmt.Errorf("events: %w", err)
	}
	return list, nil
}

// loose is a JSON string, number, bool or null read as text. The far side
// writes numbers either way.
type loose string

// UnmarshalJSON implements json.Unmarshaler.
func (l *loose) UnmarshalJSON(b []byte) error {
	switch {
	case bytes.Equal(b, []byte("null")):
		*l = ""
	case len(b) > 0 && b[0] == '"':
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		*l = loose(s)
	default:
		*l = loose(b)
	}
	return nil
}

// number reads l as a whole number; 7, "7" and 7.0 are the same.
func (l loose) number() (int64, bool) {
	s := strings.TrimSpace(string(l))
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f != float64(int64(f)) || f > 1<<53 || f < -1<<53 {
		return 0, false
	}
	return int64(f), true
}
