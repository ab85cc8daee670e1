package sdk

import (
	"context"
	"errors"
	"io"
	"net"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// socketBuffer is the largest chunk that is sent, in bytes.
const socketBuffer = 32 << 10

// Socket implements pluginv1.LinkServer: it makes a net.Conn of the stream.
func (s *server) Socket(stream pluginv1.Link_SocketServer) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	open := first.GetOpen()
	if open == nil {
		return status.Error(codes.InvalidArgument, "the first chunk opens the socket")
	}
	in := s.await(stream.Context(), open.Instance)
	if in == nil {
		return status.Errorf(codes.FailedPrecondition, "no instance %q", open.Instance)
	}
	defer in.pins.drop()
	u, ok := in.value.(SocketUpgrader)
	if !ok {
		return status.Error(codes.Unimplemented, "the driver takes no sockets")
	}
	r := in.receiving()
	if r == nil {
		return status.Error(codes.FailedPrecondition, "the instance is not receiving")
	}
	defer r.ended.add(-1)
	return in.serveSocket(stream, u, open, r)
}

func (in *instance) serveSocket(stream pluginv1.Link_SocketServer, u SocketUpgrader,
	open *pluginv1.SocketOpen, r *receiver) error {
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	defer context.AfterFunc(r.ctx, cancel)()

	near, far := net.Pipe()
	defer func() { _ = near.Close() }()
	in.s.background.run(func() { // ends when this call has returned
		fromStream(stream, near)
		_ = near.Close()
	})
	sent := make(chan error, 1)
	in.s.background.run(func() { sent <- toStream(near, stream) })

	req := webhookFrom(open.Request)
	conn := &socket{Conn: far, remote: remoteAddr(req.RemoteAddr)}
	if open.Subprotocol != "" {
		req.Header.Set("Sec-WebSocket-Protocol", open.Subprotocol)
	}
	err := in.guard("socket", func() error { return u.ServeSocket(ctx, req, conn) })
	if err != nil && ctx.Err() == nil {
		in.host.log.Debug("socket ended with an error", "err", err)
	}
	_ = far.Close()
	return <-sent
}

// fromStream writes what the client sends into w until it closes.
func fromStream(stream pluginv1.Link_SocketServer, w io.Writer) {
	for {
		c, err := stream.Recv()
		if err != nil || c.Close {
			return
		}
		if _, err := w.Write(c.Data); err != nil {
			return
		}
	}
}

// toStream sends what the driver writes into r until it closes.
func toStream(r io.Reader, stream pluginv1.Link_SocketServer) error {
	buf := make([]byte, socketBuffer)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			if err := stream.Send(&pluginv1.SocketChunk{Data: buf[:n]}); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) {
			return stream.Send(&pluginv1.SocketChunk{Close: true})
		}
		if err != nil {
			return err
		}
	}
}

// socket is a pipe with the client's address.
type socket struct {
	net.Conn
	remote net.Addr
}

// RemoteAddr implements net.Conn.
func (s *socket) RemoteAddr() net.Addr { return s.remote }

type remoteAddr string

func (a remoteAddr) Network() string { return "websocket" }
func (a remoteAddr) String() string  { return string(a) }
