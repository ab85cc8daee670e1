package main

import (
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2/simplelru"
)

const maxRepeats = 8192

// repeats remembers when events without an id came first. After a restart it
// knows nothing; then an event counts as new if it comes again in another slot.
type repeats struct {
	mu    sync.Mutex
	first *lru.LRU[string, time.Time]
}

func newRepeats() *repeats {
	first, err := lru.NewLRU[string, time.Time](maxRepeats, nil)
	if err != nil {
		panic(err) // the size is a constant
	}
	return &repeats{first: first}
}

// slot returns the same number for a key within repeatFor of its first time,
// and another one later.
func (r *repeats) slot(key string, now time.Time) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok := r.first.Get(key)
	if !ok || now.Sub(at) >= repeatFor || now.Before(at) {
		at = now
		r.first.Add(key, at)
	}
	return at.Unix() / int64(repeatFor/time.Second)
}
