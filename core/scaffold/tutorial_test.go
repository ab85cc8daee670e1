package scaffold_test

import (
	"bufio"
	"bytes"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	root = "../.."

	// patience is for what other processes do, also on a machine that is busy.
	patience = 5 * time.Minute
)

// TestTutorial does what the SDK's README says, as it stands there: it types
// the commands, compares what they print, and makes the edits.
func TestTutorial(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds a gateway and two plugins")
	}
	text, err := os.ReadFile(filepath.Join(root, "sdk", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, tutorial, _ := strings.Cut(string(text), "## Your first plugin")
	tutorial, _, found := strings.Cut(tutorial, "\n## ")
	if !found {
		t.Fatal("the README has no tutorial")
	}
	a := newAuthor(t)
	for _, b := range blocks(tutorial) {
		switch b.lang {
		case "console":
			for _, c := range commands(b.text) {
				a.do(c)
			}
		case "diff":
			a.edit(b.text)
		default:
			t.Errorf("a block in %q is neither console nor diff", b.lang)
		}
	}
	if a.typed < 10 || a.edits != 3 {
		t.Errorf("%d commands and %d edits, want all of the tutorial", a.typed, a.edits)
	}
}

type block struct{ lang, text string }

// blocks returns the fenced blocks of a Markdown text.
func blocks(text string) (all []block) {
	parts := strings.Split(text, "\n```")
	for i := 1; i < len(parts); i += 2 {
		lang, body, _ := strings.Cut(parts[i], "\n")
		all = append(all, block{lang, body})
	}
	return all
}

// typed is a command, and lines that what it prints begin with.
type typed struct {
	line string
	want []string
}

func commands(text string) (all []typed) {
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if c, ok := strings.CutPrefix(line, "$ "); ok {
			all = append(all, typed{line: c})
		} else if len(all) > 0 && line != "" {
			last := &all[len(all)-1]
			last.want = append(last.want, line)
		}
	}
	return all
}

// author types what a tutorial says.
type author struct {
	t            *testing.T
	dir          string // to type in
	env          []string
	typed, edits int

	ports   *strings.Replacer
	gateway *exec.Cmd // nil: not running
}

func newAuthor(t *testing.T) *author {
	bin := t.TempDir()
	build(t, filepath.Join(bin, "gateway"), root)
	build(t, filepath.Join(bin, "plugins", "rtm"), filepath.Join(root, "plugins", "rtm"))
	a := &author{t: t, dir: t.TempDir(), env: append(os.Environ(), "GOPROXY=off", "GOFLAGS=",
		"PATH="+bin+string(filepath.ListSeparator)+os.Getenv("PATH"))}
	t.Cleanup(a.stop)
	return a
}

func build(t *testing.T, out, pkg string) {
	t.Helper()
	if text, err := exec.Command("go", "build", "-o", out, pkg).CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", pkg, err, text)
	}
}

// do types one command and checks what it prints.
func (a *author) do(c typed) {
	a.t.Helper()
	a.typed++
	switch {
	case strings.HasPrefix(c.line, "cd "):
		a.stop()
		a.dir = filepath.Join(a.dir, strings.TrimPrefix(c.line, "cd "))
		return
	case strings.HasPrefix(c.line, "gateway run "):
		a.start()
		return
	}
	out := a.run(c.line)
	for end := time.Now().Add(patience); strings.HasPrefix(c.line, "gateway status") && !printed(out, c.want); {
		if time.Now().After(end) {
			break
		}
		time.Sleep(100 * time.Millisecond) // other processes are at work
		out = a.run(c.line)
	}
	if !printed(out, c.want) {
		a.t.Fatalf("$ %s\n%s\nwant lines that begin with\n%s", c.line, out, strings.Join(c.want, "\n"))
	}
	if strings.HasPrefix(c.line, "gateway plugin new ") {
		a.choosePorts(strings.Fields(c.line)[3])
	}
}

// printed says whether out has lines, in this order, that begin with want.
func printed(out string, want []string) bool {
	lines := strings.Split(out, "\n")
	for _, w := range want {
		i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, w) })
		if i < 0 {
			return false
		}
		lines = lines[i+1:]
	}
	return true
}

func (a *author) run(line string) string {
	a.t.Helper()
	cmd := exec.CommandContext(a.t.Context(), "sh", "-c", line)
	cmd.Dir, cmd.Env = a.dir, a.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		a.t.Fatalf("$ %s\n%v\n%s", line, err, out)
	}
	return string(out)
}

// choosePorts puts free ports in the place of those of a project's demo, which
// somebody else may use here.
func (a *author) choosePorts(project string) {
	a.t.Helper()
	if a.ports == nil {
		a.ports = strings.NewReplacer("127.0.0.1:8090", free(a.t), "127.0.0.1:8091", free(a.t), "127.0.0.1:8092", free(a.t))
	}
	changed := 0
	err := filepath.WalkDir(filepath.Join(a.dir, project, "demo"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if after := a.ports.Replace(string(b)); after != string(b) {
			changed++
			return os.WriteFile(path, []byte(after), 0o600)
		}
		return nil
	})
	if err != nil || changed != 2 {
		a.t.Fatalf("%d files of the demo with ports, want 2; %v", changed, err)
	}
}

func free(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// edit replaces the lines of a diff that begin with - by those with +, in the
// one file of the folder that has them.
func (a *author) edit(diff string) {
	a.t.Helper()
	a.edits++
	var from, to string
	for line := range strings.Lines(diff + "\n") {
		if old, ok := strings.CutPrefix(line, "-"); ok {
			from += old
		} else if new, ok := strings.CutPrefix(line, "+"); ok {
			to += new
		}
	}
	files, err := filepath.Glob(filepath.Join(a.dir, "*.go"))
	if err != nil {
		a.t.Fatal(err)
	}
	found := 0
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			a.t.Fatal(err)
		}
		if n := strings.Count(string(b), from); n > 0 {
			found += n
			if err := os.WriteFile(file, []byte(strings.Replace(string(b), from, to, 1)), 0o600); err != nil {
				a.t.Fatal(err)
			}
		}
	}
	if found != 1 {
		a.t.Fatalf("%d places to edit, want 1:\n%s", found, from)
	}
}

// start starts the gateway of the project's demo and waits until it is ready.
func (a *author) start() {
	a.t.Helper()
	cmd := exec.Command("gateway", "run", "--config", "demo/gateway.hcl")
	for _, e := range a.env {
		if path, ok := strings.CutPrefix(e, "PATH="); ok {
			cmd.Path = filepath.Join(filepath.SplitList(path)[0], "gateway")
		}
	}
	var log bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stderr, cmd.Err = a.dir, a.env, &log, nil
	out, err := cmd.StdoutPipe()
	if err != nil {
		a.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	a.gateway = cmd
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "gateway ready") {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		a.gateway = nil
		a.t.Fatalf("the gateway says %q, %v\n%s", line, err, log.String())
	}
}

// stop stops the gateway, if it runs.
func (a *author) stop() {
	if a.gateway == nil {
		return
	}
	err := a.gateway.Process.Signal(syscall.SIGTERM)
	if err := errors.Join(err, a.gateway.Wait()); err != nil {
		a.t.Errorf("the gateway ends with %v\n%s", err, a.gateway.Stderr)
	}
	a.gateway = nil
}
