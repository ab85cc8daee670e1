package sandbox_test

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A gateway that is killed leaves no plugin; that its file has been replaced
// since it started does not matter.
func TestKilledGateway(t *testing.T) {
	for range 5 {
		copied := filepath.Join(t.TempDir(), "gateway")
		text, err := os.ReadFile("/proc/self/exe")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(copied, text, 0o700); err != nil {
			t.Fatal(err)
		}
		plugin := killGateway(t, copied)
		awaitEnd(t, plugin)
	}
}

// killGateway runs a gateway, kills it and returns a descriptor of its
// plugin's process.
func killGateway(t *testing.T, path string) int {
	t.Helper()
	cmd := exec.Command(path, "gateway")
	cmd.Stderr = os.Stderr
	out, childOut := pipe(t)
	cmd.Stdout = childOut
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = childOut.Close()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = cmd.Process.Kill()
		t.Fatal(err, cmd.Wait())
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	return fd
}

func awaitEnd(t *testing.T, pidfd int) {
	t.Helper()
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, int(patience.Milliseconds()))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n != 1 {
			_ = unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0)
			t.Fatalf("plugin lives on after its gateway: %d, %v", n, err)
		}
		return
	}
}
