package scaffold

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Dev is `gateway plugin dev`: it builds a plugin and drops it, and again
// whenever a file of it is saved.
type Dev struct {
	Dir  string    // a folder with a Go program, or with a plugin.yaml
	Out  io.Writer // what happens, for people: compiler's errors, the plugin's log
	Skip []string  // folders in which changes do not count, such as a gateway's data

	// Drop puts a plugin, a program or a folder, where the gateway takes it
	// from; see [Install]. What has not changed is not dropped again.
	Drop func(ctx context.Context, built string) error

	// Follow writes the plugin's log to out until ctx ends; nil: nobody does.
	Follow func(ctx context.Context, out io.Writer) error

	Quiet time.Duration // for which nothing is saved before a build; 0: 100 ms

	build builder
	skip  []string // absolute
	files *fsnotify.Watcher
	said  string      // last of a build
	own   os.FileInfo // of Out, if it is a file: it may be in a folder that is watched
}

// defaultQuiet is longer than an editor takes to save a file, or several.
const defaultQuiet = 100 * time.Millisecond

// Run builds until ctx ends, and returns nil then. What does not compile is no
// error: it is said on Out, and the next save is another try.
func (d *Dev) Run(ctx context.Context) (err error) {
	if f, ok := d.Out.(*os.File); ok {
		if d.own, err = f.Stat(); err != nil {
			return err
		}
	}
	d.Out = &lineWriter{w: d.Out}
	if d.build, err = newBuilder(d.Dir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.build.close()) }()
	for _, dir := range d.Skip {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return err
		}
		d.skip = append(d.skip, abs)
	}
	if d.files, err = fsnotify.NewWatcher(); err != nil {
		return fmt.Errorf("watch %s: %w", d.Dir, err)
	}
	defer func() { err = errors.Join(err, d.files.Close()) }()
	if err := d.watch(d.build.root); err != nil {
		return fmt.Errorf("watch %s: %w", d.build.root, err)
	}
	var following sync.WaitGroup
	defer following.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if d.Follow != nil {
		following.Go(func() {
			if err := d.Follow(ctx, d.Out); err != nil && ctx.Err() == nil {
				d.say("the log cannot be followed: %v", err)
			}
		})
	}
	d.again(ctx)
	return d.loop(ctx)
}

// loop builds after each burst of changes.
func (d *Dev) loop(ctx context.Context) error {
	quiet := d.Quiet
	if quiet == 0 {
		quiet = defaultQuiet
	}
	settled := time.NewTimer(quiet)
	settled.Stop()
	defer settled.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case e, ok := <-d.files.Events:
			if !ok {
				return errors.New("watching files has ended")
			}
			if d.counts(e) {
				settled.Reset(quiet)
			}
		case err, ok := <-d.files.Errors:
			if !ok {
				return errors.New("watching files has ended")
			}
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				d.say("watching files: %v", err)
			}
			settled.Reset(quiet) // something may have been missed
		case <-settled.C:
			d.again(ctx)
		}
	}
}

// counts says whether a change may matter to the build. New folders are
// watched from now on.
func (d *Dev) counts(e fsnotify.Event) bool {
	if e.Op == fsnotify.Chmod || d.skipped(e.Name) {
		return false
	}
	info, err := os.Stat(e.Name)
	if err != nil {
		return true // it has gone
	}
	if e.Has(fsnotify.Create) && info.IsDir() {
		if err := d.watch(e.Name); err != nil {
			d.say("watching %s: %v", e.Name, err)
		}
	}
	return !os.SameFile(info, d.own)
}

// watch adds dir and the folders below it.
func (d *Dev) watch(dir string) error {
	return filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		switch {
		case errors.Is(err, os.ErrNotExist) && path != d.build.root:
			return nil // it has gone meanwhile
		case err != nil:
			return err
		case !e.IsDir():
			return nil
		case path != d.build.root && d.skipped(path):
			return filepath.SkipDir
		}
		return d.files.Add(path)
	})
}

// skipped says that what happens at path does not matter: hidden files, what
// editors leave, packages of npm, and Skip.
func (d *Dev) skipped(path string) bool {
	name := filepath.Base(path)
	return strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~") || name == "node_modules" ||
		slices.ContainsFunc(d.skip, func(dir string) bool {
			return path == dir || strings.HasPrefix(path, dir+string(filepath.Separator))
		})
}

// again builds and drops, and says how that went.
func (d *Dev) again(ctx context.Context) {
	began := time.Now()
	built, changed, err := d.build.run(ctx)
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		d.sayOnce("%v; what runs goes on", err)
		return
	case !changed:
		d.sayOnce("built: nothing has changed")
		return
	}
	if err := d.Drop(ctx, built); err != nil {
		d.build.forget() // so that the next save tries again
		d.sayOnce("built, and not dropped: %v", err)
		return
	}
	d.sayOnce("built and dropped %s in %v", d.build.name, time.Since(began).Round(time.Millisecond))
}

// sayOnce does not repeat itself: what it says may end up in a file in a folder
// that is watched, and make the next build.
func (d *Dev) sayOnce(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if text != d.said {
		d.said = text
		d.say("%s", text)
	}
}

func (d *Dev) say(format string, args ...any) {
	_, _ = fmt.Fprintf(d.Out, format+"\n", args...) // nobody else to tell
}

// lineWriter is safe for concurrent use.
type lineWriter struct {
	mu sync.Mutex
	w  io.Writer
}

// Write implements io.Writer.
func (l *lineWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}
