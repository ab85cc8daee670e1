package stage_test

import (
	"crypto/ed25519"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core/host/stage"
)

// TestCommands replaces plugins the way people do it.
func TestCommands(t *testing.T) {
	tests := []struct {
		name, script string
		before       bool // acme is there already
	}{
		{"cp", `cp "$NEW" acme`, false},
		{"cp over", `cp "$NEW" acme`, true},
		{"cp over with --remove-destination", `cp --remove-destination "$NEW" acme`, true},
		{"cp -p", `cp -p "$NEW" acme`, true},
		{"mv", `cp "$NEW" ../x; mv ../x acme`, false},
		{"mv over", `cp "$NEW" ../x; mv ../x acme`, true},
		{"install", `install "$NEW" acme`, false},
		{"install over", `install "$NEW" acme`, true},
		{"cat and chmod", `rm -f acme; cat "$NEW" > acme; chmod +x acme`, true},
		{"hard link", `ln "$NEW" acme`, false},
		{"go build", `go build -o acme "$SRC"`, false},
		{"go build over", `go build -o acme "$SRC"`, true},
		{"slow copy by one writer", slowOneWriter, true},
		{"slow copy in pieces", slowPieces, true},
		{"slow copy of a new one", slowPieces, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			base := t.TempDir()
			src := filepath.Join(base, "src", "main.go")
			put(t, src, []byte("package main\n\nfunc main() { println(\"built\") }\n"), 0o644)
			fresh := filepath.Join(base, "new")
			put(t, fresh, program(t, 1), 0o755)
			if tt.before {
				put(t, filepath.Join(base, "plugins", "acme"), program(t, 0), 0o755)
			}
			r := startIn(t, base, nil)
			if tt.before {
				r.ready("acme", digestOf(program(t, 0)))
			}
			from := len(r.seen)
			r.sh(tt.script, "NEW="+fresh, "SRC="+src)
			content, err := os.ReadFile(r.path("acme"))
			if err != nil {
				t.Fatal(err)
			}
			f := r.ready("acme", digestOf(content))
			checkCopy(t, r, f, content)
			for _, c := range r.seen[from:] {
				if tt.before && r.file(c, "acme").Digest == "" {
					t.Errorf("for a while nothing could run: %+v", c)
				}
			}
		})
	}
}

const slowOneWriter = `{ dd if="$NEW" bs=64k count=5; sleep 0.2; dd if="$NEW" bs=64k skip=5; } 2>/dev/null > acme; chmod +x acme`

const slowPieces = `: > acme; chmod +x acme
for i in 0 1 2 3 4 5; do
	dd if="$NEW" of=acme bs=100k skip=$i seek=$i count=1 conv=notrunc 2>/dev/null
	sleep 0.1
done
dd if="$NEW" of=acme bs=100k skip=6 seek=6 conv=notrunc 2>/dev/null`

func checkCopy(t *testing.T, r *rig, f stage.File, content []byte) {
	t.Helper()
	want := stage.File{
		Path: r.path("acme"), State: stage.Ready, Digest: digestOf(content), Dir: filepath.Join(r.store, digestOf(content)),
		Command: []string{filepath.Join(r.store, digestOf(content), "bin")}, Sidecar: stage.Sidecar{Enabled: true},
		ModTime: f.ModTime, Since: f.Since,
	}
	if diff := cmp.Diff(want, f); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	sameFile(t, f.Command[0], content)
	for path, mode := range map[string]os.FileMode{f.Command[0]: 0o500, f.Dir: 0o700, r.store: 0o700} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != mode {
			t.Errorf("%s has mode %o, want %o", path, info.Mode().Perm(), mode)
		}
	}
}

// TestFirstCatalog: what was quiet before needs no quiet time.
func TestFirstCatalog(t *testing.T) {
	base := t.TempDir()
	put(t, filepath.Join(base, "plugins", "b"), program(t, 0), 0o755)
	put(t, filepath.Join(base, "plugins", "a"), script("exit 0"), 0o755)
	r := startIn(t, base, func(c *stage.Config) {
		c.Dirs = append(c.Dirs, filepath.Join(base, "none"), c.Dirs[0]+"/")
		c.MaxQuiet, c.Quiet = time.Nanosecond, time.Hour
	})
	c := r.last()
	if len(c.Files) != 2 || c.Files[0].Path != r.path("a") || c.Files[0].State != stage.Ready || c.Files[1].State != stage.Ready {
		t.Errorf("got %+v, want a and b, ready", c.Files)
	}
	if len(c.Alarms) != 1 || c.Alarms[0].Dir != filepath.Join(base, "none") {
		t.Errorf("got alarms %+v, want one of the directory that does not exist", c.Alarms)
	}
}

func TestIgnored(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "plugins")
	for _, name := range []string{".acme", "acme~", "acme.tmp", "acme.part", "acme.swp", "acme.bak", "acme.old", "acme.new", "acme.dpkg-new",
		"acme-go-tmp-umask", "acme.sig", "acme.sha256", "acme.plugin.yaml", "#acme#", "source/main", ".hidden/plugin.yaml"} {
		put(t, filepath.Join(dir, name), script("exit 0"), 0o755)
	}
	put(t, filepath.Join(dir, "README"), []byte("text"), 0o644)
	put(t, filepath.Join(dir, "source", "main.go"), []byte("package main"), 0o644)
	if err := os.MkdirAll(filepath.Join(dir, "odd", "plugin.yaml"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mknod(filepath.Join(dir, "zero"), syscall.S_IFCHR|0o777, 1<<8|5); err != nil {
		t.Logf("no device: %v", err) // needs root
	}
	for name, to := range map[string]string{"pipe": "fifo", "text": "README", "code": "source", "up": "..", "self": "."} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	r := startIn(t, base, nil)
	put(t, r.path("good"), script("exit 0"), 0o755)
	r.ready("good", digestOf(script("exit 0")))
	if n := len(r.last().Files); n != 1 {
		t.Errorf("got %d files, want good alone: %+v", n, r.last().Files)
	}
}

// TestTruncated: a program without its tail may start and serve.
func TestTruncated(t *testing.T) {
	whole := program(t, 1)
	tests := map[string]int{"98 percent": len(whole) * 98 / 100, "half": len(whole) / 2, "1000 bytes": 1000, "one byte": 1, "empty": 0}
	for name, n := range tests {
		t.Run(name, func(t *testing.T) {
			r := start(t, nil)
			put(t, r.path("acme"), whole[:n], 0o755)
			if f := r.not("acme", stage.Settling, "incomplete"); f.Digest != "" || f.Command != nil {
				t.Errorf("a truncated program may run: %+v", f)
			}
			replace(t, r.path("acme"), program(t, 0), 0o755)
			old := r.ready("acme", digestOf(program(t, 0)))
			put(t, r.path("acme"), whole[:n], 0o755)
			f := r.not("acme", stage.Settling, "incomplete")
			if f.Digest != old.Digest || !cmp.Equal(f.Command, old.Command) || f.Dir != old.Dir {
				t.Errorf("the old content does not go on: %+v", f)
			}
			put(t, r.path("acme"), whole, 0o755)
			r.ready("acme", digestOf(whole))
		})
	}
}

// TestOpenWriter: closing a file makes no event, and still ends the wait.
func TestOpenWriter(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs read leases")
	}
	r := start(t, nil)
	f, err := os.OpenFile(r.path("acme"), os.O_WRONLY|os.O_CREATE, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := f.Write(program(t, 0)); err != nil {
		t.Fatal(err)
	}
	r.not("acme", stage.Settling, "open for writing")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	r.ready("acme", digestOf(program(t, 0)))
}

func TestRefusedContent(t *testing.T) {
	foreign := append([]byte(nil), program(t, 0)...)
	foreign[18], foreign[19] = 0x16, 0 // EM_S390
	tests := map[string]struct {
		content []byte
		want    string
	}{
		"text":      {[]byte("hello"), "neither a program nor a script"},
		"processor": {foreign, "for the processor"},
		"windows":   {[]byte("MZ" + strings.Repeat("x", 100)), "program for Windows"},
		"large":     {script(strings.Repeat("x", 4<<20)), "larger than"},
	}
	if runtime.GOOS != "linux" {
		t.Skip("the table is for Linux")
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := start(t, func(c *stage.Config) { c.MaxSize = 3 << 20 })
			put(t, r.path("acme"), tt.content, 0o755)
			if f := r.not("acme", stage.Refused, tt.want); f.Digest != "" {
				t.Errorf("it may run: %+v", f)
			}
		})
	}
}

func TestRemoval(t *testing.T) {
	r := start(t, func(c *stage.Config) { c.Absent = 100 * time.Millisecond })
	put(t, r.path("a"), script("exit 0"), 0o755)
	put(t, r.path("b"), script("exit 0"), 0o755)
	r.ready("a", digestOf(script("exit 0")))
	remove(t, r.path("a"))
	r.until(func(c stage.Catalog) bool { return len(c.Files) == 1 && c.Files[0].Path == r.path("b") })
	if err := os.Chmod(r.path("b"), 0o644); err != nil {
		t.Fatal(err)
	}
	r.until(func(c stage.Catalog) bool { return len(c.Files) == 0 })
	for _, c := range r.seen {
		if len(c.Alarms) > 0 {
			t.Errorf("removing files raised %+v", c.Alarms)
		}
	}
}

// TestWithoutTheRightToExecute: a downloaded program is refused with a hint,
// and one whose right is taken is stopped.
func TestWithoutTheRightToExecute(t *testing.T) {
	r := start(t, func(c *stage.Config) { c.Absent = 100 * time.Millisecond })
	put(t, r.path("acme"), program(t, 0), 0o644)
	r.not("acme", stage.Refused, "chmod +x "+r.path("acme"))
	for _, mode := range []fs.FileMode{0o755, 0o644} {
		if err := os.Chmod(r.path("acme"), mode); err != nil {
			t.Fatal(err)
		}
		if mode == 0o755 {
			r.ready("acme", digestOf(program(t, 0)))
		} else if f := r.not("acme", stage.Refused, "chmod +x"); f.Digest != "" {
			t.Errorf("it may still run: %+v", f)
		}
	}
}

// TestBriefAbsence: a file that is replaced by rm and cp is not removed.
func TestBriefAbsence(t *testing.T) {
	r := start(t, nil)
	put(t, r.path("a"), program(t, 0), 0o755)
	r.ready("a", digestOf(program(t, 0)))
	from := len(r.seen)
	remove(t, r.path("a"))
	put(t, r.path("other"), script("exit 0"), 0o755)
	r.ready("other", digestOf(script("exit 0"))) // a look that saw a's absence
	put(t, r.path("a"), program(t, 1), 0o755)
	r.ready("a", digestOf(program(t, 1)))
	for _, c := range r.seen[from:] {
		if r.file(c, "a").Digest == "" {
			t.Errorf("for a while nothing could run: %+v", c)
		}
	}
}

// TestDirectoryTrouble: a directory in trouble takes nothing away.
func TestDirectoryTrouble(t *testing.T) {
	tests := map[string]struct {
		damage func(*rig)
		want   string
	}{
		"vanished":             {func(*rig) {}, "no such file"},
		"replaced by a file":   {func(r *rig) { put(r.t, r.dir, nil, 0o644) }, "not a directory"},
		"replaced by an empty": {func(r *rig) { _ = os.Mkdir(r.dir, 0o755) }, "empty one"},
		"a link to nowhere":    {func(r *rig) { _ = os.Symlink("nowhere", r.dir) }, "no such file"},
		"unreadable": {func(r *rig) {
			if os.Geteuid() == 0 {
				r.t.Skip("root may read everything")
			}
			_ = os.Mkdir(r.dir, 0o000)
		}, "permission denied"},
		"a link to itself": {func(r *rig) { _ = os.Symlink("plugins", r.dir) }, "too many links"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := start(t, func(c *stage.Config) { c.Absent, c.Rescan = time.Millisecond, 50*time.Millisecond })
			put(t, r.path("a"), program(t, 0), 0o755)
			old := r.ready("a", digestOf(program(t, 0)))
			if err := os.Rename(r.dir, r.dir+".away"); err != nil {
				t.Fatal(err)
			}
			tt.damage(r)
			c := r.until(func(c stage.Catalog) bool {
				return len(c.Alarms) == 1 && strings.Contains(c.Alarms[0].Err.Error(), tt.want)
			})
			if c.Alarms[0].Dir != r.dir || c.Alarms[0].Since.IsZero() {
				t.Errorf("got alarm %+v", c.Alarms[0])
			}
			if diff := cmp.Diff([]stage.File{old}, c.Files); diff != "" {
				t.Errorf("files of a lost directory: -want +got:\n%s", diff)
			}
			remove(t, r.dir)
			if err := os.Rename(r.dir+".away", r.dir); err != nil {
				t.Fatal(err)
			}
			c = r.until(func(c stage.Catalog) bool { return len(c.Alarms) == 0 })
			if r.file(c, "a").Digest != old.Digest {
				t.Errorf("after the trouble: %+v", c)
			}
		})
	}
}

// TestOneBadDirectory: trouble in one directory does not touch another.
func TestOneBadDirectory(t *testing.T) {
	base := t.TempDir()
	second := filepath.Join(base, "second")
	put(t, filepath.Join(second, "x"), program(t, 0), 0o755)
	r := startIn(t, base, func(c *stage.Config) { c.Dirs = append(c.Dirs, second) })
	r.until(func(c stage.Catalog) bool { return len(c.Files) == 1 && c.Files[0].State == stage.Ready })
	remove(t, second)
	r.until(func(c stage.Catalog) bool { return len(c.Alarms) == 1 })
	put(t, r.path("a"), program(t, 1), 0o755)
	r.ready("a", digestOf(program(t, 1)))
	if c := r.last(); len(c.Files) != 2 || c.Files[1].Digest != digestOf(program(t, 0)) {
		t.Errorf("got %+v, want both files", c.Files)
	}
}

// TestOptionalDirectory: one that was never there is no trouble, one that was
// there is.
func TestOptionalDirectory(t *testing.T) {
	base := t.TempDir()
	later := filepath.Join(base, "later")
	r := startIn(t, base, func(c *stage.Config) {
		c.Dirs = append(c.Dirs, later)
		c.Optional = []string{later + "/"}
	})
	if c := r.last(); len(c.Alarms) > 0 {
		t.Errorf("got alarms %+v before it was there, want none", c.Alarms)
	}
	put(t, filepath.Join(later, "x"), program(t, 0), 0o755)
	r.until(func(c stage.Catalog) bool { return len(c.Files) == 1 && c.Files[0].State == stage.Ready })
	remove(t, later)
	c := r.until(func(c stage.Catalog) bool { return len(c.Alarms) == 1 })
	if c.Alarms[0].Dir != later || len(c.Files) != 1 || c.Files[0].Digest == "" {
		t.Errorf("got %+v after it went, want an alarm and the file as it was", c)
	}
}

func TestConfig(t *testing.T) {
	tests := map[string]struct {
		c    stage.Config
		want string
	}{
		"no store":  {stage.Config{}, "no folder"},
		"mode":      {stage.Config{Store: "s", Trust: stage.Trust{Mode: "opne"}}, `mode "opne" is none of`},
		"no lock":   {stage.Config{Store: "s", Trust: stage.Trust{Mode: stage.Pinned}}, "needs a lock file"},
		"no key":    {stage.Config{Store: "s", Trust: stage.Trust{Mode: stage.Signed}}, "needs a public key"},
		"short key": {stage.Config{Store: "s", Trust: stage.Trust{Mode: stage.Signed, Keys: []ed25519.PublicKey{{1}}}}, "key 1 has 1 bytes"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := stage.New(tt.c); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	if _, err := stage.New(stage.Config{Store: "s"}); err != nil {
		t.Error(err)
	}
}

// TestStoreNotAFolder: without a store there is no stager.
func TestStoreNotAFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	put(t, path, nil, 0o600)
	s, err := stage.New(stage.Config{Store: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context(), func(stage.Catalog) {}); err == nil {
		t.Error("Run with a file for a store: no error")
	}
}
