package phone

import (
	"bytes"
	"net"
	"net/netip"
	"sync"

	"github.com/emiago/sipgo/sip"
)

// gate keeps strangers out: what comes from another address than the server's, and
// is not about a call or a request of ours, is dropped before anybody reads it.
// Sockets of SIP are called from all over the world within minutes.
type gate struct {
	mu     sync.Mutex
	server map[netip.Addr]bool
	ours   map[string]bool // calls, and requests that wait for an answer, by Call-ID
}

// maxServers bounds how many addresses a server has.
const maxServers = 64

func newGate() *gate { return &gate{server: map[netip.Addr]bool{}, ours: map[string]bool{}} }

func (g *gate) add(a netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.server) < maxServers {
		g.server[a.Unmap().WithZone("")] = true
	}
}

// expect lets in what is about a call or a request of ours, from wherever it comes.
func (g *gate) expect(callID string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ours[callID] = true
}

func (g *gate) forget(callID string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.ours, callID)
}

func (g *gate) expects(callID string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.ours[callID]
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
	if of.Transport != "UDP" || g.knows(of.RemoteAddr) || g.expects(callID(data)) {
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
