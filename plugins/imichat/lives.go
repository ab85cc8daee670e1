package main

import (
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/openccsp/gateway/sdk"
)

// The states of a chat, as IMIchat documents them.
const (
	statusQueued = "queued"
	statusPicked = "picked"
	statusHeld   = "onhold"
	statusClosed = "closed"
)

// meaning returns the type of an event of a chat whose state was before: of
// chat_status by its status, "" if that says nothing new. An agent who picks a
// chat that is on hold resumes it.
func meaning(typ, before, status string) string {
	if typ == sdk.ChatAssigned && before == statusHeld {
		return sdk.ChatResumed
	}
	if typ != chatStatus {
		return typ
	}
	return turn(before, statusOf(status))
}

// turn returns the event of a chat that goes from one state to another, "" for
// none.
func turn(before, after string) string {
	if before == after {
		return ""
	}
	switch after {
	case statusQueued:
		return sdk.ChatQueued
	case statusHeld:
		return sdk.ChatHeld
	case statusClosed:
		return sdk.ChatClosed
	case statusPicked:
		if before == statusHeld {
			return sdk.ChatResumed
		}
		return sdk.ChatAssigned
	}
	return ""
}

// statusOf reads a state, "" if it is none that is documented.
func statusOf(text string) string {
	switch s := fold(strings.TrimSpace(text)); s {
	case statusQueued, statusPicked, statusHeld, statusClosed:
		return s
	}
	return ""
}

// statusAfter is the state of a chat after an event, "" if that says nothing.
func statusAfter(typ string, f fields) string {
	switch typ {
	case sdk.ChatQueued, sdk.ChatTransferred:
		return statusQueued
	case sdk.ChatReopened: // by an agent, or for whoever has time
		if agent(f) != (sdk.Agent{}) {
			return statusPicked
		}
		return statusQueued
	case sdk.ChatAssigned, sdk.ChatResumed:
		return statusPicked
	case sdk.ChatHeld:
		return statusHeld
	case sdk.ChatClosed, sdk.ChatRejected:
		return statusClosed
	}
	return ""
}

const maxLives = 1 << 15

// life is what this process knows of a chat.
type life struct {
	status  string    // "": nothing was said
	read    time.Time // when the chat is read next; zero: at once
	gone    bool      // a call was told that there is no such chat, or that it is closed
	missing int       // readings, one after the other, that did not find it
	talk    int       // messages to and from the agent
}

// lives remembers chats. It is lost on a restart, which costs a reading each.
type lives struct {
	mu    sync.Mutex
	chats *lru.LRU[string, life]
}

func newLives() *lives { return &lives{chats: newLRU[string, life](maxLives)} }

func (l *lives) get(ref string) life {
	l.mu.Lock()
	defer l.mu.Unlock()
	v, _ := l.chats.Get(ref)
	return v
}

// change changes what is known of a chat.
func (l *lives) change(ref string, f func(*life)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	v, _ := l.chats.Get(ref)
	f(&v)
	l.chats.Add(ref, v)
}

func (l *lives) spoke(ref string) { l.change(ref, func(v *life) { v.talk++ }) }

func (l *lives) set(ref, status string) {
	l.change(ref, func(v *life) { v.status = status })
}
