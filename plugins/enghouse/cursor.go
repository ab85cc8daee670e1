package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	cursorVersion = 1
	maxAgents     = 8 // names that a chat remembers
)

// cursor is all that is known of a chat from its earlier events. The gateway
// keeps it. Fields may be added: a version of the plugin that does not know
// them does without.
type cursor struct {
	Version  int    `json:"v"`
	Last     int64  `json:"last"` // highest Event_ID seen
	Assigned bool   `json:"assigned,omitempty"`
	Held     bool   `json:"held,omitempty"`
	Ended    bool   `json:"ended,omitempty"`
	Queued   string `json:"queued,omitempty"`  // what it waits for after an agent had it: a queue or an agent
	Agents   string `json:"agents,omitempty"`  // names of those who spoke since it was assigned, the last one last, by lines
	Left     string `json:"left,omitempty"`    // id of the event that told that the agent had left; "": nobody has
	LeftMs   int64  `json:"left_ms,omitempty"` // when that was read
	Leaver   string `json:"leaver,omitempty"`  // that agent's name
}

// agent is the name of the agent who has the chat, "" if it is not known.
func (c *cursor) agent() string {
	return c.Agents[strings.LastIndexByte(c.Agents, '\n')+1:]
}

// knows reports whether an agent of that name has spoken.
func (c *cursor) knows(name string) bool {
	return c.Agents != "" && slices.Contains(strings.Split(c.Agents, "\n"), name)
}

// speaks makes name the one who has the chat, besides those who have spoken.
func (c *cursor) speaks(name string) {
	var names []string
	if c.Agents != "" {
		names = slices.DeleteFunc(strings.Split(c.Agents, "\n"), func(n string) bool { return n == name })
	}
	names = append(names, name)
	c.Agents = strings.Join(names[max(0, len(names)-maxAgents):], "\n")
}

// leaves notes that an agent has left, by the event id.
func (c *cursor) leaves(id, name string, now time.Time) {
	if c.Left != id {
		c.Left, c.LeftMs, c.Leaver = id, now.UnixMilli(), name
	}
	if name != "" && c.Agents == "" {
		c.speaks(name)
	}
}

// stays notes that the chat goes on.
func (c *cursor) stays() { c.Left, c.LeftMs, c.Leaver = "", 0, "" }

// over is how long the chat may still go on after the agent has left.
func (c *cursor) over(now time.Time, grace time.Duration) time.Duration {
	return max(0, grace-now.Sub(time.UnixMilli(c.LeftMs)))
}

func readCursor(b []byte) (cursor, error) {
	if len(b) == 0 {
		return cursor{Version: cursorVersion}, nil
	}
	var c cursor
	if err := json.Unmarshal(b, &c); err != nil {
		return cursor{}, fmt.Errorf("cursor: %w", err)
	}
	if c.Version != cursorVersion || c.Last < 0 {
		return cursor{}, fmt.Errorf("cursor: version %d is not %d", c.Version, cursorVersion)
	}
	return c, nil
}
