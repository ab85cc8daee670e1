package rules_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/core/rules"
)

// patience is for what takes milliseconds on a machine that has nothing else
// to do.
const patience = time.Minute

// watching is a watcher of rules.d that runs until the test ends.
type watching struct {
	*rules.Watcher
	t    *testing.T
	sets chan *rules.Set
	reg  *prometheus.Registry
}

func watch(t *testing.T) *watching {
	t.Helper()
	return watchWith(t, func(*rules.Watcher) {})
}

// watchWith is watch with a watcher that is set up before.
func watchWith(t *testing.T, setUp func(*rules.Watcher)) *watching {
	t.Helper()
	w := &watching{t: t, sets: make(chan *rules.Set, 100), reg: prometheus.NewRegistry()}
	w.Watcher = rules.NewWatcher(rules.WatchConfig{
		Dir: "rules.d", World: world, Publish: func(s *rules.Set) { w.sets <- s },
		Log: slog.New(slog.DiscardHandler), Metrics: w.reg,
	})
	setUp(w.Watcher)
	w.Rescan(time.Hour) // what is seen is seen at once, however slow the machine
	if err := w.Load(); err != nil {
		t.Fatal(err)
	}
	<-w.sets
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	// A first change that is seen tells that the watching has begun: Run looks
	// once when it watches.
	write(t, "ready.yaml", "rules: []\n")
	select {
	case <-w.sets:
	case <-time.After(patience):
		t.Fatal("nothing is watched")
	}
	return w
}

// next returns the next set that is published.
func (w *watching) next() *rules.Set {
	w.t.Helper()
	select {
	case s := <-w.sets:
		return s
	case <-time.After(patience):
		w.t.Fatalf("nothing is published; problems: %v", w.Status().Problems)
		return nil
	}
}

// live waits until the rules of exactly these names are live.
func (w *watching) live(names ...string) {
	w.t.Helper()
	deadline := time.After(patience)
	var got []string
	for {
		select {
		case s := <-w.sets:
			got = nil
			for _, info := range s.Rules(nil) {
				got = append(got, info.Name)
			}
			if cmp.Equal(got, names) {
				return
			}
		case <-deadline:
			w.t.Fatalf("live are %q, want %q; problems: %v", got, names, w.Status().Problems)
		}
	}
}

// refused waits until the last attempt has a problem with the text.
func (w *watching) refused(text string) {
	w.t.Helper()
	for deadline := time.Now().Add(patience); !strings.Contains(w.Status().Problems.Error(), text); {
		if time.Now().After(deadline) {
			w.t.Fatalf("problems are %v, want %q", w.Status().Problems, text)
		}
		time.Sleep(5 * time.Millisecond) // the boundary is the file system: there is no event to wait for
	}
}

func tagRule(name string) string {
	return "rules:\n  - {name: " + name + ", on: chat_idle, do: [{tag: x}]}\n"
}

func do(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestSavedFileIsLive(t *testing.T) {
	dir(t, map[string]string{"a.yaml": tagRule("a")})
	w := watch(t)
	write(t, "a.yaml", tagRule("b"))
	w.live("b")
	if s := w.Status(); s.Rules != 1 || s.Hash != w.Set().Hash() || len(s.Problems) > 0 || s.Loaded.IsZero() ||
		!cmp.Equal(s.Files, []string{"rules.d/a.yaml", "rules.d/ready.yaml"}) {
		t.Errorf("status is %+v", s)
	}
}

func TestWaysOfSaving(t *testing.T) {
	dir(t, map[string]string{"a.yaml": tagRule("a")})
	w := watch(t)

	do(t, os.WriteFile("rules.d/.a.yaml.swp", []byte("x"), 0o644)) // vim: temporary file and rename
	do(t, os.WriteFile("rules.d/a.yaml.tmp", []byte(tagRule("renamed")), 0o644))
	do(t, os.Rename("rules.d/a.yaml.tmp", "rules.d/a.yaml"))
	w.live("renamed")

	do(t, os.MkdirAll("rules.d/sub/deep", 0o755)) // a new directory, and a file in it at once
	write(t, "sub/deep/b.yaml", tagRule("b"))
	w.live("renamed", "b")
	write(t, "sub/deep/b.yaml", tagRule("b2"))
	w.live("renamed", "b2")

	do(t, os.RemoveAll("rules.d/sub"))
	w.live("renamed")

	do(t, os.WriteFile("elsewhere.yaml", []byte(tagRule("linked")), 0o644)) // a link, and a change at its end
	do(t, os.Symlink("../elsewhere.yaml", "rules.d/z.yaml"))
	w.live("renamed", "linked")
	do(t, os.WriteFile("elsewhere.yaml", []byte(tagRule("linked2")), 0o644))
	w.live("renamed", "linked2")
}

// A Kubernetes volume: files are links into ..data, which is a link that is
// swapped.
func TestSwappedLink(t *testing.T) {
	dir(t, nil)
	version := func(name, text string) {
		do(t, os.MkdirAll(filepath.Join("rules.d", name), 0o755))
		do(t, os.WriteFile(filepath.Join("rules.d", name, "a.yaml"), []byte(text), 0o644))
		do(t, os.Symlink(name, "rules.d/..data_tmp"))
		do(t, os.Rename("rules.d/..data_tmp", "rules.d/..data"))
	}
	version("..1", tagRule("one"))
	do(t, os.Symlink("..data/a.yaml", "rules.d/a.yaml"))
	w := watch(t)
	for _, v := range []string{"two", "three", "four"} {
		version(".."+v, tagRule(v))
		w.live(v)
	}
}

// The directory of the rules itself is a link that is swapped.
func TestSwappedDirectory(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, v := range []string{"one", "two"} {
		do(t, os.MkdirAll(v, 0o755))
		do(t, os.WriteFile(v+"/a.yaml", []byte(tagRule(v)), 0o644))
	}
	do(t, os.Symlink("one", "rules.d"))
	w := watch(t)
	do(t, os.Symlink("two", "tmp"))
	do(t, os.Rename("tmp", "rules.d"))
	w.live("two")
	do(t, os.WriteFile("two/a.yaml", []byte(tagRule("later")), 0o644))
	w.live("later")
}

func TestBrokenFileKeepsTheLastGoodSet(t *testing.T) {
	dir(t, map[string]string{"a.yaml": tagRule("a")})
	w := watch(t)
	before := w.Set()
	write(t, "a.yaml", "rules: [")
	w.refused("rules.d/a.yaml:1:8: sequence end token ']' not found")
	if w.Set() != before || w.Status().Hash != before.Hash() {
		t.Error("the last good set did not stay")
	}
	if got := testutil.ToFloat64(gauge(t, w.reg, "gateway_rules_last_reload_successful")); got != 0 {
		t.Errorf("gateway_rules_last_reload_successful is %v, want 0", got)
	}
	write(t, "a.yaml", tagRule("b"))
	w.live("b")
	if len(w.Status().Problems) > 0 {
		t.Errorf("problems stayed: %v", w.Status().Problems)
	}
}

// gauge wraps what the registry has for name, so that testutil can read it.
func gauge(t *testing.T, reg *prometheus.Registry, name string) prometheus.Collector {
	t.Helper()
	families, err := reg.Gather()
	do(t, err)
	for _, f := range families {
		if f.GetName() == name {
			g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name})
			g.Set(f.GetMetric()[0].GetGauge().GetValue())
			return g
		}
	}
	t.Fatalf("no metric %s", name)
	return nil
}

func TestFilesThatVanish(t *testing.T) {
	dir(t, map[string]string{"a.yaml": tagRule("a")})
	w := watch(t)
	do(t, os.Rename("rules.d", "gone")) // at once, as they must not be seen one by one
	do(t, os.RemoveAll("gone"))
	w.refused("rules.d: there is no such directory")
	if w.Set().Len() != 1 {
		t.Error("the last good set did not stay")
	}
	do(t, os.Mkdir("rules.d", 0o755))
	w.refused("all 2 rule files are gone; the rules loaded before stay")
	write(t, "c.yaml", tagRule("c"))
	w.live("c")
	do(t, os.Remove("rules.d/c.yaml")) // one file alone may go
	w.live()
}

func TestStormEnds(t *testing.T) {
	dir(t, map[string]string{"a.yaml": tagRule("a")})
	w := watch(t)
	stop := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				_ = os.WriteFile("rules.d/noise.tmp", []byte(time.Now().String()), 0o644)
			}
		}
	}()
	write(t, "a.yaml", tagRule("b"))
	w.live("b") // although it never gets quiet
	close(stop)
	<-stopped
}

func TestSetWorld(t *testing.T) {
	dir(t, map[string]string{"a.yaml": "rules:\n  - {name: a, on: chat_idle, service: demo, do: [{tag: x}]}\n"})
	w := watch(t)
	w.SetWorld(rules.World{Services: []string{"other"}})
	w.refused(`unknown service "demo"`)
	w.SetWorld(world)
	w.live("a")
}

func TestLoadReturnsTheSameProblemsAgain(t *testing.T) {
	dir(t, map[string]string{"a.yaml": "rules: 5\n"})
	w := rules.NewWatcher(rules.WatchConfig{Dir: "rules.d", World: world, Log: slog.New(slog.DiscardHandler)})
	for range 2 {
		ps, ok := errors.AsType[diag.Problems](w.Load())
		if !ok || len(ps) != 1 || ps[0].Error() != "rules.d/a.yaml:1:8: rules must be a list, not a number" {
			t.Fatalf("got %v", ps)
		}
	}
}

func TestCountersOutliveReloads(t *testing.T) {
	dir(t, map[string]string{"a.yaml": oneRule("customer_message", "when: num(payload.n) > 2", "do: [{tag: x}]")})
	w := watch(t)
	at := time.UnixMilli(1700000000000).UTC()
	w.Counters().Count(at, w.Set().Evaluate(view(nil)).Verdicts)
	write(t, "a.yaml", oneRule("customer_message", "when: num(payload.a) > 2", "do: [{tag: x}]"))
	w.live("r")
	w.Counters().Count(at, w.Set().Evaluate(view(nil)).Verdicts)
	want := rules.Info{Name: "r", File: "rules.d/a.yaml", Line: 2, Column: 5, On: []string{"customer_message"}, Active: true, Stats: rules.Stats{
		Matched: 1, Errors: 1, LastFired: &at,
		LastError: &rules.RuleError{At: at, Message: "rules.d/a.yaml:4:11: num: cannot make a number of a group of named values"},
	}}
	if diff := cmp.Diff([]rules.Info{want}, w.Set().Rules(w.Counters())); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := testutil.CollectAndCount(w.Counters()); got != 3 {
		t.Errorf("got %d series, want 3", got)
	}
}

// A set whose tests fail does not go live, and says where.
func TestWatchTests(t *testing.T) {
	dir(t, map[string]string{"a.yaml": oneRule("chat_closed", "do: [{tag: a}]")})
	failing := diag.Errorf(diag.Pos{File: "rules.d/a.yaml", Line: 9, Column: 3}, "test \"x\": want something else")
	var problems, warnings diag.Problems
	tested := world
	tested.Test = func(*rules.Set) (p, w diag.Problems) { return problems, warnings }
	w := rules.NewWatcher(rules.WatchConfig{Dir: "rules.d", World: tested, Log: slog.New(slog.DiscardHandler)})
	do(t, w.Load())
	first := w.Set()
	write(t, "b.yaml", "rules: []\n")
	problems = diag.Problems{failing}
	if err := w.Load(); err == nil || !strings.Contains(err.Error(), "rules.d/a.yaml:9:3: test") {
		t.Errorf("got %v", err)
	}
	if w.Set() != first || len(w.Status().Problems) != 1 {
		t.Errorf("live is %s, problems %v", w.Set().Hash(), w.Status().Problems)
	}
	problems, warnings = nil, diag.Problems{failing}
	if err := w.Reload(false); err != nil {
		t.Error(err)
	}
	if w.Set() == first || len(w.Set().Warnings()) != 1 {
		t.Errorf("warnings %v", w.Set().Warnings())
	}
}

// That all files have gone is meant only if somebody says so.
func TestReloadAllowEmpty(t *testing.T) {
	dir(t, map[string]string{"a.yaml": oneRule("chat_closed", "do: [{tag: a}]"), "b.yaml": "rules: []\n"})
	w := rules.NewWatcher(rules.WatchConfig{Dir: "rules.d", World: world, Log: slog.New(slog.DiscardHandler)})
	do(t, w.Load())
	do(t, os.Remove("rules.d/a.yaml"))
	do(t, os.Remove("rules.d/b.yaml"))
	if err := w.Reload(false); err == nil || !strings.Contains(err.Error(), "--allow-empty") || w.Set().Len() != 1 {
		t.Errorf("got %v, %d rules", err, w.Set().Len())
	}
	if err := w.Reload(true); err != nil || w.Set().Len() != 0 {
		t.Errorf("got %v, %d rules", err, w.Set().Len())
	}
	if err := w.Load(); err != nil {
		t.Errorf("once it is so: %v", err)
	}
}
