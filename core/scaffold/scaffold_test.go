package scaffold_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/openccsp/gateway/core/conform"
	"github.com/openccsp/gateway/core/scaffold"
)

func TestNewRefuses(t *testing.T) {
	full, alien := t.TempDir(), t.TempDir()
	write(t, filepath.Join(full, "notes.txt"), "mine")
	write(t, filepath.Join(alien, "go.mod"), "module example.org/alien\n")
	for _, tt := range []struct {
		o    scaffold.Options
		want string
	}{
		{scaffold.Options{Name: "Acme", Kind: "channel"}, `name "Acme": want a lower-case word`},
		{scaffold.Options{Name: "acme-", Kind: "channel"}, `name "acme-": want a lower-case word`},
		{scaffold.Options{Name: "../acme", Kind: "channel"}, `name "../acme": want a lower-case word`},
		{scaffold.Options{Name: strings.Repeat("a", 33), Kind: "channel"}, "of at most 32 characters"},
		{scaffold.Options{Name: "acme"}, `kind "": want channel (where customers write) or connector`},
		{scaffold.Options{Name: "acme", Kind: "channel", Lang: "cobol"}, `lang "cobol": want go or node`},
		{scaffold.Options{Name: "acme", Kind: "channel", ID: "acme"}, `id "acme": want reverse DNS, such as com.example.acme`},
		{scaffold.Options{Name: "acme", Kind: "channel", Dir: full}, full + " is not empty, it has notes.txt; nothing was written"},
		{scaffold.Options{Name: "acme", Kind: "channel", Dir: filepath.Join(full, "notes.txt")}, "not a directory"},
		{scaffold.Options{Name: "acme", Kind: "channel", SDK: alien}, "sdk " + alien + ": want the source tree of the gateway"},
		{scaffold.Options{Name: "acme", Kind: "channel", SDK: full}, "sdk " + full + ": want the source tree of the gateway"},
	} {
		_, err := scaffold.New(tt.o)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("New(%+v) = %v\nwant %s", tt.o, err, tt.want)
		}
	}
}

func TestNames(t *testing.T) {
	for _, tt := range []struct{ name, id, driver, wantID, module string }{
		{"acme", "", "acme", "org.example.acme", "example.org/acme"},
		{"acme-chat_2", "", "acme_chat_2", "org.example.acme-chat-2", "example.org/acme-chat-2"},
		{"acme", "com.example.desk.eu", "acme", "com.example.desk.eu", "example.com/desk/eu"},
		{"acme", "example.acme", "acme", "example.acme", "acme.example"},
	} {
		p, err := scaffold.New(scaffold.Options{Name: tt.name, ID: tt.id, Kind: "channel", Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		if p.Driver != tt.driver || p.ID != tt.wantID || p.Module != tt.module {
			t.Errorf("%s %s: driver %s, id %s, module %s; want %s, %s, %s", tt.name, tt.id,
				p.Driver, p.ID, p.Module, tt.driver, tt.wantID, tt.module)
		}
	}
}

// What appears between New and Write is not overwritten either.
func TestWriteOverwritesNothing(t *testing.T) {
	dir := t.TempDir()
	p, err := scaffold.New(scaffold.Options{Name: "acme", Kind: "channel", Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "main.go"), "mine")
	if files, err := p.Write(); err == nil || len(files) > 0 {
		t.Errorf("wrote %v, %v; want an error", files, err)
	}
	if b, _ := os.ReadFile(filepath.Join(dir, "main.go")); string(b) != "mine" {
		t.Errorf("main.go is now %.20q", b)
	}
}

// A plugin in Go builds without the network, with go.mod as it was written,
// has nothing to be formatted or vetted, and passes its own tests, among them
// the SDK's suite.
func TestGo(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds programs")
	}
	for _, kind := range []string{"channel", "connector"} {
		t.Run(kind, func(t *testing.T) {
			dir := generate(t, kind, "go")
			mod := read(t, filepath.Join(dir, "go.mod"))
			for _, args := range [][]string{
				{"build", "-mod=readonly", "-o", t.TempDir(), "./..."},
				{"build", "-mod=mod", "-o", t.TempDir(), "./..."},
				{"vet", "./..."},
				{"test", "./..."},
			} {
				run(t, dir, "go", args...)
			}
			if out := run(t, dir, "gofmt", "-l", "."); out != "" {
				t.Errorf("gofmt would change %s", out)
			}
			if after := read(t, filepath.Join(dir, "go.mod")); after != mod {
				t.Errorf("go.mod was not complete; the build made of it\n%s", after)
			}
		})
	}
}

// Without the SDK's source a release's module is required.
func TestReleasedSDK(t *testing.T) {
	for version, want := range map[string]string{
		"v1.2.0": "require github.com/openccsp/gateway v1.2.0\n", "dev": "", "v1.2.0-3-gc0ffee": "", "1c0ffee-dirty": "",
	} {
		mod, err := scaffold.WithoutSource(scaffold.Options{Name: "acme", Kind: "channel", Version: version, Dir: t.TempDir()})
		switch {
		case want == "" && (err == nil || !strings.Contains(err.Error(), "--sdk")):
			t.Errorf("version %s: %v, want an error that names --sdk", version, err)
		case want != "" && (err != nil || !strings.HasSuffix(mod, want)):
			t.Errorf("version %s: %v, go.mod\n%s", version, err, mod)
		}
	}
}

func TestNode(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("not run: node is not installed")
	}
	for _, kind := range []string{"channel", "connector"} {
		t.Run(kind, func(t *testing.T) {
			dir := generate(t, kind, "node")
			scripts := 0
			for _, pattern := range []string{"*.mjs", "demo/*.mjs"} {
				files, _ := filepath.Glob(filepath.Join(dir, pattern))
				for _, file := range files {
					scripts++
					run(t, dir, node, "--check", file)
				}
			}
			if scripts != 7 {
				t.Errorf("%d scripts, want 7", scripts)
			}
			if got, want := read(t, filepath.Join(dir, "plugin.proto")), read(t, filepath.Join(root, "sdk/pluginv1/plugin.proto")); got != want {
				t.Error("plugin.proto is not the SDK's")
			}
		})
	}
}

// The protocol's half of a plugin in Node is one file, here and in the example.
func TestNodeKitIsTheExamples(t *testing.T) {
	const here = "templates/node/gateway.mjs.tmpl"
	example := filepath.Join(root, "examples", "plugin-node", "gateway.mjs")
	if read(t, here) != read(t, example) {
		t.Errorf("%s and %s differ: copy the one that was changed", here, example)
	}
}

// modules are where `make test` puts the packages that a plugin in Node needs.
var modules = filepath.Join(root, "bin", ".node", "node_modules")

func TestNodeConforms(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a plugin many times")
	}
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("not run: node is not installed")
	}
	if _, err := os.Stat(modules); err != nil {
		t.Skip("not run: `make test` installs packages of npm first")
	}
	from, err := filepath.Abs(modules)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"channel", "connector"} {
		t.Run(kind, func(t *testing.T) {
			dir := generate(t, kind, "node")
			if err := os.Symlink(from, filepath.Join(dir, "node_modules")); err != nil {
				t.Fatal(err)
			}
			run(t, dir, node, "--test")
			target, setup, err := conform.Find(dir)
			if err != nil {
				t.Fatal(err)
			}
			report, err := conform.Run(t.Context(), conform.Options{Target: target, Setup: setup, Patience: patience})
			if err != nil {
				t.Fatal(err)
			}
			if n := report.Count(conform.Fail); n > 0 {
				var text strings.Builder
				_ = report.WriteTable(&text)
				t.Errorf("it breaks %d rules\n%s", n, text.String())
			}
		})
	}
}

// What an author is told to type are commands that the project knows.
func TestNext(t *testing.T) {
	for _, lang := range []string{"go", "node"} {
		p, err := scaffold.New(scaffold.Options{Name: "acme", Kind: "connector", Lang: lang, Dir: filepath.Join(t.TempDir(), "acme")})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Write(); err != nil {
			t.Fatal(err)
		}
		next := p.Next()
		readme := read(t, filepath.Join(p.Dir, "README.md"))
		told := 0
		for line := range strings.Lines(next) {
			command, _, ok := strings.Cut(strings.TrimSpace(line), "  ")
			if !ok || !strings.Contains(line, "# ") {
				continue
			}
			told++
			if command = strings.TrimSpace(command); !strings.Contains(readme, "    "+command) {
				t.Errorf("%s: the README does not have %q", lang, command)
			}
		}
		if told < 4 || !strings.Contains(next, `integration "acme" "desk" {`) {
			t.Errorf("%s: %d commands, or no block for gateway.hcl, in\n%s", lang, told, next)
		}
	}
}

func TestSource(t *testing.T) {
	want, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	if got := scaffold.Source(); got != want {
		t.Errorf("the source tree is %q, want %q", got, want)
	}
}

// generate writes a project of that kind.
func generate(t *testing.T, kind, lang string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "acme-one")
	p, err := scaffold.New(scaffold.Options{Name: "acme-one", Kind: kind, Lang: lang, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	files, err := p.Write()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(files, filepath.Join(dir, "demo", "gateway.hcl")) {
		t.Errorf("no demo/gateway.hcl among %v", files)
	}
	for _, f := range files {
		if text := read(t, f); strings.Contains(text, "[[ ") || strings.Contains(text, "<no value>") {
			t.Errorf("%s has marks left in it", f)
		}
	}
	return dir
}

func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOPROXY=off", "GOFLAGS=")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
