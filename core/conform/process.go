package conform

import (
	"bufio"
	"bytes"
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
	"syscall"
	"time"

	"github.com/hashicorp/go-plugin/runner"

	"github.com/openccsp/gateway/core/host"
)

const (
	maxOutput = 4 << 20 // bytes kept of each output; the rest is read and thrown away
	pipeGrace = 200 * time.Millisecond
)

// process is the plugin's process. It is go-plugin's runner.Runner, so that a
// session has the very handshake of the gateway.
type process struct {
	command []string
	dir     string
	env     []string
	deaf    bool // nobody reads its standard error

	cmd     *exec.Cmd     // nil until it has been started; set with mu
	stdin   *os.File      // its end tells the plugin that the gateway is gone
	first   chan struct{} // closed when the first line is there, or none will be
	exited  chan struct{} // closed when the process has ended
	drained chan struct{} // closed when its output has been read, too

	socketDir, address string // of the socket

	mu     sync.Mutex
	killed bool // also before it was started: then it never is
	gone   bool
	stdout bytes.Buffer
	stderr bytes.Buffer
}

var _ runner.Runner = (*process)(nil)

func newProcess(command []string, dir string) *process {
	return &process{command: command, dir: dir,
		first: make(chan struct{}), exited: make(chan struct{}), drained: make(chan struct{})}
}

// Start implements runner.Runner.
func (p *process) Start(context.Context) error {
	var ends [6]*os.File
	for i := 0; i < len(ends); i += 2 {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll(ends[:]...)
			return err
		}
		ends[i], ends[i+1] = r, w
	}
	err := p.launch(ends)
	closeAll(ends[0], ends[3], ends[5])
	if err != nil {
		closeAll(ends[1], ends[2], ends[4])
		return err
	}
	if p.deaf {
		_ = ends[4].Close()
	}
	var pumps sync.WaitGroup
	pumps.Go(func() { p.pumpStdout(ends[2]) })
	pumps.Go(func() { p.pumpStderr(ends[4]) })
	go p.reap(&pumps, ends[2], ends[4])
	return nil
}

// launch starts the command, unless it has been killed.
func (p *process) launch(ends [6]*os.File) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.killed {
		return errors.New("killed before it was started")
	}
	cmd := exec.Command(p.command[0], p.command[1:]...)
	cmd.Dir, cmd.Env = p.dir, p.env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = ends[0], ends[3], ends[5]
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	p.cmd, p.stdin = cmd, ends[1]
	return nil
}

func closeAll(files ...*os.File) {
	for _, f := range files {
		if f != nil {
			_ = f.Close()
		}
	}
}

// reap waits for the process itself, then takes its group down with it.
func (p *process) reap(pumps *sync.WaitGroup, outputs ...*os.File) {
	_ = p.cmd.Wait() // the state says it all
	p.mu.Lock()
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	p.gone = true
	p.mu.Unlock()
	close(p.exited)
	for _, f := range outputs {
		_ = f.SetReadDeadline(time.Now().Add(pipeGrace))
	}
	pumps.Wait()
	closeAll(outputs...)
	close(p.drained)
}

// pumpStdout keeps everything, and tells when the first line is there.
func (p *process) pumpStdout(r io.Reader) {
	in := bufio.NewReaderSize(r, 64<<10)
	line, _ := in.ReadSlice('\n') // the error comes again
	p.keep(&p.stdout, line)
	close(p.first)
	p.pump(&p.stdout, in)
}

func (p *process) pumpStderr(r io.Reader) { p.pump(&p.stderr, r) }

func (p *process) pump(to *bytes.Buffer, r io.Reader) {
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		p.keep(to, buf[:n])
		if err != nil {
			return
		}
	}
}

func (p *process) keep(to *bytes.Buffer, b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	to.Write(b[:min(len(b), max(0, maxOutput-to.Len()))])
}

// output returns what the process has written so far.
func (p *process) output() (stdout, stderr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stdout.String(), p.stderr.String()
}

// signal sends sig to the process alone, unless it has ended.
func (p *process) signal(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil && !p.gone {
		_ = syscall.Kill(p.cmd.Process.Pid, sig)
	}
}

// kill ends the process and its group at once, and waits for that.
func (p *process) kill() {
	p.mu.Lock()
	p.killed = true
	started := p.cmd != nil
	if started && !p.gone {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	}
	p.mu.Unlock()
	if started {
		<-p.drained
		_ = p.stdin.Close()
	}
}

// awaitExit waits up to d for the end of the process.
func (p *process) awaitExit(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-p.exited:
		return true
	case <-t.C:
		return false
	}
}

// firstLine waits up to d for the first line of standard output, and returns
// it without its end; "" if there is none.
func (p *process) firstLine(d time.Duration) string {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-p.first:
	case <-t.C:
	}
	out, _ := p.output()
	line, _, _ := strings.Cut(out, "\n")
	return line
}

// ending says how the process ended, with its last words.
func (p *process) ending() string {
	if !p.awaitExit(pipeGrace) { // its output may end a little before
		return "it still runs"
	}
	<-p.drained
	_, stderr := p.output()
	var last host.LastWords
	for line := range strings.Lines(stderr) {
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			last.Add([]byte(line))
		}
	}
	return strings.TrimSuffix(fmt.Sprintf("%s: %s", p.cmd.ProcessState, last.String()), ": ")
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// The rest of runner.Runner: go-plugin sees the first line of standard output
// and nothing else.

func (p *process) Stdout() io.ReadCloser { return io.NopCloser(&handshake{p: p}) }
func (p *process) Stderr() io.ReadCloser { return io.NopCloser(strings.NewReader("")) }
func (p *process) Name() string          { return p.command[0] }
func (p *process) ID() string            { return strconv.Itoa(p.pid()) }

func (p *process) pid() int {
	if p.cmd == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

// Wait implements runner.Runner.
func (p *process) Wait(context.Context) error {
	<-p.drained
	return nil
}

// Kill implements runner.Runner.
func (p *process) Kill(context.Context) error {
	p.kill()
	return nil
}

// Diagnose implements runner.Runner.
func (p *process) Diagnose(context.Context) string { return "" }

// PluginToHost implements runner.Runner: it takes what the gateway takes.
func (p *process) PluginToHost(network, address string) (string, string, error) {
	if network != "unix" || filepath.Dir(filepath.Clean(address)) != filepath.Clean(p.socketDir) {
		return "", "", fmt.Errorf("plugin listens on %s %q, want a unix socket in PLUGIN_UNIX_SOCKET_DIR", network, address)
	}
	p.address = address
	return network, address, nil
}

// HostToPlugin implements runner.Runner.
func (p *process) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}

// handshake reads the first line, when it is there.
type handshake struct {
	p    *process
	line *strings.Reader
}

// Read implements io.Reader.
func (h *handshake) Read(b []byte) (int, error) {
	if h.line == nil {
		<-h.p.first
		h.line = strings.NewReader(h.p.firstLine(0))
	}
	return h.line.Read(b)
}

var errNoHandshake = errors.New("no handshake line")

// alien says that the process has shown nothing of a plugin.
func (p *process) alien() bool {
	return p.cmd == nil || !strings.HasPrefix(p.firstLine(0), "1|")
}

// startError says in the plugin author's terms why the handshake failed.
func (p *process) startError(err error) error {
	if p.cmd == nil {
		return err
	}
	switch line := p.firstLine(0); {
	case line != "" && !strings.HasPrefix(line, "1|"):
		return fmt.Errorf("standard output begins with %q instead of the handshake; log to standard error", clip(line, 80))
	case line != "":
		return err
	}
	return fmt.Errorf("%w: %s", errNoHandshake, p.ending())
}
