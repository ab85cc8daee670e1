package memstore

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/gob"
	"fmt"
	"io"
	"slices"

	"github.com/openccsp/gateway/core/store"
)

// Export implements store.Store. It writes everything whatever since is, and a
// closed store too.
func (s *Store) Export(_ context.Context, w io.Writer, _ store.Mark) (store.Mark, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(&s.data); err != nil {
		return 0, fmt.Errorf("export: %w", err)
	}
	sum := sha256.Sum256(b.Bytes())
	if _, err := w.Write(append(b.Bytes(), sum[:]...)); err != nil {
		return 0, fmt.Errorf("export: %w", err)
	}
	return store.Mark(s.data.Seq), nil
}

// Import implements store.Store.
func (s *Store) Import(_ context.Context, r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	n := len(b) - sha256.Size
	if n < 0 || sha256.Sum256(b[:n]) != [sha256.Size]byte(b[n:]) {
		return fmt.Errorf("import: not an export, or damaged")
	}
	unlock, err := s.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if len(s.data.Convs) > 0 {
		return fmt.Errorf("import: the store is not empty")
	}
	return gob.NewDecoder(bytes.NewReader(b[:n])).Decode(&s.data)
}

// table is a map that is always exported the same way: in the order of its
// keys.
type table[K comparable, V any] map[K]V

type row[K comparable, V any] struct {
	Key   K
	Value V
}

// GobEncode implements gob.GobEncoder.
func (t table[K, V]) GobEncode() ([]byte, error) {
	rows := make([]row[K, V], 0, len(t))
	for k, v := range t {
		rows = append(rows, row[K, V]{k, v})
	}
	slices.SortFunc(rows, func(a, b row[K, V]) int { return cmp.Compare(fmt.Sprintf("%#v", a.Key), fmt.Sprintf("%#v", b.Key)) })
	var b bytes.Buffer
	err := gob.NewEncoder(&b).Encode(rows)
	return b.Bytes(), err
}

// GobDecode implements gob.GobDecoder.
func (t *table[K, V]) GobDecode(b []byte) error {
	var rows []row[K, V]
	if err := gob.NewDecoder(bytes.NewReader(b)).Decode(&rows); err != nil {
		return err
	}
	*t = table[K, V]{}
	for _, r := range rows {
		(*t)[r.Key] = r.Value
	}
	return nil
}
