package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-plugin/runner"
)

// pipeGrace is how long a plugin's output is read on after its end: a
// grandchild that left the process group may hold the pipes for ever. Without
// one there is nothing to wait for.
const pipeGrace = time.Second

// exitConfiguration is the exit code of a plugin that cannot run as it is
// configured: EX_CONFIG of sysexits.h.
const exitConfiguration = 78

// maxHandshake is the longest handshake line, in bytes.
const maxHandshake = 4 << 10

// process is one running plugin file. It is go-plugin's runner.Runner, so that
// go-plugin does the handshake and nothing else: all of the plugin's output is
// read here. go-plugin itself would panic on a hostile log line, miss a crash
// while a grandchild holds a pipe, and wait for ever for a stopped process.
type process struct {
	argv     []string
	dir      string // working folder and TMPDIR
	env      []string
	launcher *launcher
	lines    *lineLog

	socketDir string // go-plugin's, private to this process
	address   string // of the plugin's socket, after the handshake
	pid       int
	handshake *io.PipeReader

	exited  chan struct{} // closed when the process has ended
	drained chan struct{} // closed when its output has been read, too
	state   *os.ProcessState

	ours  atomic.Bool // we have sent it a signal
	mu    sync.Mutex
	gone  bool // reaped: the pid may be somebody else's
	first string
}

var _ runner.Runner = (*process)(nil)

func newProcess(argv []string, dir string, l *launcher, lines *lineLog) *process {
	return &process{
		argv: argv, dir: dir, launcher: l, lines: lines,
		exited: make(chan struct{}), drained: make(chan struct{}),
	}
}

// Start implements runner.Runner.
func (p *process) Start(context.Context) error {
	var ends pipes
	if err := ends.open(); err != nil {
		return fmt.Errorf("plugin pipes: %w", err)
	}
	cmd, err := p.launcher.start(func() *exec.Cmd { return p.command(&ends) })
	ends.closeChild()
	if err != nil {
		ends.closeOwn()
		return err
	}
	p.mu.Lock()
	p.pid = cmd.Process.Pid
	p.mu.Unlock()
	p.lines.started(p.pid)
	var handshake *io.PipeWriter
	p.handshake, handshake = io.Pipe()
	var pumps sync.WaitGroup
	pumps.Go(func() { p.pumpStdout(ends.stdout, handshake) })
	pumps.Go(func() { eachLine(ends.stderr, p.lines.stderr) })
	go p.reap(cmd, &ends, &pumps)
	return nil
}

func (p *process) command(ends *pipes) *exec.Cmd {
	return &exec.Cmd{
		Path: p.argv[0], Args: p.argv, Env: p.env, Dir: p.dir,
		Stdin: ends.childStdin, Stdout: ends.childStdout, Stderr: ends.childStderr,
		SysProcAttr: childAttr(),
	}
}

// reap waits for the process itself, not for its pipes, and takes its group
// down with it.
func (p *process) reap(cmd *exec.Cmd, ends *pipes, pumps *sync.WaitGroup) {
	awaitExit(p.pid)
	p.mu.Lock()
	_ = syscall.Kill(-p.pid, syscall.SIGKILL)
	p.gone = true
	p.mu.Unlock()
	_ = cmd.Wait() // the state says it all
	p.state = cmd.ProcessState
	close(p.exited)

	until := time.Now().Add(pipeGrace)
	_ = ends.stdout.SetReadDeadline(until)
	_ = ends.stderr.SetReadDeadline(until)
	pumps.Wait()
	ends.closeOwn()
	p.lines.ended()
	close(p.drained)
}

// pumpStdout gives the first line to go-plugin and the others to the log.
func (p *process) pumpStdout(r io.Reader, handshake *io.PipeWriter) {
	first := true
	eachLine(r, func(line []byte, cut bool) {
		if !first {
			p.lines.stdout(line, cut)
			return
		}
		first = false
		text := string(line[:min(len(line), maxHandshake)])
		p.mu.Lock()
		p.first = text
		p.mu.Unlock()
		_, _ = io.WriteString(handshake, text+"\n")
		_ = handshake.Close()
	})
	_ = handshake.Close()
}

// killed says that somebody ended the process with a signal, as operators and
// the kernel do.
func (p *process) killed() bool {
	select {
	case <-p.exited:
	default:
		return false
	}
	w, ok := p.state.Sys().(syscall.WaitStatus)
	if !ok || !w.Signaled() {
		return false
	}
	switch w.Signal() {
	case syscall.SIGKILL, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP:
		return !p.ours.Load()
	}
	return false
}

// byItself says that the process ended, and nobody had told it to.
func (p *process) byItself() bool {
	select {
	case <-p.exited:
		return !p.ours.Load() && !p.killed()
	default:
		return false
	}
}

// signal sends sig to the plugin's process group, unless it has ended.
func (p *process) signal(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pid != 0 && !p.gone {
		p.ours.Store(true)
		_ = syscall.Kill(-p.pid, sig)
	}
}

// awaitFor waits up to d for the end of the process.
func (p *process) awaitFor(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-p.exited:
		return true
	case <-t.C:
		return false
	}
}

// Kill implements runner.Runner: SIGKILL to the group, and a bounded wait.
func (p *process) Kill(context.Context) error {
	p.mu.Lock()
	started := p.pid != 0
	p.mu.Unlock()
	if !started {
		return nil
	}
	p.signal(syscall.SIGKILL)
	if !p.awaitFor(2 * time.Second) {
		return fmt.Errorf("process %d does not end after SIGKILL", p.pid)
	}
	return nil
}

// Wait implements runner.Runner.
func (p *process) Wait(context.Context) error {
	<-p.drained
	if p.state != nil && !p.state.Success() {
		return errors.New(p.state.String())
	}
	return nil
}

// Stdout implements runner.Runner: the handshake line, then the end.
func (p *process) Stdout() io.ReadCloser { return p.handshake }

// Stderr implements runner.Runner: nothing, see process.
func (p *process) Stderr() io.ReadCloser { return io.NopCloser(strings.NewReader("")) }

// Name implements runner.Runner.
func (p *process) Name() string { return p.argv[0] }

// ID implements runner.Runner. It is never empty, or go-plugin would leave the
// socket folder of a process that did not start.
func (p *process) ID() string { return strconv.Itoa(p.pid) }

// Diagnose implements runner.Runner; see startError.
func (p *process) Diagnose(context.Context) string { return "" }

// PluginToHost implements runner.Runner. It takes a socket in the plugin's own
// private folder only.
func (p *process) PluginToHost(network, address string) (string, string, error) {
	if network != "unix" || filepath.Dir(filepath.Clean(address)) != filepath.Clean(p.socketDir) {
		return "", "", fmt.Errorf("plugin listens on %s %q, want a unix socket in PLUGIN_UNIX_SOCKET_DIR",
			network, address)
	}
	p.address = address
	return network, address, nil
}

// HostToPlugin implements runner.Runner.
func (p *process) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}

// startError says in the plugin author's terms why the handshake failed.
func (p *process) startError(err error) error {
	p.mu.Lock()
	first := p.first
	p.mu.Unlock()
	switch {
	case p.pid == 0:
		return err
	case first != "" && !strings.HasPrefix(first, "1|"):
		return fmt.Errorf("standard output begins with %q instead of the handshake; log to standard error",
			clip(first, 80))
	case first != "":
		return err
	}
	select {
	case <-p.exited:
	default:
		return err
	}
	return p.endError("ended before the handshake")
}

// endError says why the process, which has ended, did so.
func (p *process) endError(what string) error {
	<-p.drained // its last words say why
	last := p.lines.last()
	if last != "" {
		last = ": " + last
	}
	if p.state.ExitCode() == exitConfiguration {
		return fmt.Errorf("%s (%s)%s: %w", what, p.state, last, errConfiguration)
	}
	return fmt.Errorf("%s (%s)%s", what, p.state, last)
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// pipes are the three pipes of a plugin.
type pipes struct {
	childStdin, childStdout, childStderr *os.File
	stdin                                *os.File // held: its end tells the plugin that the gateway is gone
	stdout, stderr                       *os.File
}

func (p *pipes) open() (err error) {
	if p.childStdin, p.stdin, err = os.Pipe(); err == nil {
		if p.stdout, p.childStdout, err = os.Pipe(); err == nil {
			p.stderr, p.childStderr, err = os.Pipe()
		}
	}
	if err != nil {
		p.closeChild()
		p.closeOwn()
	}
	return err
}

func (p *pipes) closeChild() { closeAll(p.childStdin, p.childStdout, p.childStderr) }
func (p *pipes) closeOwn()   { closeAll(p.stdin, p.stdout, p.stderr) }

func closeAll(files ...*os.File) {
	for _, f := range files {
		if f != nil {
			_ = f.Close()
		}
	}
}
