package main

import (
	"sync"
	"time"
)

// maxRecent is how many things are remembered at a time.
const maxRecent = 256

// recent remembers things by a key, for a while: what it costs to do again, and
// does no harm to. The zero value is ready for use; it is safe for concurrent use.
type recent[V any] struct {
	mu  sync.Mutex
	all map[string]remembered[V]
}

type remembered[V any] struct {
	v     V
	until time.Time
}

func (r *recent[V]) find(key string, now time.Time) (v V, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known, ok := r.all[key]; ok && now.Before(known.until) {
		return known.v, true
	}
	return v, false
}

func (r *recent[V]) add(key string, v V, until time.Time) {
	if key == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil || len(r.all) >= maxRecent {
		r.all = map[string]remembered[V]{}
	}
	r.all[key] = remembered[V]{v, until}
}
