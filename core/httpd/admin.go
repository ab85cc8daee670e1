package httpd

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/fasthttp/router"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	"github.com/openccsp/gateway/core"
)

// Gateway is what the admin API shows and does. Its methods are called from
// many goroutines. A *core.Error is shown to the caller, a store's ErrNotFound
// is a 404.
type Gateway interface {
	Conversations
	Customers
	Configuration
	Instances
	Endpoints
	Plugins
	Rules
	DeadLetters
	Quarantine
	Media
}

// AdminOptions make an Admin. All but Limits are needed.
type AdminOptions struct {
	Gateway  Gateway
	Token    string          // what "Authorization: Bearer …" must carry; "": nobody may, but over ServeSocket
	Ready    func() []string // why the gateway is not ready; empty: it is
	Gatherer prometheus.Gatherer
	Limits   Limits
	Log      *slog.Logger
	Metrics  prometheus.Registerer
}

// Admin serves the admin API.
type Admin struct {
	gateway  Gateway
	token    [sha256.Size]byte
	open     bool // there is a token
	ready    func() []string
	gatherer prometheus.Gatherer
	limits   Limits
	bodies   bodies
	log      *slog.Logger
	metrics  *metrics
	id       string
	beat     time.Duration // see stream
}

// NewAdmin returns an Admin that does not serve yet.
func NewAdmin(o AdminOptions) *Admin {
	limits := o.Limits.withDefaults()
	return &Admin{
		gateway:  o.Gateway,
		token:    sha256.Sum256([]byte(o.Token)),
		open:     o.Token != "",
		ready:    o.Ready,
		gatherer: o.Gatherer,
		limits:   limits,
		bodies:   bodies{each: limits.Body, all: limits.Bodies},
		log:      o.Log,
		metrics:  newMetrics(o.Metrics, "admin"),
		id:       newIDPrefix(),
		beat:     streamBeat,
	}
}

// Serve answers requests that carry the token on ln until ctx ends, as
// Public.Serve does.
func (a *Admin) Serve(ctx context.Context, ln net.Listener) error {
	return a.serve(ctx, ln, a.checkToken)
}

// ServeSocket is Serve without the token, for a unix socket: whom ln accepts,
// may.
func (a *Admin) ServeSocket(ctx context.Context, ln net.Listener) error {
	return a.serve(ctx, ln, func(*fasthttp.RequestCtx) error { return nil })
}

func (a *Admin) serve(ctx context.Context, ln net.Listener, guard func(*fasthttp.RequestCtx) error) error {
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	streams := newSockets(ctx, maxStreams)
	s := server{
		Server: newServer(a.log, a.metrics, a.limits, a.handler(base, streams, guard)),
		ln:     newListener(ln, a.limits.ConnsPerAddr, nil, a.metrics.refused),
		log:    a.log,
		drain:  a.limits.Drain,
		cut:    cut,
		settle: func() { streams.wait(a.limits.Drain / 4) },
	}
	return s.run(ctx)
}

// handler answers one request or fails; Admin.wrap turns the failure into a
// response. ctx carries the request's deadline and may be kept. r belongs to
// fasthttp, which reuses it as soon as the handler returns.
type handler func(ctx context.Context, r *fasthttp.RequestCtx) error

// route is one operation of the API. An open one needs no token.
type route struct {
	method, path string
	answer       handler
	open         bool
}

// routes is the whole API; openapi.json describes it.
func (a *Admin) routes() []route {
	return []route{
		{"GET", "/healthz", a.getHealth, true},
		{"GET", "/readyz", a.getReady, true},
		{"GET", "/metrics", a.getMetrics, true},
		{"GET", "/v1/version", a.getVersion, false},
		{"GET", "/v1/openapi.json", a.getOpenAPI, false},

		{"GET", "/v1/conversations", a.listConversations, false},
		{"POST", "/v1/conversations", a.bindOrphan, false},
		{"GET", "/v1/conversations/{id}", a.getConversation, false},
		{"GET", "/v1/conversations/{id}/history", a.listHistory, false},
		{"POST", "/v1/conversations/{id}/close", a.closeConversation, false},
		{"POST", "/v1/conversations/{id}/control", a.controlConversation, false},

		{"GET", "/v1/customers", a.listCustomers, false},
		{"GET", "/v1/customers/{channel}/{address}", a.getCustomer, false},
		{"PATCH", "/v1/customers/{channel}/{address}", a.patchCustomer, false},
		{"PUT", "/v1/customers/{channel}/{address}", a.putCustomer, false},

		{"GET", "/v1/config", a.getConfig, false},
		{"GET", "/v1/integrations", a.listIntegrations, false},
		{"DELETE", "/v1/integrations/{id}", a.deleteIntegration, false},
		{"GET", "/v1/channels", a.listChannels, false},
		{"DELETE", "/v1/channels/{id}", a.deleteChannel, false},
		{"GET", "/v1/services", a.listServices, false},
		{"GET", "/v1/endpoints", a.listEndpoints, false},
		{"POST", "/v1/endpoints/{id}/enable", a.enableEndpoint, false},

		{"GET", "/v1/plugins", a.listPlugins, false},
		{"GET", "/v1/plugins/{id}", a.getPlugin, false},
		{"GET", "/v1/plugins/{id}/logs", a.getPluginLogs, false},
		{"POST", "/v1/plugins/{id}/rollback", a.rollbackPlugin, false},
		{"POST", "/v1/plugins/{id}/quarantine", a.quarantinePlugin, false},
		{"POST", "/v1/plugins/{id}/release", a.releasePlugin, false},
		{"POST", "/v1/plugins/approve", a.approvePlugin, false},
		{"POST", "/v1/plugins/attach", a.attachPlugin, false},

		{"GET", "/v1/rules", a.getRules, false},
		{"POST", "/v1/rules:explain", a.explainRules, false},
		{"POST", "/v1/rules:try", a.tryRules, false},
		{"POST", "/v1/rules:backtest", a.backtestRules, false},
		{"POST", "/v1/rules:reload", a.reloadRules, false},
		{"GET", "/v1/rules/{id}/history", a.ruleHistory, false},
		{"GET", "/v1/snaps/{id}", a.getSnap, false},

		{"GET", "/v1/dead-letters", a.listDeadLetters, false},
		{"POST", "/v1/dead-letters/replay", a.replayDeadLetters, false},
		{"GET", "/v1/dead-letters/{id}", a.getDeadLetter, false},
		{"DELETE", "/v1/dead-letters/{id}", a.deleteDeadLetter, false},
		{"POST", "/v1/dead-letters/{id}/replay", a.replayDeadLetter, false},

		{"GET", "/v1/media", a.getMedia, false},
		{"GET", "/v1/media/{id}", a.getMediaFile, false},
		{"DELETE", "/v1/media/{id}", a.deleteMedia, false},

		{"GET", "/v1/quarantine", a.listQuarantine, false},
		{"GET", "/v1/quarantine/{id}", a.getQuarantined, false},
		{"DELETE", "/v1/quarantine/{id}", a.deleteQuarantined, false},
		{"POST", "/v1/quarantine/{id}/replay", a.replayQuarantined, false},
	}
}

// handler returns the API behind guard.
func (a *Admin) handler(base context.Context, streams *sockets, guard func(*fasthttp.RequestCtx) error) fasthttp.RequestHandler {
	rt := router.New()
	rt.RedirectTrailingSlash, rt.RedirectFixedPath, rt.HandleOPTIONS = false, false, false
	rt.NotFound = a.wrap(base, func(context.Context, *fasthttp.RequestCtx) error {
		return core.Errorf(core.NotFound, "nothing here")
	})
	rt.MethodNotAllowed = a.wrap(base, func(context.Context, *fasthttp.RequestCtx) error {
		return core.Errorf(badMethod, "this method is not possible here")
	})
	for _, op := range a.routes() {
		h := op.answer
		if !op.open {
			h = guarded(guard, h)
		}
		rt.Handle(op.method, op.path, a.wrap(base, h))
	}
	return func(r *fasthttp.RequestCtx) {
		defer a.metrics.count(r)
		defer recovered(r, a.log, a.id)
		held, err := a.read(r)
		defer a.bodies.release(held)
		if err != nil {
			a.fail(r, err)
			linger(r)
			return
		}
		r.SetUserValue(streamsKey{}, streams)
		rt.Handler(r)
	}
}

type bodyKey struct{}

// read reads the whole request; its body is kept for decode.
func (a *Admin) read(r *fasthttp.RequestCtx) (held int64, err error) {
	if err := checkHead(&r.Request.Header, a.limits.Headers); err != nil {
		return 0, err
	}
	body, held, err := a.bodies.read(r)
	if err == nil {
		r.SetUserValue(bodyKey{}, body)
	}
	return held, err
}

// wrap makes a fasthttp handler of h.
func (a *Admin) wrap(base context.Context, h handler) fasthttp.RequestHandler {
	return func(r *fasthttp.RequestCtx) {
		ctx, cancel := context.WithTimeout(base, a.limits.Request)
		defer cancel()
		if err := h(ctx, r); err != nil {
			a.fail(r, err)
		}
		r.Response.Header.Set(fasthttp.HeaderXContentTypeOptions, "nosniff")
		r.Response.Header.Set(fasthttp.HeaderCacheControl, "no-store")
		setRequestID(r, a.id)
	}
}

// fail answers with err. Internal errors are logged in full and answered
// without details.
func (a *Admin) fail(r *fasthttp.RequestCtx, err error) {
	e := classify(err)
	if e.Code == core.Internal {
		a.log.Error("request failed", "request", requestID(r, a.id),
			"method", string(r.Method()), "path", loggedPath(r), "err", err)
	}
	allow := string(r.Response.Header.Peek(fasthttp.HeaderAllow))
	writeError(r, e)
	switch e.Code {
	case core.Unauthorized:
		r.Response.Header.Set(fasthttp.HeaderWWWAuthenticate, "Bearer")
	case badMethod:
		r.Response.Header.Set(fasthttp.HeaderAllow, allow)
	}
}

// loggedPath is the path without the address of a customer.
func loggedPath(r *fasthttp.RequestCtx) string {
	path := string(r.Path())
	if strings.HasPrefix(path, customersPath+"/") {
		return customersPath + "/…"
	}
	return path
}

// guarded lets a request through to h that guard lets through and that no page
// of another site has sent.
func guarded(guard func(*fasthttp.RequestCtx) error, h handler) handler {
	return func(ctx context.Context, r *fasthttp.RequestCtx) error {
		if err := checkOrigin(r); err != nil {
			return err
		}
		if err := guard(r); err != nil {
			return err
		}
		return h(ctx, r)
	}
}

// checkToken compares hashes, so that neither content nor length of the token
// can be told from the time it takes.
func (a *Admin) checkToken(r *fasthttp.RequestCtx) error {
	scheme, token, _ := strings.Cut(string(r.Request.Header.Peek(fasthttp.HeaderAuthorization)), " ")
	sum := sha256.Sum256([]byte(token))
	same := subtle.ConstantTimeCompare(sum[:], a.token[:]) == 1
	if !same || !a.open || !strings.EqualFold(scheme, "bearer") {
		return core.Errorf(core.Unauthorized, "the admin token is missing or wrong")
	}
	return nil
}

// checkOrigin refuses what a page of another site makes a browser send, by the
// rules of net/http's CrossOriginProtection.
func checkOrigin(r *fasthttp.RequestCtx) error {
	if r.IsGet() || r.IsHead() {
		return nil
	}
	cross := core.Errorf(forbidden, "a request from another site")
	switch string(r.Request.Header.Peek("Sec-Fetch-Site")) {
	case "same-origin", "none":
		return nil
	case "":
	default:
		return cross
	}
	origin := string(r.Request.Header.Peek(fasthttp.HeaderOrigin))
	if origin == "" {
		return nil
	}
	if u, err := url.Parse(origin); err != nil || u.Host == "" || u.Host != string(r.Host()) {
		return cross
	}
	return nil
}

// utc returns a time for JSON (RFC 3339); 0 is no time.
func utc(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
