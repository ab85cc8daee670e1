package host

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/host/stage"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// Attach uses a plugin process that somebody else has started, such as a
// debugger, as the best version of that plugin, until the process ends. It is
// never ended, and neither pings nor health checks are made of it. reattach is
// what it printed after GATEWAY_REATTACH=:
//
//	{"org.example.acme":{"network":"unix","addr":"/tmp/plugin1/s","pid":4711}}
//
// Attach returns when the process has said what it is; it serves soon after.
// Errors: core.Invalid, core.Unavailable (it does not answer).
func (h *Host) Attach(ctx context.Context, reattach string) error {
	var all map[string]struct {
		Network, Addr string
		PID           int
	}
	if err := json.Unmarshal([]byte(reattach), &all); err != nil || len(all) != 1 {
		return core.Errorf(core.Invalid, "this is not what a plugin prints that is started with --debug")
	}
	for id, at := range all {
		if at.Network != "unix" || at.PID <= 1 {
			return core.Errorf(core.Invalid, "plugin %s listens on %s %q, want a unix socket and the process it belongs to",
				clip(id, 128), clip(at.Network, 32), clip(at.Addr, 128))
		}
		g, err := h.attach(ctx, at.Addr, at.PID)
		if err != nil {
			return core.Errorf(core.Unavailable, "attach to process %d: %v", at.PID, err)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.booting || h.base.Err() != nil {
			g.kill()
			return core.Errorf(core.Unavailable, "the gateway is starting or stopping")
		}
		p := &place{digest: g.Digest, tail: &tail{}, file: stage.File{Path: g.Path, Digest: g.Digest, State: "attached"}}
		h.places[g.Path] = p
		h.placeLocked(p, &offer{program: g.program, mf: g.mf}, g)
	}
	return nil
}

// attach connects to a process and asks what it is.
func (h *Host) attach(ctx context.Context, addr string, pid int) (*generation, error) {
	path := "process " + strconv.Itoa(pid)
	g := newGeneration(h, program{Path: path, Digest: fmt.Sprintf("%s at %s", path, addr), ModTime: time.Now(), attached: true}, &tail{})
	g.proc = &process{pid: pid, address: addr, gone: true, limits: &h.limits, lines: g.lines,
		exited: make(chan struct{}), drained: make(chan struct{})}
	close(g.proc.drained) // its output is not ours
	conn, err := grpc.NewClient("passthrough:///plugin", append(g.dialOptions(),
		grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		return nil, err
	}
	g.conn, g.plugin = conn, pluginv1.NewPluginClient(conn)
	if info, err := os.Lstat(addr); err != nil || info.Mode()&os.ModeSocket == 0 {
		_ = conn.Close()
		return nil, &net.AddrError{Err: "there is no such socket", Addr: addr}
	}
	if err := g.describe(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return g, nil
}

// letGo ends the use of an attached process.
func (g *generation) letGo() {
	g.leaving.Do(func() { close(g.proc.exited) })
	g.disconnect()
	_ = g.conn.Close()
}

// detach takes the offer of an attached process away: it has ended.
func (h *Host) detach(p program) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.places[p.Path] != nil {
		h.dropLocked(p.Path)
	}
}
