package sandbox_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/openccsp/gateway/core/host/sandbox"
)

// tree is a cgroup tree of plain files.
type tree string

func (tr tree) write(t *testing.T, path, text string) {
	t.Helper()
	path = filepath.Join(string(tr), path)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (tr tree) read(path string) string {
	text, err := os.ReadFile(filepath.Join(string(tr), path))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func (tr tree) open(path, delegated string) (*sandbox.Cgroup, error) {
	return sandbox.OpenCgroupAt(string(tr), path, func(dir string, _ bool) bool {
		return dir == filepath.Join(string(tr), delegated)
	})
}

func TestCgroup(t *testing.T) {
	for _, c := range []struct{ name, own, moved string }{
		{"in the delegated one", "/unit", strconv.Itoa(os.Getpid())},
		{"in a child of it", "/unit/gateway", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr := tree(t.TempDir())
			tr.write(t, "unit/cgroup.controllers", "cpu memory pids\n")
			tr.write(t, "unit/gateway/cgroup.procs", "")
			g, err := tr.open(c.own, "/unit")
			if err != nil {
				t.Fatal(err)
			}
			if got := tr.read("unit/gateway/cgroup.procs"); got != c.moved {
				t.Errorf("moved %q, want %q", got, c.moved)
			}
			if got := tr.read("unit/cgroup.subtree_control"); got != "+pids" { // the last write
				t.Errorf("subtree control %q", got)
			}
			useLeaf(t, tr, g)
		})
	}
}

func useLeaf(t *testing.T, tr tree, g *sandbox.Cgroup) {
	t.Helper()
	l, err := g.Leaf("acme-7", 64<<20, 100)
	if err != nil {
		t.Fatal(err)
	}
	dir := "unit/plugin-acme-7/"
	for file, want := range map[string]string{"memory.max": "67108864", "memory.swap.max": "0",
		"memory.oom.group": "1", "pids.max": "100"} {
		if got := tr.read(dir + file); got != want {
			t.Errorf("%s %q, want %q", file, got, want)
		}
	}
	if l.OutOfMemory() {
		t.Error("out of memory at once")
	}
	tr.write(t, dir+"memory.events", "low 0\noom 3\noom_kill 1\n")
	if !l.OutOfMemory() {
		t.Error("a killed process is not noticed")
	}

	tr.write(t, dir+"cgroup.procs", "")
	r := start(t, sandbox.Spec{Command: []string{"/bin/true"}, Memory: 64 << 20, MaxProcs: 100, Cgroup: l.Dir()}, nil)
	if r.err != nil {
		t.Fatal(r.err)
	}
	if got := tr.read(dir + "cgroup.procs"); got != "0" {
		t.Errorf("the shim wrote %q, want 0: itself", got)
	}
	if e := r.report.Entry(sandbox.Memory); !e.On || e.Detail != "cgroup, 64 MiB" {
		t.Errorf("%+v", e)
	}
	if e := r.report.Entry(sandbox.Processes); !e.On || e.Detail != "cgroup, 100" {
		t.Errorf("%+v", e)
	}
	entries, _ := filepath.Glob(filepath.Join(l.Dir(), "*"))
	for _, e := range entries { // the kernel's files are not in the way of rmdir
		_ = os.Remove(e)
	}
	// cgroup.kill is written first, and is a plain file here.
	if err := l.Close(); err == nil || !strings.Contains(err.Error(), "directory not empty") {
		t.Errorf("close: %v", err)
	}
	if got := tr.read(dir + "cgroup.kill"); got != "1" {
		t.Errorf("kill %q", got)
	}
}

func TestNoCgroup(t *testing.T) {
	tr := tree(t.TempDir())
	tr.write(t, "unit/cgroup.controllers", "cpu pids\n")
	for _, c := range []struct{ own, delegated, want string }{
		{"/other/unit", "/unit", "cgroup /other/unit: not delegated to the gateway"},
		{"/", "/unit", "cgroup /: not delegated to the gateway"},
		{"/unit", "/unit", "cgroup /unit: no memory controller"},
	} {
		if _, err := tr.open(c.own, c.delegated); err == nil || err.Error() != c.want {
			t.Errorf("%s: error %v, want %s", c.own, err, c.want)
		}
	}
	if got := tr.read("unit/cgroup.subtree_control"); !strings.Contains(got, "no such file") {
		t.Errorf("something was written: %q", got)
	}
}

// A cgroup that cannot be joined does not keep the plugin from starting.
func TestLostCgroup(t *testing.T) {
	gone := filepath.Join(t.TempDir(), "gone")
	r := start(t, sandbox.Spec{Command: []string{"/bin/true"}, Memory: 1 << 30, Cgroup: gone}, nil)
	if r.err != nil {
		t.Fatal(r.err)
	}
	if e := r.report.Entry(sandbox.Memory); e.On || !strings.HasPrefix(e.Detail, "cgroup: open "+gone) {
		t.Errorf("%+v", e)
	}
}
