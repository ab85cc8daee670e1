package stage

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestChangedMeanwhile: a file changes between the steps of a judgement.
func TestChangedMeanwhile(t *testing.T) {
	write := func(path, text string) {
		t.Helper()
		_ = os.Remove(path)
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil { //nolint:gosec // it is a program
			t.Fatal(err)
		}
	}
	tests := map[string]func(path string){
		"other content":    func(path string) { write(path, "#!/bin/sh\nexit 1\n") },
		"same size":        func(path string) { write(path, "#!/bin/sh\nexit 9\n") },
		"gone":             func(path string) { _ = os.Remove(path) },
		"link out":         func(path string) { _ = os.Remove(path); _ = os.Symlink("/bin/sh", path) },
		"link inside":      func(path string) { _ = os.Rename(path, path+"-1"); _ = os.Symlink(path+"-1", path) },
		"a folder":         func(path string) { _ = os.Remove(path); _ = os.Mkdir(path, 0o755) },
		"directory moved":  func(path string) { _ = os.Rename(filepath.Dir(path), filepath.Dir(path)+"-2") },
		"directory linked": func(path string) { d := filepath.Dir(path); _ = os.Rename(d, d+"-2"); _ = os.Symlink("/bin", d) },
	}
	for name, change := range tests {
		t.Run("before it is read: "+name, func(t *testing.T) {
			v, s, st := seen(t)
			change(s.path)
			if _, err := v.judge(t.Context(), s, st, time.Second); !errors.Is(err, errChanged) {
				t.Errorf("got %v, want %v", err, errChanged)
			}
			if entries, _ := os.ReadDir(st.root); len(entries) > 0 {
				t.Errorf("something is in the store: %v", entries)
			}
		})
		t.Run("before it is copied: "+name, func(t *testing.T) {
			_, s, st := seen(t)
			root, err := s.open()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = root.Close() }()
			sums, err := s.sum(t.Context(), root)
			if err != nil {
				t.Fatal(err)
			}
			change(s.path)
			err = st.put(t.Context(), sums[0].digest, false, sums, root)
			if err == nil { // the content that was read, by the folder that was opened
				f, err := os.ReadFile(filepath.Join(st.dir(sums[0].digest, false), programName))
				if err != nil || string(f) != "#!/bin/sh\nexit 0\n" {
					t.Errorf("the copy has %q, %v", f, err)
				}
				return
			}
			if entries, _ := os.ReadDir(st.root); len(entries) > 0 {
				t.Errorf("something is left in the store: %v", entries)
			}
		})
	}
}

func seen(t *testing.T) (*view, *sighting, *store) {
	t.Helper()
	base := t.TempDir()
	dir := filepath.Join(base, "plugins")
	if err := os.Mkdir(dir, 0o755); err != nil { //nolint:gosec // a plugin directory
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "acme"), []byte("#!/bin/sh\nexit 0\n"), 0o755); err != nil { //nolint:gosec // it is a program
		t.Fatal(err)
	}
	v := &view{mode: Open, maxSize: 1 << 20, roots: []string{dir}, lock: &Lock{}}
	s := v.sight(dir, "acme")
	if s == nil || s.err != nil {
		t.Fatalf("got %+v", s)
	}
	st := newStore(filepath.Join(base, "store"))
	if err := st.open(); err != nil {
		t.Fatal(err)
	}
	return v, s, st
}

// TestCopyOfPipe: what was put in the place of a file does not block.
func TestCopyOfPipe(t *testing.T) {
	_, s, _ := seen(t)
	root, err := s.open()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	for _, name := range []string{".", "/dev/zero", "../plugins/acme", "../../etc/passwd"} {
		if f, _, err := openRegular(root, name); err == nil {
			_ = f.Close()
			t.Errorf("%s was opened", name)
		}
	}
}
