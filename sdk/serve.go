package sdk

import (
	"context"
	"net"
	"time"

	"google.golang.org/grpc"

	"github.com/openccsp/gateway/sdk/internal/env"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// lastWords is how long the drivers have to close when the process ends.
const lastWords = 500 * time.Millisecond

// Serve serves the plugin on lis until ctx ends, without the gateway's
// handshake, and returns nil then. Plugins call [Main]; this is for tests.
func (p Plugin) Serve(ctx context.Context, lis net.Listener) error {
	if err := p.check(); err != nil {
		return err
	}
	s := newServer(p, env.From(ctx))
	g := grpc.NewServer(s.options()...)
	s.register(g)
	defer context.AfterFunc(ctx, g.Stop)()
	err := g.Serve(lis)
	s.closeSoon()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// closeSoon closes all instances when there is no gateway any more.
func (s *server) closeSoon() {
	ctx, cancel := context.WithTimeout(context.Background(), lastWords)
	defer cancel()
	s.close(ctx)
}

func (s *server) options() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ForceServerCodecV2(pluginv1.Codec{}),
		grpc.MaxRecvMsgSize(maxMessageBytes),
		grpc.InitialWindowSize(1 << 20), // both or neither: they bound the memory
		grpc.InitialConnWindowSize(1 << 20),
	}
}

func (s *server) register(g *grpc.Server) {
	pluginv1.RegisterPluginServer(g, s)
	pluginv1.RegisterLinkServer(g, s)
}
