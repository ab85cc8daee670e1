package main

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// fill makes a file so large that its disk has that many bytes left.
func fill(file string, leave int64) error {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(file), &disk); err != nil {
		return err
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(syscall.Fallocate(int(f.Fd()), 0, 0, int64(disk.Bavail)*disk.Bsize-leave), f.Close())
}
