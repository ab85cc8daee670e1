package inspect

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
)

// What an archive may claim to hold.
const (
	maxRatio   = 200      // times its own bytes
	freeBytes  = 16 << 20 // so much at any ratio
	maxEntries = 20_000
	endBytes   = 22 // of a zip's end record
	maxComment = math.MaxUint16
)

var errArchive = refused("the archive cannot be read")

// checkArchive refuses archives that become far larger when they are unpacked, as
// far as their directories say: zip, with all that is made of it, and gzip.
func checkArchive(r io.ReaderAt, size int64, head []byte) error {
	switch {
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("PK\x05\x06")):
		return checkZip(r, size)
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		return checkGzip(r, size)
	}
	return nil
}

// checkGzip reads how large the last part says that it was. More than 4 GiB wrap,
// and are caught by the limit of files and the best ratio that there is.
func checkGzip(r io.ReaderAt, size int64) error {
	var end [4]byte
	if size < 18 {
		return errArchive
	}
	if _, err := r.ReadAt(end[:], size-4); err != nil {
		return err
	}
	return checkSize(size, uint64(binary.LittleEndian.Uint32(end[:])))
}

func checkSize(size int64, unpacked uint64) error {
	if unpacked > freeBytes && unpacked > uint64(size)*maxRatio {
		return refused("the archive would become %d times as large when it is unpacked", unpacked/uint64(size))
	}
	return nil
}

// directory is where the list of a zip's files is.
type directory struct {
	at, size int64
	entries  uint64
}

func checkZip(r io.ReaderAt, size int64) error {
	d, err := findDirectory(r, size)
	if err != nil {
		return err
	}
	if d.entries > maxEntries {
		return refused("the archive has %d files, at most %d are taken", d.entries, maxEntries)
	}
	packed, unpacked, err := addUp(bufio.NewReaderSize(io.NewSectionReader(r, d.at, d.size), 32<<10), d.entries)
	if err != nil {
		return err
	}
	if packed > uint64(size) {
		return refused("files of the archive lie over each other")
	}
	return checkSize(size, unpacked)
}

// findDirectory reads the end of a zip, also of a large one (zip64).
func findDirectory(r io.ReaderAt, size int64) (d directory, err error) {
	tail := make([]byte, min(size, endBytes+maxComment))
	if _, err := r.ReadAt(tail, size-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return d, err
	}
	at := bytes.LastIndex(tail, []byte("PK\x05\x06"))
	if at < 0 || len(tail)-at < endBytes {
		return d, errArchive
	}
	end := tail[at:]
	d.entries = uint64(binary.LittleEndian.Uint16(end[10:]))
	length, start := uint64(binary.LittleEndian.Uint32(end[12:])), uint64(binary.LittleEndian.Uint32(end[16:]))
	if d.entries == math.MaxUint16 || length == math.MaxUint32 || start == math.MaxUint32 {
		if d.entries, length, start, err = large(r, tail[:at], size); err != nil {
			return d, err
		}
	}
	if start > uint64(size) || length > uint64(size)-start {
		return d, errArchive
	}
	d.at, d.size = int64(start), int64(length)
	return d, nil
}

// large reads zip64's end record, which its locator, right before the other end,
// leads to.
func large(r io.ReaderAt, before []byte, size int64) (entries, length, start uint64, err error) {
	const locator, record = 20, 56
	if len(before) < locator || !bytes.HasPrefix(before[len(before)-locator:], []byte("PK\x06\x07")) {
		return 0, 0, 0, errArchive
	}
	at := binary.LittleEndian.Uint64(before[len(before)-locator+8:])
	if size < record || at > uint64(size)-record {
		return 0, 0, 0, errArchive
	}
	b := make([]byte, record)
	if _, err := r.ReadAt(b, int64(at)); err != nil {
		return 0, 0, 0, err
	}
	if !bytes.HasPrefix(b, []byte("PK\x06\x06")) {
		return 0, 0, 0, errArchive
	}
	return binary.LittleEndian.Uint64(b[32:]), binary.LittleEndian.Uint64(b[40:]), binary.LittleEndian.Uint64(b[48:]), nil
}

// addUp reads the entries of a directory and returns what they say of their sizes.
func addUp(r *bufio.Reader, entries uint64) (packed, unpacked uint64, err error) {
	var head [46]byte
	for range entries {
		if _, err := io.ReadFull(r, head[:]); err != nil || !bytes.HasPrefix(head[:], []byte("PK\x01\x02")) {
			return 0, 0, errArchive
		}
		p, u := uint64(binary.LittleEndian.Uint32(head[20:])), uint64(binary.LittleEndian.Uint32(head[24:]))
		name, extra, comment := head[28:30], int64(binary.LittleEndian.Uint16(head[30:])), int64(binary.LittleEndian.Uint16(head[32:]))
		if _, err := io.CopyN(io.Discard, r, int64(binary.LittleEndian.Uint16(name))); err != nil {
			return 0, 0, errArchive
		}
		fields := make([]byte, extra)
		if _, err := io.ReadFull(r, fields); err != nil {
			return 0, 0, errArchive
		}
		if u == math.MaxUint32 || p == math.MaxUint32 {
			p, u = largeSizes(fields, p, u)
		}
		if _, err := io.CopyN(io.Discard, r, comment); err != nil {
			return 0, 0, errArchive
		}
		packed, unpacked = add(packed, p), add(unpacked, u)
	}
	return packed, unpacked, nil
}

// largeSizes reads the sizes of an entry that are too large for their places.
func largeSizes(extra []byte, packed, unpacked uint64) (p, u uint64) {
	for len(extra) >= 4 {
		id, n := binary.LittleEndian.Uint16(extra), int(binary.LittleEndian.Uint16(extra[2:]))
		extra = extra[4:]
		if n > len(extra) {
			break
		}
		if field := extra[:n]; id == 1 {
			for _, v := range []*uint64{&unpacked, &packed} {
				if *v == math.MaxUint32 && len(field) >= 8 {
					*v, field = binary.LittleEndian.Uint64(field), field[8:]
				}
			}
		}
		extra = extra[n:]
	}
	return packed, unpacked
}

// add is a sum that does not wrap.
func add(a, b uint64) uint64 {
	if a > math.MaxUint64-b {
		return math.MaxUint64
	}
	return a + b
}
