package badger

import (
	"bytes"
	"errors"
	"slices"
	"sync"

	bdb "github.com/dgraph-io/badger/v4"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
)

// view is a consistent state of the store: all groups up to one. Several
// goroutines must not share one.
type view struct {
	s     *Store
	txn   *bdb.Txn
	group uint64
	now   int64 // seconds; what expires by then is not there
}

// view opens a view of all that was committed. It never waits for a commit
// under way. Close it.
func (s *Store) view() (*view, error) {
	group, err := s.readers.enter(s)
	if err != nil {
		return nil, err
	}
	return &view{s: s, txn: s.db.NewTransactionAt(group, false), group: group, now: s.now().Unix()}, nil
}

func (v *view) close() {
	v.txn.Discard()
	v.s.readers.leave(v.group)
}

// get returns a copy of a value, nil if there is none.
func (v *view) get(key []byte) ([]byte, error) {
	item, err := v.txn.Get(key)
	if errors.Is(err, bdb.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, damaged(key[0], err)
	}
	if v.expired(item) {
		return nil, nil
	}
	b, err := item.ValueCopy(nil)
	if err != nil {
		return nil, damaged(key[0], err)
	}
	return b, nil
}

// expired is Badger's own check, made with the clock of the store.
func (v *view) expired(item *bdb.Item) bool {
	at := item.ExpiresAt()
	return at != 0 && at <= uint64(v.now)
}

// body returns a value without its format, nil if there is none.
func (v *view) body(kind byte, key []byte) ([]byte, error) {
	b, err := v.get(key)
	if err != nil || b == nil {
		return nil, err
	}
	return body(kind, b)
}

// message reads a value into m and tells if there is one.
func (v *view) message(key []byte, m message) (bool, error) {
	b, err := v.get(key)
	if err != nil || b == nil {
		return false, err
	}
	return true, decode(key[0], b, m)
}

// doc returns a conversation's document with its newest revision, nil if
// there never was a commit.
func (v *view) doc(c core.ConversationID) (*state.StoredDocument, error) {
	var doc, rev state.StoredDocument
	var small [convLen]byte
	isDoc, err := v.message(appendConv(small[:0], kindDoc, c), &doc)
	if err != nil {
		return nil, err
	}
	isRev, err := v.message(appendConv(small[:0], kindRev, c), &rev)
	if err != nil {
		return nil, err
	}
	switch {
	case isRev && rev.Rev > doc.Rev:
		rev.Body = doc.Body
		return &rev, nil
	case isDoc:
		return &doc, nil
	}
	return nil, nil
}

// scan calls fn for the items that begin with prefix, from start on, until it
// returns false or the store is closing. Keys and items are valid during the
// call only.
func (v *view) scan(prefix, start []byte, o bdb.IteratorOptions, fn func(item *bdb.Item) (bool, error)) error {
	o.Prefix = prefix
	it := v.txn.NewIterator(o)
	defer it.Close()
	if start == nil {
		start = prefix
		if o.Reverse {
			start = after(prefix)
		}
	}
	for it.Seek(start); it.ValidForPrefix(prefix); it.Next() {
		select {
		case <-v.s.closing:
			return store.ErrClosed
		default:
		}
		if v.expired(it.Item()) {
			continue
		}
		more, err := fn(it.Item())
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// after returns the first key that sorts behind all that begin with prefix.
func after(prefix []byte) []byte {
	k := bytes.TrimRight(prefix, "\xff")
	k = bytes.Clone(k)
	k[len(k)-1]++
	return k
}

// bodies scans with values; fn gets a copy of each without its format.
func (v *view) bodies(prefix, start []byte, reverse bool, limit int, fn func(key, body []byte) bool) error {
	if limit <= 0 {
		return nil
	}
	o := bdb.IteratorOptions{PrefetchValues: true, PrefetchSize: min(limit, 100), Reverse: reverse}
	return v.scan(prefix, start, o, func(item *bdb.Item) (more bool, err error) {
		b, err := item.ValueCopy(nil)
		if err != nil {
			return false, damaged(prefix[0], err)
		}
		if b, err = body(prefix[0], b); err != nil {
			return false, err
		}
		limit--
		return fn(item.Key(), b) && limit > 0, nil
	})
}

// keysOnly are the options of a scan that needs no values.
var keysOnly = bdb.IteratorOptions{}

// readers knows the views that are open, so that compaction keeps what they
// see and Close waits for them.
type readers struct {
	mu   sync.Mutex
	open []opened // by group
	err  error    // set when there may be no more
	idle chan struct{}
}

type opened struct {
	group uint64
	n     int
}

// enter opens a view of the last visible group.
func (r *readers) enter(s *Store) (uint64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return 0, r.err
	}
	group := s.visible.Load()
	if n := len(r.open); n > 0 && r.open[n-1].group == group {
		r.open[n-1].n++
	} else {
		r.open = append(r.open, opened{group, 1})
	}
	return group, nil
}

func (r *readers) leave(group uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i, _ := slices.BinarySearchFunc(r.open, group, func(o opened, g uint64) int {
		switch {
		case o.group < g:
			return -1
		case o.group > g:
			return 1
		}
		return 0
	})
	r.open[i].n--
	if r.open[i].n == 0 {
		r.open = slices.Delete(r.open, i, i+1)
	}
	if len(r.open) == 0 && r.idle != nil {
		close(r.idle)
		r.idle = nil
	}
}

// discard returns the group up to which old versions may go: kept, or that of
// the oldest view.
func (r *readers) discard(kept uint64) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.open) > 0 {
		return min(kept, r.open[0].group)
	}
	return kept
}

// end refuses new views with err.
func (r *readers) end(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
	}
}

// wait waits for the last view to close.
func (r *readers) wait() {
	r.mu.Lock()
	if len(r.open) == 0 {
		r.mu.Unlock()
		return
	}
	if r.idle == nil {
		r.idle = make(chan struct{})
	}
	idle := r.idle
	r.mu.Unlock()
	<-idle
}
