package badger

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"slices"

	bdb "github.com/dgraph-io/badger/v4"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
)

// reader implements store.Reader. It sees what Load sees.
type reader struct{ s *Store }

// Reader implements store.Store.
func (s *Store) Reader() store.Reader { return reader{s} }

// maxPage is the largest page; maxScanned the most keys one call looks at to
// fill it. A page may therefore be short and have a next one.
const (
	maxPage    = 1000
	maxScanned = 20000
)

// Document implements store.Reader.
func (r reader) Document(_ context.Context, c core.ConversationID) ([]byte, store.Rev, error) {
	return r.s.document(c)
}

// cursorOf makes a cursor of the end of a key; keyFrom reads it back.
func cursorOf(rest []byte) string { return base64.RawURLEncoding.EncodeToString(rest) }

// keyFrom returns prefix and what cursor holds, nil if cursor is empty. n is
// the length that must come out, 0: any.
func keyFrom(prefix []byte, cursor string, n int) ([]byte, error) {
	if cursor == "" {
		return nil, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || n > 0 && len(b) != n || len(b) > maxID {
		return nil, core.Errorf(core.Invalid, "cursor %.40q is not from a page", cursor)
	}
	return append(bytes.Clone(prefix), b...), nil
}

// page collects values under prefix from behind cursor on.
func page[T any](r reader, prefix []byte, cursor string, limit, curLen int, item func(key, b []byte) T) (p store.Page[T], err error) {
	start, err := keyFrom(prefix, cursor, curLen)
	if err != nil {
		return p, err
	}
	v, err := r.s.view()
	if err != nil {
		return p, err
	}
	defer v.close()
	limit = min(max(limit, 1), maxPage)
	var last []byte
	err = v.bodies(prefix, start, true, limit+2, func(key, b []byte) bool {
		switch {
		case start != nil && bytes.Equal(key, start):
			return true
		case len(p.Items) == limit:
			p.Next = cursorOf(last)
			return false
		}
		last = append(last[:0], key[len(prefix):]...)
		p.Items = append(p.Items, item(key, b))
		return true
	})
	if err != nil {
		return store.Page[T]{}, r.s.noted(err)
	}
	return p, nil
}

// History implements store.Reader.
func (r reader) History(_ context.Context, c core.ConversationID, cursor string, limit int) (store.Page[store.Entry], error) {
	return page(r, appendConv(nil, kindHistory, c), cursor, limit, 8, func(key, b []byte) store.Entry {
		return store.Entry{N: lastNumber(key), Body: b}
	})
}

// Dead implements store.Reader.
func (r reader) Dead(_ context.Context, cursor string, limit int) (store.Page[store.Dead], error) {
	return page(r, []byte{kindDead}, cursor, limit, 0, deadOf)
}

// Quarantined implements store.Reader.
func (r reader) Quarantined(_ context.Context, cursor string, limit int) (store.Page[store.Dead], error) {
	return page(r, []byte{kindQuarantine}, cursor, limit, 0, deadOf)
}

func deadOf(key, b []byte) store.Dead { return store.Dead{ID: string(key[1:]), Body: b} }

// DeadLetter implements store.Reader.
func (r reader) DeadLetter(_ context.Context, id string) (store.Dead, error) {
	return r.item(kindDead, id)
}

// QuarantinedItem implements store.Reader.
func (r reader) QuarantinedItem(_ context.Context, id string) (store.Dead, error) {
	return r.item(kindQuarantine, id)
}

func (r reader) item(kind byte, id string) (d store.Dead, err error) {
	var b []byte
	if len(id) <= maxID {
		b, err = r.s.read(idKey(kind, id))
	}
	if err == nil && b == nil {
		err = store.ErrNotFound
	}
	if err != nil {
		return d, fmt.Errorf("%s %.40q: %w", kinds[kind], id, err)
	}
	return store.Dead{ID: id, Body: b}, nil
}

// Kept implements store.Reader.
func (r reader) Kept(_ context.Context, c core.ConversationID, after core.CommandID, limit int) (kept []store.Kept, err error) {
	v, err := r.s.view()
	if err != nil {
		return nil, err
	}
	defer v.close()
	after.Conversation = c
	start := append(appendKept(nil, after), 0)
	o := bdb.IteratorOptions{PrefetchValues: true, PrefetchSize: min(max(limit, 1), 100)}
	err = v.scan(appendConv(nil, kindKept, c), start, o, func(item *bdb.Item) (bool, error) {
		if len(kept) >= limit {
			return false, nil
		}
		k := store.Kept{ID: commandOf(item.Key())}
		if at := item.ExpiresAt(); at != 0 {
			k.For = unixSeconds(at).Sub(r.s.now())
		}
		b, err := item.ValueCopy(nil)
		if err != nil {
			return false, damaged(kindKept, err)
		}
		if k.Body, err = body(kindKept, b); err != nil {
			return false, err
		}
		kept = append(kept, k)
		return true, nil
	})
	return kept, r.s.noted(err)
}

// Outbox implements store.Reader.
func (r reader) Outbox(_ context.Context, c core.ConversationID, limit int) (items []store.OutItem, err error) {
	v, err := r.s.view()
	if err != nil {
		return nil, err
	}
	defer v.close()
	err = v.bodies(appendConv(nil, kindOut, c), nil, false, limit, func(key, b []byte) bool {
		o := outOf(key)
		items = append(items, store.OutItem{ID: o.ID, Lane: o.Lane, Body: b})
		return true
	})
	return items, r.s.noted(err)
}

// List implements store.Reader. A chat ref or customer is looked up; the
// other fields are compared one conversation after the other.
func (r reader) List(_ context.Context, f store.Filter, cursor string, limit int) (store.Page[store.Listed], error) {
	limit = min(max(limit, 1), maxPage)
	start, err := keyFrom([]byte{kindIndex}, cursor, idxLen-1)
	if err != nil {
		return store.Page[store.Listed]{}, err
	}
	v, err := r.s.view()
	if err != nil {
		return store.Page[store.Listed]{}, err
	}
	defer v.close()
	l := lister{v: v, f: f, start: start, limit: limit}
	switch {
	case f.ChatRef != "":
		err = l.found(appendFind(nil, findChatRef, f.ChatRef))
	case f.Customer != "":
		err = l.found(appendFind(nil, findCustomer, f.Customer))
	default:
		err = l.scan()
	}
	if err != nil {
		return store.Page[store.Listed]{}, r.s.noted(err)
	}
	return l.page, nil
}

// lister fills one page of conversations.
type lister struct {
	v     *view
	f     store.Filter
	start []byte // key of the last one of the page before
	limit int
	page  store.Page[store.Listed]
	last  []byte // key of the last one looked at
}

// scan goes through the index.
func (l *lister) scan() error {
	scanned := 0
	o := bdb.IteratorOptions{PrefetchValues: true, PrefetchSize: 100}
	return l.v.scan([]byte{kindIndex}, l.start, o, func(item *bdb.Item) (more bool, err error) {
		key := item.Key()
		if l.start != nil && bytes.Equal(key, l.start) {
			return true, nil
		}
		if len(l.page.Items) == l.limit || scanned == maxScanned {
			l.page.Next = cursorOf(l.last[1:])
			return false, nil
		}
		scanned++
		return true, item.Value(func(b []byte) error { return l.add(key, b) })
	})
}

// add appends the conversation of an index key if it matches.
func (l *lister) add(key, value []byte) error {
	var m state.StoredIndex
	if err := decode(kindIndex, value, &m); err != nil {
		return err
	}
	l.last = append(l.last[:0], key...)
	if x := indexOf(&m); matches(&l.f, &x) {
		l.page.Items = append(l.page.Items, store.Listed{ID: idOfIndex(key), Index: x})
	}
	return nil
}

// found goes through the few conversations under a secondary index key, in
// the order of the index.
func (l *lister) found(prefix []byte) error {
	keys, err := l.candidates(prefix)
	if err != nil {
		return err
	}
	slices.SortFunc(keys, bytes.Compare)
	for _, key := range keys {
		if l.start != nil && bytes.Compare(key, l.start) <= 0 {
			continue
		}
		if len(l.page.Items) == l.limit {
			l.page.Next = cursorOf(l.last[1:])
			return nil
		}
		b, err := l.v.get(key)
		if err != nil {
			return err
		}
		if b == nil {
			continue
		}
		if err := l.add(key, b); err != nil {
			return err
		}
	}
	return nil
}

// candidates returns the index keys of the conversations under prefix.
func (l *lister) candidates(prefix []byte) (keys [][]byte, err error) {
	var convs []core.ConversationID
	err = l.v.scan(prefix, nil, keysOnly, func(item *bdb.Item) (bool, error) {
		convs = append(convs, core.ConversationID(item.Key()[findLen:]))
		return len(convs) < maxScanned, nil
	})
	for _, c := range convs {
		doc, err := l.v.doc(c)
		if err != nil {
			return nil, err
		}
		if doc != nil && doc.ListedHash != 0 {
			keys = append(keys, appendIndex(nil, doc.ListedMs, c))
		}
	}
	return keys, err
}

func idOfIndex(key []byte) core.ConversationID { return core.ConversationID(key[idxLen-16:]) }

// matches compares the fields that f sets.
func matches(f *store.Filter, x *store.Index) bool {
	eq := func(want, got string) bool { return want == "" || want == got }
	return eq(f.Status, x.Status) && eq(f.Service, x.Service) && eq(f.Channel, x.Channel) &&
		eq(f.ChatRef, x.ChatRef) && eq(f.Customer, x.Customer)
}
