package host_test

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/openccsp/gateway/core"
)

// TestAttach: a plugin under a debugger takes over from the one that runs, is
// never ended, and when it ends the other one comes back.
func TestAttach(t *testing.T) {
	b := startSDK(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "HOST_TEST_DEBUG="+b.data)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	reattach := strings.Trim(strings.TrimSpace(strings.TrimPrefix(line, "GATEWAY_REATTACH=")), "'")
	if err := b.h.Attach(t.Context(), reattach); err != nil {
		t.Fatalf("Attach(%s) = %v", reattach, err)
	}
	b.awaitVersion("test.sdk", "0.1.0")
	if p := b.running("test.sdk"); p.PID != cmd.Process.Pid || p.File != "attached" {
		t.Errorf("running = %+v, want process %d", p, cmd.Process.Pid)
	}
	if _, fate := b.call("i-sdk", "hello"); fate != core.Answered {
		t.Errorf("call = %v, want Answered", fate)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("debugged process: %v", err)
	}
	b.awaitVersion("test.sdk", "1.0.0")
	b.eventually("the other one serves", func() bool { _, fate := b.call("i-sdk", "hello"); return fate == core.Answered })
	for _, bad := range []string{"", "{}", `{"a":{"network":"tcp","addr":"127.0.0.1:1","pid":7}}`} {
		if err := b.h.Attach(t.Context(), bad); core.CodeOf(err) != core.Invalid {
			t.Errorf("Attach(%s) = %v, want invalid", bad, err)
		}
	}
	if err := b.h.Attach(t.Context(), reattach); core.CodeOf(err) != core.Unavailable {
		t.Errorf("Attach of what is gone = %v, want unavailable", err)
	}
	if n := len(b.h.Plugins()); n != 1 {
		t.Errorf("%d plugins, want the file alone: %+v", n, b.h.Plugins())
	}
}
