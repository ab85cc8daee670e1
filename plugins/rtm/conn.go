package main

import (
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

const (
	connectTimeout = 10 * time.Second // for the CONNECT packet
	writeTimeout   = 10 * time.Second // for one packet
	hurryTimeout   = 200 * time.Millisecond
)

// conn is a client's connection. It knows its session, and bounds the time
// that a client may take to read.
type conn struct {
	net.Conn
	from     netip.Prefix  // whose it is; not valid if nobody knows
	patience time.Duration // for one packet to leave

	session atomic.Pointer[session] // nil before the client has proved who it is
	hurry   atomic.Bool             // another connection waits for the end of this one
}

// Write bounds every write, whatever deadline the broker has set.
func (c *conn) Write(p []byte) (int, error) {
	timeout := c.patience
	if c.hurry.Load() {
		timeout = hurryTimeout
	}
	if err := c.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// makeWay lets a connection end soon that another one is to replace, even if
// its client does not read.
func (c *conn) makeWay() {
	c.hurry.Store(true)
	_ = c.SetWriteDeadline(time.Now().Add(hurryTimeout)) // of a write under way
}

// SetDeadline is the broker's keep-alive: it is about reading.
func (c *conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// RemoteAddr is what the broker would log: nothing.
func (c *conn) RemoteAddr() net.Addr { return noAddr{} }

type noAddr struct{}

func (noAddr) Network() string { return "mqtt" }
func (noAddr) String() string  { return "" }
