// Package watch follows files that people edit while the gateway runs, however
// they save them: in place, by a rename, by a link that is swapped.
package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	quiet   = 100 * time.Millisecond // after the last change, before Look
	longest = time.Second            // that a storm of changes may put Look off
	rescan  = 10 * time.Second       // in case the system did not tell of a change
)

// Config says what to follow. All but Wake and Rescan are required.
type Config struct {
	Name     string                 // of what is followed, for errors and the log
	Dirs     func() []string        // the directories to watch now; asked before and after every Look
	Concerns func(path string) bool // whether a change of path, which is in one of them, is of interest
	Look     func()                 // finds out what has changed; one call at a time
	Wake     <-chan struct{}        // something else has changed: Look at once
	Rescan   time.Duration          // 0: 10 s
	Log      *slog.Logger
}

// Run calls Look once it watches, and then whenever changes have settled, until
// ctx ends. It returns an error only if the system cannot watch files at all.
// Directories are watched and not files, because editors replace files.
func Run(ctx context.Context, c Config) error {
	fsw, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch %s: %w", c.Name, err)
	}
	defer func() { _ = fsw.Close() }()
	if c.Rescan == 0 {
		c.Rescan = rescan
	}
	w := &watched{Config: c, fsw: fsw}
	w.look() // it may have changed since it was read

	tick := time.NewTicker(c.Rescan)
	defer tick.Stop()
	var settle, give <-chan time.Time // quiet, and the end of patience
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-fsw.Events:
			if e.Op == fsnotify.Chmod || !c.Concerns(filepath.Clean(e.Name)) {
				continue
			}
			settle = time.After(quiet)
			if give == nil {
				give = time.After(longest)
			}
			continue
		case err := <-fsw.Errors: // the queue ran over: something was missed
			c.Log.Warn("watching files", "what", c.Name, "err", err)
			settle = time.After(quiet)
			continue
		case <-c.Wake:
		case <-settle:
		case <-give:
		case <-tick.C:
		}
		settle, give = nil, nil
		w.look()
	}
}

// watched are the directories that are watched.
type watched struct {
	Config
	fsw  *fsnotify.Watcher
	dirs map[string]bool
}

// look calls Look, and again if that found more directories to watch: they may
// have changed before they were watched.
func (w *watched) look() {
	w.renew()
	for range maxLooks {
		w.Look()
		if !w.renew() {
			return
		}
	}
}

// maxLooks bounds how often what is found leads further.
const maxLooks = 4

// renew watches what there is to watch now, and says whether there is more than
// before. Directories that went stop being watched by themselves.
func (w *watched) renew() (more bool) {
	had := w.dirs
	w.dirs = map[string]bool{}
	for _, dir := range w.Dirs() {
		w.dirs[dir] = true
	}
	for dir := range had {
		if !w.dirs[dir] {
			_ = w.fsw.Remove(dir) // gone already, or not of interest any more
		}
	}
	for dir := range w.dirs {
		// Adding again finds a directory that was replaced by another one of
		// the same name.
		if err := w.fsw.Add(dir); err != nil && !errors.Is(err, os.ErrNotExist) && !had[dir] {
			w.Log.Warn("directory not watched, it is looked at now and then", "what", w.Name, "dir", dir, "every", w.Rescan.String(), "err", err)
		}
		more = more || !had[dir]
	}
	return more
}
