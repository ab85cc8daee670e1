package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// maxReport bounds what is read of a report, in bytes.
const maxReport = 64 << 10

// ErrNoReport is returned for a shim that ended without a word: somebody
// killed it.
var ErrNoReport = errors.New("sandbox ended before its report")

// Wrapped is a command ready to start under its Spec, once. It is used by one
// goroutine at a time.
type Wrapped struct {
	spec        Spec
	arg         string   // for the shim
	read, write *os.File // of the report; nil where there is no shim
}

// Wrap prepares a start. Close must be called in the end.
func Wrap(s Spec) (*Wrapped, error) {
	if len(s.Command) == 0 || s.Command[0] == "" {
		return nil, errors.New("sandbox: no command")
	}
	w := &Wrapped{spec: s}
	if err := w.open(); err != nil {
		return nil, err
	}
	return w, nil
}

// Command returns the command without pipes and SysProcAttr. It may be called
// again if a start went wrong.
func (w *Wrapped) Command() *exec.Cmd {
	cmd := &exec.Cmd{Dir: w.spec.Dir, Env: w.spec.environment()}
	w.fill(cmd)
	return cmd
}

// Started must be called once the process has started, or has not: the pipe's
// other end is then the process's alone.
func (w *Wrapped) Started() {
	if w.write != nil {
		_ = w.write.Close()
		w.write = nil
	}
}

// Close releases what Wrap made. It does not touch the process.
func (w *Wrapped) Close() {
	w.Started()
	if w.read != nil {
		_ = w.read.Close()
		w.read = nil
	}
}

// message is what the shim writes: first the report, then, only if it could
// not become the plugin, why.
type message struct {
	Report Report `json:"report,omitempty"`
	Error  string `json:"error,omitempty"`
	Errno  int    `json:"errno,omitempty"`
}

// StartError says why the shim could not become the plugin. errors.Is finds
// the system's error in it, such as syscall.ENOEXEC.
type StartError struct {
	Text  string // noun, path and cause
	Errno syscall.Errno
}

// Error implements error.
func (e *StartError) Error() string { return e.Text }

// Unwrap returns the system's error, nil if it was none.
func (e *StartError) Unwrap() error {
	if e.Errno == 0 {
		return nil
	}
	return e.Errno
}

// Report waits until the shim has become the plugin and returns what is in
// force. It must be called once, after Started. It ends with ctx. An error
// says that the plugin does not run, and why: a *StartError, ErrNoReport, or the
// cause of ctx's end.
func (w *Wrapped) Report(ctx context.Context) (Report, error) {
	if w.read == nil {
		return w.unrestricted(), nil
	}
	stop := context.AfterFunc(ctx, func() { _ = w.read.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	text, err := io.ReadAll(io.LimitReader(w.read, maxReport))
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("sandbox report: %w", err)
	}
	return parseReport(text)
}

func parseReport(text []byte) (Report, error) {
	if len(text) == 0 {
		return nil, ErrNoReport
	}
	var m message
	for d := json.NewDecoder(bytes.NewReader(text)); ; { // what follows adds to m
		err := d.Decode(&m)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("sandbox report: %w", err)
		}
	}
	if m.Error != "" {
		return m.Report, &StartError{Text: m.Error, Errno: syscall.Errno(m.Errno)}
	}
	return m.Report, nil
}
