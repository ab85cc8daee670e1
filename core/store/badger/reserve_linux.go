package badger

import (
	"os"

	"golang.org/x/sys/unix"
)

// reserve gives f that many bytes of the disk, without writing them.
func reserve(f *os.File, size int64) error { return unix.Fallocate(int(f.Fd()), 0, 0, size) }
