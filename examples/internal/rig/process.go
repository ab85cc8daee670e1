package rig

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Process is a child that runs, or has ended.
type Process struct {
	PID  int
	Took time.Duration // from its start until it was ready
	cmd  *exec.Cmd
	done chan struct{}
	err  error // valid once done is closed
}

// startTimeout bounds the wait for the ready line.
const startTimeout = 60 * time.Second

// Start starts a program, whose standard error is added to the file log, and
// waits for the line of its standard output that begins with ready.
func Start(ctx context.Context, argv, env []string, log, ready string) (*Process, error) {
	file, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	out, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p := &Process{cmd: exec.Command(argv[0], argv[1:]...), done: make(chan struct{})}
	p.cmd.Env = append(p.cmd.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = in, file
	p.cmd.SysProcAttr = childAttr()
	began := time.Now()
	err = onOwnThread(p.cmd.Start)
	_ = in.Close()
	if err != nil {
		_ = out.Close()
		return nil, err
	}
	p.PID = p.cmd.Process.Pid
	said := make(chan struct{})
	go p.read(out, ready, said)
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	timer := time.NewTimer(startTimeout)
	defer timer.Stop()
	select {
	case <-said:
		p.Took = time.Since(began)
		return p, nil
	case <-p.done:
		return nil, fmt.Errorf("%s ended before it was ready: %w; see %s", argv[0], p.Err(), log)
	case <-timer.C:
		err = errors.New("not ready in time")
	case <-ctx.Done():
		err = ctx.Err()
	}
	p.Kill()
	return nil, fmt.Errorf("%s: %w; see %s", argv[0], err, log)
}

// read waits for the ready line and then reads on, so that the pipe is empty.
func (p *Process) read(out *os.File, ready string, said chan<- struct{}) {
	defer func() { _ = out.Close() }()
	lines := bufio.NewScanner(out)
	waiting := true
	for lines.Scan() {
		if waiting && strings.HasPrefix(lines.Text(), ready) {
			waiting = false
			close(said)
		}
	}
}

// Kill ends the process at once (SIGKILL) and waits for it.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// Signal sends a signal.
func (p *Process) Signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Terminate asks the process to stop (SIGTERM) and returns how long that took.
// After limit it is killed, which is an error, as is an exit code.
func (p *Process) Terminate(limit time.Duration) (time.Duration, error) {
	began := time.Now()
	p.Signal(syscall.SIGTERM)
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-p.done:
		return time.Since(began), p.err
	case <-timer.C:
		p.Kill()
		return time.Since(began), fmt.Errorf("did not stop within %v", limit)
	}
}

// ErrKilled is the end of a process by SIGKILL.
var ErrKilled = errors.New("killed")

// Err says how the process ended, once Done is closed: it is never nil.
func (p *Process) Err() error {
	var exit *exec.ExitError
	if errors.As(p.err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return ErrKilled
	}
	if p.err == nil {
		return errors.New("exit 0")
	}
	return p.err
}

// onOwnThread runs f on a thread that lives as long as this process: a child
// ends with the thread that started it.
func onOwnThread(f func() error) error {
	starts.once.Do(func() {
		starts.queue = make(chan func())
		go serveStarts(starts.queue)
	})
	err := make(chan error, 1)
	starts.queue <- func() { err <- f() }
	return <-err
}

// starts is the thread that starts children.
var starts struct {
	once  sync.Once
	queue chan func()
}

// serveStarts runs what comes on one thread, as long as the process lives.
func serveStarts(queue <-chan func()) {
	runtime.LockOSThread()
	for f := range queue {
		f()
	}
}
