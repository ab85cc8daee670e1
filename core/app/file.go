package app

import (
	"errors"
	"os"
	"path/filepath"
)

// writeNew writes a file of mode 0600 that must not exist, durably: whole or
// not at all.
func writeNew(file, text string) error {
	dir := filepath.Dir(file)
	f, err := os.CreateTemp(dir, "."+filepath.Base(file)+"-*") // mode 0600
	if err != nil {
		return err
	}
	_, werr := f.WriteString(text)
	err = errors.Join(werr, f.Sync(), f.Close())
	if err == nil {
		err = os.Link(f.Name(), file) // unlike a rename it replaces nothing
	}
	err = errors.Join(err, os.Remove(f.Name()))
	if err != nil {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// replaceFile writes a file that everybody may read: whole or not at all.
func replaceFile(path string, b []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*.tmp")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(filepath.Dir(path))
}
