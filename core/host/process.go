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

	"github.com/openccsp/gateway/core/host/sandbox"
)

// pipeGrace is how long a plugin's output is read on after its end: a
// grandchild that left the process group may hold the pipes for ever. Without
// one there is nothing to wait for.
const pipeGrace = time.Second

// exitConfiguration is the exit code of a plugin that cannot run as it is
// configured: EX_CONFIG of sysexits.h.
const exitConfiguration = 78

// reportTimeout is for the shim, which does little.
const reportTimeout = 30 * time.Second

// maxHandshake is the longest handshake line, in bytes.
const maxHandshake = 4 << 10

// process is one running plugin file. It is go-plugin's runner.Runner, so that
// go-plugin does the handshake and nothing else: all of the plugin's output is
// read here. go-plugin itself would panic on a hostile log line, miss a crash
// while a grandchild holds a pipe, and wait for ever for a stopped process.
type process struct {
	argv     []string
	store    string // folder of the copy, "" if it is run where it lies
	held     PluginLimits
	limits   *limits
	dir      string // working folder and TMPDIR
	env      []string
	launcher *launcher
	lines    *lineLog

	socketDir string // go-plugin's, private to this process
	address   string // of the plugin's socket, after the handshake
	pid       int
	handshake *io.PipeReader

	report  sandbox.Report
	refused error         // why the shim did not become the plugin
	leaf    *sandbox.Leaf // nil: none
	greed   atomic.Int64  // bytes it had when it was ended for them
	oom     bool          // the kernel ended it for its memory; before exited is closed

	exited  chan struct{} // closed when the process has ended
	drained chan struct{} // closed when its output has been read, too
	state   *os.ProcessState

	ours  atomic.Bool // we have sent it a signal
	mu    sync.Mutex
	gone  bool // reaped: the pid may be somebody else's
	first string
}

var _ runner.Runner = (*process)(nil)

// newProcess returns the process of p, which is probably plugin id.
func newProcess(p program, id, dir string, h *Host, lines *lineLog) *process {
	return &process{
		argv: p.Command, store: p.Dir, held: h.limits.of(id, p), limits: &h.limits,
		dir: dir, launcher: h.launcher, lines: lines,
		exited: make(chan struct{}), drained: make(chan struct{}),
	}
}

// Start implements runner.Runner.
func (p *process) Start(ctx context.Context) error {
	var ends pipes
	if err := ends.open(); err != nil {
		return fmt.Errorf("plugin pipes: %w", err)
	}
	w, err := p.wrap()
	if err != nil {
		ends.closeChild()
		ends.closeOwn()
		p.closeLeaf()
		return err
	}
	if w != nil {
		defer w.Close()
	}
	cmd, err := p.launcher.start(func() *exec.Cmd { return p.command(w, &ends) })
	ends.closeChild()
	if w != nil {
		w.Started()
	}
	if err != nil {
		ends.closeOwn()
		p.closeLeaf()
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
	p.guard()
	go p.reap(cmd, &ends, &pumps)
	if w == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	report, err := w.Report(ctx)
	for _, e := range p.report { // what guard adds
		report = report.With(e)
	}
	p.report, p.refused = report, err
	return err
}

func (p *process) command(w *sandbox.Wrapped, ends *pipes) *exec.Cmd {
	cmd := &exec.Cmd{Path: p.argv[0], Args: p.argv, Env: p.env, Dir: p.dir}
	if w != nil {
		cmd = w.Command()
	} else if found, err := exec.LookPath(p.argv[0]); err == nil {
		cmd.Path = found
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = ends.childStdin, ends.childStdout, ends.childStderr
	cmd.SysProcAttr = childAttr()
	return cmd
}

// closeLeaf gives the cgroup back. No process may be in it.
func (p *process) closeLeaf() {
	if p.leaf == nil {
		return
	}
	if err := p.leaf.Close(); err != nil {
		p.lines.log.Load().Warn("cgroup of a plugin is left over", "err", err)
	}
}

// reap waits for the process itself, not for its pipes, and takes its group
// down with it.
func (p *process) reap(cmd *exec.Cmd, ends *pipes, pumps *sync.WaitGroup) {
	awaitExit(p.pid)
	p.limits.watch.Remove(p.pid)
	if p.leaf != nil {
		p.oom = p.leaf.OutOfMemory()
	}
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
	p.closeLeaf()
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
	if p.state == nil {
		return false
	}
	w, ok := p.state.Sys().(syscall.WaitStatus)
	if !ok || !w.Signaled() {
		return false
	}
	switch w.Signal() {
	case syscall.SIGKILL, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP:
		return !p.ours.Load() && p.overMemory() == nil
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

func (p *process) kill() { p.signal(syscall.SIGKILL) }

// Kill implements runner.Runner: SIGKILL to the group, and a bounded wait.
func (p *process) Kill(context.Context) error {
	p.mu.Lock()
	started := p.pid != 0
	p.mu.Unlock()
	if !started {
		return nil
	}
	p.kill()
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
	case p.pid == 0 || p.refused != nil:
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
	return p.endError("ended without the handshake of a plugin")
}

// endError says why the process, which has ended, did so.
func (p *process) endError(what string) error {
	<-p.drained // its last words say why
	if p.state == nil {
		return errors.New(what) // somebody else's
	}
	if err := p.overMemory(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
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
