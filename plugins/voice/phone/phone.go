// Package phone places telephone calls over SIP (RFC 3261): through a trunk, or as
// a registered telephone. It plays audio as RTP (RFC 3550) in G.711, and reads the
// keys that are pressed (RFC 4733, and INFO).
package phone

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"

	"github.com/openccsp/gateway/sdk"
)

// Config is what a Phone needs.
type Config struct {
	Server    string // host:port of the trunk or registrar: everything goes there
	Transport string // udp, tcp or tls
	TLS       *tls.Config
	Domain    string // of our address and of those that are called
	User      string // of our address: the number that is shown
	AuthUser  string // for the digest; "": User
	Password  string
	Register  bool          // register, and call only while registered
	Ping      bool          // ask the server for a sign of life before a call
	Listen    netip.Addr    // address of this machine that requests and audio come to
	Port      uint16        // for SIP; 0: any
	Public    netip.Addr    // address that the other side is told; invalid: Listen
	Audio     [2]uint16     // ports for audio, first and last; 0: any
	Ring      time.Duration // how long it rings
	Patience  time.Duration // how long a call may stay without any answer; 0: 15 s
	Most      time.Duration // how long a call may take

	Tell    func(Event) // of what happens to calls; it may block
	Changed func()      // Trouble says something else; nil: nobody asks. It must not block
	Log     *slog.Logger
}

// Phone places calls. It is safe for concurrent use.
type Phone struct {
	Config
	ua      *sipgo.UserAgent
	server  *sipgo.Server
	client  *sipgo.Client
	gate    *gate
	socket  io.Closer
	local   netip.AddrPort // where requests come to
	contact sip.ContactHeader
	route   sip.Uri // of the server

	ctx   context.Context // ends with Close
	end   context.CancelFunc
	tasks sync.WaitGroup

	registering sync.WaitGroup // it needs the sockets to the end

	mu    sync.Mutex
	calls map[string]*call // by Call-ID
	state reachability
}

// New opens the socket and begins to register, if that is wanted.
func New(c Config) (*Phone, error) {
	c.Patience = cmp.Or(c.Patience, patience)
	p := &Phone{Config: c, calls: map[string]*call{}}
	p.ctx, p.end = context.WithCancel(context.Background())
	if err := p.open(); err != nil {
		p.end()
		return nil, err
	}
	if c.Register {
		p.registering.Go(p.keepRegistered)
	}
	return p, nil
}

func (p *Phone) open() (err error) {
	if p.route, err = p.routes(); err != nil {
		return err
	}
	p.gate = newGate()
	ctx, cancel := context.WithTimeout(p.ctx, 2*time.Second)
	defer cancel()
	_, _ = p.address(ctx) // if nobody knows it yet, the first request finds it
	options := []sipgo.UserAgentOption{
		sipgo.WithUserAgent("OpenCCSP"), sipgo.WithUserAgentHostname(p.Domain),
		sipgo.WithUserAgentTransportLayerOptions(sip.WithTransportLayerLogger(p.Log), sip.WithTransportLayerReadFilter(p.gate.filter)),
		sipgo.WithUserAgentTransactionLayerOptions(sip.WithTransactionLayerLogger(p.Log)),
	}
	if p.TLS != nil {
		options = append(options, sipgo.WithUserAgenTLSConfig(p.TLS))
	}
	if p.ua, err = sipgo.NewUA(options...); err != nil {
		return err
	}
	if p.server, err = sipgo.NewServer(p.ua, sipgo.WithServerLogger(p.Log)); err != nil {
		return err
	}
	if err := p.serve(); err != nil {
		_ = p.ua.Close()
		return err
	}
	host := p.told().String()
	own := []sipgo.ClientOption{
		sipgo.WithClientLogger(p.Log), sipgo.WithClientHostname(host), sipgo.WithClientPort(int(p.local.Port())),
		sipgo.WithClientNAT(), // answers come where the request came from (RFC 3581)
	}
	if p.Transport == "udp" {
		own = append(own, sipgo.WithClientConnectionAddr(p.local.String())) // not another socket: answers come where we listen
	}
	if p.client, err = sipgo.NewClient(p.ua, own...); err != nil {
		_ = p.ua.Close()
		return err
	}
	return nil
}

// introduce says where requests come to. Nothing is read before that.
func (p *Phone) introduce(local netip.AddrPort) {
	p.local = local
	p.contact = sip.ContactHeader{Address: sip.Uri{
		Scheme: "sip", User: p.User, Host: p.told().String(), Port: int(local.Port()), UriParams: sip.NewParams(),
	}}
	if p.Transport != "udp" {
		p.contact.Address.UriParams.Add("transport", p.Transport)
	}
}

// told is the address that the other side is told.
func (p *Phone) told() netip.Addr {
	if p.Public.IsValid() {
		return p.Public
	}
	return p.Listen
}

// serve listens for what the other side asks: see requests.go. With TLS that comes
// over the connection that we made.
func (p *Phone) serve() error {
	p.handle()
	at := netip.AddrPortFrom(p.Listen, p.Port)
	switch p.Transport {
	case "udp":
		conn, err := net.ListenPacket("udp", at.String())
		if err != nil {
			return fmt.Errorf("listen for SIP: %w", err)
		}
		p.socket = conn
		p.introduce(conn.LocalAddr().(*net.UDPAddr).AddrPort())
		reading := &readConn{PacketConn: conn, begun: make(chan struct{})}
		p.tasks.Go(func() { p.served(p.server.ServeUDP(reading)) })
		<-reading.begun // before that, the library would open a second socket for our requests
	case "tcp":
		ln, err := net.Listen("tcp", at.String())
		if err != nil {
			return fmt.Errorf("listen for SIP: %w", err)
		}
		p.socket = ln
		p.introduce(ln.Addr().(*net.TCPAddr).AddrPort())
		p.tasks.Go(func() { p.served(p.server.ServeTCP(gatedListener{ln, p.gate})) })
	default:
		p.socket = io.NopCloser(nil)
		p.introduce(netip.AddrPortFrom(p.Listen, cmp.Or(p.Port, sipsPort)))
	}
	return nil
}

// sipsPort is that of SIP over TLS.
const sipsPort = 5061

// readConn tells when it is first read from.
type readConn struct {
	net.PacketConn
	once  sync.Once
	begun chan struct{}
}

// ReadFrom implements net.PacketConn.
func (c *readConn) ReadFrom(b []byte) (int, net.Addr, error) {
	c.once.Do(func() { close(c.begun) })
	return c.PacketConn.ReadFrom(b)
}

func (p *Phone) served(err error) {
	if p.ctx.Err() == nil {
		p.Log.Error("the socket of SIP is broken", "err", err)
	}
}

// HangUp ends the calls that are under way and returns when all their ends were
// told.
func (p *Phone) HangUp() {
	p.mu.Lock()
	var running []*call
	for _, c := range p.calls {
		c.end()
		running = append(running, c)
	}
	p.mu.Unlock()
	for _, c := range running {
		<-c.done
	}
}

// Close hangs up, tells of the ends of the calls, and ends the registration.
func (p *Phone) Close() error {
	p.end()
	p.HangUp()
	p.registering.Wait()
	err := p.ua.Close()
	_ = p.socket.Close() // it may have done so already
	p.tasks.Wait()
	return err
}

// dialable is what may be called: the part of a SIP address before the @.
var dialable = regexp.MustCompile(`^[0-9A-Za-z+*#._-]{1,64}$`)

func number(address string) (string, error) {
	if !dialable.MatchString(address) {
		return "", sdk.Rejected("number", "a number has 1 to 64 digits, letters and + * # . - _")
	}
	return strings.ReplaceAll(address, "#", "%23"), nil // as RFC 3261, section 25.1, wants it
}

// target is the address that a request is for.
func (p *Phone) target(user string) sip.Uri {
	u := sip.Uri{Scheme: "sip", User: user, Host: p.Domain, UriParams: sip.NewParams()}
	if host, port, err := net.SplitHostPort(p.Domain); err == nil {
		u.Host = host
		u.Port, _ = strconv.Atoi(port)
	}
	if p.Transport != "udp" {
		u.UriParams.Add("transport", p.Transport)
	}
	return u
}

// request makes a request for the server.
func (p *Phone) request(method sip.RequestMethod, to sip.Uri) *sip.Request {
	req := sip.NewRequest(method, to)
	req.SetTransport(strings.ToUpper(p.Transport))
	req.AppendHeader(&sip.RouteHeader{Address: p.route}) // also the CANCEL of a call follows it
	from := &sip.FromHeader{Address: sip.Uri{Scheme: "sip", User: p.User, Host: to.Host}, Params: sip.NewParams()}
	from.Params.Add("tag", sip.GenerateTagN(16))
	req.AppendHeader(from)
	req.AppendHeader(sip.NewHeader("User-Agent", "OpenCCSP"))
	return req
}
