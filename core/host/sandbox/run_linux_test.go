package sandbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/openccsp/gateway/core/host/sandbox"
)

// What the kernel answers.
const (
	ok     = "ok"
	denied = "permission denied"
	noPerm = "operation not permitted"
)

// patience bounds what should take no time, on a machine that has none.
const patience = 2 * time.Minute

// running is a plugin's process and what it says.
type running struct {
	cmd    *exec.Cmd
	stdin  *os.File
	stdout *os.File
	stderr *bytes.Buffer
	report sandbox.Report
	err    error // of the report
}

// start starts spec; change may change the command before.
func start(t *testing.T, spec sandbox.Spec, change func(*exec.Cmd)) *running {
	t.Helper()
	w, err := sandbox.Wrap(spec)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	cmd := w.Command()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	r := &running{cmd: cmd, stderr: &bytes.Buffer{}}
	childIn, in := pipe(t)
	out, childOut := pipe(t)
	r.stdin, r.stdout = in, out
	cmd.Stdin, cmd.Stdout, cmd.Stderr = childIn, childOut, r.stderr
	cmd.WaitDelay = time.Second
	if change != nil {
		change(cmd)
	}
	// The signal of the parent's death is that of a thread.
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.kill)
	w.Started()
	_ = childIn.Close()
	_ = childOut.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r.report, r.err = w.Report(ctx)
	return r
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = r.Close()
		_ = w.Close()
	})
	return r, w
}

func (r *running) kill() {
	if r.cmd.ProcessState == nil {
		_ = unix.Kill(-r.cmd.Process.Pid, unix.SIGKILL)
		_ = r.cmd.Wait()
	}
}

// output waits for the plugin's end and returns what it wrote.
func (r *running) output(t *testing.T) string {
	t.Helper()
	if r.err != nil {
		t.Fatalf("report: %v; %s", r.err, r.stderr)
	}
	_ = r.stdout.SetReadDeadline(time.Now().Add(patience))
	text, err := io.ReadAll(r.stdout)
	if err != nil {
		t.Fatalf("output: %v", err)
	}
	_ = r.cmd.Wait()
	return string(text)
}

// probed runs spec with a command that tries ops, and returns what became of
// them and the report.
func probed(t *testing.T, spec sandbox.Spec, ops []string, change func(*exec.Cmd)) (map[string]string, sandbox.Report) {
	t.Helper()
	spec.Command = append([]string{self(t), "probe"}, ops...)
	r := start(t, spec, change)
	text := r.output(t)
	got := make(map[string]string)
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatalf("probe: %v: %q, standard error %s", err, text, r.stderr)
	}
	return got, r.report
}

// outcome is an operation and what should become of it.
type outcome struct{ op, want string }

// expect tries operations under spec, in order.
func expect(t *testing.T, spec sandbox.Spec, all []outcome) sandbox.Report {
	t.Helper()
	var ops []string
	for _, o := range all {
		ops = append(ops, o.op)
	}
	got, report := probed(t, spec, ops, nil)
	for _, o := range all {
		if g := got[o.op]; g != o.want {
			t.Errorf("%s: %s, want %s", o.op, g, o.want)
		}
	}
	return report
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// needABI skips a test where the kernel cannot do what it is about.
func needABI(t *testing.T, abi int) {
	t.Helper()
	if has := sandbox.LandlockABI(); has < abi {
		t.Skipf("needs Landlock ABI %d, the kernel has %d", abi, has)
	}
}

func isOn(t *testing.T, r sandbox.Report, names ...string) {
	t.Helper()
	for _, name := range names {
		if e := r.Entry(name); !e.On {
			t.Errorf("%s is off: %s", name, e.Detail)
		}
	}
}

// folders makes a gateway's data folder, with a key and two plugins' folders.
func folders(t *testing.T) (data, own, other string) {
	t.Helper()
	data = t.TempDir()
	own, other = filepath.Join(data, "plugins", "own"), filepath.Join(data, "plugins", "other")
	for _, dir := range []string{own, other} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{filepath.Join(data, "gateway.key"), filepath.Join(other, "state")} {
		if err := os.WriteFile(file, []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return data, own, other
}
