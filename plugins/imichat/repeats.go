package main

import (
	"strconv"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2/simplelru"
)

const maxRepeats = 8192

// repeatFor is how long an event that has no id and comes again is the same.
// It covers a sender's three repetitions a minute apart.
const repeatFor = 5 * time.Minute

// seen is an event when it came first.
type seen struct {
	at    time.Time
	round int    // counts those in the same words that are others
	typ   string // what it was
	talk  int    // how many messages the chat had
}

// slot is the same text for the same event, also after a restart.
func (s seen) slot() string {
	slot := strconv.FormatInt(s.at.Unix()/int64(repeatFor/time.Second), 36)
	if s.round > 0 {
		slot += "." + strconv.Itoa(s.round)
	}
	return slot
}

// repeats remembers when events without an id came first. After a restart it
// knows nothing; then an event counts as new if it comes again in another slot.
type repeats struct {
	mu    sync.Mutex
	first *lru.LRU[string, seen]
}

func newRepeats() *repeats { return &repeats{first: newLRU[string, seen](maxRepeats)} }

// see returns the first time of an event in these words within repeatFor. One
// that changes the state of its chat is a new one, and so is one that passes
// control after more was said: agents do that again and again.
func (r *repeats) see(key string, now time.Time, typ string, changes bool, talk int) seen {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, ok := r.first.Get(key)
	switch {
	case !ok || now.Sub(s.at) >= repeatFor || now.Before(s.at):
		s = seen{at: now, typ: typ, talk: talk}
	case changes, controls[typ] && s.talk != talk:
		s.round, s.typ, s.talk = s.round+1, typ, talk
	}
	r.first.Add(key, s)
	return s
}

func newLRU[K comparable, V any](size int) *lru.LRU[K, V] {
	l, err := lru.NewLRU[K, V](size, nil)
	if err != nil {
		panic(err) // the size is a constant
	}
	return l
}
