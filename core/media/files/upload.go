package files

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/durable"
	"github.com/openccsp/gateway/core/media"
	"github.com/openccsp/gateway/core/media/inspect"
)

// Upload is a file that is arriving. Its methods may be called from any goroutine,
// one at a time.
type Upload struct {
	ID   string // of the upload
	Want Want
	s    *Store

	mu       sync.Mutex
	f        *os.File
	sum      hash.Hash
	bytes    int64
	reserved int64
	last     time.Time
	over     bool
}

// Save keeps what r has. It returns when the file is durable. A file that is not
// taken is [core.Invalid] or [core.TooLarge]; a disk without room is
// [core.Unavailable]. An error of r is returned as it is.
func (s *Store) Save(ctx context.Context, w Want, r io.Reader) (File, error) {
	u, err := s.Begin(w)
	if err != nil {
		return File{}, err
	}
	defer u.Abort()
	for chunk := make([]byte, 64<<10); ; {
		if err := ctx.Err(); err != nil {
			return File{}, err
		}
		n, err := r.Read(chunk)
		if werr := u.Write(chunk[:n]); werr != nil {
			return File{}, werr
		}
		if errors.Is(err, io.EOF) {
			return u.Finish()
		}
		if err != nil {
			return File{}, err
		}
	}
}

// Begin starts an upload. It ends with Finish or Abort, or when nothing of it
// arrives for a minute.
func (s *Store) Begin(w Want) (*Upload, error) {
	if w.MaxFile <= 0 || w.MaxFile > s.o.MaxFile {
		w.MaxFile = s.o.MaxFile
	}
	u := &Upload{ID: newID(), Want: w, s: s, sum: sha256.New(), last: s.o.Now()}
	if err := s.reserve(block); err != nil {
		return nil, err
	}
	u.reserved = block
	if !s.enter(u) {
		s.release(block)
		return nil, core.Errorf(core.Unavailable, "too many files arrive at once")
	}
	f, err := os.CreateTemp(s.tmp(), "*")
	if err != nil {
		u.Abort()
		return nil, diskError(err)
	}
	u.mu.Lock()
	u.f = f
	u.mu.Unlock()
	return u, nil
}

// enter counts one more upload, unless there are too many, or one instance has
// more than its share.
func (s *Store) enter(u *Upload) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := 0
	for _, other := range s.uploads {
		if other.Want.Instance == u.Want.Instance {
			own++
		}
	}
	if len(s.uploads) >= s.o.Uploads || own >= max(s.o.Uploads/4, 1) {
		return false
	}
	s.uploads[u.ID] = u
	return true
}

// newID returns 128 random bits in hex.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// Upload returns the upload of an instance that has the id, or [core.NotFound].
func (s *Store) Upload(instance, id string) (*Upload, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.uploads[id]
	if u == nil || u.Want.Instance != instance {
		return nil, core.Errorf(core.NotFound, "there is no such upload, or not any more")
	}
	return u, nil
}

var errOver = core.Errorf(core.NotFound, "the upload has ended")

// Write adds to the file. After an error the upload has ended.
func (u *Upload) Write(b []byte) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.over {
		return errOver
	}
	u.last = u.s.o.Now()
	if u.bytes+int64(len(b)) > u.Want.MaxFile {
		u.end()
		u.s.m.refused.WithLabelValues("size").Inc()
		return media.Refused(core.TooLarge, media.TooLarge, "the file has more than %d bytes", u.Want.MaxFile)
	}
	if need := block + onDisk(u.bytes+int64(len(b))) - u.reserved; need > 0 {
		if err := u.s.reserve(need); err != nil {
			u.end()
			return err
		}
		u.reserved += need
	}
	if _, err := u.f.Write(b); err != nil {
		u.end()
		return diskError(err)
	}
	u.sum.Write(b)
	u.bytes += int64(len(b))
	return nil
}

// Abort ends the upload and leaves nothing of it. After Finish it does nothing.
func (u *Upload) Abort() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.over {
		u.end()
	}
}

// end forgets the upload and its bytes. The caller holds u.mu.
func (u *Upload) end() {
	u.over = true
	if u.f != nil {
		_ = u.f.Close()
		_ = os.Remove(u.f.Name()) // unless it is a blob now
	}
	u.s.mu.Lock()
	delete(u.s.uploads, u.ID)
	u.s.used -= u.reserved
	u.s.mu.Unlock()
}

// Finish checks the file and keeps it. It returns when the file is durable.
func (u *Upload) Finish() (File, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.over {
		return File{}, errOver
	}
	defer u.end() // what the file takes is counted anew
	found, err := inspect.File(u.f, u.bytes, u.Want.MIME, u.Want.Name, u.Want.Policy)
	if err != nil {
		if core.CodeOf(err) == core.Invalid {
			u.s.m.refused.WithLabelValues("content").Inc()
		}
		return File{}, err
	}
	if err := errors.Join(u.f.Chmod(0o600), u.f.Sync()); err != nil {
		return File{}, diskError(err)
	}
	f := File{
		ID: newID(), Hash: hex.EncodeToString(u.sum.Sum(nil)), Name: found.Name, MIME: found.MIME, Bytes: u.bytes,
		Instance: u.Want.Instance, At: u.s.o.Now().UTC().Truncate(time.Millisecond),
	}
	if err := u.s.keep(u.f.Name(), f); err != nil {
		if errors.Is(err, fs.ErrNotExist) { // somebody has removed a folder; another try finds it
			err = &core.Error{Code: core.Unavailable, Message: "a folder of files is not there", Err: errors.Join(err, u.s.makeKinds())}
		}
		return File{}, diskError(err)
	}
	return f, nil
}

// keep makes a file that has arrived one of the store's. The blob comes first: a
// record without one would be a file that is not there.
func (s *Store) keep(tmp string, f File) error {
	record, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("record of a file: %w", err)
	}
	if err := s.hold(tmp, f); err != nil {
		return err
	}
	if err := durable.Create(s.recordPath(f.ID), record, 0o600); err != nil {
		_ = os.Remove(s.recordPath(f.ID)) // it may be there and not be durable
		s.mu.Lock()
		s.drop(f)
		s.mu.Unlock()
		return err
	}
	s.m.saved.Inc()
	return nil
}

// hold counts a file that holds what is in tmp, which becomes a blob if there is
// none of its hash on the disk. The blob is durable when hold returns.
func (s *Store) hold(tmp string, f File) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if there, err := s.there(f); err != nil || !there || s.blobs[f.Hash] == nil {
		path := s.blobPath(f.Hash)
		if err := os.Rename(tmp, path); err != nil {
			return err
		}
		if err := durable.SyncDir(s.blobDir(f.Hash)); err != nil {
			_ = os.Remove(path)
			return err
		}
	}
	s.count(f)
	s.gone(f, false)
	return nil
}
