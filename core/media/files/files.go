// Package files keeps the files of messages on disk: whole or not at all, durable
// before anybody is told of them, within limits, and for a time.
//
// In its folder, blobs/xx/<hash> are the files by what they hold, records/xx/<id>
// say what is known of each file that came, several of which may hold the same,
// and tmp/ has what is arriving. No name from outside becomes part of a path. What
// is in a folder after a crash and in no record is removed at the next start.
package files

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/durable"
	"github.com/openccsp/gateway/core/media"
	"github.com/openccsp/gateway/core/media/inspect"
)

// File is what is known of a kept file.
type File struct {
	ID       string    `json:"id"`
	Hash     string    `json:"hash"` // SHA-256 of its bytes, in hex
	Name     string    `json:"name"` // clean
	MIME     string    `json:"mime"` // what it is
	Bytes    int64     `json:"bytes"`
	Instance string    `json:"instance"` // through which it came
	At       time.Time `json:"at"`
}

// Options make a Store. Dir is needed; zero values are the defaults.
type Options struct {
	Dir       string
	MaxFile   int64         // bytes of one file; default 25 MiB
	MaxTotal  int64         // bytes of all on disk; default 4 GiB
	Retention time.Duration // default 30 days
	Idle      time.Duration // between two parts of an upload; default a minute
	Uploads   int           // under way at once; default 256
	Full      func() bool   // the disk has no room for files; default: never
	Now       func() time.Time
	Log       *slog.Logger
	Metrics   prometheus.Registerer
}

// Store keeps files. It is safe for concurrent use.
type Store struct {
	o Options
	m *metrics

	mu      sync.Mutex
	blobs   map[string]*blob // by hash
	files   int
	lost    atomic.Int64 // blobs that are gone
	used    int64        // bytes on disk, with those that are arriving
	uploads map[string]*Upload
	wake    chan struct{} // a sweep is wanted
}

// blob is what one or more files hold.
type blob struct {
	bytes int64
	files int
	gone  bool // it should be there
}

const (
	block      = 4096 // what a file takes is a multiple of it, and its record takes one
	sweepEvery = 10 * time.Minute
	idleEvery  = 10 * time.Second
)

// Open opens the store in a folder, or makes one there, and removes what a crash
// has left.
func Open(o Options) (*Store, error) {
	setDefault(&o.MaxFile, 25<<20)
	setDefault(&o.MaxTotal, 4<<30)
	setDefault(&o.Retention, 30*24*time.Hour)
	setDefault(&o.Idle, time.Minute)
	setDefault(&o.Uploads, 256)
	if o.Full == nil {
		o.Full = func() bool { return false }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{o: o, blobs: map[string]*blob{}, uploads: map[string]*Upload{}, wake: make(chan struct{}, 1)}
	s.m = newMetrics(o.Metrics, s)
	if err := s.makeFolders(); err != nil {
		return nil, fmt.Errorf("media: %w", err)
	}
	if err := s.recover(); err != nil {
		return nil, fmt.Errorf("media: %w", err)
	}
	return s, nil
}

func setDefault[T int | int64 | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// makeFolders makes all folders, durably, so that a file needs no more than its
// own folder's fsync.
func (s *Store) makeFolders() error {
	if err := s.makeKinds(); err != nil {
		return err
	}
	if err := os.RemoveAll(s.tmp()); err != nil {
		return err
	}
	if err := os.Mkdir(s.tmp(), 0o700); err != nil {
		return err
	}
	return errors.Join(durable.SyncDir(s.o.Dir), durable.SyncDir(filepath.Dir(s.o.Dir)))
}

func (s *Store) makeKinds() error {
	for _, kind := range []string{"blobs", "records"} {
		dir := filepath.Join(s.o.Dir, kind)
		for n := range 256 {
			if err := os.MkdirAll(filepath.Join(dir, fmt.Sprintf("%02x", n)), 0o700); err != nil {
				return err
			}
		}
		if err := durable.SyncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) tmp() string { return filepath.Join(s.o.Dir, "tmp") }

func (s *Store) blobPath(hash string) string { return filepath.Join(s.o.Dir, "blobs", hash[:2], hash) }

func (s *Store) recordPath(id string) string { return filepath.Join(s.o.Dir, "records", id[:2], id) }

// Usage is how full the store is.
type Usage struct {
	Files    int   // that came; several may hold the same
	Lost     int   // of what they hold, what is not on the disk any more
	Bytes    int64 // on disk
	MaxFile  int64
	MaxTotal int64
}

// Usage returns how full the store is.
func (s *Store) Usage() Usage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Usage{Files: s.files, Lost: int(s.lost.Load()), Bytes: s.used, MaxFile: s.o.MaxFile, MaxTotal: s.o.MaxTotal}
}

// onDisk is what so many bytes take.
func onDisk(bytes int64) int64 { return (bytes + block - 1) / block * block }

// reserve counts bytes that are about to be written. Over the limit is
// [core.TooLarge], a full disk [core.Unavailable].
func (s *Store) reserve(bytes int64) error {
	if s.o.Full() {
		s.m.refused.WithLabelValues("disk").Inc()
		return errDisk
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used+bytes > s.o.MaxTotal {
		s.m.refused.WithLabelValues("total").Inc()
		s.poke()
		return media.Refused(core.TooLarge, media.Full, "the gateway's store of files is full (max_total is %d bytes)", s.o.MaxTotal)
	}
	s.used += bytes
	return nil
}

func (s *Store) release(bytes int64) {
	s.mu.Lock()
	s.used -= bytes
	s.mu.Unlock()
}

// poke asks for a sweep soon.
func (s *Store) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

var errDisk = media.Refused(core.Unavailable, media.Full, "there is no room on the disk for files")

// diskError makes an error for whoever brings a file of one of the disk.
func diskError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &core.Error{Code: core.Unavailable, Reason: media.Full, Message: "there is no room on the disk for files", Err: err}
	}
	return err
}

// noFile is the error for a file that is not there.
func noFile(err error) error {
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return media.Refused(core.NotFound, media.Gone, "there is no such file, or not any more")
	}
	return err
}

// Want is what is known of a file before it is there.
type Want struct {
	Name, MIME string // as its sender says; may be ""
	Instance   string
	MaxFile    int64 // bytes; 0, or more than the store's: the store's
	Policy     inspect.Policy
}

// valid says whether an id may become part of a path.
func valid(id string) bool { return media.IsID(id) }
