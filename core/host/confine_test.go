package host_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/host"
	"github.com/openccsp/gateway/core/host/sandbox"
)

// dropFolder makes a plugin folder with a copy of this test binary in it: in
// its sandbox a plugin can execute nothing else.
func dropFolder(t *testing.T, dir, name string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(dir, name)
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(filepath.Join(folder, "program"), os.O_CREATE|os.O_WRONLY, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("command: [./program, %s, /nowhere]\n", name)
	if err := os.WriteFile(filepath.Join(folder, "plugin.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestSandbox: a plugin works in its sandbox, and what is in force is shown.
func TestSandbox(t *testing.T) {
	dir, data := t.TempDir(), t.TempDir()
	dropFolder(t, dir, "echo")
	readable := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(readable, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b := startWith(t, dir, data, host.Timing{}, host.Config{Sandbox: true, Read: []string{readable, "/not/there"}}, nil, "echo")
	b.eventually("it serves", func() bool { _, fate := b.call("i-echo", "hello"); return fate == core.Answered })
	p := b.running("test.echo")
	if len(p.Sandbox) == 0 || !p.Sandbox.Entry(sandbox.NoNewPrivs).On && p.Sandbox.Entry(sandbox.NoNewPrivs).Detail == "" {
		t.Errorf("sandbox report = %v", p.Sandbox)
	}
	r, _ := b.call("i-echo", "read "+filepath.Join(data, "plugins", "ledger.json"))
	if denied := strings.Contains(r.GetDetail(), "permission denied"); denied != p.Sandbox.Entry(sandbox.LandlockFS).On {
		t.Errorf("reading the ledger = %q, with %v", r.GetDetail(), p.Sandbox)
	}
	if r, _ := b.call("i-echo", "read "+readable); r.GetDetail() != "<nil>" {
		t.Errorf("reading what it may = %q", r.GetDetail())
	}
	t.Log(p.Sandbox)
}

// TestMemoryCeiling: a plugin that takes too much is ended, which counts against
// it.
func TestMemoryCeiling(t *testing.T) {
	b := startWith(t, t.TempDir(), t.TempDir(), host.Timing{}, host.Config{Memory: 256 << 20}, []string{"echo"}, "echo")
	b.eventually("it serves", func() bool { _, fate := b.call("i-echo", "hello"); return fate == core.Answered })
	if p := b.plugin("echo"); p.Memory <= 0 {
		t.Errorf("memory = %d, want what it uses", p.Memory)
	}
	b.call("i-echo", "eat 400")
	b.eventually("it is ended", func() bool { return b.plugin("echo").Restarts >= 1 })
	if p := b.plugin("echo"); !strings.Contains(p.LastError, "its ceiling is 256 MiB") || p.Crashes != 1 {
		t.Errorf("plugin = %q, %d crashes", p.LastError, p.Crashes)
	}
}
