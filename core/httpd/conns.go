package httpd

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// listener knows its open connections, and refuses those of an address that
// has too many. Unlike fasthttp's own limit it covers IPv6, and trusted proxies
// are exempt.
type listener struct {
	net.Listener
	perAddr int
	exempt  proxies
	refused prometheus.Counter

	mu    sync.Mutex
	conns map[*conn]struct{}
	count map[netip.Prefix]int
}

func newListener(ln net.Listener, perAddr int, exempt proxies, refused prometheus.Counter) *listener {
	return &listener{
		Listener: ln, perAddr: perAddr, exempt: exempt, refused: refused,
		conns: map[*conn]struct{}{}, count: map[netip.Prefix]int{},
	}
}

const tooManyConns = "HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\nRetry-After: 5\r\n" +
	"Content-Type: application/json\r\nContent-Length: 81\r\n\r\n" +
	`{"error":{"code":"unavailable","message":"too many connections of your address"}}`

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c := l.admit(nc); c != nil {
			return c, nil
		}
		l.refused.Inc()
		_ = nc.SetWriteDeadline(time.Now().Add(time.Second)) // fits the socket's buffer: does not block
		_, _ = io.WriteString(nc, tooManyConns)
		_ = nc.Close()
	}
}

// admit returns nil if nc's address has too many connections.
func (l *listener) admit(nc net.Conn) *conn {
	c := &conn{Conn: nc, l: l, addr: addrOf(nc)}
	if !l.exempt.trust(c.addr) {
		c.net = netOf(c.addr)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.net.IsValid() {
		if l.count[c.net] >= l.perAddr {
			return nil
		}
		l.count[c.net]++
	}
	l.conns[c] = struct{}{}
	return c
}

func (l *listener) forget(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
	if !c.net.IsValid() {
		return
	}
	if l.count[c.net]--; l.count[c.net] == 0 {
		delete(l.count, c.net)
	}
}

// closeAll closes the connections that are still open.
func (l *listener) closeAll() {
	l.mu.Lock()
	open := make([]*conn, 0, len(l.conns))
	for c := range l.conns {
		open = append(open, c)
	}
	l.mu.Unlock()
	for _, c := range open {
		c.linger.Store(false)
		_ = c.Close()
	}
}

// conn is a connection of a listener.
type conn struct {
	net.Conn
	l       *listener
	addr    netip.Addr   // of the peer; not valid for a unix socket
	net     netip.Prefix // what it counts for; not valid if it is exempt
	linger  atomic.Bool
	patient atomic.Bool // its response is a stream, of which only each piece must leave in time
	closed  atomic.Bool
	eof     bool // the client has closed its side; for the one goroutine that reads
}

// Read implements net.Conn.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.eof = c.eof || errors.Is(err, io.EOF)
	return n, err
}

// streamWrite is for a piece of a stream to leave.
const streamWrite = 10 * time.Second

// Write implements net.Conn.
func (c *conn) Write(b []byte) (int, error) {
	if c.patient.Load() {
		_ = c.SetWriteDeadline(time.Now().Add(streamWrite)) // else Write says what is wrong
	}
	return c.Conn.Write(b)
}

// Bounds on what is read after the last response of a connection.
const (
	lingerFor   = 2 * time.Second // a client far away or on a slow line still sends
	lingerBytes = 256 << 10
)

// Close closes the connection. If the client has not been read to the end, it
// is read a little longer: otherwise the kernel would send a reset, and the
// client would never see the answer that tells it what was wrong.
func (c *conn) Close() error {
	if c.closed.Swap(true) {
		return net.ErrClosed
	}
	defer c.l.forget(c)
	if w, ok := c.Conn.(closeWriter); ok && c.linger.Load() && w.CloseWrite() == nil {
		_ = c.SetReadDeadline(time.Now().Add(lingerFor))
		_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
	}
	return c.Conn.Close()
}

func addrOf(nc net.Conn) netip.Addr {
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// netOf is what an address counts for: itself, or the /64 of an IPv6 one.
func netOf(a netip.Addr) netip.Prefix {
	bits := 32
	if a.Is6() {
		bits = 64
	}
	n, _ := a.Prefix(bits) // not valid if a is not
	return n
}

// proxies are the networks whose X-Forwarded-For is believed.
type proxies []netip.Prefix

func (p proxies) trust(a netip.Addr) bool {
	for _, n := range p {
		if n.Contains(a) {
			return true
		}
	}
	return false
}
