package stage_test

import (
	"crypto/ed25519"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openccsp/gateway/core/host/stage"
)

func approve(t *testing.T, lock, version, digest string) {
	t.Helper()
	if _, err := stage.Approve(lock, stage.Approval{ID: "org.example.acme", Version: version, Platform: stage.Platform, Digest: digest}); err != nil {
		t.Fatal(err)
	}
}

func TestPinned(t *testing.T) {
	base := t.TempDir()
	lock := filepath.Join(base, "etc", "plugins.lock")
	if err := os.Mkdir(filepath.Dir(lock), 0o755); err != nil {
		t.Fatal(err)
	}
	r := startIn(t, base, func(c *stage.Config) { c.Trust = stage.Trust{Mode: stage.Pinned, LockFile: lock} })
	put(t, r.path("acme"), program(t, 0), 0o755)
	if f := r.not("acme", stage.Refused, "gateway plugin approve "+r.path("acme")); f.Digest != "" {
		t.Errorf("it may run: %+v", f)
	}
	if entries, _ := os.ReadDir(r.store); len(entries) > 0 {
		t.Errorf("a refused plugin is in the store: %v", entries)
	}
	approve(t, lock, "1.0.0", digestOf(program(t, 0)))
	f := r.ready("acme", digestOf(program(t, 0)))
	if f.Claim != (stage.Claim{ID: "org.example.acme", Version: "1.0.0"}) {
		t.Errorf("got claim %+v", f.Claim)
	}

	put(t, r.path("acme"), program(t, 1), 0o755)
	if f := r.not("acme", stage.Refused, "not approved"); f.Digest != digestOf(program(t, 0)) || f.Claim.Version != "1.0.0" {
		t.Errorf("the approved content does not go on: %+v", f)
	}
	put(t, lock, []byte("oops\n"), 0o644)
	c := r.until(func(c stage.Catalog) bool { return len(c.Alarms) == 1 })
	if got := c.Alarms[0].Err.Error(); c.Alarms[0].Dir != lock || !strings.HasPrefix(got, lock+":1:1: the line has 1 fields") {
		t.Errorf("got alarm %+v", c.Alarms[0])
	}
	if f := r.file(c, "acme"); f.Digest != digestOf(program(t, 0)) {
		t.Errorf("a mistake in the lock file took away what it had approved: %+v", f)
	}
	put(t, lock, []byte("# nothing\n"), 0o644)
	r.untilFile("acme", func(f stage.File) bool { return f.State == stage.Refused && f.Digest == "" })
	if n := len(r.last().Alarms); n > 0 {
		t.Errorf("got %d alarms, want none", n)
	}
	approve(t, lock, "1.1.0", digestOf(program(t, 1)))
	if f := r.ready("acme", digestOf(program(t, 1))); f.Claim.Version != "1.1.0" {
		t.Errorf("got claim %+v", f.Claim)
	}
	if err := os.Chmod(lock, 0o664); err != nil {
		t.Fatal(err)
	}
	c = r.until(func(c stage.Catalog) bool { return len(c.Alarms) == 1 })
	if !strings.Contains(c.Alarms[0].Err.Error(), "written by its group") || r.file(c, "acme").Digest == "" {
		t.Errorf("a lock file that others may write to: %+v", c)
	}
	remove(t, lock)
	c = r.until(func(c stage.Catalog) bool {
		return len(c.Alarms) == 1 && strings.Contains(c.Alarms[0].Err.Error(), "no such file")
	})
	if r.file(c, "acme").Digest == "" {
		t.Errorf("the loss of the lock file took away what it had approved: %+v", c)
	}
}

func newKey(t *testing.T) (ed25519.PublicKey, ed25519.PrivateKey) {
	t.Helper()
	public, private, err := stage.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	pub, err := stage.ParsePublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	key, err := stage.ParsePrivateKey(private + "\n")
	if err != nil {
		t.Fatal(err)
	}
	return pub, key
}

func sign(t *testing.T, key ed25519.PrivateKey, digest, version string) []byte {
	t.Helper()
	sig, err := stage.Sign(key, digest, stage.Claim{ID: "org.example.acme", Version: version})
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

func TestSigned(t *testing.T) {
	pub, key := newKey(t)
	_, stranger := newKey(t)
	other, _ := newKey(t)
	old, fresh := digestOf(program(t, 0)), digestOf(program(t, 1))
	r := start(t, func(c *stage.Config) {
		c.Trust = stage.Trust{Mode: stage.Signed, Keys: []ed25519.PublicKey{other, pub}}
	})
	put(t, r.path("acme"), program(t, 0), 0o755)
	r.not("acme", stage.Refused, "not signed")
	for _, bad := range []struct{ sig, want string }{
		{"nonsense", "does not have the form"},
		{string(sign(t, stranger, old, "1.0.0")), "not trusted here"},
		{string(sign(t, key, fresh, "1.0.0")), "for other content"},
		{strings.Replace(string(sign(t, key, old, "1.0.0")), "1.0.0", "1.0.1", 1), "is wrong"},
	} {
		put(t, r.path("acme.sig"), []byte(bad.sig), 0o644)
		if f := r.not("acme", stage.Refused, bad.want); f.Digest != "" {
			t.Errorf("signature %q: it may run", bad.sig)
		}
	}
	put(t, r.path("acme.sig"), sign(t, key, old, "1.0.0"), 0o644)
	if f := r.ready("acme", old); f.Claim != (stage.Claim{ID: "org.example.acme", Version: "1.0.0"}) {
		t.Errorf("got claim %+v", f.Claim)
	}
	put(t, r.path("acme"), program(t, 1), 0o755)
	if f := r.not("acme", stage.Refused, "for other content"); f.Digest != old || f.Claim.Version != "1.0.0" {
		t.Errorf("the signed content does not go on: %+v", f)
	}
	put(t, r.path("acme.sig"), sign(t, key, fresh, "1.1.0"), 0o664)
	r.not("acme", stage.Refused, "written by its group")
	put(t, r.path("acme.sig"), sign(t, key, fresh, "1.1.0"), 0o644)
	if f := r.ready("acme", fresh); f.Claim.Version != "1.1.0" {
		t.Errorf("got claim %+v", f.Claim)
	}
	// Beside what a link leads to.
	put(t, r.path("versions/acme-1"), program(t, 0), 0o755)
	put(t, r.path("versions/acme-1.sig"), sign(t, key, old, "1.0.0"), 0o644)
	link(t, "versions/acme-1", r.path("linked"))
	if f := r.ready("linked", old); f.Claim.Version != "1.0.0" {
		t.Errorf("got claim %+v", f.Claim)
	}
}

// TestExposed: what others can change is not trusted.
func TestExposed(t *testing.T) {
	const group, everybody, foreign = "written by its group", "written by everybody", "belongs to user 12345"
	mode := func(name string, m fs.FileMode) func(*testing.T, *rig) {
		return func(t *testing.T, r *rig) {
			if err := os.Chmod(r.path(name), m); err != nil {
				t.Fatal(err)
			}
		}
	}
	own := func(name string) func(*testing.T, *rig) {
		return func(t *testing.T, r *rig) {
			if err := os.Chown(r.path(name), 12345, -1); err != nil {
				t.Skip("needs root")
			}
		}
	}
	tests := map[string]struct {
		expose func(*testing.T, *rig)
		open   stage.State
		want   string
	}{
		"group may write":               {mode("acme", 0o775), stage.Ready, group},
		"everybody may write":           {mode("acme", 0o757), stage.Refused, everybody},
		"group may write to directory":  {mode(".", 0o775), stage.Ready, group},
		"everybody may, to directory":   {mode(".", 0o777), stage.Refused, everybody},
		"foreign file":                  {own("acme"), stage.Ready, foreign},
		"foreign directory":             {own("."), stage.Ready, foreign},
		"everybody may, to link's home": {func(t *testing.T, r *rig) { exposedHome(t, r) }, stage.Refused, everybody},
	}
	for name, tt := range tests {
		for _, m := range []stage.Mode{stage.Open, stage.Pinned} {
			t.Run(name+" "+string(m), func(t *testing.T) {
				base := t.TempDir()
				lock := filepath.Join(base, "plugins.lock")
				approve(t, lock, "1.0.0", digestOf(program(t, 0)))
				r := startIn(t, base, func(c *stage.Config) { c.Trust = stage.Trust{Mode: m, LockFile: lock} })
				put(t, r.path("acme"), program(t, 0), 0o755)
				r.ready("acme", digestOf(program(t, 0)))
				tt.expose(t, r)
				state := tt.open
				if m != stage.Open {
					state = stage.Refused
				}
				f := r.untilFile("acme", func(f stage.File) bool {
					return f.State == state && strings.Contains(f.Reason+strings.Join(f.Warnings, "\n"), tt.want)
				})
				if state == stage.Ready && f.Reason != "" || state == stage.Refused && len(f.Warnings) > 0 {
					t.Errorf("got %+v", f)
				}
				if f.Digest != digestOf(program(t, 0)) {
					t.Errorf("what was checked before does not go on: %+v", f)
				}
			})
		}
	}
}

func exposedHome(t *testing.T, r *rig) {
	put(t, r.path("versions/acme-1"), program(t, 0), 0o755)
	if err := os.Chmod(r.path("versions"), 0o777); err != nil {
		t.Fatal(err)
	}
	remove(t, r.path("acme"))
	link(t, "versions/acme-1", r.path("acme"))
}

// TestLinkedDirectory: in the stricter modes a plugin directory is no link.
func TestLinkedDirectory(t *testing.T) {
	for mode, want := range map[stage.Mode]int{stage.Open: 0, stage.Pinned: 1} {
		base := t.TempDir()
		put(t, filepath.Join(base, "real", "acme"), program(t, 0), 0o755)
		link(t, "real", filepath.Join(base, "linked"))
		lock := filepath.Join(base, "plugins.lock")
		approve(t, lock, "1.0.0", digestOf(program(t, 0)))
		r := startIn(t, base, func(c *stage.Config) {
			c.Dirs = []string{filepath.Join(base, "linked")}
			c.Trust = stage.Trust{Mode: mode, LockFile: lock}
		})
		c := r.until(func(c stage.Catalog) bool {
			return len(c.Alarms) > 0 || len(c.Files) > 0 && c.Files[0].State == stage.Ready
		})
		if len(c.Alarms) != want {
			t.Errorf("mode %s: got %+v, want %d alarms", mode, c, want)
		}
		r.stop()
	}
}

func TestSidecar(t *testing.T) {
	r := start(t, nil)
	side := r.path("acme.plugin.yaml")
	put(t, r.path("acme"), program(t, 0), 0o755)
	r.ready("acme", digestOf(program(t, 0)))

	put(t, side, []byte("memory: 64MiB\nprobation: 90s\n"), 0o644)
	f := r.untilFile("acme", func(f stage.File) bool { return f.State == stage.Ready && f.Sidecar.Memory == 64<<20 })
	if f.Sidecar.Probation.Seconds() != 90 || !f.Sidecar.Enabled || f.Digest == "" {
		t.Errorf("got %+v", f)
	}
	put(t, side, []byte("enabled: yes please\n"), 0o644)
	if f := r.not("acme", stage.Refused, side+":1:10: enabled must be true or false"); f.Digest == "" {
		t.Errorf("a mistake took away what ran: %+v", f)
	}
	put(t, side, []byte("enabled: false\n"), 0o644)
	if f := r.not("acme", stage.Refused, "disabled in "+side); f.Digest != "" || f.Sidecar.Enabled {
		t.Errorf("it may run: %+v", f)
	}
	put(t, side, []byte("sha256: "+digestOf(program(t, 1))+"\n"), 0o644)
	if f := r.not("acme", stage.Refused, "its sha256 is "+digestOf(program(t, 0))); f.Digest != "" {
		t.Errorf("it may run: %+v", f)
	}
	put(t, r.path("acme"), program(t, 1), 0o755)
	r.ready("acme", digestOf(program(t, 1)))
	remove(t, side)
	link(t, "/etc/hostname", side)
	r.not("acme", stage.Refused, "not in a plugin directory")
}
