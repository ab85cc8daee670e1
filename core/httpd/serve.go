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

// run serves srv on ln until ctx ends, and then stops it: no new connections,
// drain for the requests in hand, cut, which makes the rest fail, as long
// again, and then every connection is closed.
func run(ctx context.Context, log *slog.Logger, srv *fasthttp.Server, ln *listener, drain time.Duration, cut func()) error {
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	select {
	case err := <-served:
		cut()
		ln.closeAll()
		if err == nil {
			err = errors.New("the listener was closed")
		}
		return fmt.Errorf("serve %s: %w", ln.Addr(), err)
	case <-ctx.Done():
	}

	timer := time.AfterFunc(drain, cut)
	defer timer.Stop()
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*drain)
	defer cancel()
	_ = ln.Close()
	if err := srv.ShutdownWithContext(limit); errors.Is(err, context.DeadlineExceeded) {
		log.WarnContext(ctx, "connections cut at the end of the drain", "listener", ln.Addr().String())
	}
	ln.closeAll()
	cut()
	<-served
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

func cut(format string, args []any) string {
	s := fmt.Sprintf(format, args...)
	if len(s) > maxWireLog {
		s = s[:maxWireLog] + "…"
	}
	return s
}

// closeWriter is a connection that can be half closed, such as *net.TCPConn.
type closeWriter interface{ CloseWrite() error }

var _ closeWriter = (*net.TCPConn)(nil)
