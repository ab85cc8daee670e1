package sandbox_test

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/core/host/sandbox"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// strict is a Spec with everything restricted that can be.
func strict(t *testing.T, command ...string) sandbox.Spec {
	t.Helper()
	own := t.TempDir()
	return sandbox.Spec{
		Command: command, Dir: own, DataDirs: []string{own}, Connect: []uint16{443}, Listen: []uint16{},
		MaxFiles: 1024, MaxFileSize: 1 << 30, Memory: 512 << 20,
		Env: []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "HOME=" + own, "TMPDIR=" + own},
	}
}

// Interpreters find their libraries, certificates, name service and random
// numbers, and can be told to keep to their folder.
func TestLanguages(t *testing.T) {
	needABI(t, 4)
	for _, c := range []struct{ program, file, script string }{
		{"node", "main.js", `
const fs = require("fs"), crypto = require("crypto"), tls = require("tls"), net = require("net");
crypto.randomBytes(8); tls.createSecureContext();
fs.writeFileSync("own", "x");
let outside; try { outside = fs.readFileSync("/etc/shadow") && "read" } catch (e) { outside = e.code }
net.connect(9, "127.0.0.1").on("error", e => require("dns").lookup("localhost", (err, a) =>
  console.log("hello", outside, e.code, require("./module").name, a)));`},
		{"python3", "main.py", `
import ssl, os, socket, subprocess, hashlib, json, tempfile
ssl.create_default_context(); os.urandom(8)
tempfile.NamedTemporaryFile().close()
try: open("/etc/shadow"); outside = "read"
except OSError as e: outside = "EACCES" if e.errno == 13 else str(e)
try: socket.create_connection(("127.0.0.1", 9)); tcp = "open"
except OSError as e: tcp = "EACCES" if e.errno == 13 else str(e)
import module
a = socket.getaddrinfo("localhost", 80, socket.AF_INET)[0][4][0]
assert subprocess.run(["/bin/true"]).returncode == 0
print("hello", outside, tcp, module.name, a)`},
	} {
		t.Run(c.program, func(t *testing.T) {
			program, err := exec.LookPath("/usr/bin/" + c.program)
			if err != nil {
				t.Skip(err)
			}
			store := t.TempDir()
			main := filepath.Join(store, c.file)
			module := strings.Replace(main, "main.", "module.", 1)
			text := `name = "module"`
			if c.program == "node" {
				text = "exports." + text
			}
			for path, text := range map[string]string{main: c.script, module: text} {
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			spec := strict(t, program, main)
			spec.ReadDirs = []string{store}
			r := start(t, spec, nil)
			if got, want := r.output(t), "hello EACCES EACCES module 127.0.0.1\n"; got != want {
				t.Errorf("output %q, want %q; %s", got, want, r.stderr)
			}
		})
	}
}

// A plugin of ours speaks its handshake and listens.
func TestGoPlugin(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "plugin")
	build := exec.Command("go", "build", "-o", bin, "github.com/openccsp/gateway/plugins/rtm")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	sockets := t.TempDir()
	spec := strict(t, bin)
	spec.SocketDir = sockets
	spec.Env = append(spec.Env, pluginv1.MagicCookieKey+"="+pluginv1.MagicCookieValue,
		"PLUGIN_PROTOCOL_VERSIONS=1", "PLUGIN_UNIX_SOCKET_DIR="+sockets)
	r := start(t, spec, nil)
	if r.err != nil {
		t.Fatal(r.err)
	}
	_ = r.stdout.SetReadDeadline(time.Now().Add(patience))
	line, err := bufio.NewReader(r.stdout).ReadString('\n')
	f := strings.Split(line, "|")
	if err != nil || len(f) < 5 || f[0] != "1" || f[2] != "unix" || filepath.Dir(f[3]) != sockets {
		t.Fatalf("handshake %q, %v; %s", line, err, r.stderr)
	}
	c, err := net.Dial("unix", f[3])
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	_ = r.stdin.Close() // the gateway's end
	_ = r.cmd.Wait()
	if !r.cmd.ProcessState.Exited() {
		t.Errorf("plugin %s", r.cmd.ProcessState)
	}
}
