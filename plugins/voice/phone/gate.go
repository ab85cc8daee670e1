package phone

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// gate keeps strangers out: what comes from another address than the server's, and
// is not about a call or a request of ours, is dropped before anybody reads it. Sockets of SIP are
// called from all over the world within minutes.
type gate struct {
	ours func(callID string) bool

	mu     sync.Mutex
	server map[netip.Addr]bool
	asked  map[string]bool // requests that wait for an answer, by Call-ID
}

// maxServers bounds how many addresses a server has.
const maxServers = 64

// newGate looks the server up. If that fails, its answers will tell its addresses.
func newGate(server string, ours func(callID string) bool) *gate {
	g := &gate{ours: ours, server: map[netip.Addr]bool{}, asked: map[string]bool{}}
	host, _, _ := net.SplitHostPort(server)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return g
	}
	for _, a := range addrs {
		g.add(a)
	}
	return g
}

func (g *gate) add(a netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.server) < maxServers {
		g.server[a.Unmap().WithZone("")] = true
	}
}

// expect says whether an answer is waited for.
func (g *gate) expect(callID string, waits bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if waits {
		g.asked[callID] = true
	} else {
		delete(g.asked, callID)
	}
}

func (g *gate) expects(callID string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.asked[callID]
}

// welcome lets in where an answer to a request of ours came from: only who got the
// request knows what an answer must have.
func (g *gate) welcome(source string) {
	if a, err := netip.ParseAddrPort(source); err == nil {
		g.add(a.Addr())
	}
}

func (g *gate) knows(a net.Addr) bool {
	at, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.server[at.Addr().Unmap().WithZone("")]
}

// filter is for datagrams. It implements sip.TransportReadFilter.
func (g *gate) filter(of sip.TransportReadProps, data []byte) ([]byte, error) {
	if of.Transport != "UDP" || g.knows(of.RemoteAddr) {
		return data, nil
	}
	if id := callID(data); g.ours(id) || g.expects(id) {
		return data, nil
	}
	return nil, nil
}

// callID finds the Call-ID of a message, "" if it has none.
func callID(data []byte) string {
	for line := range bytes.Lines(data) {
		name, value, ok := bytes.Cut(line, []byte{':'})
		name = bytes.TrimSpace(name)
		if ok && (bytes.EqualFold(name, []byte("Call-ID")) || bytes.EqualFold(name, []byte("i"))) {
			return string(bytes.TrimSpace(value))
		}
	}
	return ""
}

// gatedListener takes connections of the server alone.
type gatedListener struct {
	net.Listener
	gate *gate
}

// Accept implements net.Listener.
func (l gatedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil || l.gate.knows(conn.RemoteAddr()) {
			return conn, err
		}
		_ = conn.Close()
	}
}
