package engine

import (
	"math"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
)

// documents keeps the documents that were used last, of conversations without
// a document in their cell.
type documents struct {
	mu    sync.Mutex
	limit int // bytes
	size  int
	lru   *simplelru.LRU[core.ConversationID, cached]
}

// cached is a document as the store has it.
type cached struct {
	doc  *state.Document
	rev  store.Rev
	size int // bytes, about
}

func newDocuments(limit int) *documents {
	d := &documents{limit: limit}
	// The bound is in bytes: the count never evicts.
	d.lru, _ = simplelru.NewLRU(math.MaxInt, func(_ core.ConversationID, c cached) { d.size -= c.size })
	return d
}

// take returns a document and forgets it: its cell has it now.
func (d *documents) take(id core.ConversationID) (*state.Document, store.Rev, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c, ok := d.lru.Peek(id)
	d.lru.Remove(id)
	return c.doc, c.rev, ok
}

// put keeps a document, at the cost of the ones that were not used for longest.
func (d *documents) put(id core.ConversationID, doc *state.Document, rev store.Rev) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lru.Remove(id)
	c := cached{doc, rev, 3*doc.SizeVT() + 512} // decoded it takes about so much
	d.lru.Add(id, c)
	for d.size += c.size; d.size > d.limit; {
		if _, _, ok := d.lru.RemoveOldest(); !ok {
			return
		}
	}
}
