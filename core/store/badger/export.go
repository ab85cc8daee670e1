package badger

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	bdb "github.com/dgraph-io/badger/v4"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
)

// An export is
//
//	magic, format (1 byte), last mailbox place (8 bytes)
//	records, sorted by key: length of key, key, length of value, value, expiry
//	0, SHA-256 of all before
//
// with lengths and expiry (seconds since 1970, 0: never) as varints. Values
// are as stored, secrets sealed; meta keys are left out but the key check.
const exportMagic = "OpenCCSP store\n"

// Export implements store.Store. It always writes the whole store:
// Badger forgets deletions in time, so that what changed is not known, and an
// import would bring back commands that were sent. The store can be written to
// meanwhile.
func (s *Store) Export(ctx context.Context, w io.Writer, _ store.Mark) (store.Mark, error) {
	v, err := s.view()
	if err != nil {
		return 0, err
	}
	defer v.close()
	x := exporter{sum: sha256.New()}
	x.w = bufio.NewWriterSize(io.MultiWriter(w, x.sum), 64<<10)
	if err := x.write(ctx, v); err != nil {
		return 0, fmt.Errorf("export: %w", s.noted(err))
	}
	if _, err := w.Write(x.sum.Sum(nil)); err != nil {
		return 0, fmt.Errorf("export: %w", err)
	}
	return store.Mark(v.group), nil
}

type exporter struct {
	w   *bufio.Writer // its first error sticks until Flush
	sum hash.Hash
	buf []byte
}

func (x *exporter) write(ctx context.Context, v *view) error {
	var head state.StoredHead
	if _, err := v.message(metaHead, &head); err != nil {
		return err
	}
	b := append([]byte(exportMagic), state.Format)
	if _, err := x.w.Write(binary.BigEndian.AppendUint64(b, head.Seq)); err != nil {
		return err
	}
	o := bdb.IteratorOptions{PrefetchValues: true, PrefetchSize: 100}
	err := v.scan(nil, []byte{}, o, func(item *bdb.Item) (bool, error) {
		if key := item.Key(); key[0] == kindMeta && !bytes.Equal(key, metaKey) {
			return true, nil
		}
		return true, errors.Join(item.Value(func(b []byte) error { return x.record(item, b) }), ctx.Err())
	})
	if err != nil {
		return err
	}
	if err := x.w.WriteByte(0); err != nil {
		return err
	}
	return x.w.Flush()
}

func (x *exporter) record(item *bdb.Item, value []byte) error {
	x.buf = binary.AppendUvarint(x.buf[:0], uint64(len(item.Key())))
	x.buf = append(x.buf, item.Key()...)
	x.buf = binary.AppendUvarint(x.buf, uint64(len(value)))
	x.buf = append(x.buf, value...)
	x.buf = binary.AppendUvarint(x.buf, item.ExpiresAt())
	_, err := x.w.Write(x.buf)
	return err
}

// maxExported is the largest key or value an import reads.
const maxExported = 1 << 20

// Import implements store.Store. The store must be empty and not served. If
// it fails, what was read so far stays: start again with a new directory.
func (s *Store) Import(ctx context.Context, r io.Reader) error {
	if err := s.checkEmpty(); err != nil {
		return fmt.Errorf("import: %w", err)
	}
	m := importer{s: s, sum: sha256.New(), r: bufio.NewReaderSize(r, 64<<10)}
	if err := m.read(ctx); err != nil {
		return fmt.Errorf("import: %w", err)
	}
	return nil
}

func (s *Store) checkEmpty() error {
	v, err := s.view()
	if err != nil {
		return err
	}
	defer v.close()
	return v.scan(nil, []byte{}, keysOnly, func(item *bdb.Item) (bool, error) {
		if item.Key()[0] != kindMeta {
			return false, fmt.Errorf("%w: the store is not empty", store.ErrConflict)
		}
		return true, nil
	})
}

type importer struct {
	s   *Store
	sum hash.Hash
	r   *bufio.Reader
}

// ReadByte and full read and add to the checksum.
func (m *importer) ReadByte() (byte, error) {
	b, err := m.r.ReadByte()
	if err == nil {
		m.sum.Write([]byte{b})
	}
	return b, err
}

func (m *importer) full(b []byte) error {
	_, err := io.ReadFull(m.r, b)
	m.sum.Write(b)
	return err
}

func (m *importer) read(ctx context.Context) error {
	head := make([]byte, len(exportMagic)+1+8)
	if err := m.full(head); err != nil || string(head[:len(exportMagic)]) != exportMagic {
		return core.Errorf(core.Invalid, "not an export of a store")
	}
	if f := int(head[len(exportMagic)]); f > state.Format || f < oldestFormat {
		return core.Errorf(core.Invalid, "export of format %d, this gateway reads %d to %d", f, oldestFormat, state.Format)
	}
	seq := binary.BigEndian.Uint64(head[len(exportMagic)+1:])
	for {
		r := newRequest(opPut)
		r.seq = seq
		last, err := m.some(r)
		if err == nil && (len(r.puts) > 0 || last) {
			err = m.s.submit(ctx, r)
		}
		r.free()
		if err != nil || last {
			return err
		}
	}
}

// some reads records into r until it is full or the export ends.
func (m *importer) some(r *request) (last bool, err error) {
	for r.size < maxGroupBytes {
		key, err := m.bytes()
		if err != nil {
			return false, err
		}
		if len(key) == 0 {
			return true, m.check()
		}
		value, err := m.bytes()
		if err != nil {
			return false, err
		}
		expires, err := binary.ReadUvarint(m)
		if err != nil {
			return false, cut(err)
		}
		if err := m.s.checkImported(key, value); err != nil {
			return false, err
		}
		r.put(key, value, expires)
	}
	return false, nil
}

// checkImported refuses keys of unknown kinds and secrets of another key.
func (s *Store) checkImported(key, value []byte) error {
	if _, ok := kinds[key[0]]; !ok || key[0] == kindMeta && !bytes.Equal(key, metaKey) {
		return core.Errorf(core.Invalid, "export with a key of unknown kind %q", key[0])
	}
	b, err := body(key[0], value)
	if err != nil || key[0] != kindMeta {
		return err
	}
	if s.seal == nil {
		return core.Errorf(core.Invalid, "export with secrets; open the store with their key")
	}
	if _, err := s.unsealed(metaKey, b); err != nil {
		return core.Errorf(core.Invalid, "export with secrets of another key")
	}
	return nil
}

func (m *importer) bytes() ([]byte, error) {
	n, err := binary.ReadUvarint(m)
	if err != nil {
		return nil, cut(err)
	}
	if n > maxExported {
		return nil, core.Errorf(core.Invalid, "export with a value of %d bytes", n)
	}
	b := make([]byte, n)
	return b, cut(m.full(b))
}

// check compares the checksum at the end.
func (m *importer) check() error {
	want := m.sum.Sum(nil)
	got := make([]byte, sha256.Size)
	if _, err := io.ReadFull(m.r, got); err != nil {
		return cut(err)
	}
	if !bytes.Equal(got, want) {
		return core.Errorf(core.Invalid, "export with a wrong checksum")
	}
	return nil
}

func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return core.Errorf(core.Invalid, "export is cut off")
	}
	return err
}

func unixSeconds(s uint64) time.Time { return time.Unix(int64(s), 0) }
