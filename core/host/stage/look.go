package stage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// look reads all directories, and has judged what is due.
func (s *Stager) look(ctx context.Context) {
	now := time.Now()
	first := s.looked.IsZero()
	s.dirty = false
	s.looks++
	s.loadLock(now)
	found := make(map[*directory][]string)
	for _, d := range s.dirs {
		found[d], d.alarm = d.names(s.c.Trust.Mode, s.count(d) > 0)
	}
	v := s.view()
	for _, d := range s.dirs {
		err := d.alarm
		if err == nil {
			err = s.lookInto(d, v, found[d], now)
		} else {
			s.hold(d)
		}
		s.alarm(d.path, err, now)
	}
	for _, e := range s.entries {
		if first {
			e.atOnce = !e.seen.changed.IsZero() && now.Sub(e.seen.changed) >= s.c.MaxQuiet
		}
		if e.lost() {
			e.judged = ""
		}
		due := e.due(&s.c)
		if e.gone.IsZero() && !due.IsZero() && !due.After(now) && e.dir.alarm == nil {
			e.working = true
			s.running++
			seen := e.seen
			s.jobs.Go(func() { s.judge(ctx, v, seen) })
		}
	}
	if s.watched.renew(s.dirs, s.entries, s.c.Trust.LockFile) {
		s.dirty = true // what came before they were watched was not told
	}
	s.news = s.news || first
	s.looked = time.Now()
	s.cost = s.looked.Sub(now)
}

// view is what this look goes by.
func (s *Stager) view() *view {
	v := &view{mode: s.c.Trust.Mode, maxSize: s.c.MaxSize, lock: s.lock, lockRev: s.lockRev, keys: s.c.Trust.Keys}
	for _, d := range s.dirs {
		if d.real != "" {
			v.roots = append(v.roots, d.real)
		}
	}
	return v
}

// count returns how many plugins d has.
func (s *Stager) count(d *directory) int {
	n := 0
	for _, e := range s.entries {
		if e.dir == d {
			n++
		}
	}
	return n
}

// lookInto takes in what is in d. It returns an error if that is too much.
func (s *Stager) lookInto(d *directory, v *view, names []string, now time.Time) (err error) {
	here := make(map[string]bool)
	n := s.count(d)
	d.folders = nil
	for _, name := range names {
		seen := v.sight(d.path, name)
		if seen == nil {
			if path := filepath.Join(d.path, name); isFolder(path) {
				d.folders = append(d.folders, path)
			}
			continue
		}
		here[seen.path] = true
		e := s.entries[seen.path]
		if e == nil && n >= s.c.MaxFiles {
			err = fmt.Errorf("plugin directory %s has more than %d plugins; others are left out", d.path, s.c.MaxFiles)
			continue
		}
		if e == nil {
			n++
			e = &entry{dir: d, file: File{Path: seen.path, ModTime: seen.modTime, Sidecar: Sidecar{Enabled: true}}}
			s.entries[seen.path] = e
			s.news = true
		}
		if e.sighted(seen, now) {
			s.news = true
		}
	}
	for path, e := range s.entries {
		if e.dir == d && !here[path] && e.missed(now, s.c.Absent) {
			delete(s.entries, path)
			s.c.Log.Info("plugin file is gone", "path", path)
			s.news = true
		}
	}
	return err
}

// isFolder reports whether a folder is there, and not a link to one.
func isFolder(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.IsDir()
}

// hold keeps what came of d: a file that was missed while d went away is not
// gone.
func (s *Stager) hold(d *directory) {
	for _, e := range s.entries {
		if e.dir == d {
			e.gone = time.Time{}
		}
	}
}

// loadLock reads the lock file if it has changed. A mistake leaves the lock
// as it was.
func (s *Stager) loadLock(now time.Time) {
	if s.c.Trust.Mode != Pinned {
		return
	}
	text, info, err := readLock(s.c.Trust.LockFile)
	if errors.Is(err, fs.ErrNotExist) && s.lockRev == "" {
		err = nil // nothing was ever approved
	}
	if err == nil && info != nil {
		if trouble, _ := exposed(guarded{s.c.Trust.LockFile, info}); trouble != "" {
			err = errors.New(trouble)
		}
	}
	sum := sha256.Sum256(text)
	if rev := hex.EncodeToString(sum[:]); err == nil && info != nil && rev != s.lockRev {
		var lock *Lock
		if lock, err = ParseLock(s.c.Trust.LockFile, text); err == nil {
			s.lock, s.lockRev = lock, rev
		}
	}
	s.alarm(s.c.Trust.LockFile, err, now)
}
