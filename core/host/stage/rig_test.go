package stage_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/openccsp/gateway/core/host/stage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is for a machine that has other things to do.
const patience = 2 * time.Minute

// rig is a running Stager with one plugin directory.
type rig struct {
	t        *testing.T
	dir      string
	store    string
	stager   *stage.Stager
	catalogs chan stage.Catalog
	seen     []stage.Catalog
	stop     func()
}

// start runs a stager. Events bring changes, not the rescan; removals take
// long, unless change says otherwise.
func start(t *testing.T, change func(*stage.Config)) *rig {
	t.Helper()
	return startIn(t, t.TempDir(), change)
}

func startIn(t *testing.T, base string, change func(*stage.Config)) *rig {
	t.Helper()
	r := &rig{t: t, dir: filepath.Join(base, "plugins"), store: filepath.Join(base, "store"),
		catalogs: make(chan stage.Catalog, 10_000)}
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	c := stage.Config{
		Dirs: []string{r.dir}, Store: r.store,
		Quiet: 50 * time.Millisecond, MaxQuiet: 400 * time.Millisecond, Absent: time.Hour, Rescan: time.Hour,
	}
	if change != nil {
		change(&c)
	}
	var err error
	if r.stager, err = stage.New(c); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := r.stager.Run(ctx, func(c stage.Catalog) { r.catalogs <- c }); err != nil {
			t.Error(err)
		}
	})
	r.stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(r.stop)
	r.next()
	return r
}

// next waits for a catalog.
func (r *rig) next() stage.Catalog {
	r.t.Helper()
	select {
	case c := <-r.catalogs:
		r.seen = append(r.seen, c)
		return c
	case <-time.After(patience):
		r.t.Fatalf("no new catalog; the last is %+v", r.last())
		return stage.Catalog{}
	}
}

func (r *rig) last() stage.Catalog {
	if len(r.seen) == 0 {
		return stage.Catalog{}
	}
	return r.seen[len(r.seen)-1]
}

// until waits for a catalog as ok wants it.
func (r *rig) until(ok func(stage.Catalog) bool) stage.Catalog {
	r.t.Helper()
	for c := r.last(); ; c = r.next() {
		if ok(c) {
			return c
		}
	}
}

// file returns the file of that name in c, zero if there is none.
func (r *rig) file(c stage.Catalog, name string) stage.File {
	for _, f := range c.Files {
		if f.Path == filepath.Join(r.dir, name) {
			return f
		}
	}
	return stage.File{}
}

// untilFile waits until the file of that name is as ok wants it.
func (r *rig) untilFile(name string, ok func(stage.File) bool) stage.File {
	r.t.Helper()
	c := r.until(func(c stage.Catalog) bool { return ok(r.file(c, name)) })
	return r.file(c, name)
}

// ready waits until the file has this content, and runs the copy.
func (r *rig) ready(name, digest string) stage.File {
	r.t.Helper()
	f := r.untilFile(name, func(f stage.File) bool { return f.State == stage.Ready && f.Digest == digest })
	if f.Reason != "" || len(f.Command) == 0 {
		r.t.Errorf("%s is ready with reason %q, command %q", name, f.Reason, f.Command)
		return f
	}
	cmd := exec.CommandContext(r.t.Context(), f.Command[0], f.Command[1:]...)
	cmd.Dir = f.Dir
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Errorf("run %q: %v: %s", f.Command, err, out)
	}
	return f
}

// not waits until the file is in state, for a reason with want in it.
func (r *rig) not(name string, state stage.State, want string) stage.File {
	r.t.Helper()
	return r.untilFile(name, func(f stage.File) bool { return f.State == state && strings.Contains(f.Reason, want) })
}

func (r *rig) path(name string) string { return filepath.Join(r.dir, name) }

func (r *rig) sh(script string, env ...string) {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "sh", "-ec", script)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatalf("%s: %v\n%s", script, err, out)
	}
}

// programs are two small real programs, made once.
var programs = sync.OnceValues(func() ([2][]byte, error) {
	var out [2][]byte
	dir, err := os.MkdirTemp("", "stage-test-")
	if err != nil {
		return out, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	for i := range out {
		src := filepath.Join(dir, fmt.Sprintf("main%d.go", i))
		if err := os.WriteFile(src, fmt.Appendf(nil, "package main\n\nfunc main() { println(\"version %d\") }\n", i), 0o600); err != nil {
			return out, err
		}
		cmd := exec.Command("go", "build", "-o", src+".bin", src)
		if text, err := cmd.CombinedOutput(); err != nil {
			return out, fmt.Errorf("%w: %s", err, text)
		}
		if out[i], err = os.ReadFile(src + ".bin"); err != nil {
			return out, err
		}
	}
	return out, nil
})

// program returns the content of real program 0 or 1.
func program(t *testing.T, n int) []byte {
	t.Helper()
	all, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	return all[n]
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func put(t *testing.T, path string, content []byte, mode fs.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// replace puts a file there by a rename.
func replace(t *testing.T, path string, content []byte, mode fs.FileMode) {
	t.Helper()
	put(t, path+".tmp", content, mode)
	if err := os.Rename(path+".tmp", path); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

func script(text string) []byte { return []byte("#!/bin/sh\n" + text + "\n") }

func sameFile(t *testing.T, path string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s has %d bytes that are not the %d wanted ones", path, len(got), len(want))
	}
}
