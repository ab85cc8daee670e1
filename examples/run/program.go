package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// grace is how long a program has to stop before it is killed.
const grace = 15 * time.Second

// A program is one child process.
type program struct {
	name   string
	argv   func(said map[string]string) []string // said: the ready lines so far, by name
	env    []string                              // added to this process's
	stderr *os.File                              // nil: printed like the standard output
	ready  string                                // begins the line that it prints when it works
	early  string                                // what may help if it ends before that
}

// runAll starts programs one after the other, each once the one before it is
// ready, and prints text, made of their ready lines, when all are. It returns
// when ctx ends or a program does, after all have stopped, the last started
// first. A program that ends on its own is an error.
func runAll(ctx context.Context, out io.Writer, programs []program, text func(said map[string]string) string) error {
	w := &syncWriter{w: out}
	said := map[string]string{}
	ended := make(chan error, len(programs))
	for _, p := range programs {
		c, err := p.start(w, p.argv(said))
		if err != nil {
			return err
		}
		defer c.stop()
		go func() { <-c.done; ended <- c.err }()
		select {
		case said[p.name] = <-c.ready:
		case err := <-ended:
			if p.early != "" {
				err = fmt.Errorf("%w; %s", err, p.early)
			}
			return err
		case <-ctx.Done():
			return nil
		}
	}
	_, _ = io.WriteString(w, text(said))
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return nil
	}
}

// child is a program that runs.
type child struct {
	cmd   *exec.Cmd
	ready chan string   // gets the ready line
	done  chan struct{} // closed when it has ended and all it printed is out
	err   error         // that it ended; set when done is closed
}

func (p program) start(w io.Writer, argv []string) (*child, error) {
	r, pipe := io.Pipe()
	c := &child{cmd: exec.Command(argv[0], argv[1:]...), ready: make(chan string, 1), done: make(chan struct{})}
	c.cmd.Env = append(c.cmd.Environ(), p.env...)
	c.cmd.Stdout, c.cmd.Stderr = pipe, pipe // one writer: the lines do not mix
	if p.stderr != nil {
		c.cmd.Stderr = p.stderr
	}
	c.cmd.WaitDelay = 5 * time.Second // a grandchild may hold the pipe
	c.cmd.SysProcAttr = childAttr()
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	printed := make(chan struct{})
	go func() { defer close(printed); c.print(w, r, p) }()
	go func() {
		defer close(c.done)
		err := c.cmd.Wait()
		_ = pipe.Close()
		<-printed
		if err == nil {
			err = errors.New("ended")
		}
		c.err = fmt.Errorf("%s: %w", p.name, err)
	}()
	return c, nil
}

// print copies lines with the program's name before them until r ends.
func (c *child) print(w io.Writer, r io.Reader, p program) {
	lines := bufio.NewReaderSize(r, 64<<10)
	waiting := true
	for {
		line, err := lines.ReadSlice('\n') // a longer line comes in pieces
		if len(line) > 0 {
			text := strings.TrimRight(string(line), "\r\n")
			_, _ = fmt.Fprintf(w, "%-9s| %s\n", p.name, text)
			if waiting && strings.HasPrefix(text, p.ready) {
				waiting = false
				c.ready <- text
			}
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

// stop ends the child and waits for it.
func (c *child) stop() {
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
	kill := time.AfterFunc(grace, func() { _ = c.cmd.Process.Kill() })
	defer kill.Stop()
	<-c.done
}

// syncWriter writes one line at a time.
type syncWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *syncWriter) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(b)
}
