package main

import (
	"sync"
	"time"

	"github.com/openccsp/gateway/sdk"
)

const progressKept = time.Hour

// progress remembers of messages that need several calls which ones were made,
// until the last one was. It is lost on a restart and when the settings change:
// then a message that stood still in the middle is shown from its beginning.
type progress struct {
	now func() time.Time

	mu       sync.Mutex
	messages map[string]*sent
	swept    time.Time
}

// sent is what was done of one message. Calls for one conversation never
// overlap, so that it needs no lock.
type sent struct {
	done  int            // calls that the agent has seen
	files map[int]string // where its files went, "" if they were not uploaded
	used  time.Time
}

func newProgress(now func() time.Time) progress {
	return progress{now: now, messages: map[string]*sent{}, swept: now()}
}

// of returns what was done of a message; one without an id is always new.
func (p *progress) of(ref sdk.ChatRef, id string) *sent {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if now.Sub(p.swept) > time.Minute {
		p.swept = now
		for k, s := range p.messages {
			if now.Sub(s.used) > progressKept {
				delete(p.messages, k)
			}
		}
	}
	key := string(ref) + " " + id
	s := p.messages[key]
	if s == nil || id == "" {
		s = &sent{files: map[int]string{}}
		if id != "" {
			p.messages[key] = s
		}
	}
	s.used = now
	return s
}

// forget says that a message has ended.
func (p *progress) forget(ref sdk.ChatRef, id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.messages, string(ref)+" "+id)
}
