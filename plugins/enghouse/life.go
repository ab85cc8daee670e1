package main

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/openccsp/gateway/sdk"
)

// queued also comes when an agent hands the chat back to a queue, nobody says to
// which; the next 106 is then another agent's, not the end of a hold.
func (r *reading) queued(e wireEvent, id string) {
	q := sdk.Event{Type: sdk.ChatQueued, Queue: r.queue}
	if r.cursor.Assigned {
		q.Queue = ""
		if code, _ := e.Status.number(); code == statusQueue {
			r.cursor.Queued = "queue"
		} else {
			r.cursor.Queued = cmp.Or(r.cursor.Queued, "agent")
		}
	}
	r.cursor.Held = false
	r.cursor.stays()
	if minutes, err := strconv.ParseFloat(strings.TrimSpace(string(e.Time)), 64); err == nil && minutes >= 0 && minutes < 1e6 {
		d := time.Duration(minutes * float64(time.Minute))
		q.EstWait = &d
		info, _ := e.Info.number()
		q.Kind = estimates[info]
	}
	r.emit(e, id, q)
}

// inCall is an agent who takes the chat: the first one, the one who had put it
// on hold, or another one, and that is a transfer.
func (r *reading) inCall(e wireEvent, id string) {
	c := &r.cursor
	before, now := cmp.Or(c.Leaver, c.agent()), agent(e)
	another := now.Name != "" && before != "" && now.Name != before
	moved := ""
	switch {
	case c.Queued != "":
		moved = c.Queued
	case c.Assigned && (another || c.Left != "" && (now.Name == "" || now.Name != before)):
		moved = "agent"
	case c.Held:
		c.Held = false
		r.emit(e, id, sdk.Event{Type: sdk.ChatResumed, Agent: now})
		return
	}
	if moved != "" {
		r.emit(e, id, sdk.Event{Type: sdk.ChatTransferred, Kind: moved, From: before, To: now.Name, Agent: now})
		id += ".2"
		c.Agents = ""
	}
	c.Assigned, c.Held, c.Queued = true, false, ""
	c.stays()
	if now.Name != "" {
		c.speaks(now.Name)
	}
	r.emit(e, id, sdk.Event{Type: sdk.ChatAssigned, Agent: now})
}

// spoke notes who has the chat by who writes in it. Some servers name the agent
// nowhere else.
func (r *reading) spoke(e wireEvent, id string) {
	c, who := &r.cursor, agent(e)
	if !c.Assigned || who.Name == "" {
		return
	}
	switch {
	case !c.knows(who.Name) && c.Agents != "":
		r.emit(e, id+".1", sdk.Event{Type: sdk.AgentJoined, Agent: who})
	case c.Leaver != "" && c.Leaver != who.Name && c.knows(who.Name):
		c.stays() // it was one of several who left
	}
	c.speaks(who.Name)
}

// left is over with the chat, unless within the grace somebody else takes it.
// What came in the same answer counts in any case.
func (r *reading) left(e wireEvent, id string) {
	if r.cursor.Ended {
		return
	}
	who := agent(e)
	r.cursor.leaves(id, who.Name, r.now)
	r.emit(e, id, sdk.Event{Type: sdk.AgentLeft, Agent: who})
}

// expire ends a chat that nobody took after the agent had left, once all that
// is there has been read. It returns how long it waits for that yet.
func (r *reading) expire() time.Duration {
	if r.cursor.Left == "" || r.cursor.Ended {
		return 0
	}
	wait := r.cursor.over(r.now, r.grace)
	if wait == 0 {
		r.over()
	}
	return wait
}

// over ends a chat that its agent has left.
func (r *reading) over() {
	r.end(wireEvent{}, r.cursor.Left+".2", sdk.Event{Type: sdk.ChatClosed, Status: "closed", Reason: "disconnected",
		By: "agent", Agent: sdk.Agent{Name: cmp.Or(r.cursor.Leaver, r.cursor.agent())}})
}

// disconnected ends the chat; without a reason the agent ended it.
func (r *reading) disconnected(e wireEvent, id string) {
	code := strings.TrimSpace(string(e.Info))
	if code == "0" {
		code = ""
	}
	reason := reasonOf(code)
	switch {
	case !r.cursor.Assigned:
		if reason == "" {
			reason = "unknown"
		}
		r.end(e, id, sdk.Event{Type: sdk.ChatRejected, Reason: reason, ReasonCode: clip(code)})
	case code == "":
		r.end(e, id, sdk.Event{Type: sdk.ChatClosed, Status: "closed", Reason: "disconnected", By: "agent"})
	default:
		r.end(e, id, sdk.Event{Type: sdk.ChatClosed, Status: "closed", Reason: reason, ReasonCode: clip(code), By: "system"})
	}
}
