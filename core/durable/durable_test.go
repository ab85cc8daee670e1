package durable_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/openccsp/gateway/core/durable"
)

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	steps := []struct {
		name  string
		write func(string, []byte, fs.FileMode) error
		text  string
		mode  fs.FileMode
		err   error
		want  string // in the file then
	}{
		{"create", durable.Create, "one", 0o600, nil, "one"},
		{"create what is there", durable.Create, "two", 0o600, fs.ErrExist, "one"},
		{"replace", durable.Replace, "three", 0o644, nil, "three"},
	}
	for _, s := range steps {
		if err := s.write(path, []byte(s.text), s.mode); !errors.Is(err, s.err) {
			t.Errorf("%s: %v, want %v", s.name, err, s.err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != s.want {
			t.Errorf("%s: the file is %q, %v; want %q", s.name, got, err, s.want)
		}
		if info, err := os.Stat(path); err != nil || s.err == nil && info.Mode().Perm() != s.mode {
			t.Errorf("%s: %v, %v; want mode %v", s.name, info.Mode(), err, s.mode)
		}
	}
	if err := durable.Replace(filepath.Join(path, "below"), nil, 0o600); err == nil {
		t.Error("written below a file")
	}
	if err := durable.Replace(dir, []byte("x"), 0o600); err == nil {
		t.Error("a directory was replaced")
	}
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if left, err := filepath.Glob(filepath.Join(d, ".*.tmp")); err != nil || left != nil {
			t.Errorf("left over: %v, %v", left, err)
		}
	}
}
