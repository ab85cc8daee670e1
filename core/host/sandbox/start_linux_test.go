package sandbox_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/openccsp/gateway/core/host/sandbox"
)

func TestDescriptorsAreClosed(t *testing.T) {
	var fd int
	if err := errors.Join(unix.Dup3(2, 77, 0), func() (err error) { fd, err = unix.Open("/", unix.O_RDONLY, 0); return }()); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(77)
	defer unix.Close(fd)
	expect(t, sandbox.Spec{}, []outcome{
		{"fd 2", ok}, {"fd 77", "bad file descriptor"},
		{fmt.Sprint("fd ", fd), "bad file descriptor"},
	})
}

func TestEnvironment(t *testing.T) {
	t.Setenv("SECRET_OF_GATEWAY", "1")
	isOn(t, expect(t, sandbox.Spec{Memory: 100 << 20, Env: []string{"A=1", "B=x y"}},
		[]outcome{{"env", fmt.Sprintf("A=1|B=x y|GOMEMLIMIT=%d", 90<<20)}}), sandbox.Environment)
	expect(t, sandbox.Spec{Memory: 100 << 20, Env: []string{"GOMEMLIMIT=5MiB"}}, []outcome{{"env", "GOMEMLIMIT=5MiB"}})
	expect(t, sandbox.Spec{}, []outcome{{"env", ok}})
}

// On a kernel without Landlock the plugin starts, and the report says so.
func TestWithoutLandlock(t *testing.T) {
	data, own, _ := folders(t)
	key := filepath.Join(data, "gateway.key")
	spec := sandbox.Spec{DataDirs: []string{own}, Connect: []uint16{1}}
	got, r := probed(t, spec, []string{"read " + key, "status NoNewPrivs"}, func(c *exec.Cmd) {
		c.Args = []string{"x", "old kernel", c.Args[1]}
	})
	if got["read "+key] != ok || got["status NoNewPrivs"] != "1" {
		t.Errorf("%v", got)
	}
	for _, name := range []string{sandbox.LandlockFS, sandbox.LandlockTCP, sandbox.Scope, sandbox.UnixSockets} {
		if e := r.Entry(name); e.On || e.Detail != "the kernel has no Landlock" {
			t.Errorf("%+v", e)
		}
	}
	isOn(t, r, sandbox.NoNewPrivs, sandbox.Files, sandbox.Environment)
}

func TestStartErrors(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	noProgram, noInterpreter := file("text", "hello"), file("script", "#!/no/such/interpreter\n")
	outside := file("outside", "#!"+file("interpreter", "#!/bin/sh\n")+"\n")
	gone := filepath.Join(dir, "gone")
	link := filepath.Join(dir, "link")
	if err := os.Symlink("/", link); err != nil {
		t.Fatal(err)
	}
	run := func(path string) sandbox.Spec { return sandbox.Spec{Command: []string{path}} }
	for _, c := range []struct {
		name, want string
		spec       sandbox.Spec
		abi        int
		errno      syscall.Errno
	}{
		{"missing program", "plugin command exec: \"" + gone + "\": stat " + gone + ": no such file or directory", run(gone), 0, syscall.ENOENT},
		{"not on the path", `plugin command exec: "nix-da": executable file not found in $PATH`, run("nix-da"), 0, 0},
		{"no program", "exec " + noProgram + ": exec format error", run(noProgram), 0, syscall.ENOEXEC},
		{"no interpreter", "exec " + noInterpreter + ": no such file or directory; if it is there, its interpreter or loader is not",
			run(noInterpreter), 0, syscall.ENOENT},
		{"interpreter outside", "exec " + outside + ": permission denied; its interpreter may lie outside of what the plugin can read",
			run(outside), 1, syscall.EACCES},
		{"data folder missing", "sandbox path " + gone + ": no such file or directory",
			sandbox.Spec{Command: []string{"/bin/true"}, DataDirs: []string{gone}}, 1, syscall.ENOENT},
		{"data folder a link", "sandbox path " + link + ": not a directory",
			sandbox.Spec{Command: []string{"/bin/true"}, DataDirs: []string{link}}, 1, syscall.ENOTDIR},
		{"read folder missing", "sandbox path " + gone + ": no such file or directory",
			sandbox.Spec{Command: []string{"/bin/true"}, ReadDirs: []string{gone}}, 1, syscall.ENOENT},
	} {
		t.Run(c.name, func(t *testing.T) {
			needABI(t, c.abi)
			r := start(t, c.spec, nil)
			if r.err == nil || r.err.Error() != c.want {
				t.Errorf("error %v, want %s", r.err, c.want)
			}
			if e, ok := errors.AsType[*sandbox.StartError](r.err); !ok || c.errno != 0 && !errors.Is(e, c.errno) {
				t.Errorf("error %#v, want one of errno %d", r.err, c.errno)
			}
			_ = r.cmd.Wait()
			if code := r.cmd.ProcessState.ExitCode(); code != 126 {
				t.Errorf("exit code %d, want 126", code)
			}
		})
	}
	if _, err := sandbox.Wrap(sandbox.Spec{}); err == nil {
		t.Error("no command is no error")
	}
}

// Or it would start itself without end.
func TestProgramWithoutMain(t *testing.T) {
	defer sandbox.ForgetMain()()
	if _, err := sandbox.Wrap(sandbox.Spec{Command: []string{"/bin/true"}}); err == nil {
		t.Error("a program that does not call Main is no error")
	}
}

func TestKilledShim(t *testing.T) {
	r := start(t, sandbox.Spec{Command: []string{"/bin/true"}}, func(c *exec.Cmd) {
		c.Path, c.Args, c.ExtraFiles = "/bin/true", []string{"true"}, nil
	})
	if !errors.Is(r.err, sandbox.ErrNoReport) {
		t.Errorf("error %v, want %v", r.err, sandbox.ErrNoReport)
	}
}

// A shim that hangs is not waited for.
func TestReportIsBounded(t *testing.T) {
	w, err := sandbox.Wrap(sandbox.Spec{Command: []string{"/bin/true"}})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	cause := errors.New("too late")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if _, err := w.Report(ctx); !errors.Is(err, cause) { // it has the pipe's other end itself
		t.Errorf("error %v, want %v", err, cause)
	}
}

func TestNothingLeaks(t *testing.T) {
	before := descriptors(t)
	for range 20 {
		w, err := sandbox.Wrap(sandbox.Spec{Command: []string{"/bin/true"}})
		if err != nil {
			t.Fatal(err)
		}
		cmd := w.Command()
		err = cmd.Start()
		w.Started()
		if _, rerr := w.Report(t.Context()); err != nil || rerr != nil {
			t.Fatal(err, rerr)
		}
		w.Close()
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors, were %d", after, before)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(slices.DeleteFunc(entries, func(e os.DirEntry) bool { // the poller comes when it is needed first
		to, _ := os.Readlink("/proc/self/fd/" + e.Name())
		return strings.HasPrefix(to, "anon_inode:")
	}))
}
