package httpd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/valyala/fasthttp"
)

// newServer returns a server with the limits that both listeners share. Bodies
// are streams: they cost memory only as they arrive.
func newServer(log *slog.Logger, m *metrics, l Limits, h fasthttp.RequestHandler) *fasthttp.Server {
	return &fasthttp.Server{
		Handler:                      h,
		ErrorHandler:                 wireError(m),
		Logger:                       wireLog{log},
		SecureErrorLogMessage:        true,
		Concurrency:                  l.Conns,
		ReadBufferSize:               l.Header,
		MaxRequestBodySize:           l.Body,
		ReadTimeout:                  l.Read,
		WriteTimeout:                 l.Write,
		IdleTimeout:                  l.Idle,
		StreamRequestBody:            true,
		DisablePreParseMultipartForm: true,
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		CloseOnShutdown:              true,
		KeepHijackedConns:            true, // sockets close their connections; they are not reused
	}
}

// server is one listener at work.
type server struct {
	*fasthttp.Server
	ln     *listener
	log    *slog.Logger
	drain  time.Duration
	cut    func() // makes the requests in hand fail
	settle func() // waits for what the requests in hand do not include
}

// run serves until ctx ends, and then stops: no new connections, drain for the
// requests in hand, cut, as long again, settle, and then every connection is
// closed.
func (s *server) run(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- s.Serve(s.ln) }()
	defer s.ln.closeAll()
	defer s.settle()
	defer s.cut()
	select {
	case err := <-served:
		if err == nil {
			err = errors.New("the listener was closed")
		}
		return fmt.Errorf("serve %s: %w", s.ln.Addr(), err)
	case <-ctx.Done():
	}

	timer := time.AfterFunc(s.drain, s.cut)
	defer timer.Stop()
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*s.drain)
	defer cancel()
	_ = s.ln.Close()
	if err := s.ShutdownWithContext(limit); errors.Is(err, context.DeadlineExceeded) {
		s.log.WarnContext(ctx, "connections cut at the end of the drain", "listener", s.ln.Addr().String())
	}
	if err := <-served; err != nil {
		s.log.DebugContext(ctx, "listener ended", "err", err)
	}
	return nil
}

// linger makes the response the last one on its connection, and lets the
// client read it although not all that it sent was read.
func linger(r *fasthttp.RequestCtx) {
	r.SetConnectionClose()
	if c, ok := r.Conn().(*conn); ok {
		c.linger.Store(true)
	}
}

// closeWriter is a connection that can be half closed, such as *net.TCPConn.
type closeWriter interface{ CloseWrite() error }

var _ closeWriter = (*net.TCPConn)(nil)
