package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"

	"github.com/openccsp/gateway/sdk"
)

// The bounds of what is kept in the instance's state under one name.
const (
	shelfCount   = 16
	maxOnShelf   = 64        // entries
	maxShelfSize = 128 << 10 // octets
)

// shelves are lists in the instance's state: what belongs to one key is always on the
// same one, and different ones change side by side.
type shelves[T any] [shelfCount]shelf[T]

// shelf is one value of the state. Whoever uses it holds mu.
type shelf[T any] struct {
	host sdk.Host
	key  string

	mu     sync.Mutex
	stored []byte // the value
	list   []T
}

func newShelves[T any](h sdk.Host, name string) *shelves[T] {
	s := new(shelves[T])
	for i := range s {
		s[i].host, s[i].key = h, fmt.Sprintf("%s/%d", name, i)
	}
	return s
}

// of returns the shelf of a key.
func (s *shelves[T]) of(key string) *shelf[T] {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key))
	return &s[h.Sum32()%shelfCount]
}

// load reads what an earlier process, or connection, left.
func (s *shelves[T]) load(ctx context.Context) error {
	for i := range s {
		if err := s[i].load(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *shelf[T]) load(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.host.State(ctx, s.key)
	if err != nil {
		return err
	}
	s.take(b)
	return nil
}

// take makes b the value.
func (s *shelf[T]) take(b []byte) {
	s.stored, s.list = b, nil
	if len(b) > 0 && json.Unmarshal(b, &s.list) != nil {
		s.host.Log().Error("what was kept cannot be read and is left out", "key", s.key)
		s.list = nil
	}
}

// find returns the place of the entry that is it, -1 if there is none.
func (s *shelf[T]) find(is func(T) bool) int { return slices.IndexFunc(s.list, is) }

// without returns the list without one.
func (s *shelf[T]) without(i int) []T { return slices.Delete(slices.Clone(s.list), i, i+1) }

// store replaces the list, durably. After an error the list is what the state has, as
// far as that is known.
func (s *shelf[T]) store(ctx context.Context, list []T) error {
	var next []byte
	if len(list) > 0 {
		var err error
		if next, err = json.Marshal(list); err != nil {
			return err
		}
	}
	if !bytes.Equal(next, s.stored) {
		if err := s.host.SetState(ctx, s.key, s.stored, next); err != nil && !s.is(ctx, next) {
			return err
		}
	}
	s.stored, s.list = next, list
	return nil
}

// is looks whether the state has next after a write whose outcome is not known, or that
// found another value than the one before.
func (s *shelf[T]) is(ctx context.Context, next []byte) bool {
	now, err := s.host.State(ctx, s.key)
	if err != nil || bytes.Equal(now, next) {
		return err == nil
	}
	if !bytes.Equal(now, s.stored) {
		s.take(now)
	}
	return false
}
