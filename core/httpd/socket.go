package httpd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/valyala/fasthttp"

	"github.com/openccsp/gateway/core"
	pluginv1 "github.com/openccsp/gateway/sdk/pluginv1"
)

// sockets are the open WebSockets of one Serve. They close when its ctx ends.
type sockets struct {
	ctx context.Context
	max int
	wg  sync.WaitGroup

	mu   sync.Mutex
	open int
	shut bool
}

func newSockets(ctx context.Context, limit int) *sockets { return &sockets{ctx: ctx, max: limit} }

// enter admits one more socket; each is left once.
func (s *sockets) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shut || s.ctx.Err() != nil || s.open >= s.max {
		return false
	}
	s.open++
	s.wg.Add(1)
	return true
}

func (s *sockets) leave() {
	s.mu.Lock()
	s.open--
	s.mu.Unlock()
	s.wg.Done()
}

func (s *sockets) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shut || s.open >= s.max
}

// wait waits at most limit for the sockets to end after their ctx has.
func (s *sockets) wait(limit time.Duration) {
	s.mu.Lock()
	s.shut = true
	s.mu.Unlock()
	done := make(chan struct{})
	go func() { s.wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(limit):
	}
}

func isUpgrade(r *fasthttp.RequestCtx) bool {
	return len(r.Request.Header.Peek(fasthttp.HeaderUpgrade)) > 0 && websocket.FastHTTPIsWebSocketUpgrade(r)
}

var writeBuffers sync.Pool // of the buffers of idle sockets

// upgrade answers 101 and hands the connection to the driver. The Origin is
// among the headers of req: who may connect is the driver's to say.
func (p *Public) upgrade(s *sockets, r *fasthttp.RequestCtx, instance string, req *pluginv1.WebhookRequest, protocols []string) error {
	sub, ok := choose(protocols, string(r.Request.Header.Peek(fasthttp.HeaderSecWebSocketProtocol)))
	if !ok {
		return core.Errorf(core.Invalid, "none of the subprotocols is spoken here")
	}
	if len(req.Body) > 0 {
		return core.Errorf(core.Invalid, "a WebSocket handshake has no body")
	}
	if s.full() {
		return core.Errorf(core.Unavailable, "too many sockets at once")
	}
	var failed error
	u := websocket.FastHTTPUpgrader{
		ReadBufferSize: 4 << 10, WriteBufferSize: 4 << 10, WriteBufferPool: &writeBuffers,
		CheckOrigin: func(*fasthttp.RequestCtx) bool { return true },
		Error:       func(_ *fasthttp.RequestCtx, _ int, reason error) { failed = reason },
	}
	if sub != "" {
		u.Subprotocols = []string{sub}
	}
	if err := u.Upgrade(r, func(ws *websocket.Conn) { p.tunnel(s, ws, instance, req, sub) }); err != nil {
		return &core.Error{Code: core.Invalid, Message: "not a WebSocket handshake", Err: failed}
	}
	return nil
}

// choose returns the first of ours that the client offers. A client that must
// choose and does not is refused.
func choose(ours []string, offered string) (sub string, ok bool) {
	if len(ours) == 0 {
		return "", true
	}
	theirs := strings.Split(offered, ",")
	for i := range theirs {
		theirs[i] = strings.TrimSpace(theirs[i])
	}
	for _, sub := range ours {
		if slices.Contains(theirs, sub) {
			return sub, true
		}
	}
	return "", false
}

// tunnel runs one socket to its end, in the goroutine of its connection.
func (p *Public) tunnel(s *sockets, ws *websocket.Conn, instance string, req *pluginv1.WebhookRequest, sub string) {
	if !s.enter() {
		_ = closeFrame(ws, websocket.CloseTryAgainLater)
		_ = ws.Close()
		return
	}
	defer s.leave()
	p.metrics.sockets.Inc()
	defer p.metrics.sockets.Dec()
	ctx, cancel := context.WithCancel(s.ctx)
	c := newSocketConn(ws, p.limits.SocketFrame)
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		c.keep(ctx, p.limits.SocketPing)
	}()
	err := p.runSocket(ctx, instance, req, sub, c)
	switch {
	case ctx.Err() != nil: // keep says goodbye
	case err == nil:
		c.close(websocket.CloseNormalClosure)
	default:
		c.close(websocket.CloseInternalServerErr)
		if core.CodeOf(err) == core.Internal && p.logged.Allow() {
			p.log.Warn("socket failed", "instance", instance, "err", err)
		}
	}
	cancel()
	<-kept
}

// runSocket runs the driver's side; its panic is an error.
func (p *Public) runSocket(ctx context.Context, instance string, req *pluginv1.WebhookRequest, sub string, c net.Conn) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	return p.hooks.Socket(ctx, instance, req, sub, c)
}

// socketConn is a WebSocket as a net.Conn: the payload of binary messages.
// Message borders are lost on reading; each Write is one message.
type socketConn struct {
	ws    *websocket.Conn
	heard atomic.Int64 // when the peer last said something, Unix nanoseconds

	reading sync.Mutex
	message io.Reader // what is left of the current message

	writing  sync.Mutex
	deadline time.Time // of writes, set by the driver

	closing sync.Once
}

const socketWrite = 10 * time.Second // for one message to leave

var errText = errors.New("a text message; only binary ones are tunnelled")

func newSocketConn(ws *websocket.Conn, maxMessage int64) *socketConn {
	c := &socketConn{ws: ws}
	ws.SetReadLimit(maxMessage)
	ws.SetPongHandler(func(string) error { c.hear(); return nil })
	c.hear()
	return c
}

func (c *socketConn) hear() { c.heard.Store(time.Now().UnixNano()) }

// keep pings the peer until ctx ends or the peer is silent for two intervals,
// and closes the socket.
func (c *socketConn) keep(ctx context.Context, every time.Duration) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			c.close(websocket.CloseGoingAway)
			return
		case <-t.C:
		}
		silent := time.Since(time.Unix(0, c.heard.Load()))
		if silent > 2*every || c.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(every)) != nil {
			c.close(websocket.CloseGoingAway)
			return
		}
	}
}

// Read implements net.Conn. The end of the socket is io.EOF.
func (c *socketConn) Read(b []byte) (int, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	for {
		if c.message == nil {
			if err := c.next(); err != nil {
				return 0, err
			}
		}
		n, err := c.message.Read(b)
		if err == io.EOF {
			c.message, err = nil, nil
			if n == 0 && len(b) > 0 {
				continue
			}
		}
		c.hear()
		return n, err
	}
}

func (c *socketConn) next() error {
	kind, message, err := c.ws.NextReader()
	if _, closed := errors.AsType[*websocket.CloseError](err); closed {
		return io.EOF
	}
	if err != nil {
		return err
	}
	if kind != websocket.BinaryMessage {
		c.close(websocket.CloseUnsupportedData)
		return errText
	}
	c.message = message
	return nil
}

// Write implements net.Conn. It returns within 10 s.
func (c *socketConn) Write(b []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	deadline := time.Now().Add(socketWrite)
	if !c.deadline.IsZero() && c.deadline.Before(deadline) {
		deadline = c.deadline
	}
	_ = c.ws.SetWriteDeadline(deadline)
	if err := c.ws.WriteMessage(websocket.BinaryMessage, b); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Close implements net.Conn.
func (c *socketConn) Close() error {
	c.close(websocket.CloseNormalClosure)
	return nil
}

// close says why and closes; only the first call does.
func (c *socketConn) close(code int) {
	c.closing.Do(func() {
		_ = closeFrame(c.ws, code)
		_ = c.ws.Close()
	})
}

func closeFrame(ws *websocket.Conn, code int) error {
	return ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, ""), time.Now().Add(time.Second))
}

// LocalAddr implements net.Conn.
func (c *socketConn) LocalAddr() net.Addr { return c.ws.LocalAddr() }

// RemoteAddr implements net.Conn.
func (c *socketConn) RemoteAddr() net.Addr { return c.ws.RemoteAddr() }

// SetDeadline implements net.Conn.
func (c *socketConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline implements net.Conn. A Read that runs into it is the last.
func (c *socketConn) SetReadDeadline(t time.Time) error { return c.ws.SetReadDeadline(t) }

// SetWriteDeadline implements net.Conn, from the next Write on.
func (c *socketConn) SetWriteDeadline(t time.Time) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.deadline = t
	return nil
}
