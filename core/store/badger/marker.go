package badger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/openccsp/gateway/core/durable"
)

// marker is the head marker: a file of 12 bytes with the number of the last
// durable group and its checksum. Badger cuts its log at the first bad entry
// when it opens, and says nothing; the marker tells that a tail is missing. It
// is not synced: after a power cut it may be old, which is harmless, but never
// ahead of a log that lost nothing.
type marker struct{ f *os.File }

const markerSize = 12

// openMarker opens or creates the marker in dir and returns its group, 0 if
// it is new.
func openMarker(dir string) (*marker, uint64, error) {
	path := filepath.Join(dir, "HEAD")
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		m, err := createMarker(dir, path)
		return m, 0, err
	}
	if err != nil {
		return nil, 0, err
	}
	var b [markerSize]byte
	if _, err := f.ReadAt(b[:], 0); err != nil {
		return nil, 0, errors.Join(fmt.Errorf("head marker %s: %w", path, err), f.Close())
	}
	group := binary.BigEndian.Uint64(b[:8])
	if crc32.ChecksumIEEE(b[:8]) != binary.BigEndian.Uint32(b[8:]) {
		return nil, 0, errors.Join(fmt.Errorf("head marker %s: wrong checksum", path), f.Close())
	}
	return &marker{f}, group, nil
}

// createMarker writes a marker of group 0 beside path, then renames it, so
// that a marker is whole whenever it is there.
func createMarker(dir, path string) (*marker, error) {
	f, err := os.OpenFile(path+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	m := &marker{f}
	err = m.write(0)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err == nil {
		err = durable.SyncDir(dir)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return m, nil
}

// write sets the marker. A nil marker, of a store in memory, does nothing.
func (m *marker) write(group uint64) error {
	if m == nil {
		return nil
	}
	var b [markerSize]byte
	binary.BigEndian.PutUint64(b[:8], group)
	binary.BigEndian.PutUint32(b[8:], crc32.ChecksumIEEE(b[:8]))
	_, err := m.f.WriteAt(b[:], 0)
	return err
}

func (m *marker) close() error {
	if m == nil {
		return nil
	}
	return m.f.Close()
}

// keptRing remembers where in the log the last groups lie.
type keptRing struct {
	keep   uint64 // bytes of the log whose groups stay
	kept   uint64
	total  uint64
	points []point // at most one per step bytes
}

type point struct{ group, total uint64 }

const ringStep = 1 << 20

// push adds a group and returns the last one that lies more than keep bytes
// back. Compaction may drop the head records up to it; later ones must all be
// there when the store opens, or a part of the log was lost.
func (r *keptRing) push(group uint64, size int) uint64 {
	r.total += uint64(size)
	if n := len(r.points); n == 0 || r.total-r.points[n-1].total >= ringStep {
		r.points = append(r.points, point{group, r.total})
	}
	n := 0
	for n < len(r.points) && r.total-r.points[n].total > r.keep {
		r.kept = r.points[n].group
		n++
	}
	if n > 0 {
		r.points = append(r.points[:0], r.points[n:]...)
	}
	return r.kept
}
