package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// generation is one process of a plugin, from its start to its end. It is
// used once.
type generation struct {
	h      *Host
	number uint64
	program
	log    *slog.Logger
	lines  *lineLog
	proc   *process
	client *goplugin.Client
	conn   *grpc.ClientConn
	plugin pluginv1.PluginClient
	mf     *manifest
	since  time.Time

	slot  *slot                      // set by connect
	prev  atomic.Pointer[generation] // the one before, while it still has calls
	link  *link
	inbox *inbox
	calls sync.WaitGroup // of HostCall
	slots chan struct{}  // bounds them
	files chan struct{}  // bounds those of files, which may take long
	links sync.WaitGroup // writer and reader
	broke chan struct{}  // closed when the stream has broken
	stopL context.CancelFunc

	watching  sync.WaitGroup
	unwatch   context.CancelFunc
	down      chan error    // why it cannot go on; room for one
	drained   chan struct{} // closed when it has stopped receiving
	drainOnce sync.Once
	hurried   chan struct{} // closed when its drain must not wait for instances
	hurryOnce sync.Once
	leaving   sync.Once // of an attached process
	exclusive bool      // it took over what only one can have; set before it is published

	stopping  atomic.Bool
	pins      atomic.Int64 // callers between loading the generation and queueing
	mu        sync.Mutex
	serving   atomic.Pointer[map[string]bool] // the open instances
	ready     map[string]readiness            // by instance; guarded by mu
	brokeOnce sync.Once
	brokeErr  error // before broke is closed
}

// startGeneration starts p, which is probably plugin id, and asks what it is. On
// error nothing is left of it.
func startGeneration(ctx context.Context, h *Host, p program, id string, t *tail) (*generation, error) {
	g := newGeneration(h, p, t)
	dir, err := h.workDir(id)
	if err != nil {
		return nil, err
	}
	g.proc = newProcess(p, id, dir, h, g.lines)
	if err := g.handshake(ctx); err != nil {
		g.kill()
		return nil, err
	}
	if err := g.describe(ctx); err != nil {
		g.kill()
		return nil, err
	}
	return g, nil
}

func newGeneration(h *Host, p program, t *tail) *generation {
	g := &generation{
		h: h, number: h.generations.Add(1), program: p, since: time.Now(),
		slots: make(chan struct{}, credits), files: make(chan struct{}, fileCalls), broke: make(chan struct{}),
		down: make(chan error, 1), drained: make(chan struct{}), hurried: make(chan struct{}),
		ready: make(map[string]readiness),
	}
	name := filepath.Base(p.Path)
	g.log = h.log.With("plugin", name, "generation", g.number)
	g.lines = newLineLog(g.log, name, g.number, t, h.m.dropped)
	g.serving.Store(&map[string]bool{})
	return g
}

// handshake starts the process and connects to it. go-plugin's calls know no
// context; ending the process ends them.
func (g *generation) handshake(ctx context.Context) error {
	g.client = goplugin.NewClient(g.clientConfig())
	ctx, cancel := context.WithTimeoutCause(ctx, g.h.t.start, fmt.Errorf("no handshake within %s", g.h.t.start))
	defer cancel()
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		var rpc goplugin.ClientProtocol
		if rpc, err = g.client.Client(); err == nil {
			g.conn = rpc.(*goplugin.GRPCClient).Conn
		}
	}()
	select {
	case <-done:
	case <-ctx.Done():
		_ = g.proc.Kill(ctx)
		<-done
		return context.Cause(ctx)
	}
	if err != nil {
		_ = g.proc.Kill(ctx)
		return g.proc.startError(err)
	}
	g.plugin = pluginv1.NewPluginClient(g.conn)
	return nil
}

func (g *generation) clientConfig() *goplugin.ClientConfig {
	return &goplugin.ClientConfig{
		HandshakeConfig: goplugin.HandshakeConfig{
			ProtocolVersion: pluginv1.ProtocolVersion,
			MagicCookieKey:  pluginv1.MagicCookieKey, MagicCookieValue: pluginv1.MagicCookieValue,
		},
		Plugins:          goplugin.PluginSet{},
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		SkipHostEnv:      true,
		StartTimeout:     g.h.t.start + time.Second, // ours comes first
		Logger:           hclog.NewNullLogger(),
		SyncStdout:       &lineWriter{do: g.lines.stdout},
		SyncStderr:       &lineWriter{do: g.lines.stderr},
		UnixSocketConfig: &goplugin.UnixSocketConfig{TempDir: g.h.socketDir},
		RunnerFunc:       g.runner,
		GRPCDialOptions:  g.dialOptions(),
	}
}

func (g *generation) dialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithContextDialer(g.dial),
		grpc.WithDefaultCallOptions(
			grpc.ForceCodecV2(pluginv1.Codec{}),
			grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)),
	}
}

// runner implements plugin.ClientConfig's RunnerFunc. The environment is what
// go-plugin needs and nothing of the gateway's own.
func (g *generation) runner(_ hclog.Logger, cmd *exec.Cmd, socketDir string) (runner.Runner, error) {
	g.proc.socketDir = socketDir
	g.proc.env = append(cmd.Env,
		"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8",
		"HOME="+g.proc.dir, "TMPDIR="+g.proc.dir)
	return g.proc, nil
}

// dial connects to the plugin and to nobody else.
func (g *generation) dial(ctx context.Context, _ string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", g.proc.address)
	if err != nil {
		return nil, err
	}
	if err := checkPeer(c.(*net.UnixConn), g.proc.pid); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

func (g *generation) describe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, g.h.t.describe)
	defer cancel()
	m, err := g.plugin.Describe(ctx, &pluginv1.HostInfo{
		HostVersion: g.h.cfg.HostVersion, Generation: g.number,
		Limits: &pluginv1.Limits{MaxFramesPerBatch: maxBatchFrames,
			MaxBatchBytes: maxBatchBytes, MaxFrameBytes: maxFrameBytes},
	})
	if err != nil {
		return fmt.Errorf("describe: %w", plain(err))
	}
	if g.mf, err = checkManifest(m); err != nil {
		return &manifestError{err}
	}
	g.log = g.h.log.With("plugin", m.PluginId, "version", m.Version, "pid", g.proc.pid, "generation", g.number)
	g.lines.become(g.log, m.PluginId)
	return nil
}

// manifestError says that a plugin describes itself in a way that another try
// does not change.
type manifestError struct{ err error }

func (e *manifestError) Error() string { return "manifest: " + e.err.Error() }
func (e *manifestError) Unwrap() error { return e.err }

// plain turns a gRPC status into an error without the words of gRPC.
func plain(err error) error {
	s, ok := status.FromError(err)
	switch {
	case !ok:
		return err
	case s.Code() == codes.DeadlineExceeded:
		return context.DeadlineExceeded
	case s.Code() == codes.Unavailable:
		return errors.New("plugin does not answer")
	}
	return errors.New(s.Message())
}

// serves says whether the instance is open here.
func (g *generation) serves(instance string) bool { return (*g.serving.Load())[instance] }

// setServing opens or closes an instance for callers.
func (g *generation) setServing(instance string, open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	next := maps.Clone(*g.serving.Load())
	delete(next, instance)
	if open {
		next[instance] = true
	}
	g.serving.Store(&next)
}
