// Package durable writes files that are there as a whole or not at all, and are
// still there when the power comes back.
package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Replace writes a file, in place of the one that is there, if any. Whoever
// reads it meanwhile reads the old one or the new one.
func Replace(path string, text []byte, mode fs.FileMode) error {
	return write(path, text, mode, os.Rename)
}

// Create writes a file that must not exist: if it does, the error is
// fs.ErrExist, and the file stays as it is.
func Create(path string, text []byte, mode fs.FileMode) error {
	return write(path, text, mode, func(tmp, path string) error {
		return errors.Join(os.Link(tmp, path), os.Remove(tmp)) // unlike a rename a link replaces nothing
	})
}

// write has place put a file with the text at path.
func write(path string, text []byte, mode fs.FileMode, place func(tmp, path string) error) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-*.tmp") // for nobody else to read yet
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err == nil {
		err = place(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // unless place has
		return err
	}
	return SyncDir(dir)
}

// SyncDir makes durable what was created in, renamed in or removed from a
// directory.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
