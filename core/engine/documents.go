package engine

import (
	"math"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
)

// documents keeps the documents that were used last.
type documents struct {
	mu    sync.Mutex
	limit int // bytes
	size  int
	lru   *simplelru.LRU[core.ConversationID, kept]
}

type kept struct {
	doc  *state.Document
	rev  store.Rev
	size int
}

func newDocuments(limit int) *documents {
	d := &documents{limit: limit}
	// The bound is in bytes: the count never evicts.
	d.lru, _ = simplelru.NewLRU(math.MaxInt, func(_ core.ConversationID, k kept) { d.size -= k.size })
	return d
}

// take returns a document and forgets it: its cell has it now.
func (d *documents) take(id core.ConversationID) (*state.Document, store.Rev, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	k, ok := d.lru.Peek(id)
	if ok {
		d.lru.Remove(id)
	}
	return k.doc, k.rev, ok
}

func (d *documents) put(id core.ConversationID, doc *state.Document, rev store.Rev) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lru.Remove(id)
	k := kept{doc, rev, 3*doc.SizeVT() + 512} // decoded it takes about so much
	d.lru.Add(id, k)
	for d.size += k.size; d.size > d.limit; {
		if _, _, ok := d.lru.RemoveOldest(); !ok {
			return
		}
	}
}
