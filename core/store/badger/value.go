package badger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"

	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
)

// message is what vtprotobuf generates.
type message interface {
	SizeVT() int
	MarshalToSizedBufferVT([]byte) (int, error)
	UnmarshalVT([]byte) error
}

// body returns what follows the format byte of a value.
func body(kind byte, value []byte) ([]byte, error) {
	if len(value) == 0 {
		return nil, damaged(kind, errors.New("no format"))
	}
	if f := int(value[0]); f < oldestFormat || f > state.Format {
		return nil, damaged(kind, fmt.Errorf("format %d, this gateway reads %d to %d", f, oldestFormat, state.Format))
	}
	return value[1:], nil
}

// oldestFormat is the oldest readable format: the one before this, if any.
const oldestFormat = max(1, state.Format-1)

// errDamaged is the cause of an ErrUnavailable: a value that cannot be read.
// One bad value does not stop the gateway; Health and the log tell of it.
var errDamaged = errors.New("damaged")

func damaged(kind byte, err error) error {
	return fmt.Errorf("%w: %w %s: %w", store.ErrUnavailable, errDamaged, kinds[kind], err)
}

// decode reads a message from a value.
func decode(kind byte, value []byte, m message) error {
	b, err := body(kind, value)
	if err != nil {
		return err
	}
	if err := m.UnmarshalVT(b); err != nil {
		return damaged(kind, err)
	}
	return nil
}

// encode returns m as a value.
func encode(m message) []byte {
	b, _ := appendMessage(nil, m)
	return b
}

// appendMessage appends m as a value and returns b and the value.
func appendMessage(b []byte, m message) (_, value []byte) {
	start, n := len(b), m.SizeVT()
	b = append(b, state.Format)
	b = append(b, make([]byte, n)...)
	if _, err := m.MarshalToSizedBufferVT(b[start+1:]); err != nil {
		panic(err) // only a wrong size or invalid UTF-8 in generated code
	}
	return b, b[start:len(b):len(b)]
}

// The layout of a document's value: a StoredDocument whose first fields have
// a fixed size and place. The caller of Commit encodes it; the committer, who
// alone knows what is listed, fills that in.
const (
	revAt    = 1 + 1         // format, tag
	commitAt = revAt + 8 + 2 // tag, length
	listedAt = commitAt + 16 + 1
	hashAt   = listedAt + 8 + 1
	docHead  = hashAt + 8
)

// docState is what the committer knows of a conversation.
type docState struct {
	rev        store.Rev
	commit     [16]byte
	listedMS   int64
	listedHash uint64
}

// appendDoc appends the value of a document, or of a revision if doc is nil.
func appendDoc(b []byte, rev store.Rev, commit [16]byte, doc []byte) (_, value []byte) {
	start := len(b)
	b = append(b, state.Format, 1<<3|1)
	b = binary.LittleEndian.AppendUint64(b, uint64(rev))
	b = append(b, 2<<3|2, 16)
	b = append(b, commit[:]...)
	b = append(b, 3<<3|1, 0, 0, 0, 0, 0, 0, 0, 0, 4<<3|1, 0, 0, 0, 0, 0, 0, 0, 0)
	if doc != nil {
		b = binary.AppendUvarint(append(b, 5<<3|2), uint64(len(doc)))
		b = append(b, doc...)
	}
	return b, b[start:len(b):len(b)]
}

// fillListed writes what only the committer knows into a document's value.
func fillListed(value []byte, d *docState) {
	binary.LittleEndian.PutUint64(value[listedAt:], uint64(d.listedMS))
	binary.LittleEndian.PutUint64(value[hashAt:], d.listedHash)
}

// findHash tells whether the secondary index keys of x changed. Never 0.
func findHash(x *store.Index) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(x.ChatRef))
	_, _ = h.Write([]byte{0})
	_, _ = h.Write([]byte(x.Customer))
	return h.Sum64() | 1
}

func storedIndex(x *store.Index) *state.StoredIndex {
	return &state.StoredIndex{UpdatedMs: x.UpdatedMS, Status: x.Status, Service: x.Service,
		Channel: x.Channel, ChatRef: x.ChatRef, Customer: x.Customer}
}

func indexOf(m *state.StoredIndex) store.Index {
	return store.Index{UpdatedMS: m.UpdatedMs, Status: m.Status, Service: m.Service,
		Channel: m.Channel, ChatRef: m.ChatRef, Customer: m.Customer}
}
