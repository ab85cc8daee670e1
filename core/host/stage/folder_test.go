package stage_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/core/host/stage"
)

func TestFolder(t *testing.T) {
	r := start(t, func(c *stage.Config) { c.Rescan = 100 * time.Millisecond })
	manifest := []byte("command: [sh, ./main.sh, lib/words.txt, plain]\n")
	put(t, r.path("acme/plugin.yaml"), manifest, 0o644)
	put(t, r.path("acme/main.sh"), []byte("#!/bin/sh\n"+`test "$1" = "$PWD/lib/words.txt" && test "$2" = plain && test -f lib/words.txt`+"\n"), 0o755)
	put(t, r.path("acme/lib/words.txt"), []byte("one\n"), 0o644)
	put(t, r.path("acme/.git/config"), []byte("x\n"), 0o644)
	put(t, r.path("acme/main.sh~"), []byte("x\n"), 0o644)
	link(t, "lib/words.txt", r.path("acme/linked"))
	digest := folderDigest(map[string]string{
		"lib/words.txt": "-one\n", "linked": "-one\n", "plugin.yaml": "-" + string(manifest),
		"main.sh": "x#!/bin/sh\n" + `test "$1" = "$PWD/lib/words.txt" && test "$2" = plain && test -f lib/words.txt` + "\n",
	}, "lib/words.txt", "linked", "main.sh", "plugin.yaml")
	f := r.ready("acme", digest)
	sh, _ := exec.LookPath("sh")
	want := []string{sh, filepath.Join(f.Dir, "main.sh"), filepath.Join(f.Dir, "lib/words.txt"), "plain"}
	if diff := cmp.Diff(want, f.Command); diff != "" {
		t.Errorf("command: -want +got:\n%s", diff)
	}
	if f.Dir != filepath.Join(r.store, digest, "tree") {
		t.Errorf("got folder %s", f.Dir)
	}
	if got, err := stage.Digest(t.Context(), r.path("acme")); err != nil || got != digest {
		t.Errorf("Digest: got %s, %v, want %s", got, err, digest)
	}
	if !stage.IsFolder(r.path("acme")) || stage.IsFolder(r.path("acme/main.sh")) {
		t.Error("IsFolder is wrong")
	}

	put(t, r.path("acme/lib/words.txt"), []byte("two\n"), 0o644)
	f = r.untilFile("acme", func(f stage.File) bool { return f.State == stage.Ready && f.Digest != digest })
	sameFile(t, filepath.Join(f.Dir, "lib/words.txt"), []byte("two\n"))

	put(t, r.path("acme/plugin.yaml"), []byte("command: [sh, main.sh]\nfiles: [main.sh, lib, later.txt]\n"), 0o644)
	if g := r.not("acme", stage.Settling, `plugin.yaml:2:23: files: there is no "later.txt"`); g.Digest != f.Digest {
		t.Errorf("the old content does not go on: %+v", g)
	}
	put(t, r.path("acme/later.txt"), nil, 0o644)
	f = r.untilFile("acme", func(f stage.File) bool { return f.State == stage.Ready })
	if _, err := os.Stat(filepath.Join(f.Dir, "linked")); err == nil {
		t.Error("a file that is not in files was copied")
	}
	put(t, r.path("acme/plugin.yaml"), []byte("command: [./main.sh]\n"), 0o644)
	r.untilFile("acme", func(g stage.File) bool {
		return g.State == stage.Ready && g.Command[0] == filepath.Join(g.Dir, "main.sh")
	})
}

// folderDigest is the documented digest. Contents begin with x or -.
func folderDigest(contents map[string]string, names ...string) string {
	var b strings.Builder
	for _, n := range names {
		c := contents[n]
		fmt.Fprintf(&b, "%s %c %s\n", digestOf([]byte(c[1:])), c[0], n)
	}
	return digestOf([]byte(b.String()))
}

// TestFolderThatGrows: no rescan is needed to see what makes a folder a plugin,
// also if it comes last.
func TestFolderThatGrows(t *testing.T) {
	r := start(t, func(c *stage.Config) { c.Rescan = time.Hour })
	put(t, r.path("acme/main.sh"), script("exit 0"), 0o755)
	put(t, r.path("other"), script("exit 0"), 0o755) // what is ready after the folder was seen
	r.ready("other", digestOf(script("exit 0")))
	put(t, r.path("acme/plugin.yaml"), []byte("command: [./main.sh]\n"), 0o644)
	r.untilFile("acme", func(f stage.File) bool { return f.State == stage.Ready })
}

func TestFolderRefused(t *testing.T) {
	tests := map[string]struct {
		manifest string
		prepare  func(*rig)
		state    stage.State
		want     string
	}{
		"mistake":           {"comand: [sh]\n", nil, stage.Refused, `plugin.yaml:1:1: unknown key "comand"; did you mean "command"?`},
		"two mistakes":      {"command: [sh]\nfile: [a]\nsise: 1\n", nil, stage.Refused, `unknown key "file"; did you mean "files"?; `},
		"link out":          {"command: [sh]\n", func(r *rig) { link(r.t, "/etc/passwd", r.path("acme/x")) }, stage.Refused, "x: the link cannot be followed"},
		"relative link out": {"command: [sh]\n", func(r *rig) { link(r.t, "../other", r.path("acme/x")) }, stage.Refused, "x: the link cannot be followed"},
		"named link out":    {"command: [sh]\nfiles: [x]\n", func(r *rig) { link(r.t, "/etc", r.path("acme/x")) }, stage.Refused, "x: the link cannot be followed"},
		"through a link":    {"command: [sh]\nfiles: [x/passwd]\n", func(r *rig) { link(r.t, "/etc", r.path("acme/x")) }, stage.Refused, "escapes"},
		"link loop":         {"command: [sh]\n", func(r *rig) { link(r.t, "x", r.path("acme/x")) }, stage.Refused, "x: the link cannot be followed"},
		"link to itself":    {"command: [sh]\n", func(r *rig) { link(r.t, ".", r.path("acme/x")) }, stage.Refused, "x is a link to a folder"},
		"traversal":         {"command: [sh]\nfiles: [../other]\n", nil, stage.Refused, "not a name inside the folder"},
		"no program":        {"command: [no-such-program]\n", nil, stage.Settling, "not in $PATH"},
		"no own program":    {"command: [bin/x]\n", nil, stage.Settling, "not a file of the folder"},
		"not executable":    {"command: [./plugin.yaml]\n", nil, stage.Refused, "not executable"},
		"no script":         {"command: [bin/x]\n", func(r *rig) { put(r.t, r.path("acme/bin/x"), []byte("hello"), 0o755) }, stage.Refused, "bin/x: it is neither"},
		"pipe":              {"command: [sh]\n", func(r *rig) { r.sh("mkfifo acme/pipe") }, stage.Refused, "pipe is not a regular file"},
		"large": {"command: [sh]\n", func(r *rig) {
			put(r.t, r.path("acme/a"), make([]byte, 600<<10), 0o644)
			put(r.t, r.path("acme/b"), make([]byte, 600<<10), 0o644)
		}, stage.Refused, "larger than 1048576 bytes"},
		"exposed": {"command: [sh]\n", func(r *rig) { put(r.t, r.path("acme/lib/x"), nil, 0o666) }, stage.Refused, "written by everybody"},
		"deep": {"command: [sh]\n", func(r *rig) {
			put(r.t, r.path("acme/"+strings.Repeat("d/", 40)+"x"), nil, 0o644)
		}, stage.Refused, "nested too deep"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := start(t, func(c *stage.Config) { c.MaxSize, c.Rescan = 1<<20, 100*time.Millisecond })
			put(t, r.path("other"), nil, 0o644)
			put(t, r.path("acme/notes.txt"), nil, 0o644)
			if tt.prepare != nil {
				tt.prepare(r)
			}
			replace(t, r.path("acme/plugin.yaml"), []byte(tt.manifest), 0o644)
			if f := r.not("acme", tt.state, tt.want); f.Digest != "" {
				t.Errorf("it may run: %+v", f)
			}
		})
	}
}

func TestManifestProblems(t *testing.T) {
	tests := map[string]string{
		"":                               `f:1:1: there is no command; write command: [node, main.js]`,
		"[]":                             `f:1:1: the file must be a mapping of keys to values`,
		"command: node":                  `f:1:10: command must be a list; write command: [one, two]`,
		"command: []":                    `f:1:10: command is an empty list`,
		"command: [node, {a: b}]":        `f:1:17: each item of command must be a text`,
		"command: [a]\ncommand: [b]":     `f:2:1: the key "command" stands here twice`,
		"command: [/usr/bin/node]":       `f:1:10: the command is an absolute path; name it without a path, then it is searched for in $PATH`,
		"command: [a]\nfiles:\n  - /etc": `f:3:5: "/etc" is not a name inside the folder; name files and folders relative to plugin.yaml`,
		"command: [a]\nfiles: [a/../..]": `f:2:9: "a/../.." is not a name inside the folder; name files and folders relative to plugin.yaml`,
		"command: [a]\nfile: [b]":        `f:2:1: unknown key "file"; did you mean "files"?`,
		"command: [a]\n---\ncommand: b":  `f:3:1: the file holds more than one YAML document`,
		"command: [\xff]":                `f:1:1: the file is not UTF-8; save it as UTF-8`,
		strings.Repeat("[", 100):         `f:1:1: the file is nested too deep`,
	}
	for text, want := range tests {
		_, err := stage.ParseManifest("f", []byte(text))
		if err == nil || err.Error() != want {
			t.Errorf("%.40q: got %v, want %s", text, err, want)
		}
		if _, ok := err.(diag.Problems); !ok { //nolint:errorlint // exactly this type
			t.Errorf("%.40q: got %T", text, err)
		}
	}
}

func TestSidecarProblems(t *testing.T) {
	tests := map[string]string{
		"memory: lots":      `f:1:9: memory "lots" is not a size of 1MiB or more; write one such as 256MiB`,
		"memory: 1KiB":      `f:1:9: memory "1KiB" is not a size of 1MiB or more; write one such as 256MiB`,
		"memory: 9999GiB":   `f:1:9: memory "9999GiB" is not a size of 1MiB or more; write one such as 256MiB`,
		"probation: 1":      `f:1:12: probation "1" is not a duration of 1s to 24h; write one such as 90s`,
		"sha256: abc":       `f:1:9: sha256 is not 64 hexadecimal digits; write what sha256sum prints`,
		"enabled: 1":        `f:1:10: enabled must be true or false; write true or false`,
		"handover: x":       `f:1:1: unknown key "handover"; known: enabled, sha256, memory, probation`,
		"memory: [1]\na: b": "f:1:9: memory must be a text\nf:2:1: unknown key \"a\"; known: enabled, sha256, memory, probation",
	}
	for text, want := range tests {
		if _, err := stage.ParseSidecar("f", []byte(text)); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
	got, err := stage.ParseSidecar("f", []byte("# nothing\n"))
	if want := (stage.Sidecar{Enabled: true}); err != nil || got != want {
		t.Errorf("an empty sidecar: got %+v, %v", got, err)
	}
}
