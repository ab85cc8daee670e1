package sdk

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/openccsp/gateway/sdk/internal/env"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// termDrain is how long SIGTERM waits for what is in hand.
const termDrain = 10 * time.Second

// Main serves the plugin to the gateway that started the process. It does not
// return: the process ends when the gateway says so or is gone. Print nothing
// before calling it, since the first line of standard output is the handshake.
//
// With the argument --describe it prints what the plugin offers, as JSON. With
// --debug it serves until it is interrupted, for a debugger: it prints what
// `gateway plugin attach` takes, and the gateway never ends it. A mistake in p, and a start by hand, are told on standard error and end with
// code 1.
func Main(p Plugin) { os.Exit(run(p, os.Args[1:])) }

func run(p Plugin, args []string) int {
	if err := p.check(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if slices.Contains(args, "--describe") {
		b, err := protojson.MarshalOptions{Multiline: true}.Marshal(p.manifest())
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		fmt.Println(string(b))
		return 0
	}
	if slices.Contains(args, "--debug") {
		if err := p.debug(os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	}
	if os.Getenv(pluginv1.MagicCookieKey) != pluginv1.MagicCookieValue {
		fmt.Fprintf(os.Stderr, "%s %s is a plugin of the OpenCCSP gateway, which starts it: "+
			"put it into a folder of plugin_dirs. --describe prints what it offers, --debug serves it for a debugger.\n", p.ID, p.Version)
		return 1
	}
	return newProcess(p).serve()
}

// process is a plugin that the gateway started.
type process struct {
	s      *server
	stderr *os.File // the real one; go-plugin replaces os.Stderr
	quiet  sync.Once

	mu   sync.Mutex
	grpc *grpc.Server
	over bool
}

func newProcess(p Plugin) *process {
	log := newLogger(os.Stderr)
	slog.SetDefault(log) // and the log package
	return &process{
		stderr: os.Stderr,
		s:      newServer(p, env.Env{Log: log, Now: time.Now}),
	}
}

func (p *process) serve() int {
	signal.Ignore(syscall.SIGPIPE) // of a standard error that nobody reads
	go p.watchStdin(os.Stdin)
	go p.watchSignals()
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig: goplugin.HandshakeConfig{
			MagicCookieKey: pluginv1.MagicCookieKey, MagicCookieValue: pluginv1.MagicCookieValue,
		},
		VersionedPlugins: map[int]goplugin.PluginSet{
			pluginv1.ProtocolVersion: {"gateway": &registration{register: p.s.register}},
		},
		GRPCServer: p.newGRPCServer,
		Logger: hclog.New(&hclog.LoggerOptions{
			Level: hclog.Warn, Output: p.stderr, JSONFormat: true,
		}),
	})
	p.mu.Lock()
	served := p.grpc != nil
	p.mu.Unlock()
	if !served {
		return 1
	}
	p.s.closeSoon()
	return 0
}

// registration puts our services on go-plugin's server.
type registration struct {
	goplugin.NetRPCUnsupportedPlugin
	register func(*grpc.Server)
}

// GRPCServer implements goplugin.GRPCPlugin.
func (r *registration) GRPCServer(_ *goplugin.GRPCBroker, g *grpc.Server) error {
	r.register(g)
	return nil
}

// GRPCClient implements goplugin.GRPCPlugin. Plugins have no client side.
func (r *registration) GRPCClient(context.Context, *goplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, fmt.Errorf("the plugin's side only")
}

func (p *process) newGRPCServer(opts []grpc.ServerOption) *grpc.Server {
	opts = append(opts, p.s.options()...)
	opts = append(opts, grpc.UnaryInterceptor(func(ctx context.Context, req any,
		_ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
		p.quiet.Do(p.redirect)
		return h(ctx, req)
	}))
	g := grpc.NewServer(opts...)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.grpc = g
	if p.over {
		g.Stop()
	}
	return g
}

// redirect sends what drivers print to standard error. go-plugin has bent both
// into pipes that block when the gateway does not read them; it is done with
// that once the first call comes in, and no driver runs before.
func (p *process) redirect() { os.Stdout, os.Stderr = p.stderr, p.stderr }

// stop makes serve return.
func (p *process) stop() {
	time.AfterFunc(2*lastWords, func() { os.Exit(1) }) // a driver hangs
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	if p.grpc != nil {
		p.grpc.Stop()
	}
}

// watchStdin ends the process when the gateway is gone: it holds the other end.
func (p *process) watchStdin(stdin io.Reader) {
	_, _ = io.Copy(io.Discard, stdin)
	p.stop()
}

// watchSignals drains at the first SIGTERM and stops at the second. An
// interrupt is for the gateway, which tells its plugins.
func (p *process) watchSignals() {
	signal.Ignore(os.Interrupt)
	term := make(chan os.Signal, 2)
	signal.Notify(term, syscall.SIGTERM)
	<-term
	go func() {
		<-term
		os.Exit(1)
	}()
	ctx, cancel := context.WithTimeout(context.Background(), termDrain)
	defer cancel()
	p.s.drain(ctx, true)
	p.flush()
	p.stop()
}

// flush ends the stream, so that the last answers leave the process. Streams
// of go-plugin's own may stay open, hence the limit.
func (p *process) flush() {
	if l := p.s.currentLink(); l != nil {
		l.deafen()
	}
	p.mu.Lock()
	g := p.grpc
	p.mu.Unlock()
	if g == nil {
		return
	}
	done := make(chan struct{})
	go func() { // ended by Stop at the latest
		defer close(done)
		g.GracefulStop()
	}()
	select {
	case <-done:
	case <-time.After(lastWords / 2):
	}
}
