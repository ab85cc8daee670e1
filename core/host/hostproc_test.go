package host_test

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openccsp/gateway/core/host"
)

// hostProcess starts this test binary as a gateway that runs one plugin and
// writes the plugin's pid to dir/pid.
func hostProcess(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "plugins"), 0o700); err != nil {
		t.Fatal(err)
	}
	dropPlugin(t, filepath.Join(dir, "plugins"), "echo", "echo", dir)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "HOST_TEST_DIR="+dir)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd
}

// runHostProcess is that gateway.
func runHostProcess(dir string) {
	h := host.New(host.Config{
		Dirs: []string{filepath.Join(dir, "plugins")}, DataDir: filepath.Join(dir, "data"), SocketDir: filepath.Join(dir, "s"),
		Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(), Core: &fakeCore{},
	})
	h.SetTiming(patient)
	if err := h.Open(context.Background()); err != nil {
		panic(err)
	}
	pid := strconv.Itoa(h.Plugins()[0].PID)
	tmp := filepath.Join(dir, "pid.tmp")
	if err := os.WriteFile(tmp, []byte(pid), 0o600); err != nil {
		panic(err)
	}
	if err := os.Rename(tmp, filepath.Join(dir, "pid")); err != nil {
		panic(err)
	}
	_ = h.Run(context.Background())
}
