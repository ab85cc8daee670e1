package memstore

import (
	"bytes"
	"context"
	"slices"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/store"
)

// Commit implements store.Shard.
func (h *shard) Commit(_ context.Context, c *store.Commit) (store.Rev, error) {
	unlock, err := h.s.lock()
	if err != nil {
		return 0, err
	}
	defer unlock()
	if tooLarge(c) {
		return 0, store.ErrTooLarge
	}
	s := h.s
	var rev store.Rev
	if old := s.data.Convs[c.Conversation]; old != nil {
		if old.Commit == c.ID && old.Rev > 0 {
			return old.Rev, nil
		}
		rev = old.Rev
	}
	if c.Expect != rev {
		return 0, store.ErrConflict
	}
	if dup := s.duplicates(c); dup != nil {
		return 0, &store.DuplicateError{Fresh: dup}
	}
	return s.apply(c), nil
}

// tooLarge says whether a part of c is over its limit.
func tooLarge(c *store.Commit) bool {
	over := len(c.Doc) > store.MaxBody
	for _, o := range c.Out {
		over = over || len(o.Body) > store.MaxBody || len(o.Lane) > store.MaxLane
	}
	for _, o := range c.OutDone {
		over = over || len(o.Lane) > store.MaxLane
	}
	for _, k := range c.Keep {
		over = over || len(k.Body) > store.MaxBody
	}
	for _, e := range c.History {
		over = over || len(e.Body) > store.MaxBody
	}
	for _, d := range slices.Concat(c.Dead, c.Quarantine) {
		over = over || len(d.Body) > store.MaxBody
	}
	return over
}

// duplicates returns the places of the fresh events that were seen before.
func (s *Store) duplicates(c *store.Commit) (dup []int) {
	fresh := map[store.Dedup]bool{}
	for i, d := range c.Fresh {
		until, ok := s.data.Dedup[dedupKey{c.Conversation, d.Instance, d.ID}]
		d.For = 0
		if d.ID != "" && (fresh[d] || ok && until.After(s.now())) {
			dup = append(dup, i)
		}
		fresh[d] = true
	}
	return dup
}

func (s *Store) apply(c *store.Commit) store.Rev {
	v := s.conv(c.Conversation)
	v.Rev++
	v.Commit = c.ID
	if c.Doc != nil {
		v.Doc = bytes.Clone(c.Doc)
	}
	for _, d := range c.Fresh {
		s.seen(c.Conversation, d)
	}
	v.Mail = slices.DeleteFunc(v.Mail, func(m store.Mail) bool { return slices.Contains(c.Consume, m.Seq) })
	for _, r := range c.OutDone {
		v.done(r)
	}
	for _, o := range c.Out {
		v.put(o)
	}
	for _, id := range c.Unkeep {
		v.unkeep(id)
	}
	for _, k := range c.Keep {
		v.unkeep(k.ID)
		kp := kept{Kept: store.Kept{ID: k.ID, Body: bytes.Clone(k.Body)}}
		if k.For > 0 {
			kp.Until = s.now().Add(k.For)
		}
		v.Kept = append(v.Kept, kp)
	}
	if c.Timer.Set {
		v.Timer = c.Timer.Due
	}
	for _, e := range c.History {
		h := entry{Body: bytes.Clone(e.Body)}
		if e.Expires > 0 {
			h.Until = s.now().Add(e.Expires)
		}
		v.History[e.N] = h
	}
	for _, n := range c.Retire {
		if e, ok := v.History[n]; ok && c.Retention > 0 { // without one, ours: for ever
			e.Until = s.now().Add(c.Retention)
			v.History[n] = e
		}
	}
	for _, d := range c.Dead {
		s.data.Dead[d.ID] = bytes.Clone(d.Body)
	}
	for _, d := range c.Quarantine {
		s.data.Quarantine[d.ID] = bytes.Clone(d.Body)
	}
	if c.Index != nil {
		i := *c.Index
		v.Index = &i
	}
	return v.Rev
}

// put adds a command to its lane, or replaces it.
func (v *conv) put(o store.OutItem) {
	o.Body = bytes.Clone(o.Body)
	lane := v.Out[o.Lane]
	i, found := slices.BinarySearchFunc(lane, o.ID, func(a store.OutItem, id core.CommandID) int {
		switch {
		case before(a.ID, id):
			return -1
		case before(id, a.ID):
			return 1
		}
		return 0
	})
	if found {
		lane[i] = o
	} else {
		v.Out[o.Lane] = slices.Insert(lane, i, o)
	}
}

func (v *conv) unkeep(id core.CommandID) {
	v.Kept = slices.DeleteFunc(v.Kept, func(k kept) bool { return k.ID == id })
}

func (v *conv) done(r store.OutRef) {
	lane := slices.DeleteFunc(v.Out[r.Lane], func(o store.OutItem) bool { return o.ID == r.ID })
	if len(lane) == 0 {
		delete(v.Out, r.Lane)
		return
	}
	v.Out[r.Lane] = lane
}
