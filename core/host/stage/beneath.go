package stage

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// beneath is a file beside the plugin, rel "" if there is none.
type beneath struct {
	root, rel string
}

// beside finds a file beside a plugin. It may be a link, as in a mounted
// ConfigMap, but only to a place in the plugin directories.
func (v *view) beside(dir, name string) (beneath, error) {
	path := filepath.Join(dir, name)
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return beneath{}, nil
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return beneath{}, fmt.Errorf("%s: %w", path, plain(err))
	}
	root, rel := v.locate(real)
	if root == "" {
		return beneath{}, fmt.Errorf("%s is a link to %s, which is not in a plugin directory", path, real)
	}
	return beneath{root, rel}, nil
}

// read returns the content of a small file.
func (b beneath) read() ([]byte, fs.FileInfo, error) {
	root, err := os.OpenRoot(b.root)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = root.Close() }()
	return readSmall(root, b.rel)
}

func readSmall(root *os.Root, rel string) ([]byte, fs.FileInfo, error) {
	f, info, err := openRegular(root, rel)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxText+1))
	return text, info, err
}

// openRegular opens a regular file. A pipe or a device put in its place does
// not block it.
func openRegular(root *os.Root, rel string) (*os.File, fs.FileInfo, error) {
	f, err := root.OpenFile(rel, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", rel)
	}
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return f, info, nil
}
