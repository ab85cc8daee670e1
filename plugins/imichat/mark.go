package main

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/openccsp/gateway/sdk"
)

const (
	markVersion = 1
	maxKnown    = 32 // messages that a mark knows
	digestLen   = 12
)

// mark is how far a chat was read: the cursor of its readings, which the gateway
// keeps. It does not grow.
type mark struct {
	Version int      `json:"v"`
	Status  string   `json:"status,omitempty"`
	Turns   int      `json:"turns,omitempty"`   // changes of status that were reported
	Known   []string `json:"known,omitempty"`   // the newest messages, oldest first, as hashes
	Closing bool     `json:"closing,omitempty"` // it read as closed, once
	Read    bool     `json:"read,omitempty"`    // it was there
}

// readMark reads a cursor. One that cannot be read is as good as none: what is
// reported again is recognized.
func readMark(cursor []byte) mark {
	var m mark
	if json.Unmarshal(cursor, &m) != nil || m.Version != markVersion {
		return mark{Version: markVersion}
	}
	m.Status = statusOf(m.Status)
	m.Known = slices.DeleteFunc(m.Known, func(h string) bool { return len(h) != digestLen })
	m.Known = m.Known[max(0, len(m.Known)-maxKnown):]
	return m
}

func (m mark) bytes() []byte {
	b, err := json.Marshal(m)
	if err != nil {
		return nil // it is plain data
	}
	return b
}

// noted is the result of a poll that reads nothing. Where webhooks told another
// state, that is kept for after a restart.
func (m mark) noted(status string, cursor []byte, wait time.Duration) sdk.PollResult {
	if status == "" || status == m.Status || status == statusClosed {
		return sdk.PollResult{Cursor: cursor, Next: wait}
	}
	m.Status = status
	return sdk.PollResult{Cursor: m.bytes(), Next: wait}
}

func (m mark) has(id string) bool { return slices.Contains(m.Known, digest(id)) }

func (m *mark) add(id string) {
	h := digest(id)
	m.Known = append(slices.DeleteFunc(slices.Clone(m.Known), func(k string) bool { return k == h }), h)
	m.Known = m.Known[max(0, len(m.Known)-maxKnown):]
}

// digest is short: two ids of one chat hardly have the same.
func digest(id string) string { return short([]byte(id))[:digestLen] }
