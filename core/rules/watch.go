package rules

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/core/watch"
)

// WatchConfig is what a Watcher needs. Log and Dir are required.
type WatchConfig struct {
	Dir     string
	World   World
	Publish func(*Set) // called with each new set, one call at a time; it must not block
	Log     *slog.Logger
	Metrics prometheus.Registerer // nil: none
}

// Watcher keeps the set of a directory current. A set goes live as a whole and
// only if nothing is wrong with it; otherwise the last good one stays.
type Watcher struct {
	config   WatchConfig
	counters *Counters
	reloads  *prometheus.CounterVec
	ok       prometheus.Gauge
	wake     chan struct{} // the world has changed, or a rule is too slow
	clock    func() time.Time
	out      prometheus.Gauge
	rescan   time.Duration // 0: the default

	loading    sync.Mutex // held for a whole load, and guards builder
	suspecting sync.Mutex // while slow rules are looked for
	builder    builder

	mu     sync.Mutex // guards the rest
	world  World
	stale  bool // the world has changed since the last load
	set    *Set
	seen   string // hash of the files at the last attempt
	before int    // files of the set that was live before the start
	status Status
	slow   map[string]slowness
	slower bool // one more is to be taken out
}

// Status says how the loading of the rules stands.
type Status struct {
	Loaded      time.Time     // when the live set was loaded; zero: none is
	LastAttempt time.Time     // that found something new to load
	Hash        string        // of the live set
	Rules       int           // in the live set
	Files       []string      // of the live set
	Problems    diag.Problems // of the last attempt; none: it is live
	Warnings    diag.Problems // of the live set
}

// NewWatcher returns a watcher that has loaded nothing yet.
func NewWatcher(c WatchConfig) *Watcher {
	w := &Watcher{
		config: c, world: c.World, counters: &Counters{}, wake: make(chan struct{}, 1),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_rules_reload_total", Help: "Attempts to load changed rules.",
		}, []string{"result"}),
		ok: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gateway_rules_last_reload_successful", Help: "1 if the rules on disk are live, 0 if an older set is.",
		}),
		clock: time.Now, out: newOutGauge(), slow: map[string]slowness{},
	}
	if c.Metrics != nil {
		c.Metrics.MustRegister(w.reloads, w.ok, w.out, w.counters)
	}
	return w
}

// Counters returns the counters of the rules, which outlive reloads.
func (w *Watcher) Counters() *Counters { return w.counters }

// Set returns the live set, nil before the first good load.
func (w *Watcher) Set() *Set {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.set
}

// Status returns how the loading stands.
func (w *Watcher) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}

// SetWorld tells what exists now. The rules are checked against it at once.
func (w *Watcher) SetWorld(world World) {
	w.mu.Lock()
	w.world, w.stale = world, true
	w.mu.Unlock()
	w.rouse()
}

// rouse has Run load.
func (w *Watcher) rouse() {
	select {
	case w.wake <- struct{}{}:
	default: // it is awake already
	}
}

// Remember tells how many files the set had that was live before the start: that
// all of them have gone since is no more meant than while the watcher runs. Call
// it before the first Load.
func (w *Watcher) Remember(files int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.before = files
}

// Load reads the directory if it has changed since the last time, and
// publishes the set. It returns [diag.Problems] if the files on disk are not
// live: call it once at the start, before Run.
func (w *Watcher) Load() error { return w.load(false) }

// Reload is Load whether anything has changed or not. With allowEmpty a directory
// of which all files are gone is meant so.
func (w *Watcher) Reload(allowEmpty bool) error {
	w.mu.Lock()
	w.stale = true
	w.mu.Unlock()
	return w.load(allowEmpty)
}

func (w *Watcher) load(allowEmpty bool) error {
	w.loading.Lock()
	defer w.loading.Unlock()
	w.mu.Lock()
	world, stale, before, seen := w.world, w.stale, w.before, w.seen
	if w.set != nil {
		before = len(w.set.files)
	}
	w.stale = false
	w.mu.Unlock()

	files, err := readTree(w.config.Dir)
	if err != nil {
		return w.refuse(diag.Problems{unreadable(w.config.Dir, err)}, "unreadable: "+err.Error())
	}
	hash := hashFiles(files)
	if hash == seen && !stale {
		return w.Status().Problems.Err()
	}
	if n := vanished(before, files); n > 0 && !allowEmpty {
		return w.refuse(diag.Problems{{
			Pos:     diag.Pos{File: w.config.Dir},
			Summary: fmt.Sprintf("all %d rule files are gone; the rules loaded before stay", n),
			Hint:    "if that is meant, say so: gateway rules reload --allow-empty",
		}}, hash)
	}
	set, problems := w.compile(files, world)
	if len(problems) > 0 {
		return w.refuse(problems, hash)
	}
	w.accept(set, hash)
	return nil
}

// ChangeWorld makes the rules live in another world, or changes nothing: those
// on disk or, if something is wrong with them, those in force. agree is called
// in between, when the rules are known to fit; an error of it is returned, and
// then nothing has changed either. Rules that do not fit are [diag.Problems].
func (w *Watcher) ChangeWorld(world World, agree func() error) error {
	w.loading.Lock()
	defer w.loading.Unlock()
	live := w.Set()
	set, seen, problems := w.compileIn(world, live)
	if len(problems) > 0 {
		return problems.Err()
	}
	if err := agree(); err != nil {
		return err
	}
	w.mu.Lock()
	w.world, w.stale = world, seen == "" // then their problems are to be told anew
	if seen == "" {
		st := w.status
		w.set, w.status = set, set.status(time.Now())
		w.status.LastAttempt, w.status.Problems = st.LastAttempt, st.Problems
	}
	w.mu.Unlock()
	if seen != "" {
		w.accept(set, seen)
		return nil
	}
	w.publish(set)
	w.rouse()
	return nil
}

// compileIn compiles the files on disk, whose hash is seen, or else those of
// live; seen is "" then.
func (w *Watcher) compileIn(world World, live *Set) (set *Set, seen string, problems diag.Problems) {
	files, err := readTree(w.config.Dir)
	if err != nil {
		problems = diag.Problems{unreadable(w.config.Dir, err)}
	} else if live == nil || vanished(len(live.files), files) == 0 {
		set, problems = w.compile(files, world)
	}
	if set != nil || live == nil {
		return set, hashFiles(files), problems
	}
	set, problems = w.compile(filesOf(w.config.Dir, live.sources), world)
	return set, "", problems
}

// Restore makes an earlier set live in place of files that Load has refused.
// Their problems stay in Status, and the next good load replaces the set. It
// returns [diag.Problems] if the earlier files do not fit what exists now.
func (w *Watcher) Restore(files []Source) error {
	w.loading.Lock()
	defer w.loading.Unlock()
	w.mu.Lock()
	world := w.world
	w.mu.Unlock()
	world.Test = nil // they passed when it was in force
	set, problems := w.compile(filesOf(w.config.Dir, files), world)
	if len(problems) > 0 {
		return problems.Err()
	}
	w.mu.Lock()
	st := w.status
	w.set, w.status = set, set.status(time.Now())
	w.status.LastAttempt, w.status.Problems = st.LastAttempt, st.Problems
	w.mu.Unlock()
	w.publish(set)
	w.config.Log.Warn("the last good rules are in force, not those on disk",
		"rules", len(set.rules), "files", len(set.files), "hash", set.hash)
	return nil
}

// vanished returns how many files the set before had if more than one of them
// went at once and none is left, which is rarely meant.
func vanished(before int, files []ruleFile) int {
	if before < 2 || len(files) > 0 {
		return 0
	}
	return before
}

// compile makes a set of files, without the rules that are over their time budget.
func (w *Watcher) compile(files []ruleFile, world World) (*Set, diag.Problems) {
	set, problems := w.builder.compile(files, world)
	if set != nil {
		set = w.withoutSlow(set)
	}
	return set, problems
}

func (w *Watcher) accept(set *Set, seen string) {
	w.mu.Lock()
	before := w.status.Warnings
	w.set, w.seen = set, seen
	w.status = set.status(time.Now())
	w.mu.Unlock()
	w.reloads.WithLabelValues("ok").Inc()
	w.ok.Set(1)
	w.publish(set)
	w.warn(before, set.warnings)
	w.config.Log.Info("rules loaded", "rules", len(set.rules), "files", len(set.files), "hash", set.hash)
}

// warn logs the warnings that were not there before.
func (w *Watcher) warn(before, now diag.Problems) {
	told := map[diag.Problem]bool{}
	for _, p := range before {
		told[*p] = true
	}
	n := 0
	for _, p := range now {
		if told[*p] {
			continue
		}
		if n++; n > maxLogged {
			continue
		}
		w.config.Log.Warn("warning in rules", "file", p.File, "line", p.Line, "column", p.Column, "summary", p.Summary, "hint", p.Hint)
	}
	if n > maxLogged {
		w.config.Log.Warn("more warnings in rules", "warnings", n-maxLogged)
	}
}

// maxLogged is how many problems of one attempt are logged.
const maxLogged = 20

func (w *Watcher) publish(set *Set) {
	w.counters.keep(set)
	if w.config.Publish != nil {
		w.config.Publish(set)
	}
}

// status is that of a set which goes live now.
func (s *Set) status(now time.Time) Status {
	return Status{Loaded: now, LastAttempt: now, Hash: s.hash, Rules: len(s.rules), Files: s.files, Warnings: s.warnings}
}

func (w *Watcher) refuse(problems diag.Problems, seen string) error {
	err := problems.Err()
	_ = errors.As(err, &problems) // sorted
	w.mu.Lock()
	again := w.seen == seen
	w.seen = seen
	w.status.LastAttempt, w.status.Problems = time.Now(), problems
	live := w.status.Hash
	w.mu.Unlock()
	w.ok.Set(0)
	if again {
		return err // it has been told
	}
	w.reloads.WithLabelValues("refused").Inc()
	for i, p := range problems {
		if i == maxLogged {
			w.config.Log.Error("more problems in rules", "problems", len(problems)-i)
			break
		}
		w.config.Log.Error("problem in rules", "file", p.File, "line", p.Line, "column", p.Column, "summary", p.Summary, "hint", p.Hint)
	}
	if live == "" {
		w.config.Log.Error("rules not loaded", "problems", len(problems))
		return err
	}
	w.config.Log.Error("rules not loaded, the last good ones stay", "problems", len(problems), "hash", live)
	return err
}

// Run follows the directory until ctx ends. It returns an error only if the
// system cannot watch files at all.
func (w *Watcher) Run(ctx context.Context) error {
	t := &tree{root: filepath.Clean(w.config.Dir)}
	return watch.Run(ctx, watch.Config{
		Name: w.config.Dir, Dirs: t.renew, Concerns: t.concerns, Wake: w.wake, Rescan: w.rescan, Log: w.config.Log,
		Look: w.look,
	})
}

// tree has the directories of the rules: those below the root, those that links
// in it lead to, and the one that the root is in.
type tree struct {
	root string
	dirs map[string]bool // true: what happens in it may change the rules
}

// renew finds the directories that there are now.
func (t *tree) renew() []string {
	t.dirs = map[string]bool{filepath.Dir(t.root): false}
	t.add(t.root, 0)
	return slices.Collect(maps.Keys(t.dirs))
}

func (t *tree) add(dir string, depth int) {
	entries, err := os.ReadDir(dir)
	if err != nil || depth > maxTree {
		return
	}
	t.dirs[dir] = true
	for _, e := range entries {
		if ignored(e.Name()) {
			continue
		}
		path := filepath.Join(dir, e.Name())
		if e.Type()&os.ModeSymlink == 0 {
			if e.IsDir() {
				t.add(path, depth+1)
			}
			continue
		}
		target, err := filepath.EvalSymlinks(path)
		if err != nil {
			continue
		}
		if info, err := os.Stat(target); err == nil && info.IsDir() {
			t.add(path, depth+1)
		} else {
			t.dirs[filepath.Dir(target)] = true
		}
	}
}

// concerns reports whether a change of path may have changed the rules.
func (t *tree) concerns(path string) bool {
	return path == t.root || t.dirs[path] || t.dirs[filepath.Dir(path)]
}
