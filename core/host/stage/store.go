package stage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// The names in the store: <store>/<digest>/bin of a program,
// <store>/<digest>/tree/… of a folder.
const (
	programName = "bin"
	treeName    = "tree"
	copyPrefix  = ".copy-" // not finished
)

// store holds the copies that are run. Its folder belongs to this gateway
// alone.
type store struct {
	root string

	mu       sync.Mutex
	verified map[string]bool // digests whose copy this process made or checked
}

func newStore(root string) *store {
	return &store{root: root, verified: make(map[string]bool)}
}

// open makes the folder.
func (st *store) open() error {
	if err := os.MkdirAll(st.root, 0o700); err != nil {
		return fmt.Errorf("plugin store: %w", err)
	}
	info, err := os.Lstat(st.root)
	if err != nil {
		return fmt.Errorf("plugin store: %w", err)
	}
	if !info.IsDir() || owner(info) != os.Geteuid() {
		return fmt.Errorf("plugin store %s: it must be a folder that belongs to the gateway's user", st.root)
	}
	if info.Mode().Perm()&0o077 != 0 {
		if err := os.Chmod(st.root, 0o700); err != nil {
			return fmt.Errorf("plugin store: %w", err)
		}
	}
	return nil
}

// clear removes what an earlier process left unfinished.
func (st *store) clear() error {
	entries, err := os.ReadDir(st.root)
	if err != nil {
		return fmt.Errorf("plugin store: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), copyPrefix) {
			_ = os.RemoveAll(filepath.Join(st.root, e.Name())) // the next start tries again
		}
	}
	return nil
}

// dir returns the folder that a copy is run in.
func (st *store) dir(digest string, folder bool) string {
	if folder {
		return filepath.Join(st.root, digest, treeName)
	}
	return filepath.Join(st.root, digest)
}

// put copies the files from root, unless they are there. A copy that an
// earlier process made is only trusted after it was read again. It returns
// errChanged if the files are not what sums say.
func (st *store) put(ctx context.Context, digest string, folder bool, sums []sum, root *os.Root) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.has(ctx, digest, folder, sums) {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	delete(st.verified, digest)
	final := filepath.Join(st.root, digest)
	if err := os.RemoveAll(final); err != nil {
		return fmt.Errorf("plugin store: %w", err)
	}
	tmp, err := os.MkdirTemp(st.root, copyPrefix)
	if err != nil {
		return fmt.Errorf("plugin store: %w", err)
	}
	defer func() { _ = os.RemoveAll(tmp) }() // after the rename it is gone
	for _, s := range sums {
		name := nameOf(folder, s)
		if err := os.MkdirAll(filepath.Join(tmp, filepath.Dir(name)), 0o700); err != nil {
			return fmt.Errorf("plugin store: %w", err)
		}
		if err := copyFile(ctx, root, s, filepath.Join(tmp, name)); err != nil {
			return err
		}
	}
	if err := os.Rename(tmp, final); err != nil {
		return fmt.Errorf("plugin store: %w", err)
	}
	st.verified[digest] = true
	return nil
}

func nameOf(folder bool, s sum) string {
	if folder {
		return filepath.Join(treeName, filepath.FromSlash(s.rel))
	}
	return programName
}

// copyFile copies one file, of which the content must be what s says.
//
// No process may be started while the copy is open: the child would have it
// open too until its own exec, and an exec of the copy meanwhile would fail as
// "text file busy". The source has just been read, so this is short.
func copyFile(ctx context.Context, root *os.Root, s sum, to string) error {
	src, _, err := openRegular(root, s.rel)
	if errors.Is(err, fs.ErrNotExist) {
		return errChanged
	}
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }() // it was only read
	h := sha256.New()
	if err := writeLocked(to, io.TeeReader(&reader{ctx, io.LimitReader(src, s.info.Size()+1)}, h)); err != nil {
		return err
	}
	if hex.EncodeToString(h.Sum(nil)) != s.digest {
		return errChanged
	}
	mode := fs.FileMode(0o400)
	if s.exec {
		mode = 0o500
	}
	if err := os.Chmod(to, mode); err != nil {
		return fmt.Errorf("plugin store: %w", err)
	}
	return nil
}

func writeLocked(to string, r io.Reader) (err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("plugin store: %w", err)
	}
	_, err = io.Copy(f, r)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("plugin store: copy: %w", err)
	}
	return nil
}

// has says whether the copy is there and whole. A power cut can leave one that
// is not, and so can somebody who should not be in the store.
func (st *store) has(ctx context.Context, digest string, folder bool, sums []sum) bool {
	if _, err := os.Stat(st.dir(digest, folder)); err != nil {
		return false
	}
	if st.verified[digest] {
		return true
	}
	want := make(map[string]sum, len(sums))
	for _, s := range sums {
		want[nameOf(folder, s)] = s
	}
	base := filepath.Join(st.root, digest)
	err := filepath.WalkDir(base, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(base, path)
		s, ok := want[rel]
		if !ok {
			return errChanged
		}
		delete(want, rel)
		return sameContent(ctx, path, s)
	})
	st.verified[digest] = err == nil && len(want) == 0
	return st.verified[digest]
}

func sameContent(ctx context.Context, path string, s sum) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Size() != s.info.Size() || isProgram(info) != s.exec {
		return errChanged
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	digest, err := hashFile(ctx, f, info.Size())
	if err == nil && digest != s.digest {
		err = errChanged
	}
	return err
}

// sweep removes the copies that nobody has needed for so long. keep are those
// in use; their clocks start anew.
func (st *store) sweep(keep map[string]bool, keepFor time.Duration, now time.Time) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	entries, err := os.ReadDir(st.root)
	if err != nil {
		return fmt.Errorf("plugin store: %w", err)
	}
	var errs []error
	for _, e := range entries {
		path := filepath.Join(st.root, e.Name())
		info, err := e.Info()
		switch {
		case err != nil || !isDigest(e.Name()):
		case keep[e.Name()]:
			errs = append(errs, os.Chtimes(path, now, now))
		case now.Sub(info.ModTime()) >= keepFor:
			delete(st.verified, e.Name())
			errs = append(errs, os.RemoveAll(path))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("plugin store: %w", err)
	}
	return nil
}
