package scaffold_test

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openccsp/gateway/core/scaffold"
)

const hello = "package main\n\nfunc main() { println(\"hello\") }\n"

// lines hands on what is written, line by line.
type lines chan string

func (l lines) Write(b []byte) (int, error) {
	for line := range strings.Lines(string(b)) {
		l <- strings.TrimSpace(line)
	}
	return len(b), nil
}

// await returns the first line that has part in it.
func (l lines) await(t *testing.T, part string) string {
	t.Helper()
	for {
		select {
		case line := <-l:
			if strings.Contains(line, part) {
				return line
			}
		case <-t.Context().Done():
			t.Fatalf("no line has %q in it", part)
		}
	}
}

func program(t *testing.T) string {
	dir := filepath.Join(t.TempDir(), "acme")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "go.mod"), "module example.org/acme\n\ngo 1.26\n")
	write(t, filepath.Join(dir, "main.go"), hello)
	return dir
}

// dev runs d until the test ends.
func dev(t *testing.T, d *scaffold.Dev) (said lines, stop func()) {
	said = make(lines, 1000)
	if d.Out == nil {
		d.Out = said
	} else {
		d.Out = io.MultiWriter(d.Out, said)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	}
	return said, stop
}

func TestDev(t *testing.T) {
	dir := program(t)
	ignored := filepath.Join(dir, "data")
	if err := os.Mkdir(ignored, 0o700); err != nil {
		t.Fatal(err)
	}
	dropped := make(chan string, 10)
	followed := make(chan struct{})
	refuse := make(chan error, 1)
	said, stop := dev(t, &scaffold.Dev{
		Dir: dir, Skip: []string{ignored},
		Drop: func(_ context.Context, built string) error {
			select {
			case err := <-refuse:
				return err
			default:
			}
			out, err := exec.Command(built).CombinedOutput()
			dropped <- filepath.Base(built) + " " + string(out)
			return err
		},
		Follow: func(ctx context.Context, out io.Writer) error {
			_, err := io.WriteString(out, "a line of the plugin's log\n")
			<-ctx.Done()
			close(followed)
			return err
		},
	})
	if got, want := <-dropped, "acme hello\n"; got != want {
		t.Errorf("dropped %q, want %q", got, want)
	}
	said.await(t, "built and dropped acme in ")

	write(t, filepath.Join(ignored, "store"), "not a source")
	write(t, filepath.Join(dir, "main.go"), strings.Replace(hello, "println", "printline", 1))
	said.await(t, "undefined: printline")
	said.await(t, "go build: exit status 1; what runs goes on")

	write(t, filepath.Join(dir, "main.go"), hello)
	said.await(t, "built: nothing has changed")

	// A folder that is new is watched, too.
	inner := filepath.Join(dir, "inner")
	if err := os.Mkdir(inner, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(inner, "inner.go"), "package inner\n\nconst Text = \"first\"\n")
	write(t, filepath.Join(dir, "main.go"), "package main\n\nimport \"example.org/acme/inner\"\n\nfunc main() { println(inner.Text) }\n")
	if got, want := <-dropped, "acme first\n"; got != want {
		t.Errorf("dropped %q, want %q", got, want)
	}
	refuse <- errors.New("disk full")
	write(t, filepath.Join(inner, "inner.go"), "package inner\n\nconst Text = \"second\"\n")
	said.await(t, "built, and not dropped: disk full")
	write(t, filepath.Join(dir, "README.md"), "a change that the compiler does not see")
	if got, want := <-dropped, "acme second\n"; got != want {
		t.Errorf("dropped %q, want %q", got, want)
	}
	stop()
	<-followed
	if n := len(dropped); n > 0 {
		t.Errorf("%d more drops, the first of %s", n, <-dropped)
	}
}

// What is said may go to a file that is watched: it does not go round in
// circles.
func TestDevWritesIntoItsFolder(t *testing.T) {
	dir := program(t)
	write(t, filepath.Join(dir, "main.go"), "package main\n\nfunc main() { broken }\n")
	out, err := os.Create(filepath.Join(dir, "dev.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	builds := make(chan string, 10)
	said, stop := dev(t, &scaffold.Dev{Dir: dir, Out: out, Drop: func(_ context.Context, built string) error {
		builds <- built
		return nil
	}})
	for range 3 { // each is a change, as a line in the log is
		if _, err := out.WriteString("a line\n"); err != nil {
			t.Fatal(err)
		}
	}
	said.await(t, "undefined: broken")
	said.await(t, "what runs goes on")
	write(t, filepath.Join(dir, "main.go"), hello)
	<-builds
	stop()
	close(said)
	for line := range said {
		if strings.Contains(line, "broken") {
			t.Errorf("it says again %q", line)
		}
	}
}

// A folder with a plugin.yaml is dropped as it is, at each change.
func TestDevFolder(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "plugin.yaml"), "command: [node, main.mjs]\n")
	dropped := make(chan string, 10)
	_, stop := dev(t, &scaffold.Dev{Dir: dir, Drop: func(_ context.Context, built string) error {
		dropped <- built
		return nil
	}})
	defer stop()
	if got := <-dropped; got != dir {
		t.Errorf("dropped %s, want %s", got, dir)
	}
	write(t, filepath.Join(dir, "main.mjs"), "")
	if got := <-dropped; got != dir {
		t.Errorf("dropped %s, want %s", got, dir)
	}
}

// The same for a folder that is dropped as it is, when Out is the file itself.
func TestDevFolderHasTheLog(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "plugin.yaml"), "command: [node, main.mjs]\n")
	out, err := os.Create(filepath.Join(dir, "dev.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	dropped := make(chan string, 100)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	d := scaffold.Dev{Dir: dir, Out: out, Drop: func(_ context.Context, built string) error {
		dropped <- built
		return nil
	}}
	go func() { done <- d.Run(ctx) }()
	<-dropped
	for i := range 3 { // each drop is a line in dev.log
		write(t, filepath.Join(dir, "main.mjs"), strings.Repeat("\n", i))
		<-dropped
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run = %v", err)
	}
	if n := len(dropped); n > 3 { // a save may be seen in two halves
		t.Errorf("%d more drops than saves", n)
	}
}

func TestDevWithoutPlugin(t *testing.T) {
	d := scaffold.Dev{Dir: t.TempDir(), Out: io.Discard}
	if err := d.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "want a folder with a Go program (go.mod) or with a plugin.yaml") {
		t.Errorf("Run = %v, want an error that says what is missing", err)
	}
}

func TestInstallProgram(t *testing.T) {
	dir, built := filepath.Join(t.TempDir(), "plugins"), filepath.Join(t.TempDir(), "acme")
	for _, text := range []string{"first", "second"} {
		write(t, built, text)
		if err := scaffold.Install(t.Context(), dir, built); err != nil {
			t.Fatal(err)
		}
		if got := read(t, filepath.Join(dir, "acme")); got != text {
			t.Errorf("installed %q, want %q", got, text)
		}
	}
	info, err := os.Stat(filepath.Join(dir, "acme"))
	if err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("mode %v, %v; want an executable", info.Mode(), err)
	}
	wantNames(t, dir, "acme")
}

// The folder may hold the plugin directory itself.
func TestInstallFolder(t *testing.T) {
	project := filepath.Join(t.TempDir(), "acme")
	dir := filepath.Join(project, "demo", "plugins")
	if err := os.MkdirAll(filepath.Join(project, "lib"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(project, "plugin.yaml"), "command: [node, main.mjs]\n")
	write(t, filepath.Join(project, "lib", "a.mjs"), "first")
	write(t, filepath.Join(project, ".env"), "SECRET=1")
	for _, text := range []string{"first", "second"} {
		write(t, filepath.Join(project, "lib", "a.mjs"), text)
		if err := scaffold.Install(t.Context(), dir, project); err != nil {
			t.Fatal(err)
		}
		if got := read(t, filepath.Join(dir, "acme", "lib", "a.mjs")); got != text {
			t.Errorf("installed %q, want %q", got, text)
		}
	}
	wantNames(t, dir, "acme")
	wantNames(t, filepath.Join(dir, "acme"), "demo", "lib", "plugin.yaml")
	wantNames(t, filepath.Join(dir, "acme", "demo"))
}

// What cannot be installed leaves the old one as it was.
func TestInstallFails(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "acme"), "old")
	if err := scaffold.Install(t.Context(), dir, filepath.Join(t.TempDir(), "acme")); err == nil {
		t.Error("installed what is not there")
	}
	if got := read(t, filepath.Join(dir, "acme")); got != "old" {
		t.Errorf("the old one is %q", got)
	}
	wantNames(t, dir, "acme")
}

func wantNames(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%s has %v, want %v", dir, got, want)
	}
}
