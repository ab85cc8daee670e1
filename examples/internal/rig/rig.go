// Package rig runs the real gateway for the programs that load it and break
// it: a folder of its own, a configuration, start, kill, what /proc says, and
// the admin API.
package rig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// Programs are where the built programs lie.
type Programs struct {
	Gateway string // bin/gateway
	Plugin  string // bin/examples/plugin
	Floor   string // bin/examples/floor

	// Failpoint is bin/examples/gateway-failpoint: the gateway built with the
	// tag failpoint, "" if it is not there.
	Failpoint string
}

// Find looks for the programs beside this one, which is in bin/examples.
func Find() (Programs, error) {
	self, err := os.Executable()
	if err != nil {
		return Programs{}, err
	}
	dir := filepath.Dir(self)
	p := Programs{
		Gateway: filepath.Join(dir, "..", "gateway"),
		Plugin:  filepath.Join(dir, "plugin"),
		Floor:   filepath.Join(dir, "floor"),
	}
	for _, file := range []string{p.Gateway, p.Plugin} {
		if _, err := os.Stat(file); err != nil {
			return p, fmt.Errorf("%w; run make build", err)
		}
	}
	if file := filepath.Join(dir, "gateway-failpoint"); exists(file) {
		p.Failpoint = file
	}
	return p, nil
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// Home is the folder of one gateway.
type Home struct {
	Dir    string
	Listen string // of hooks
	Admin  string
}

// NewHome makes the folder: a copy of the gateway, so that the plugins beside
// the built one stay out of it, the benchmark's plugin, the rules by file name,
// and gateway.hcl: the ports, the folders, and then more.
func NewHome(dir string, p Programs, rules map[string]string, more string) (*Home, error) {
	h := &Home{Dir: dir}
	for _, port := range []*string{&h.Listen, &h.Admin} {
		addr, err := FreeAddress()
		if err != nil {
			return nil, err
		}
		*port = addr
	}
	hcl := fmt.Sprintf("listen = %q\ndata_dir = \"data\"\nrules_dir = \"rules.d\"\n"+
		"plugin_dirs = [\"plugins\"]\nadmin {\n  listen = %q\n}\n%s", h.Listen, h.Admin, more)
	err := errors.Join(
		os.MkdirAll(h.Path("plugins"), 0o700),
		os.MkdirAll(h.Path("rules.d"), 0o700),
		CopyFile(h.Path("gateway"), p.Gateway),
		CopyFile(h.Path("plugins", "bench"), p.Plugin),
		os.WriteFile(h.Path("gateway.hcl"), []byte(hcl), 0o600),
	)
	for name, text := range rules {
		err = errors.Join(err, os.WriteFile(h.Path("rules.d", name), []byte(text), 0o600))
	}
	return h, err
}

// Path returns a path in the folder.
func (h *Home) Path(parts ...string) string {
	return filepath.Join(append([]string{h.Dir}, parts...)...)
}

// Hook returns the address of an instance's hook.
func (h *Home) Hook(instance string) string { return "http://" + h.Listen + "/hooks/" + instance }

// FreeAddress returns an address of this machine, with its port, that nobody
// listens at now. The port is below those that the system gives to outgoing
// connections: one of these could have it while its gateway is down.
func FreeAddress() (string, error) {
	const first, last = 15_000, 32_000
	for range 100 {
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+rand.IntN(last-first)))
		if err == nil {
			return ln.Addr().String(), ln.Close()
		}
	}
	return "", errors.New("no free port")
}

// CopyFile copies a program. Where it can it makes a link.
func CopyFile(to, from string) error {
	from, err := filepath.EvalSymlinks(from)
	if err != nil {
		return err
	}
	if os.Link(from, to) == nil {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o700)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// Start starts the gateway and waits until it says that it is ready. wrap is a
// command to start it under, such as strace; env is added to its environment.
// The end of the log is in gateway.log in the folder.
func (h *Home) Start(ctx context.Context, wrap, env []string) (*Process, error) {
	argv := append(append([]string{}, wrap...), h.Path("gateway"), "run", "--config", h.Path("gateway.hcl"))
	return Start(ctx, argv, env, h.Path("gateway.log"), "gateway ready")
}

// LogTail returns the end of the gateway's log.
func (h *Home) LogTail() string {
	b, err := os.ReadFile(h.Path("gateway.log"))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}
