package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/openccsp/gateway/sdk"
)

const (
	keepUploads    = time.Hour // after it was begun
	maxUploadBytes = 1 << 30   // of all uploads of an instance that are not whole
	maxUploads     = 10_000    // files of an instance
	keptSuffix     = ".kept"
)

// uploads are the files of which parts are there. They lie in a folder whose
// content may be lost: then a client begins again. It is safe for concurrent use.
type uploads struct {
	dir   string
	most  int64 // bytes of all
	files int   // so many at most

	mu   sync.Mutex
	busy map[string]bool // by file
	size int64           // bytes of all, or more: what was removed since is still counted
}

func newUploads(dir string) *uploads {
	return &uploads{dir: filepath.Join(dir, "uploads"), most: maxUploadBytes, files: maxUploads, busy: map[string]bool{}}
}

// begin makes a file with its first part, and forgets those that are too old.
func (u *uploads) begin(file string, part []byte, now time.Time) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err := os.MkdirAll(u.dir, 0o700); err != nil {
		return fmt.Errorf("folder of uploads: %w", err)
	}
	if files := u.sweep(now); files >= u.files || u.size+int64(len(part)) > u.most {
		return noRoom()
	}
	if err := os.WriteFile(filepath.Join(u.dir, file), part, 0o600); err != nil {
		return fmt.Errorf("begin upload: %w", err)
	}
	u.size += int64(len(part))
	return nil
}

func noRoom() error {
	return &apiError{http.StatusServiceUnavailable, "unavailable", "too many uploads at once; try again later"}
}

// grow counts a further part, if there is room for it.
func (u *uploads) grow(part int, now time.Time) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.size+int64(part) > u.most {
		u.sweep(now)
	}
	if u.size+int64(part) > u.most {
		return noRoom()
	}
	u.size += int64(part)
	return nil
}

// sweep removes what is old, counts the bytes of the rest, and returns how many
// files these are. The caller holds u.mu.
func (u *uploads) sweep(now time.Time) (files int) {
	u.size = 0
	entries, err := os.ReadDir(u.dir)
	if err != nil {
		return 0
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue
		}
		if now.Sub(info.ModTime()) > keepUploads && !u.busy[strings.TrimSuffix(e.Name(), keptSuffix)] {
			_ = os.Remove(filepath.Join(u.dir, e.Name())) // the next sweep tries again
			continue
		}
		u.size += info.Size()
		files++
	}
	return files
}

// partial is one upload, for one request at a time.
type partial struct {
	all  *uploads
	name string
	path string
}

// open takes hold of an upload until release.
func (u *uploads) open(file string) (*partial, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.busy[file] {
		return nil, &apiError{http.StatusConflict, "conflict", "another request for this upload is under way"}
	}
	u.busy[file] = true
	return &partial{u, file, filepath.Join(u.dir, file)}, nil
}

func (p *partial) release() {
	p.all.mu.Lock()
	defer p.all.mu.Unlock()
	delete(p.all.busy, p.name)
}

// size is how much is there; a file that was lost has nothing.
func (p *partial) size() int64 {
	info, err := os.Stat(p.path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// add appends a part and returns the new size.
func (p *partial) add(offset int64, part []byte, now time.Time) (int64, error) {
	if err := p.all.grow(len(part), now); err != nil {
		return 0, err
	}
	if err := os.MkdirAll(p.all.dir, 0o700); err != nil {
		return 0, fmt.Errorf("folder of uploads: %w", err)
	}
	f, err := os.OpenFile(p.path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, fmt.Errorf("open upload: %w", err)
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err == nil && size != offset {
		err = &apiError{http.StatusConflict, "conflict", fmt.Sprintf("there are %d bytes; go on from there", size)}
	}
	if err == nil {
		_, err = f.Write(part)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return 0, err
	}
	return size + int64(len(part)), nil
}

func (p *partial) file() (*os.File, error) {
	f, err := os.Open(p.path)
	if err != nil {
		return nil, fmt.Errorf("open upload: %w", err)
	}
	return f, nil
}

// keep remembers what the gateway made of the whole file, for a client that
// does not get the answer.
func (p *partial) keep(a sdk.Attachment) {
	b, err := json.Marshal(a)
	if err == nil {
		_ = os.WriteFile(p.path+keptSuffix, b, 0o600) // without it the client uploads once more
	}
	_ = os.Remove(p.path) // else the sweep does
}

// kept is what keep has remembered, nil if there is nothing.
func (p *partial) kept() *sdk.Attachment {
	b, err := os.ReadFile(p.path + keptSuffix)
	if err != nil {
		return nil
	}
	var a sdk.Attachment
	if json.Unmarshal(b, &a) != nil {
		return nil
	}
	return &a
}

func (p *partial) remove() {
	for _, path := range []string{p.path, p.path + keptSuffix} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return // the sweep tries again
		}
	}
}
