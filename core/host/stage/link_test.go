package stage_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/openccsp/gateway/core/host/stage"
)

func link(t *testing.T, to, path string) {
	t.Helper()
	if err := os.Symlink(to, path); err != nil {
		t.Fatal(err)
	}
}

// TestLinksInside: a link is a plugin like any other while it stays inside.
func TestLinksInside(t *testing.T) {
	tests := map[string]func(r *rig) string{
		"sibling":           func(*rig) string { return "acme-1" },
		"hidden folder":     func(*rig) string { return ".versions/acme-1" },
		"subfolder":         func(*rig) string { return "versions/acme-1" },
		"absolute":          func(r *rig) string { return r.path("versions/acme-1") },
		"up and down":       func(*rig) string { return "../plugins/versions/acme-1" },
		"link to a link":    func(*rig) string { return "current/acme-1" },
		"other plugin dirs": func(r *rig) string { return filepath.Join(filepath.Dir(r.dir), "second", "acme-1") },
	}
	for name, to := range tests {
		t.Run(name, func(t *testing.T) {
			base := t.TempDir()
			second := filepath.Join(base, "second")
			r := startIn(t, base, func(c *stage.Config) { c.Dirs = append(c.Dirs, second); c.Rescan = 50 * time.Millisecond })
			for _, dir := range []string{r.dir, r.path(".versions"), r.path("versions"), second} {
				put(t, filepath.Join(dir, "acme-1"), program(t, 0), 0o755)
			}
			link(t, "versions", r.path("current"))
			link(t, to(r), r.path("acme"))
			r.ready("acme", digestOf(program(t, 0)))
		})
	}
}

// TestSwitchLink replaces the link between versions, as releases do it.
func TestSwitchLink(t *testing.T) {
	for name, dir := range map[string]string{"siblings": "", "subfolder": "versions/", "hidden": ".versions/"} {
		t.Run(name, func(t *testing.T) {
			r := start(t, nil)
			put(t, r.path(dir+"acme-1"), program(t, 0), 0o755)
			put(t, r.path(dir+"acme-2"), program(t, 1), 0o755)
			r.sh("ln -sfn " + dir + "acme-1 acme")
			r.ready("acme", digestOf(program(t, 0)))
			from := len(r.seen)
			r.sh("ln -sfn " + dir + "acme-2 acme")
			r.ready("acme", digestOf(program(t, 1)))
			r.sh("ln -sfn " + dir + "acme-1 acme")
			r.ready("acme", digestOf(program(t, 0)))
			for _, c := range r.seen[from:] {
				if r.file(c, "acme").Digest == "" {
					t.Errorf("for a while nothing could run: %+v", c)
				}
			}
		})
	}
}

// TestMountedConfigMap switches the folder behind the links, as a mounted
// Kubernetes volume does.
func TestMountedConfigMap(t *testing.T) {
	r := start(t, nil)
	put(t, r.path("..1/acme"), program(t, 0), 0o755)
	put(t, r.path("..2/acme"), program(t, 1), 0o755)
	link(t, "..1", r.path("..data"))
	link(t, "..data/acme", r.path("acme"))
	r.ready("acme", digestOf(program(t, 0)))
	r.sh("ln -s ..2 ..tmp && mv -T ..tmp ..data")
	r.ready("acme", digestOf(program(t, 1)))
}

// TestLinksOutside: a link that leaves the plugin directories is refused.
func TestLinksOutside(t *testing.T) {
	tests := map[string]struct {
		to   string
		want string
	}{
		"relative":       {"../outside/acme", "not in a plugin directory"},
		"absolute":       {"/bin/sh", "not in a plugin directory"},
		"through a link": {"exit/acme", "not in a plugin directory"},
		"folder":         {"../outside/folder", "not in a plugin directory"},
		"loop":           {"acme", "too many links"},
		"prefix":         {"../plugins-2/acme", "not in a plugin directory"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			base := t.TempDir()
			put(t, filepath.Join(base, "outside", "acme"), program(t, 0), 0o755)
			put(t, filepath.Join(base, "plugins-2", "acme"), program(t, 0), 0o755)
			put(t, filepath.Join(base, "outside", "folder", "plugin.yaml"), []byte("command: [sh, -c, 'exit 0']\n"), 0o644)
			r := startIn(t, base, nil)
			link(t, "../outside", r.path("exit"))
			link(t, tt.to, r.path("acme"))
			if f := r.not("acme", stage.Refused, tt.want); f.Digest != "" {
				t.Errorf("it may run: %+v", f)
			}
			replace(t, r.path("acme"), program(t, 1), 0o755)
			r.ready("acme", digestOf(program(t, 1)))
		})
	}
}

// TestDanglingLink: its target was removed, so it is.
func TestDanglingLink(t *testing.T) {
	r := start(t, func(c *stage.Config) { c.Absent = 100 * time.Millisecond })
	put(t, r.path("versions/acme-1"), program(t, 0), 0o755)
	link(t, "versions/acme-1", r.path("acme"))
	r.ready("acme", digestOf(program(t, 0)))
	remove(t, r.path("versions/acme-1"))
	if f := r.not("acme", stage.Refused, "leads nowhere"); f.Digest != "" {
		t.Errorf("it may run: %+v", f)
	}
}
