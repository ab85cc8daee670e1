package stage_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/openccsp/gateway/core/host/stage"
)

// TestSweep: of the copies, those in use, those that are there and those that
// were in use lately stay.
func TestSweep(t *testing.T) {
	base := t.TempDir()
	store := filepath.Join(base, "store")
	old := time.Now().Add(-25 * time.Hour)
	kept, lately, forgotten := digestA, digestB, digestOf([]byte("forgotten"))
	for _, d := range []string{kept, lately, forgotten, digestOf(program(t, 0))} {
		put(t, filepath.Join(store, d, "bin"), program(t, 0), 0o500)
		if d != lately {
			if err := os.Chtimes(filepath.Join(store, d), old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	put(t, filepath.Join(store, ".copy-123", "bin"), nil, 0o500)
	put(t, filepath.Join(store, "notes"), nil, 0o600)
	put(t, filepath.Join(base, "plugins", "acme"), program(t, 0), 0o755)
	swept := make(chan struct{}, 100)
	r := startIn(t, base, func(c *stage.Config) {
		c.Keep = func() []string { swept <- struct{}{}; return []string{kept} }
		c.Rescan = 50 * time.Millisecond
	})
	r.ready("acme", digestOf(program(t, 0)))
	<-swept
	r.stop() // the sweep it was in has ended
	want := map[string]bool{kept: true, lately: true, digestOf(program(t, 0)): true, "notes": true, forgotten: false, ".copy-123": false}
	for name, stays := range want {
		if _, err := os.Lstat(filepath.Join(store, name)); (err == nil) != stays {
			t.Errorf("%s: got %v, want it to stay: %t", name, err, stays)
		}
	}
	if info, err := os.Stat(filepath.Join(store, kept)); err != nil || time.Since(info.ModTime()) > time.Hour {
		t.Errorf("the clock of a copy in use was not wound: %v", err)
	}
}

// TestStoreIsChecked: a copy that an earlier process left is read before it is
// run.
func TestStoreIsChecked(t *testing.T) {
	whole := program(t, 0)
	digest := digestOf(whole)
	tests := map[string]func(dir string){
		"good":    func(dir string) { put(t, filepath.Join(dir, "bin"), whole, 0o500) },
		"cut":     func(dir string) { put(t, filepath.Join(dir, "bin"), whole[:1000], 0o500) },
		"changed": func(dir string) { put(t, filepath.Join(dir, "bin"), make([]byte, len(whole)), 0o500) },
		"no exec": func(dir string) { put(t, filepath.Join(dir, "bin"), whole, 0o400) },
		"a link":  func(dir string) { _ = os.MkdirAll(dir, 0o700); link(t, "/bin/sh", filepath.Join(dir, "bin")) },
		"one more": func(dir string) {
			put(t, filepath.Join(dir, "bin"), whole, 0o500)
			put(t, filepath.Join(dir, "x"), nil, 0o500)
		},
		"empty":  func(dir string) { _ = os.MkdirAll(dir, 0o700) },
		"a file": func(dir string) { put(t, dir, nil, 0o600) },
	}
	for name, damage := range tests {
		t.Run(name, func(t *testing.T) {
			base := t.TempDir()
			damage(filepath.Join(base, "store", digest))
			put(t, filepath.Join(base, "plugins", "acme"), whole, 0o755)
			r := startIn(t, base, nil)
			f := r.ready("acme", digest)
			sameFile(t, f.Command[0], whole)
			if entries, err := os.ReadDir(f.Dir); err != nil || len(entries) != 1 {
				t.Errorf("got %v, %v, want bin alone", entries, err)
			}
		})
	}
}

// TestLostCopy: a copy that was deleted is made again.
func TestLostCopy(t *testing.T) {
	r := start(t, nil)
	put(t, r.path("acme"), program(t, 0), 0o755)
	f := r.ready("acme", digestOf(program(t, 0)))
	remove(t, f.Dir)
	put(t, r.path("other"), script("exit 0"), 0o755) // brings a look
	r.ready("other", digestOf(script("exit 0")))
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(f.Command[0]); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the copy is not made again")
		}
	}
}

func TestStageOnce(t *testing.T) {
	base := t.TempDir()
	path := filepath.Join(base, "acme")
	put(t, path, program(t, 0), 0o755)
	c := stage.Config{Store: filepath.Join(base, "store")}
	f, err := stage.Stage(t.Context(), c, path)
	if err != nil {
		t.Fatal(err)
	}
	if f.State != stage.Ready || f.Digest != digestOf(program(t, 0)) {
		t.Errorf("got %+v", f)
	}
	sameFile(t, f.Command[0], program(t, 0))
	if got, err := stage.Digest(t.Context(), path); err != nil || got != f.Digest {
		t.Errorf("Digest: got %s, %v", got, err)
	}
	put(t, path, program(t, 0)[:5000], 0o755)
	if _, err := stage.Stage(t.Context(), c, path); err == nil {
		t.Error("half a program: no error")
	}
	if _, err := stage.Digest(t.Context(), path); err == nil {
		t.Error("digest of half a program: no error")
	}
	for _, none := range []string{filepath.Join(base, "none"), base} {
		if _, err := stage.Stage(t.Context(), c, none); err == nil {
			t.Errorf("%s: no error", none)
		}
	}
	lock := filepath.Join(base, "plugins.lock")
	c.Trust = stage.Trust{Mode: stage.Pinned, LockFile: lock}
	put(t, path, program(t, 1), 0o755)
	if _, err := stage.Stage(t.Context(), c, path); err == nil {
		t.Error("no lock file: no error")
	}
	approve(t, lock, "1.0.0", digestOf(program(t, 1)))
	if f, err := stage.Stage(t.Context(), c, path); err != nil || f.Claim.Version != "1.0.0" {
		t.Errorf("got %+v, %v", f, err)
	}
}
