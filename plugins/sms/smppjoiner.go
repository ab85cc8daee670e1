package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
	"time"

	"github.com/openccsp/gateway/plugins/sms/smpp"
	"github.com/openccsp/gateway/sdk"
)

// The bounds of what waits for its other segments.
const (
	joinShelves  = 16
	maxOnShelf   = 64        // texts
	maxShelfSize = 128 << 10 // octets of state
)

// tell tells the gateway what a customer wrote, durably.
type tell func(ctx context.Context, id string, j joined) error

// joiner puts texts together. An SMSC may wait for our answer to a segment before it
// sends the next one, so each is answered when it is durable: on one of the shelves, a
// value of the instance's state each. A complete text is told before the answer to its
// last segment; told twice after a crash, it has the same id. It is safe for concurrent
// use.
type joiner struct {
	host    sdk.Host
	keepFor time.Duration
	shelves [joinShelves]shelf
}

// shelf is one value of the state.
type shelf struct {
	key string

	mu    sync.Mutex
	kept  []byte // the value as it is stored
	texts []assembly
}

func newJoiner(h sdk.Host, keepFor time.Duration) *joiner {
	j := &joiner{host: h, keepFor: keepFor}
	for i := range j.shelves {
		j.shelves[i].key = fmt.Sprintf("segments/%d", i)
	}
	return j
}

// load reads what an earlier process, or connection, left.
func (j *joiner) load(ctx context.Context) error {
	for i := range j.shelves {
		if err := j.shelves[i].load(ctx, j.host); err != nil {
			return fmt.Errorf("read the segments that wait: %w", err)
		}
	}
	return nil
}

func (s *shelf) load(ctx context.Context, h sdk.Host) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := h.State(ctx, s.key)
	if err != nil {
		return err
	}
	s.kept, s.texts = b, nil
	if len(b) > 0 && json.Unmarshal(b, &s.texts) != nil {
		h.Log().Error("segments that waited cannot be read and are left out", "key", s.key)
	}
	return nil
}

// add takes one segment, and returns once it is durable.
func (j *joiner) add(ctx context.Context, m smpp.Message, tell tell) error {
	key := keyOf(m)
	h := fnv.New32a()
	_, _ = h.Write([]byte(key))
	s := &j.shelves[h.Sum32()%joinShelves]
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.find(key)
	if i >= 0 {
		if _, repeated, other := s.texts[i].with(m); repeated {
			return nil
		} else if other { // what is there will not become whole any more
			if err := s.giveUp(ctx, j.host, i, tell); err != nil {
				return err
			}
			i = -1
		}
	}
	if i >= 0 {
		if a, _, _ := s.texts[i].with(m); a.complete() {
			if err := tell(ctx, a.ID, a.joined()); err != nil {
				return err
			}
			s.drop(ctx, j.host, i)
			return nil
		}
	}
	return s.keep(ctx, j.host, key, m, tell)
}

func (s *shelf) find(key string) int {
	return slices.IndexFunc(s.texts, func(a assembly) bool { return a.Key == key })
}

// keep stores one more segment. The text that it belongs to may be the one that is
// given up for it.
func (s *shelf) keep(ctx context.Context, h sdk.Host, key string, m smpp.Message, tell tell) error {
	if err := s.makeRoom(ctx, h, key, len(m.Octets), tell); err != nil {
		return err
	}
	texts := slices.Clone(s.texts)
	i := s.find(key)
	if i < 0 {
		i = len(texts)
		texts = append(texts, assembly{Key: key, ID: "smpp-" + rand.Text(), At: h.Now(), Source: m.Source, Dest: m.Dest, Total: m.Segment.Total})
	}
	texts[i], _, _ = texts[i].with(m)
	return s.store(ctx, h, texts)
}

// makeRoom gives up the oldest texts if there are too many, or too long ones, for one
// more segment.
func (s *shelf) makeRoom(ctx context.Context, h sdk.Host, key string, octets int, tell tell) error {
	for len(s.texts) > 0 && (s.find(key) < 0 && len(s.texts) >= maxOnShelf || len(s.kept)+2*octets > maxShelfSize) {
		h.Log().Warn("too many texts wait for their segments, the oldest is told as it is")
		if err := s.giveUp(ctx, h, 0, tell); err != nil {
			return err
		}
	}
	return nil
}

// giveUp tells a text as far as it is there.
func (s *shelf) giveUp(ctx context.Context, h sdk.Host, i int, tell tell) error {
	if err := tell(ctx, s.texts[i].ID, s.texts[i].joined()); err != nil {
		if _, rejected := asRejected(err); !rejected {
			return err
		}
	}
	s.drop(ctx, h, i)
	return nil
}

// drop forgets a text that was told. If that cannot be stored now, it is with the next
// segment; until then a new process would tell it again, with the same id.
func (s *shelf) drop(ctx context.Context, h sdk.Host, i int) {
	texts := slices.Delete(slices.Clone(s.texts), i, i+1)
	if err := s.store(ctx, h, texts); err != nil {
		h.Log().Warn("a text that was told is still kept", "err", err)
		s.texts = texts
	}
}

// store replaces the shelf's texts, durably.
func (s *shelf) store(ctx context.Context, h sdk.Host, texts []assembly) error {
	var next []byte
	if len(texts) > 0 {
		var err error
		if next, err = json.Marshal(texts); err != nil {
			return err
		}
	}
	if bytes.Equal(next, s.kept) {
		s.texts = texts
		return nil
	}
	if err := h.SetState(ctx, s.key, s.kept, next); err != nil {
		return s.reconcile(ctx, h, next, texts, err)
	}
	s.kept, s.texts = next, texts
	return nil
}

// reconcile deals with a write whose outcome is not known, or that found another value
// than the one before: it looks what is there.
func (s *shelf) reconcile(ctx context.Context, h sdk.Host, next []byte, texts []assembly, cause error) error {
	now, err := h.State(ctx, s.key)
	switch {
	case err != nil:
		return cause
	case bytes.Equal(now, next):
		s.kept, s.texts = next, texts
		return nil
	case bytes.Equal(now, s.kept):
		return cause
	}
	s.kept, s.texts = now, nil
	if len(now) > 0 && json.Unmarshal(now, &s.texts) != nil {
		s.texts = nil
	}
	return cause
}

// expire gives up texts that have waited too long.
func (j *joiner) expire(ctx context.Context, tell tell) error {
	now := j.host.Now()
	for i := range j.shelves {
		if err := j.shelves[i].expire(ctx, j.host, now.Add(-j.keepFor), tell); err != nil {
			return err
		}
	}
	return nil
}

func (s *shelf) expire(ctx context.Context, h sdk.Host, before time.Time, tell tell) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := 0; i < len(s.texts); {
		if s.texts[i].At.After(before) {
			i++
			continue
		}
		h.Log().Warn("not all segments of a text have come, it is told as it is",
			"segments", len(s.texts[i].Parts), "of", s.texts[i].Total)
		if err := s.giveUp(ctx, h, i, tell); err != nil {
			return err
		}
	}
	return nil
}
