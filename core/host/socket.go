package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// socketChunk is the most data in one chunk, in bytes.
const socketChunk = 32 << 10

// Socket tunnels conn, a WebSocket that a client has opened at the hook of an
// instance, to the driver. conn carries the payload of binary messages. Socket
// owns conn: it closes it and returns when either side is done, the plugin
// ends, or ctx does. Errors are those of Webhook, and of the stream.
func (h *Host) Socket(ctx context.Context, instance string, req *pluginv1.WebhookRequest, subprotocol string,
	conn io.ReadWriteCloser) error {
	defer conn.Close() //nolint:errcheck // the tunnel is over
	i := h.instance(instance)
	if i == nil {
		return core.Errorf(core.NotFound, "no instance %q", instance)
	}
	g, err := i.await(ctx, i.isReceiving, i.receiving) // callers are let in before the outside
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := pluginv1.NewLinkClient(g.conn).Socket(ctx)
	g.unpin() // a tunnel may last for days: it does not hold up a drain
	if err != nil {
		return fmt.Errorf("socket of %s: %w", instance, plain(err))
	}
	err = stream.Send(&pluginv1.SocketChunk{Open: &pluginv1.SocketOpen{
		Instance: instance, Request: req, Subprotocol: subprotocol}})
	if err != nil {
		return fmt.Errorf("socket of %s: %w", instance, plain(err))
	}
	var up sync.WaitGroup
	up.Go(func() {
		copyUp(stream, conn)
		cancelAfterClose(stream)
	})
	err = copyDown(conn, stream)
	_ = conn.Close() // ends copyUp
	cancel()
	up.Wait()
	if err != nil {
		return fmt.Errorf("socket of %s: %w", instance, plain(err))
	}
	return nil
}

// SocketProtocols returns the WebSocket subprotocols that an instance takes, in
// its order of preference: none means any, nil that it takes no WebSockets. It
// is known once the instance has been open.
func (h *Host) SocketProtocols(instance string) []string {
	i := h.instance(instance)
	if i == nil {
		return nil
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.sockets)
}

// copyUp sends what the client writes to the driver.
func copyUp(stream pluginv1.Link_SocketClient, conn io.Reader) {
	buf := make([]byte, socketChunk)
	for {
		n, err := conn.Read(buf)
		if n > 0 && stream.Send(&pluginv1.SocketChunk{Data: buf[:n]}) != nil {
			return
		}
		if err != nil {
			return
		}
	}
}

// cancelAfterClose tells the driver that the client is gone.
func cancelAfterClose(stream pluginv1.Link_SocketClient) {
	_ = stream.Send(&pluginv1.SocketChunk{Close: true})
	_ = stream.CloseSend()
}

// copyDown writes what the driver sends to the client, until it is done.
func copyDown(conn io.Writer, stream pluginv1.Link_SocketClient) error {
	for {
		c, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if len(c.Data) > 0 {
			if _, err := conn.Write(c.Data); err != nil {
				return nil //nolint:nilerr // the client has gone
			}
		}
		if c.Close {
			return nil
		}
	}
}
