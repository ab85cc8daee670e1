package httpd

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"
	"golang.org/x/time/rate"

	"github.com/openccsp/gateway/core"
	pluginv1 "github.com/openccsp/gateway/sdk/pluginv1"
)

// Hooks is where webhooks and sockets go. Its methods are called from many
// goroutines and return when ctx ends. A *core.Error is shown to the caller.
type Hooks interface {
	// Webhook hands a request to the instance's driver. It returns when the
	// answer's events are durable. The request may be kept. An instance that
	// does not exist is core.NotFound, one that cannot answer now
	// core.Unavailable.
	Webhook(ctx context.Context, instance string, r *pluginv1.WebhookRequest) (*pluginv1.WebhookAnswer, error)
	// Socket hands an open WebSocket to the instance's driver and returns when
	// it is done with it. conn carries the payload of binary messages and is
	// closed after Socket returns. ctx has no deadline.
	Socket(ctx context.Context, instance string, r *pluginv1.WebhookRequest, subprotocol string, conn net.Conn) error
	// SocketProtocols returns the subprotocols that the instance speaks, in
	// order of preference; empty: any or none; nil: it takes no sockets.
	SocketProtocols(instance string) []string
	// OnlyWidget returns the channel whose widget a page gets that names none. If
	// there is not just one, it is core.NotFound.
	OnlyWidget() (instance string, err error)
}

// PublicOptions make a Public. Hooks, Log and Metrics are needed.
type PublicOptions struct {
	Hooks          Hooks
	Limits         Limits
	OpenLink       func(token string) (KeptFile, error) // the file that a link leads to, core.NotFound: none; nil: there are no files
	PublicURL      string                               // what platforms call, such as "https://gw.example.com"; "": as the request says
	TrustedProxies []netip.Prefix                       // whose X-Forwarded-For and X-Forwarded-Proto are believed
	Log            *slog.Logger
	Metrics        prometheus.Registerer
}

// Public serves what platforms, customers' browsers and vendors call:
// /hooks/<instance>/…, /media/<token>, /oauth/<instance>/callback, and
// /widget.js?channel=<instance>, which is that below its hook.
type Public struct {
	hooks     Hooks
	openLink  func(token string) (KeptFile, error)
	links     *links // files on their way out
	limits    Limits
	publicURL string
	proxies   proxies
	log       *slog.Logger
	metrics   *metrics
	id        string // prefix of request ids
	logged    *rate.Limiter
	inFlight  atomic.Int64 // requests
	bodies    bodies
	serving   atomic.Bool
}

// NewPublic returns a Public that does not serve yet.
func NewPublic(o PublicOptions) *Public {
	limits := o.Limits.withDefaults()
	return &Public{
		hooks:     o.Hooks,
		openLink:  o.OpenLink,
		links:     &links{from: map[netip.Prefix]int{}},
		limits:    limits,
		bodies:    bodies{each: limits.Body, all: limits.Bodies},
		publicURL: strings.TrimRight(o.PublicURL, "/"),
		proxies:   o.TrustedProxies,
		log:       o.Log,
		metrics:   newMetrics(o.Metrics, "public"),
		id:        newIDPrefix(),
		logged:    rate.NewLimiter(10, 100),
	}
}

func newIDPrefix() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// Serving says whether requests are accepted. It becomes false before the
// listener closes; readiness follows it.
func (p *Public) Serving() bool { return p.serving.Load() }

// Serve answers requests on ln until ctx ends, and closes ln. Then it lets the
// requests in hand finish, within Limits.Drain, fails the rest, and returns nil
// within a little more than twice that time. It is called once.
func (p *Public) Serve(ctx context.Context, ln net.Listener) error {
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	sockets := newSockets(ctx, p.limits.Sockets)
	h := func(r *fasthttp.RequestCtx) { p.handle(base, sockets, r) }
	s := server{
		Server: newServer(p.log, p.metrics, p.limits, h),
		ln:     newListener(ln, p.limits.ConnsPerAddr, p.proxies, p.metrics.refused),
		log:    p.log,
		drain:  p.limits.Drain,
		cut:    cut,
		settle: func() { sockets.wait(p.limits.Drain / 4) },
	}
	p.serving.Store(true)
	defer p.serving.Store(false)
	defer context.AfterFunc(ctx, func() { p.serving.Store(false) })()
	return s.run(ctx)
}

// handle answers one request.
func (p *Public) handle(base context.Context, s *sockets, r *fasthttp.RequestCtx) {
	defer p.metrics.count(r)
	defer recovered(r, p.log, p.id)
	if err := p.serve(base, s, r); err != nil {
		p.fail(r, err)
	}
	setRequestID(r, p.id)
}

// serve reads the whole request before anything is decided, so that what
// follows on the connection is the next request.
func (p *Public) serve(base context.Context, s *sockets, r *fasthttp.RequestCtx) error {
	if err := checkHead(&r.Request.Header, p.limits.Headers); err != nil {
		linger(r)
		return err
	}
	req := &pluginv1.WebhookRequest{Headers: copyHeaders(&r.Request.Header)} // before the body: trailers are no headers
	body, held, err := p.bodies.read(r)
	defer p.bodies.release(held)
	if err != nil {
		linger(r)
		return err
	}
	req.Body = body
	if bytes.HasPrefix(r.RequestURI(), []byte(mediaPrefix)) {
		return p.media(r)
	}
	instance, err := p.describe(req, r)
	if err != nil {
		return err
	}
	if isUpgrade(r) {
		if protocols := p.hooks.SocketProtocols(instance); protocols != nil {
			return p.upgrade(s, r, instance, req, protocols)
		}
	}
	return p.webhook(base, r, instance, req)
}

func (p *Public) webhook(base context.Context, r *fasthttp.RequestCtx, instance string, req *pluginv1.WebhookRequest) error {
	defer p.inFlight.Add(-1)
	if p.inFlight.Add(1) > int64(p.limits.InFlight) {
		return core.Errorf(core.Unavailable, "too many requests at once")
	}
	ctx, cancel := context.WithTimeout(base, p.limits.Request)
	defer cancel()
	answer, err := p.hooks.Webhook(ctx, instance, req)
	if err != nil {
		return err
	}
	if err := writeAnswer(r, answer); err != nil {
		return &core.Error{Code: core.Internal, Message: "driver of " + instance, Err: err}
	}
	return nil
}

// fail answers with err. What only the operator can understand is logged, at
// most ten a second.
func (p *Public) fail(r *fasthttp.RequestCtx, err error) {
	e := classify(err)
	if e.Code == core.Internal && p.logged.Allow() {
		p.log.Error("request failed", "request", requestID(r, p.id), "err", err)
	}
	lost := r.Response.ConnectionClose()
	writeError(r, e)
	if lost {
		r.SetConnectionClose()
	}
}
