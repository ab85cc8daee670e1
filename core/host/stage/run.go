package stage

import (
	"context"
	"errors"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"
)

// Stager follows the plugin directories.
type Stager struct {
	c        Config
	store    *store
	dirs     []*directory
	entries  map[string]*entry // by path
	alarms   map[string]*Alarm // by directory, or lock file
	lock     *Lock
	lockRev  string
	watched  *watched
	slots    chan struct{} // of those who read and copy
	verdicts chan verdict
	jobs     sync.WaitGroup
	running  int // jobs
	news     bool
	looked   time.Time     // the last look
	cost     time.Duration // of it
	dirty    bool          // something happened since
	sweepAt  time.Time
	looks    int
}

// sweepEvery is how often old copies are looked for.
const sweepEvery = time.Minute

// New returns a Stager. It touches no file.
func New(c Config) (*Stager, error) {
	c, err := c.check()
	if err != nil {
		return nil, err
	}
	s := &Stager{
		c: c, store: newStore(c.Store), lock: &Lock{},
		entries: make(map[string]*entry), alarms: make(map[string]*Alarm),
		slots: make(chan struct{}, max(2, runtime.GOMAXPROCS(0)/2)), verdicts: make(chan verdict),
	}
	for _, d := range c.Dirs {
		s.dirs = append(s.dirs, &directory{path: d, optional: slices.Contains(c.Optional, d)})
	}
	return s, nil
}

// Run follows the directories until ctx ends. It calls publish with the first
// Catalog as soon as all files that were quiet when it came have been judged,
// and with the next one at every change, one call at a time; publish must not
// block for long. Run may be called once. It returns an error only if there
// can be no store.
func (s *Stager) Run(ctx context.Context, publish func(Catalog)) error {
	if err := errors.Join(s.store.open(), s.store.clear()); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer s.jobs.Wait()
	defer cancel()
	s.watched = newWatched(s.c.Log)
	defer s.watched.close()
	s.look(ctx)
	s.sweepAt = time.Now().Add(s.c.Rescan) // what is there is known by then
	timer := time.NewTimer(0)
	defer timer.Stop()
	started := false
	for {
		if started = started || !s.waitsForFirst(); started && s.news {
			s.news = false
			publish(s.catalog())
		}
		timer.Reset(time.Until(s.next()))
		select {
		case <-ctx.Done():
			return nil
		case e := <-s.watched.events:
			s.dirty = s.dirty || s.watched.concerns(e)
		case err := <-s.watched.errors: // the queue ran over: something was missed
			s.c.Log.Warn("watching plugin directories", "err", err)
			s.dirty = true
		case v := <-s.verdicts:
			s.conclude(v)
		case <-timer.C:
			s.look(ctx)
			s.sweep()
		}
	}
}

// waitsForFirst reports whether files that were quiet at the start have not
// been judged.
func (s *Stager) waitsForFirst() bool {
	for _, e := range s.entries {
		if e.atOnce {
			return true
		}
	}
	return false
}

// next is when the next look is due. Events alone do not bring looks closer
// together than a fraction of the quiet time, or than they cost.
func (s *Stager) next() time.Time {
	at := s.looked.Add(s.c.Rescan)
	least := s.looked.Add(max(s.c.Quiet/5, 4*s.cost))
	sooner := func(t time.Time) {
		if t.Before(least) {
			t = least
		}
		if t.Before(at) {
			at = t
		}
	}
	if s.dirty {
		sooner(least)
	}
	for _, e := range s.entries {
		if due := e.due(&s.c); !due.IsZero() && e.dir.alarm == nil {
			sooner(due)
		}
	}
	return at
}

// alarm raises the alarm of a directory, or ends it.
func (s *Stager) alarm(dir string, err error, now time.Time) {
	old := s.alarms[dir]
	switch {
	case err == nil && old == nil, err != nil && old != nil && err.Error() == old.Err.Error():
	case err == nil:
		delete(s.alarms, dir)
		s.c.Log.Info("plugin directory is well again", "dir", dir)
		s.news = true
	default:
		since := now
		if old != nil {
			since = old.Since
		}
		s.alarms[dir] = &Alarm{Dir: dir, Err: err, Since: since}
		s.c.Log.Error("plugin directory is not as it should be, what came of it stays", "dir", dir, "err", err)
		s.news = true
	}
}

// conclude takes in a verdict.
func (s *Stager) conclude(v verdict) {
	s.running--
	e := s.entries[v.path]
	if e == nil || !e.conclude(v, time.Now(), s.c.Quiet, s.c.MaxQuiet) {
		return
	}
	s.news = true
	switch e.file.State {
	case Ready:
		s.c.Log.Info("plugin file is ready", "path", v.path, "digest", e.file.Digest)
	case Refused:
		s.c.Log.Warn("plugin file is refused", "path", v.path, "reason", e.file.Reason)
	default:
		s.c.Log.Info("plugin file is not ready", "path", v.path, "reason", e.file.Reason)
	}
}

// sweep clears the store now and then, while nobody copies into it.
func (s *Stager) sweep() {
	now := time.Now()
	if s.running > 0 || now.Before(s.sweepAt) {
		return
	}
	s.sweepAt = now.Add(min(sweepEvery, s.c.KeepFor))
	keep := make(map[string]bool)
	for _, digest := range s.c.Keep() {
		keep[digest] = true
	}
	for _, e := range s.entries {
		keep[e.file.Digest] = true
	}
	if err := s.store.sweep(keep, s.c.KeepFor, now); err != nil {
		s.c.Log.Warn("clearing the plugin store", "err", err)
	}
}

// catalog is the state as it is now.
func (s *Stager) catalog() Catalog {
	var c Catalog
	for _, path := range slices.Sorted(maps.Keys(s.entries)) {
		c.Files = append(c.Files, s.entries[path].file.clone())
	}
	for _, dir := range slices.Sorted(maps.Keys(s.alarms)) {
		c.Alarms = append(c.Alarms, *s.alarms[dir])
	}
	return c
}
