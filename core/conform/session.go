package conform

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// maxMessage is gRPC's limit in the gateway, both ways, in bytes.
const maxMessage = 4 << 20

// session is a plugin process with its connection and its data stream.
type session struct {
	t        *trial
	proc     *process
	client   *goplugin.Client
	conn     *grpc.ClientConn
	plugin   pluginv1.PluginClient
	manifest *pluginv1.Manifest
	link     *link
	cancel   context.CancelFunc // of the stream
}

// start starts the plugin as the gateway does: handshake, Describe, Exchange.
func (t *trial) start() (*session, error) { return t.startProcess(t.process()) }

func (t *trial) startProcess(p *process) (*session, error) {
	s := &session{t: t, proc: p}
	t.sessions = append(t.sessions, s)
	s.client = goplugin.NewClient(s.config())
	var rpc goplugin.ClientProtocol
	err := within(t.o.Patience, func() (err error) {
		rpc, err = s.client.Client() // it knows no context
		return err
	}, func() { s.proc.kill() })
	if err != nil {
		s.proc.kill()
		return nil, s.proc.startError(err)
	}
	s.conn = rpc.(*goplugin.GRPCClient).Conn
	s.plugin = pluginv1.NewPluginClient(s.conn)
	ctx, cancel := s.patience()
	defer cancel()
	if s.manifest, err = s.plugin.Describe(ctx, hostInfo()); err != nil {
		return nil, fmt.Errorf("describe: %w", plain(err))
	}
	return s, s.exchange()
}

// exchange opens the data stream.
func (s *session) exchange() error {
	ctx, cancel := context.WithCancel(s.t.ctx)
	stream, err := pluginv1.NewLinkClient(s.conn).Exchange(ctx)
	if err != nil {
		cancel()
		return fmt.Errorf("exchange: %w", plain(err))
	}
	s.cancel = cancel
	s.link = newLink(stream, s.t.host)
	return nil
}

// within calls f. If that takes longer than d it calls stop, which must make f
// return.
func within(d time.Duration, f func() error, stop func()) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case err := <-done:
		return err
	case <-t.C:
		stop()
		<-done //nolint:errcheck // it came too late
		return fmt.Errorf("nothing within %s", d)
	}
}

func hostInfo() *pluginv1.HostInfo {
	return &pluginv1.HostInfo{HostVersion: "conform", Generation: 1,
		Limits: &pluginv1.Limits{MaxFramesPerBatch: 64, MaxBatchBytes: 256 << 10, MaxFrameBytes: 3 << 20}}
}

func (s *session) config() *goplugin.ClientConfig {
	return &goplugin.ClientConfig{
		HandshakeConfig: goplugin.HandshakeConfig{ProtocolVersion: pluginv1.ProtocolVersion,
			MagicCookieKey: pluginv1.MagicCookieKey, MagicCookieValue: pluginv1.MagicCookieValue},
		Plugins:          goplugin.PluginSet{},
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		SkipHostEnv:      true,
		StartTimeout:     s.t.o.Patience + time.Second, // ours comes first
		Logger:           hclog.NewNullLogger(),
		UnixSocketConfig: &goplugin.UnixSocketConfig{TempDir: s.t.sockets},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, socketDir string) (runner.Runner, error) {
			s.proc.socketDir = socketDir
			s.proc.env = append(cmd.Env, s.t.environment()...)
			return s.proc, nil
		},
		GRPCDialOptions: []grpc.DialOption{
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", s.proc.address)
			}),
			grpc.WithInitialWindowSize(1 << 16), // and no more: it soon fills while nobody reads
			grpc.WithDefaultCallOptions(grpc.ForceCodecV2(pluginv1.Codec{}),
				grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)),
		},
	}
}

// patience bounds a call.
func (s *session) patience() (context.Context, context.CancelFunc) {
	return context.WithTimeout(s.t.ctx, s.t.o.Patience)
}

// kill ends the process at once and frees what the session holds.
func (s *session) kill() {
	s.proc.kill()
	if s.cancel != nil {
		s.cancel()
		<-s.link.done
	}
	if s.client != nil {
		s.client.Kill() // the process is gone: this only cleans up
	}
}

// open opens the instance with a revision.
func (s *session) open(revision uint64) (*pluginv1.InstanceState, error) {
	plain, secrets := s.t.settings()
	return s.openWith(&pluginv1.InstanceSpec{Revision: revision, Settings: plain, Secrets: secrets})
}

func (s *session) openWith(spec *pluginv1.InstanceSpec) (*pluginv1.InstanceState, error) {
	spec.Instance, spec.DataDir = cmp.Or(spec.Instance, instance), s.t.dataDir
	spec.PublicUrl = "https://gateway.example.com/hooks/" + instance
	spec.Driver = cmp.Or(spec.Driver, s.t.driver.GetName())
	ctx, cancel := s.patience()
	defer cancel()
	state, err := s.plugin.OpenInstance(ctx, spec)
	if err != nil {
		return nil, fmt.Errorf("OpenInstance: %w%s", plain(err), s.died())
	}
	return state, nil
}

// mustOpen is open for settings that are right.
func (s *session) mustOpen(revision uint64) error {
	state, err := s.open(revision)
	if err == nil && !state.Ok {
		err = fmt.Errorf("OpenInstance refused: %s %v", state.Message, state.Problems)
	}
	return err
}

// activate lets the instance receive.
func (s *session) activate() error {
	ctx, cancel := s.patience()
	defer cancel()
	s.link.setActive(true)
	_, err := s.plugin.Activate(ctx, &pluginv1.ActivateRequest{Generation: 1, Instances: []string{instance}})
	if err != nil && status.Code(err) != codes.Unimplemented {
		return fmt.Errorf("call of Activate: %w%s", plain(err), s.died())
	}
	return nil
}

func (s *session) closeInstance() error {
	ctx, cancel := s.patience()
	defer cancel()
	if _, err := s.plugin.CloseInstance(ctx, &pluginv1.InstanceRef{Instance: instance}); err != nil {
		return fmt.Errorf("CloseInstance: %w%s", plain(err), s.died())
	}
	return nil
}

// drain has the plugin finish what it has in hand, and returns what it has
// not.
func (s *session) drain(deadline time.Duration, release bool) (uint32, error) {
	ctx, cancel := context.WithTimeout(s.t.ctx, deadline+s.t.o.Patience)
	defer cancel()
	r, err := s.plugin.Drain(ctx, &pluginv1.DrainRequest{
		DeadlineMs: uint32(deadline.Milliseconds()), ReleaseExclusive: release})
	if err != nil {
		return 0, fmt.Errorf("call of Drain: %w%s", plain(err), s.died())
	}
	return r.Unanswered, nil
}

// ask sends a frame and waits for its answer.
func (s *session) ask(f *pluginv1.HostFrame) (*pluginv1.PluginFrame, error) {
	return s.await(s.link.post(f))
}

// await waits for the answer to a frame.
func (s *session) await(seq uint64, answer <-chan *pluginv1.PluginFrame) (*pluginv1.PluginFrame, error) {
	t := time.NewTimer(s.t.o.Patience)
	defer t.Stop()
	select {
	case f := <-answer:
		return f, sane(f)
	default:
	}
	select {
	case f := <-answer:
		return f, sane(f)
	case <-s.link.done:
		select {
		case f := <-answer: // it was the last
			return f, sane(f)
		default:
		}
		return nil, fmt.Errorf("frame %d: the stream ended without an answer%s", seq, s.died())
	case <-t.C:
		return nil, fmt.Errorf("frame %d: no answer within %s", seq, s.t.o.Patience)
	}
}

// result is ask for a call.
func (s *session) result(f *pluginv1.HostFrame) (*pluginv1.Result, error) {
	a, err := s.ask(f)
	if err != nil {
		return nil, err
	}
	r := a.GetResult()
	if r == nil {
		return nil, fmt.Errorf("a call was answered with %T, want a Result", a.Body)
	}
	return r, nil
}

// sane says what is wrong with an answer, whatever was asked.
func sane(f *pluginv1.PluginFrame) error {
	switch b := f.Body.(type) {
	case *pluginv1.PluginFrame_Result:
		return saneResult(b.Result)
	case *pluginv1.PluginFrame_Poll:
		return saneResult(b.Poll.GetResult())
	case *pluginv1.PluginFrame_Webhook:
		if n := b.Webhook.GetStatus(); n < 200 || n > 599 {
			return fmt.Errorf("a webhook was answered with status %d", n)
		}
		return nil
	}
	return fmt.Errorf("frame %d was answered with %T", f.ReplyTo, f.Body)
}

func saneResult(r *pluginv1.Result) error {
	if r.GetOutcome() == pluginv1.Outcome_OUTCOME_UNSPECIFIED {
		return errors.New("a Result names no outcome")
	}
	return nil
}

// died explains an error by the end of the process, if it has ended.
func (s *session) died() string {
	if !s.proc.awaitExit(pipeGrace) { // the connection breaks a little before
		return ""
	}
	<-s.proc.drained
	return "; the process ended: " + s.proc.ending()
}

// plain turns a gRPC status into an error without the words of gRPC.
func plain(err error) error {
	st, ok := status.FromError(err)
	if !ok {
		return err
	}
	switch st.Code() {
	case codes.DeadlineExceeded:
		return errors.New("no answer in time")
	case codes.Unavailable:
		return errors.New("the plugin does not answer")
	}
	return fmt.Errorf("%s: %s", st.Code(), st.Message())
}
