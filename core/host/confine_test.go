package host_test

import (
	"fmt"
	"io"
	"net"
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
	t.Chdir(filepath.Dir(readable)) // gateway.hcl names it from its own folder, the plugin starts in another
	if err := os.WriteFile(readable, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b := startWith(t, dir, data, host.Timing{}, host.Config{Sandbox: true, Read: []string{"ca.pem", "/not/there"}}, nil, "echo")
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

// TestPorts: a plugin reaches the ports that are its own to reach, from its first
// call on, although it had to be started to say which plugin it is; others reach
// all.
func TestPorts(t *testing.T) {
	dir := t.TempDir()
	dropFolder(t, dir, "echo")
	dropFolder(t, dir, "other")
	yes, no := listener(t), listener(t)
	b := startWith(t, dir, t.TempDir(), host.Timing{}, host.Config{Sandbox: true, Each: map[string]host.PluginLimits{
		"test.echo": {Connect: []uint16{uint16(yes.Port)}, Listen: []uint16{}},
	}}, nil, "echo", "other")
	tcp := b.running("test.echo").Sandbox.Entry(sandbox.LandlockTCP)
	if !tcp.On && tcp.Detail == "" {
		t.Errorf("%+v, want why the ports are free", tcp)
	}
	if want := fmt.Sprintf("connect %d, listen none", yes.Port); tcp.On && tcp.Detail != want {
		t.Errorf("%+v, want %q", tcp, want)
	}
	if e := b.running("test.other").Sandbox.Entry(sandbox.LandlockTCP); e.On {
		t.Errorf("the other plugin: %+v, want it free", e)
	}
	for _, tt := range []struct {
		instance, text string
		denied         bool
	}{
		{"i-echo", "dial " + yes.String(), false},
		{"i-echo", "dial " + no.String(), true},
		{"i-echo", "listen 127.0.0.1:0", true},
		{"i-other", "dial " + no.String(), false},
		{"i-other", "listen 127.0.0.1:0", false},
	} {
		r, fate := b.call(tt.instance, tt.text)
		want := "<nil>"
		if tt.denied && tcp.On {
			want = "permission denied"
		}
		if fate != core.Answered || !strings.HasSuffix(r.GetDetail(), want) {
			t.Errorf("%s of %s = %v, %q, want %s", tt.text, tt.instance, fate, r.GetDetail(), want)
		}
	}
}

func listener(t *testing.T) *net.TCPAddr {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().(*net.TCPAddr)
}

// TestMemoryCeiling: a plugin that takes too much is ended, which counts against
// it. The lowest ceiling is the one.
func TestMemoryCeiling(t *testing.T) {
	own := map[string]host.PluginLimits{"test.echo": {Memory: 256 << 20}, "test.other": {Memory: 1 << 20}}
	for name, cfg := range map[string]host.Config{
		"of all": {Memory: 256 << 20}, "its own": {Each: own}, "a lower one of its own": {Memory: 1 << 30, Each: own},
	} {
		t.Run(name, func(t *testing.T) {
			b := startWith(t, t.TempDir(), t.TempDir(), host.Timing{}, cfg, []string{"echo"}, "echo")
			b.eventually("it serves", func() bool { _, fate := b.call("i-echo", "hello"); return fate == core.Answered })
			if p := b.plugin("echo"); p.Memory <= 0 {
				t.Errorf("memory = %d, want what it uses", p.Memory)
			}
			b.call("i-echo", "eat 400")
			b.eventually("it is ended", func() bool { return b.plugin("echo").Restarts >= 1 })
			if p := b.plugin("echo"); !strings.Contains(p.LastError, "its ceiling is 256 MiB") || p.Crashes != 1 {
				t.Errorf("plugin = %q, %d crashes", p.LastError, p.Crashes)
			}
		})
	}
}
