//go:build !linux

package sandbox

import (
	"os/exec"
	"runtime"
)

// Main does nothing: only on Linux is there a shim.
func Main() {}

func (w *Wrapped) open() error { return nil }

func (w *Wrapped) fill(cmd *exec.Cmd) {
	cmd.Path, cmd.Args = w.spec.Command[0], w.spec.Command
	if found, err := exec.LookPath(cmd.Path); err == nil {
		cmd.Path = found
	}
}

// unrestricted is the report of a plugin that runs without a shim.
func (w *Wrapped) unrestricted() Report {
	var r Report
	for _, name := range []string{NoNewPrivs, Capabilities, Files, Processes,
		LandlockFS, LandlockTCP, Scope, UnixSockets, Memory} {
		r = append(r, Restriction{Name: name, Detail: "not available on " + runtime.GOOS})
	}
	return append(r, Restriction{Name: Environment, On: true, Detail: "nothing of the gateway's"})
}
