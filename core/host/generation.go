package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// timing holds the waits of the host. Tests shorten them.
type timing struct {
	start    time.Duration // until the handshake is done
	describe time.Duration // also of the other quick control calls
	open     time.Duration // OpenInstance
	ping     time.Duration
	health   time.Duration
	sweep    time.Duration // how often deadlines of frames are checked
	grace    time.Duration // beyond a frame's deadline
	shutdown time.Duration // after Shutdown, until SIGTERM
	term     time.Duration // after SIGTERM, until SIGKILL
	stop     time.Duration // all of Run's end
	healthy  time.Duration // up so long, the restart waits begin anew
	boot     time.Duration // of Open
	gather   time.Duration // plugins that start later do not hold up the others
	hook     time.Duration // a webhook waits for a live plugin
}

var defaultTiming = timing{
	start: 10 * time.Second, describe: 5 * time.Second, open: 20 * time.Second,
	ping: 5 * time.Second, health: 10 * time.Second,
	sweep: 50 * time.Millisecond, grace: 250 * time.Millisecond,
	shutdown: 2 * time.Second, term: time.Second, stop: 10 * time.Second,
	healthy: time.Minute, boot: 10 * time.Second, gather: 2 * time.Second, hook: 4 * time.Second,
}

// maxMissed is how many pings or health checks in a row may stay unanswered.
const maxMissed = 3

// generation is one process of a plugin, from its start to its end. It is
// used once.
type generation struct {
	h      *Host
	number uint64
	file   file
	log    *slog.Logger
	lines  *lineLog
	proc   *process
	client *goplugin.Client
	conn   *grpc.ClientConn
	plugin pluginv1.PluginClient
	mf     *manifest
	since  time.Time

	slot  *slot // set by connect
	link  *link
	inbox *inbox
	calls sync.WaitGroup // of HostCall
	slots chan struct{}  // bounds them
	links sync.WaitGroup // writer and reader
	broke chan struct{}  // closed when the stream has broken
	stopL context.CancelFunc

	stopping  atomic.Bool
	pins      atomic.Int64 // callers between loading the generation and queueing
	mu        sync.Mutex
	serving   atomic.Pointer[map[string]uint64] // open instances and their revisions
	brokeOnce sync.Once
	brokeErr  error // before broke is closed
}

// startGeneration starts f and asks what it is. On error nothing is left of
// it.
func startGeneration(ctx context.Context, h *Host, f file, t *tail) (*generation, error) {
	g := &generation{
		h: h, number: h.generations.Add(1), file: f, since: time.Now(),
		slots: make(chan struct{}, credits), broke: make(chan struct{}),
	}
	name := filepath.Base(f.path)
	g.log = h.log.With("plugin", name, "generation", g.number)
	g.lines = newLineLog(g.log, name, t, h.m.dropped)
	g.serving.Store(&map[string]uint64{})
	dir, err := h.workDir(name)
	if err != nil {
		return nil, err
	}
	g.proc = newProcess(f.path, dir, h.launcher, g.lines)
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
		GRPCDialOptions: []grpc.DialOption{
			grpc.WithContextDialer(g.dial),
			grpc.WithDefaultCallOptions(
				grpc.ForceCodecV2(pluginv1.Codec{}),
				grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)),
		},
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

// connect opens the data stream. ctx is only for opening it.
func (g *generation) connect(ctx context.Context, s *slot) error {
	g.slot = s
	own, cancel := context.WithCancel(context.Background())
	unhook := context.AfterFunc(ctx, cancel)
	stream, err := pluginv1.NewLinkClient(g.conn).Exchange(own)
	if !unhook() || err != nil {
		cancel()
		if err == nil {
			err = ctx.Err()
		}
		return fmt.Errorf("open stream: %w", plain(err))
	}
	g.stopL = cancel
	limit := defaultOpen
	if n := int(g.mf.MaxInFlight); n > 0 && n < limit {
		limit = n
	}
	g.inbox = newInbox(g.accept, g.accepted)
	g.link = newLink(stream, limit, g.h.t.grace, g.log, g.h.m.link(g.mf.PluginId), g.notice)
	// A broken stream ends both, but only the reader may say so: it has first
	// to read the answers that did arrive.
	g.links.Go(func() { _ = g.link.write(own) })
	g.links.Go(func() { g.breakLink(g.link.read()) })
	return nil
}

func (g *generation) breakLink(err error) {
	if errors.Is(err, io.EOF) {
		err = errors.New("plugin closed the stream")
	}
	g.brokeOnce.Do(func() {
		g.brokeErr = plain(err)
		g.stopL()
		close(g.broke)
	})
}

// watch returns why the generation cannot go on: it ended, its stream broke, it
// does not answer, or one of the offers is better (errReplaced). It returns
// nil when ctx ends.
func (g *generation) watch(ctx context.Context, offers <-chan *generation, better func(*generation) bool) error {
	var checks sync.WaitGroup
	defer checks.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sick := make(chan error, 1)
	checks.Go(func() { g.checkHealth(ctx, sick) })

	sweep := time.NewTicker(g.h.t.sweep)
	defer sweep.Stop()
	ping := time.NewTicker(g.h.t.ping)
	defer ping.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-g.proc.exited:
			return g.endError()
		case <-g.broke:
			if g.proc.awaitFor(pipeGrace) { // usually it died
				return g.endError()
			}
			return fmt.Errorf("stream broke: %w", g.brokeErr)
		case err := <-sick:
			return err
		case o := <-offers:
			if better(o) {
				return errReplaced
			}
		case now := <-sweep.C:
			g.link.expire(now)
		case <-ping.C:
			if g.link.sendPing() >= maxMissed {
				return fmt.Errorf("wedged: no pong to %d pings", maxMissed)
			}
		}
	}
}

func (g *generation) endError() error {
	if last := g.lines.last(); last != "" {
		return fmt.Errorf("process ended (%s): %s", g.proc.state, last)
	}
	return fmt.Errorf("process ended (%s)", g.proc.state)
}

// checkHealth asks for the plugin's health until ctx ends, and tells sick when
// it has been bad too often.
func (g *generation) checkHealth(ctx context.Context, sick chan<- error) {
	t := time.NewTicker(g.h.t.health)
	defer t.Stop()
	missed := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		call, cancel := context.WithTimeout(ctx, min(2*time.Second, g.h.t.health))
		r, err := g.plugin.CheckHealth(call, &pluginv1.HealthRequest{})
		cancel()
		if err == nil && r.Serving || status.Code(err) == codes.Unimplemented {
			missed = 0
			for _, i := range r.GetInstances() {
				g.instanceHealth(i)
			}
			continue
		}
		if missed++; missed >= maxMissed {
			sick <- fmt.Errorf("unhealthy: %d health checks failed", maxMissed)
			return
		}
	}
}

// drain has the plugin finish what it has, and waits for the answers, until
// ctx ends.
func (g *generation) drain(ctx context.Context, left time.Duration) {
	_, err := g.plugin.Drain(ctx, &pluginv1.DrainRequest{DeadlineMs: uint32(max(left.Milliseconds(), 1))})
	if err != nil && status.Code(err) != codes.Unimplemented {
		g.log.Warn("plugin did not drain", "err", plain(err))
		return
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for g.pins.Load() > 0 || g.link.unanswered() > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		case <-g.proc.exited:
			return
		}
	}
}

// quit drains the generation and stops it, in ctx's time.
func (g *generation) quit(ctx context.Context) {
	left := g.h.t.stop
	if d, ok := ctx.Deadline(); ok {
		left = time.Until(d) - g.h.t.shutdown - g.h.t.term
	}
	if own := time.Duration(g.mf.DrainTimeoutMs) * time.Millisecond; own > 0 {
		left = min(left, own)
	}
	drain, cancel := context.WithTimeout(ctx, left)
	g.drain(drain, left)
	cancel()
	g.stop(ctx)
}

// stop ends the process in bounded time: Shutdown, SIGTERM, SIGKILL.
func (g *generation) stop(ctx context.Context) {
	if g.conn != nil {
		call, cancel := context.WithTimeout(ctx, g.h.t.shutdown)
		// go-plugin's own Shutdown waits for ever for a stopped process.
		err := g.conn.Invoke(call, "/plugin.GRPCController/Shutdown", &emptypb.Empty{}, &emptypb.Empty{})
		if err == nil {
			select {
			case <-g.proc.exited:
			case <-call.Done():
			}
		}
		cancel()
		g.proc.signal(syscall.SIGTERM)
		g.proc.awaitFor(g.h.t.term)
	}
	g.kill()
}

// kill ends the process at once, if it still runs, answers what is open, and
// frees everything the generation holds.
func (g *generation) kill() {
	if err := g.proc.Kill(context.Background()); err != nil {
		g.log.Error("plugin does not end", "err", err)
	}
	g.disconnect()
	cleaned := make(chan struct{})
	go func() {
		defer close(cleaned)
		g.client.Kill() // waits for go-plugin's goroutines; the process is gone
	}()
	select {
	case <-cleaned:
	case <-time.After(5 * time.Second):
		g.log.Error("clean-up after the plugin overran, it goes on in the background")
	}
	if g.proc.socketDir != "" {
		_ = os.RemoveAll(g.proc.socketDir)
	}
}

// disconnect ends the stream. What the plugin had already sent is still read:
// an answer in the socket is an answer.
func (g *generation) disconnect() {
	if g.link == nil {
		return
	}
	select {
	case <-g.broke:
	case <-time.After(pipeGrace):
		g.breakLink(errors.New("closed"))
	}
	g.links.Wait()
	g.serving.Store(&map[string]uint64{})
	g.link.close()
	g.h.wg.Go(func() { // a slow store must not hold up the restart
		g.inbox.close()
		g.calls.Wait()
	})
}

// pin returns the slot's current generation, which then is not taken for
// drained before unpin; nil if there is none.
func (s *slot) pin() *generation {
	for {
		g := s.gen.Load()
		if g == nil {
			return nil
		}
		g.pins.Add(1)
		if s.gen.Load() == g {
			return g
		}
		g.pins.Add(-1)
	}
}

func (g *generation) unpin() { g.pins.Add(-1) }

// serves says whether the instance is open here.
func (g *generation) serves(instance string) bool {
	_, ok := (*g.serving.Load())[instance]
	return ok
}

// setServing opens (revision > 0) or closes an instance for callers.
func (g *generation) setServing(instance string, revision uint64, open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	next := make(map[string]uint64)
	for k, v := range *g.serving.Load() {
		next[k] = v
	}
	delete(next, instance)
	if open {
		next[instance] = revision
	}
	g.serving.Store(&next)
}

// notice handles frames that answer nothing. It runs on the reader and does
// not block.
func (g *generation) notice(p *pluginv1.PluginFrame) {
	switch body := p.Body.(type) {
	case *pluginv1.PluginFrame_Inbound:
		if body.Inbound.SizeVT() > maxFrameBytes {
			g.ack(p, core.Errorf(core.TooLarge, "events are %s", errFrameSize), 1)
		} else if !g.inbox.add(p) {
			g.ack(p, core.Errorf(core.Unavailable, "more events than credits"), 0)
		}
	case *pluginv1.PluginFrame_Call:
		g.hostCall(p, body.Call)
	case *pluginv1.PluginFrame_Health:
		g.instanceHealth(body.Health)
	}
}

func (g *generation) instanceHealth(r *pluginv1.InstanceHealth) {
	if i := g.ownInstance(r.Instance); i != nil {
		i.setHealth(r.Ok, r.Message)
	}
}

// ownInstance returns the configured instance of that name if one of this
// plugin's drivers serves it. A plugin cannot reach the instances of others.
func (g *generation) ownInstance(name string) *instance {
	i := g.h.instance(name)
	if i == nil || g.slot == nil || i.slot.Load() != g.slot {
		return nil
	}
	return i
}
