package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// shimName is the shim's first argument: no shell starts a program by it.
	shimName = "gateway: plugin sandbox"
	// reportFD is where the shim finds the report's pipe.
	reportFD = 3
	// exitCode of a shim that could not become the plugin, as a shell has it.
	exitCode = 126
)

// mainCalled guards against a program that would not become a shim when it is
// started as one, but do its own work a second time, and start a third.
var mainCalled atomic.Bool

// job is what the gateway tells the shim.
type job struct {
	Spec
	Parent int // the gateway's pid
}

func (w *Wrapped) open() error {
	if !mainCalled.Load() {
		return errors.New("sandbox: this program does not call sandbox.Main")
	}
	text, err := json.Marshal(job{Spec: w.spec, Parent: os.Getpid()})
	if err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	w.arg = string(text)
	if w.read, w.write, err = os.Pipe(); err != nil {
		return fmt.Errorf("sandbox pipe: %w", err)
	}
	return nil
}

// fill names the gateway's own file as it was when it started: a newer one
// that lies on the disk by now may speak another language to its shim.
func (w *Wrapped) fill(cmd *exec.Cmd) {
	cmd.Path, cmd.Args = "/proc/self/exe", []string{shimName, w.arg}
	cmd.ExtraFiles = []*os.File{w.write}
}

func (w *Wrapped) unrestricted() Report { return nil }

// Main turns this process into a plugin if the gateway started it for that,
// and does not return then. Otherwise it returns at once. It must be called
// before anything that opens files or looks at the arguments.
func Main() {
	if len(os.Args) != 2 || os.Args[0] != shimName {
		mainCalled.Store(true)
		return
	}
	// Rights belong to a thread. The one that becomes the plugin takes its
	// own along and the others end.
	runtime.LockOSThread()
	err := become(os.Args[1])
	errno, _ := errors.AsType[syscall.Errno](err)
	tell(message{Error: err.Error(), Errno: int(errno)})
	os.Exit(exitCode)
}

// become returns only if it could not.
func become(text string) error {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return fmt.Errorf("sandbox job: %w", err)
	}
	path, err := exec.LookPath(j.Command[0]) // the PATH is the plugin's
	if err != nil {
		return fmt.Errorf("plugin command %w", err)
	}
	if err := closeOthers(); err != nil {
		return err
	}
	report, err := restrict(&j.Spec, path)
	if err != nil {
		return err
	}
	if err := dieWithParent(j.Parent); err != nil {
		return err
	}
	tell(message{Report: report})
	return start(path, j.Command)
}

// start is exec, tried again while some other process that has just been
// forked holds the file open for writing, for up to 400 ms.
func start(path string, args []string) error {
	env := os.Environ()
	for n := 0; ; n++ {
		err := syscall.Exec(path, args, env)
		switch {
		case errors.Is(err, syscall.ETXTBSY) && n < 20:
			time.Sleep(20 * time.Millisecond)
			continue
		case errors.Is(err, syscall.ENOENT):
			return fmt.Errorf("exec %s: %w; if it is there, its interpreter or loader is not", path, err)
		case errors.Is(err, syscall.EACCES):
			return fmt.Errorf("exec %s: %w; its interpreter may lie outside of what the plugin can read", path, err)
		}
		return fmt.Errorf("exec %s: %w", path, err)
	}
}

// closeOthers has all descriptors but 0 to 2 closed when the plugin starts.
// That of the report is among them: its end says that the plugin runs.
func closeOthers() error {
	err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	if err == nil {
		return nil
	}
	entries, err := os.ReadDir("/proc/self/fd") // before Linux 5.11
	if err != nil {
		return fmt.Errorf("sandbox descriptors: %w", err)
	}
	for _, e := range entries {
		var fd int
		if _, err := fmt.Sscan(e.Name(), &fd); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}

// dieWithParent asks for SIGKILL at the gateway's end. The gateway did so
// already, but for the thread that it made, which need not be this one; and a
// change of rights takes it back.
func dieWithParent(parent int) error {
	err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
	if err != nil {
		return fmt.Errorf("sandbox parent-death signal: %w", err)
	}
	if os.Getppid() != parent {
		return errors.New("sandbox: the gateway has ended")
	}
	return nil
}

// tell writes to the report. A gateway that does not listen is none of the
// plugin's concern.
func tell(m message) {
	text, err := json.Marshal(m)
	if err != nil {
		return
	}
	_, _ = unix.Write(reportFD, append(text, '\n'))
}

// restrict takes all rights that s does not give from this thread, and what it
// starts. Errors are those of the Spec: a restriction that cannot be had is
// in the report.
func restrict(s *Spec, path string) (Report, error) {
	rules, err := newRuleset(s, path)
	if err != nil {
		return nil, err
	}
	defer rules.close()
	var r Report
	r = append(r, noNewPrivs())
	memory, pids := joinCgroup(s)
	r = append(r, dropCapabilities(s))
	fs, tcp, scope, unixSockets := rules.enforce(s)
	files, procs := setLimits(s, pids)
	r = append(r, files, procs, fs, tcp, scope, unixSockets, memory)
	return append(r, Restriction{Name: Environment, On: true,
		Detail: fmt.Sprintf("%d variables, none of the gateway's", len(os.Environ()))}), nil
}

func noNewPrivs() Restriction {
	r := Restriction{Name: NoNewPrivs, On: true}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		r.On, r.Detail = false, err.Error()
	}
	return r
}
