package files

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/openccsp/gateway/core/durable"
)

func (s *Store) blobDir(hash string) string { return filepath.Dir(s.blobPath(hash)) }

// count adds a file. The caller holds s.mu, or is Open.
func (s *Store) count(f File) {
	b := s.blobs[f.Hash]
	if b == nil {
		b = &blob{bytes: f.Bytes}
		s.blobs[f.Hash] = b
		s.used += onDisk(f.Bytes)
	}
	b.files++
	s.files++
	s.used += block
}

// drop takes a file out, and removes what it held if no other does. The caller
// holds s.mu.
func (s *Store) drop(f File) {
	b := s.blobs[f.Hash]
	if b == nil {
		return
	}
	s.files--
	s.used -= block
	if b.files--; b.files > 0 {
		return
	}
	delete(s.blobs, f.Hash)
	if b.gone {
		s.lost.Add(-1)
	} else {
		s.used -= onDisk(b.bytes)
	}
	if err := os.Remove(s.blobPath(f.Hash)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.o.Log.Error("what a file held is not removed, the next start does", "hash", f.Hash, "err", err)
	}
}

// Stat returns what is known of a file, or [core.NotFound].
func (s *Store) Stat(id string) (File, error) {
	f, err := s.record(id)
	if err == nil {
		err = s.look(f)
	}
	return f, err
}

// record is Stat for a file whose bytes may be gone.
func (s *Store) record(id string) (File, error) {
	if !valid(id) {
		return File{}, noFile(nil)
	}
	f, err := readRecord(s.recordPath(id))
	if err != nil {
		return File{}, noFile(err)
	}
	return f, nil
}

var errRecord = errors.New("the record of a file makes no sense")

func readRecord(path string) (f File, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return f, err
	}
	if err := json.Unmarshal(b, &f); err != nil || f.ID != filepath.Base(path) || len(f.Hash) != 64 || !valid(f.Hash[:32]) || !valid(f.Hash[32:]) || f.Bytes < 0 {
		return f, fmt.Errorf("%w: %s", errRecord, filepath.Base(path))
	}
	return f, nil
}

// Open returns a file's bytes and what is known of it, or [core.NotFound].
func (s *Store) Open(id string) (*os.File, File, error) {
	f, err := s.Stat(id)
	if err != nil {
		return nil, f, err
	}
	body, err := os.Open(s.blobPath(f.Hash))
	if err != nil {
		return nil, f, noFile(err) // it was removed just now
	}
	s.m.read.Inc()
	return body, f, nil
}

// Delete removes a file for good, or is [core.NotFound]. Links to it lead nowhere
// from now on.
func (s *Store) Delete(id string) error {
	f, err := s.record(id)
	if err != nil {
		return err
	}
	return s.remove(f)
}

// remove removes the record first, durably: what a crash leaves is then no file.
func (s *Store) remove(f File) error {
	path := s.recordPath(f.ID)
	if err := os.Remove(path); err != nil { // of two who remove it one has
		return noFile(err)
	}
	err := durable.SyncDir(filepath.Dir(path))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(f)
	return err
}

// Run removes what is old until ctx ends.
func (s *Store) Run(ctx context.Context) error {
	idle, sweep := time.NewTicker(idleEvery), time.NewTicker(sweepEvery)
	defer idle.Stop()
	defer sweep.Stop()
	s.Sweep(ctx)
	for {
		select {
		case <-ctx.Done():
			s.abortAll()
			return nil
		case <-idle.C:
			s.endIdle()
		case <-sweep.C:
			s.Sweep(ctx)
		case <-s.wake:
			s.Sweep(ctx)
			select { // not again and again while it stays full
			case <-ctx.Done():
			case <-idle.C:
			}
		}
	}
}

// Sweep removes the files that are older than the retention and the uploads that
// nothing is heard of. It returns how many files went.
func (s *Store) Sweep(ctx context.Context) (removed int) {
	s.endIdle()
	old := s.o.Now().Add(-s.o.Retention)
	err := s.records(func(path string, f File, err error) error {
		if filepath.Base(path)[0] == '.' {
			return ctx.Err() // it is being written
		}
		if err == nil && f.At.Before(old) {
			if err = s.remove(f); err == nil {
				removed++
			}
		}
		if err != nil {
			s.o.Log.Warn("a file is not removed", "record", filepath.Base(path), "err", err)
		}
		return ctx.Err()
	})
	if err != nil && ctx.Err() == nil {
		s.o.Log.Error("files are not swept", "err", err)
	}
	s.m.expired.Add(float64(removed))
	return removed
}

// records calls each for all records, a folder at a time.
func (s *Store) records(each func(path string, f File, err error) error) error {
	for n := range 256 {
		dir := filepath.Join(s.o.Dir, "records", fmt.Sprintf("%02x", n))
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			path := filepath.Join(dir, e.Name())
			f, err := readRecord(path)
			if errors.Is(err, fs.ErrNotExist) {
				continue // it was removed meanwhile
			}
			if err := each(path, f, err); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Store) endIdle() {
	for _, u := range s.arriving() {
		u.mu.Lock()
		if !u.over && s.o.Now().Sub(u.last) > s.o.Idle {
			u.end()
			s.m.refused.WithLabelValues("timeout").Inc()
		}
		u.mu.Unlock()
	}
}

func (s *Store) abortAll() {
	for _, u := range s.arriving() {
		u.Abort()
	}
}

func (s *Store) arriving() (all []*Upload) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.uploads {
		all = append(all, u)
	}
	return all
}

// recover counts the files and removes what is none: records that make no sense, and
// blobs that no record names. What cannot be looked at is an error: it is not gone.
func (s *Store) recover() error {
	err := s.records(func(path string, f File, err error) error {
		if err == nil {
			s.count(f)
			if err := s.look(f); !errors.Is(err, errGone) {
				return err
			}
			return nil
		}
		if !errors.Is(err, errRecord) {
			return err
		}
		if filepath.Base(path)[0] != '.' { // else it was being written
			s.o.Log.Error("a file is lost, its record is removed", "record", filepath.Base(path), "err", err)
		}
		return os.Remove(path)
	})
	if err != nil {
		return err
	}
	for n := range 256 {
		dir := filepath.Join(s.o.Dir, "blobs", fmt.Sprintf("%02x", n))
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if s.blobs[e.Name()] == nil {
				if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
