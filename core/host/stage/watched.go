package stage

import (
	"errors"
	"io/fs"
	"log/slog"
	"path/filepath"

	"github.com/fsnotify/fsnotify"
)

// maxWatched is how many directories are watched; in others changes are
// found by the rescan.
const maxWatched = 1024

// watched are the directories of which the system tells changes. An event is a
// hint that something changed, not what. Directories are watched and not
// files, because files are replaced.
type watched struct {
	log    *slog.Logger
	fsw    *fsnotify.Watcher // nil if the system has none to give
	events chan fsnotify.Event
	errors chan error
	dirs   map[string]bool // true: all that happens in it may matter
	names  map[string]bool // these matter wherever they are
}

// newWatched does without events if there are none to be had: the rescan
// finds what changed, later.
func newWatched(log *slog.Logger) *watched {
	w := &watched{log: log}
	fsw, err := fsnotify.NewWatcher()
	if err != nil {
		log.Warn("plugin directories are not watched but read now and then", "err", err)
		return w
	}
	w.fsw, w.events, w.errors = fsw, fsw.Events, fsw.Errors
	return w
}

func (w *watched) close() {
	if w.fsw != nil {
		_ = w.fsw.Close() // nothing was written
	}
}

// renew watches what there is now. What went stops being watched by itself. It
// returns whether there is a directory that was not watched before.
func (w *watched) renew(dirs []*directory, entries map[string]*entry, lock string) (more bool) {
	if w.fsw == nil {
		return false
	}
	had := w.dirs
	w.dirs, w.names = make(map[string]bool), make(map[string]bool)
	for _, d := range dirs {
		w.dirs[d.path] = true
		w.parent(d.path)
	}
	if lock != "" {
		w.parent(lock)
	}
	for _, e := range entries {
		for _, g := range e.seen.guarded { // with the places that links lead to
			if g.info.IsDir() && len(w.dirs) < maxWatched {
				w.dirs[g.path] = true
			}
		}
	}
	for _, d := range dirs {
		for _, path := range d.folders { // its plugin.yaml may be on the way
			if len(w.dirs) < maxWatched {
				w.dirs[path] = true
			}
		}
	}
	for dir := range had {
		if _, ok := w.dirs[dir]; !ok {
			_ = w.fsw.Remove(dir) // gone already, or not of interest any more
		}
	}
	for dir := range w.dirs {
		// Adding again finds a directory that was replaced by another one of
		// the same name.
		_, known := had[dir]
		err := w.fsw.Add(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !known {
			w.log.Warn("directory is not watched but read now and then", "dir", dir, "err", err)
		}
		more = more || err == nil && !known
	}
	return more
}

// parent watches for the coming and going of path.
func (w *watched) parent(path string) {
	w.names[path] = true
	if dir := filepath.Dir(path); !w.dirs[dir] {
		w.dirs[dir] = false
	}
}

// concerns reports whether e may have changed what the plugins are.
func (w *watched) concerns(e fsnotify.Event) bool {
	name := filepath.Clean(e.Name)
	return w.names[name] || w.dirs[name] || w.dirs[filepath.Dir(name)]
}
