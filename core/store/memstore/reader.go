package memstore

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/store"
)

type reader struct{ s *Store }

// Document implements store.Reader.
func (r reader) Document(ctx context.Context, c core.ConversationID) ([]byte, store.Rev, error) {
	return (&shard{s: r.s}).Load(ctx, c)
}

// List implements store.Reader.
func (r reader) List(_ context.Context, f store.Filter, cursor string, limit int) (store.Page[store.Listed], error) {
	if err := checkCursor(cursor, "00000000000000000000-00000000000000000000000000000000"); err != nil {
		return store.Page[store.Listed]{}, err
	}
	unlock, err := r.s.lock()
	if err != nil {
		return store.Page[store.Listed]{}, err
	}
	defer unlock()
	var list []store.Listed
	for id, c := range r.s.data.Convs {
		if c.Index != nil && matches(f, c.Index) {
			list = append(list, store.Listed{ID: id, Index: *c.Index})
		}
	}
	slices.SortFunc(list, func(a, b store.Listed) int { return cmp.Compare(listKey(a), listKey(b)) })
	return page(list, listKey, cursor, limit), nil
}

// listKey sorts the last changed first.
func listKey(l store.Listed) string { return fmt.Sprintf("%020d-%s", 1<<62-l.Index.UpdatedMS, l.ID) }

func matches(f store.Filter, i *store.Index) bool {
	for _, p := range [][2]string{
		{f.Status, i.Status}, {f.Service, i.Service}, {f.Channel, i.Channel}, {f.ChatRef, i.ChatRef}, {f.Customer, i.Customer},
	} {
		if p[0] != "" && p[0] != p[1] {
			return false
		}
	}
	return true
}

// checkCursor refuses a cursor that has not the form of one.
func checkCursor(cursor, form string) error {
	ok := len(cursor) == len(form) || cursor == ""
	for i := 0; ok && i < len(cursor); i++ {
		ok = (cursor[i] == '-') == (form[i] == '-') && strings.IndexByte("-0123456789abcdef", cursor[i]) >= 0
	}
	if !ok {
		return core.Errorf(core.Invalid, "cursor %.40q is not from a page", cursor)
	}
	return nil
}

// page returns what comes after cursor in a list sorted by key.
func page[T any](list []T, key func(T) string, cursor string, limit int) (p store.Page[T]) {
	for _, v := range list {
		if key(v) <= cursor {
			continue
		}
		if len(p.Items) == limit {
			p.Next = key(p.Items[limit-1])
			return p
		}
		p.Items = append(p.Items, v)
	}
	return p
}

// History implements store.Reader.
func (r reader) History(_ context.Context, id core.ConversationID, cursor string, limit int) (store.Page[store.Entry], error) {
	if err := checkCursor(cursor, "00000000000000000000"); err != nil {
		return store.Page[store.Entry]{}, err
	}
	unlock, err := r.s.lock()
	if err != nil {
		return store.Page[store.Entry]{}, err
	}
	defer unlock()
	var list []store.Entry
	if c := r.s.data.Convs[id]; c != nil {
		for n, e := range c.History {
			if live(e.Until, r.s.now()) {
				list = append(list, store.Entry{N: n, Body: bytes.Clone(e.Body)})
			}
		}
	}
	slices.SortFunc(list, func(a, b store.Entry) int { return cmp.Compare(b.N, a.N) })
	return page(list, func(e store.Entry) string { return fmt.Sprintf("%020d", 1<<62-e.N) }, cursor, limit), nil
}

func live(until, now time.Time) bool { return until.IsZero() || until.After(now) }

// Kept implements store.Reader.
func (r reader) Kept(_ context.Context, id core.ConversationID, after core.CommandID, limit int) ([]store.Kept, error) {
	unlock, err := r.s.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	var list []store.Kept
	if c := r.s.data.Convs[id]; c != nil {
		for _, k := range c.Kept {
			if live(k.Until, r.s.now()) && before(after, k.ID) {
				if !k.Until.IsZero() {
					k.For = k.Until.Sub(r.s.now())
				}
				list = append(list, k.Kept)
			}
		}
	}
	slices.SortFunc(list, func(a, b store.Kept) int {
		if before(a.ID, b.ID) {
			return -1
		}
		return 1
	})
	return list[:min(len(list), limit)], nil
}

// Outbox implements store.Reader.
func (r reader) Outbox(_ context.Context, id core.ConversationID, limit int) ([]store.OutItem, error) {
	unlock, err := r.s.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	var list []store.OutItem
	if c := r.s.data.Convs[id]; c != nil {
		for _, lane := range slices.Sorted(maps.Keys(c.Out)) {
			list = append(list, c.Out[lane]...)
		}
	}
	return list[:min(len(list), limit)], nil
}

// Dead implements store.Reader.
func (r reader) Dead(_ context.Context, cursor string, limit int) (store.Page[store.Dead], error) {
	return r.page(&r.s.data.Dead, cursor, limit)
}

// DeadLetter implements store.Reader.
func (r reader) DeadLetter(_ context.Context, id string) (store.Dead, error) {
	return r.item(&r.s.data.Dead, id)
}

// Quarantined implements store.Reader.
func (r reader) Quarantined(_ context.Context, cursor string, limit int) (store.Page[store.Dead], error) {
	return r.page(&r.s.data.Quarantine, cursor, limit)
}

// QuarantinedItem implements store.Reader.
func (r reader) QuarantinedItem(_ context.Context, id string) (store.Dead, error) {
	return r.item(&r.s.data.Quarantine, id)
}

// page returns the newest first: the cursor is the last id of the page before.
func (r reader) page(t *table[string, []byte], cursor string, limit int) (p store.Page[store.Dead], err error) {
	unlock, err := r.s.lock()
	if err != nil {
		return p, err
	}
	defer unlock()
	for _, id := range slices.Backward(slices.Sorted(maps.Keys(*t))) {
		if cursor != "" && id >= cursor {
			continue
		}
		if len(p.Items) == limit {
			p.Next = p.Items[limit-1].ID
			return p, nil
		}
		p.Items = append(p.Items, store.Dead{ID: id, Body: bytes.Clone((*t)[id])})
	}
	return p, nil
}

func (r reader) item(t *table[string, []byte], id string) (store.Dead, error) {
	unlock, err := r.s.lock()
	if err != nil {
		return store.Dead{}, err
	}
	defer unlock()
	b, err := lookup(*t, id)
	return store.Dead{ID: id, Body: b}, err
}
