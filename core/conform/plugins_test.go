package conform_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/openccsp/gateway/core/conform"
)

const root = "../.."

// TestFirstParty: every plugin in plugins/ conforms, as the program it is.
func TestFirstParty(t *testing.T) {
	bin := t.TempDir()
	command(t, root, "go", "build", "-trimpath", "-o", bin+"/", "./plugins/...")
	dirs, err := filepath.Glob(filepath.Join(root, "plugins", "*", "main.go"))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("plugins: %v %v", dirs, err)
	}
	for _, main := range dirs {
		dir := filepath.Dir(main)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			setup, err := conform.LoadSetup(filepath.Join(dir, "conform.json"))
			if err != nil {
				t.Fatal(err)
			}
			target, _, err := conform.Find(filepath.Join(bin, filepath.Base(dir)))
			if err != nil {
				t.Fatal(err)
			}
			conforms(t, target, setup)
		})
	}
}

// TestNode: so does a plugin in another language, from its folder. Its own
// tests pass, too.
func TestNode(t *testing.T) {
	dir := nodePlugin(t)
	command(t, dir, "npm", "test")
	target, setup, err := conform.Find(dir)
	if err != nil {
		t.Fatal(err)
	}
	r := conforms(t, target, setup)
	// The channel emits events, and owns a port: these cases must not be among
	// those that do not apply.
	for _, c := range r.Cases {
		needed := []string{"flow/credits", "flow/refused-event", "flow/not-active", "drain/silent", "drain/deactivate", "handover/exclusive"}
		if slices.Contains(needed, c.Name) && c.Verdict != conform.Pass {
			t.Errorf("%s: %s %s", c.Name, c.Verdict, c.Detail)
		}
	}
}

// TestNodeCopies: what the plugin in Node has of other folders is the same as
// there. `make generate` copies it.
func TestNodeCopies(t *testing.T) {
	for own, theirs := range map[string]string{
		"plugin.proto": "sdk/pluginv1/plugin.proto",
		"gateway.mjs":  "core/scaffold/templates/node/gateway.mjs.tmpl",
	} {
		a, errA := os.ReadFile(filepath.Join(root, "examples/plugin-node", own))
		b, errB := os.ReadFile(filepath.Join(root, theirs))
		if err := errors.Join(errA, errB); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a, b) {
			t.Errorf("examples/plugin-node/%s differs from %s; run `make generate`", own, theirs)
		}
	}
}

// conforms runs all cases. A busy machine breaks no rule, so it is patient.
func conforms(t *testing.T, target conform.Target, setup conform.Setup) conform.Report {
	t.Helper()
	r, err := conform.Run(t.Context(), conform.Options{Target: target, Setup: setup,
		Patience: time.Minute, StopWithin: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	var table bytes.Buffer
	if err := r.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", &table)
	for _, c := range r.Cases {
		if c.Verdict == conform.Fail {
			t.Errorf("%s after %.2f s: %s", c.Name, c.Seconds, c.Detail)
		}
	}
	if r.Count(conform.Pass) < 30 {
		t.Errorf("too little of it applies: %s", r.Summary())
	}
	return r
}

// nodePlugin copies the plugin in Node, with the packages that `make test`
// installs.
func nodePlugin(t *testing.T) string {
	t.Helper()
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed: the plugin in Node cannot run", program)
		}
	}
	modules, err := filepath.Abs(filepath.Join(root, "bin/.node/node_modules"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(modules); err != nil {
		t.Skip("`make test` installs packages of npm first")
	}
	dir := t.TempDir()
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(root, "examples/plugin-node", "*.*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(file)), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// command runs a program in dir.
func command(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}
