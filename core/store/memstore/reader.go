package memstore

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
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
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
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

// page returns what comes after cursor in a sorted list.
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
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
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
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	var list []store.Kept
	if c := r.s.data.Convs[id]; c != nil {
		for _, k := range c.Kept {
			if live(k.Until, r.s.now()) && before(after, k.ID) {
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
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
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
	return r.page(r.s.data.Dead, cursor, limit), nil
}

// DeadLetter implements store.Reader.
func (r reader) DeadLetter(_ context.Context, id string) (store.Dead, error) {
	return r.item(r.s.data.Dead, id)
}

// Quarantined implements store.Reader.
func (r reader) Quarantined(_ context.Context, cursor string, limit int) (store.Page[store.Dead], error) {
	return r.page(r.s.data.Quarantine, cursor, limit), nil
}

// QuarantinedItem implements store.Reader.
func (r reader) QuarantinedItem(_ context.Context, id string) (store.Dead, error) {
	return r.item(r.s.data.Quarantine, id)
}

func (r reader) page(m map[string][]byte, cursor string, limit int) store.Page[store.Dead] {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	var list []store.Dead
	for _, id := range slices.Sorted(maps.Keys(m)) {
		list = append(list, store.Dead{ID: id, Body: bytes.Clone(m[id])})
	}
	return page(list, func(d store.Dead) string { return d.ID }, cursor, limit)
}

func (r reader) item(m map[string][]byte, id string) (store.Dead, error) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	b, err := lookup(m, id)
	return store.Dead{ID: id, Body: b}, err
}
