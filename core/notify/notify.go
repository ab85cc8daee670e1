// Package notify posts JSON to the endpoints of gateway.hcl: signed after
// Standard Webhooks 1.0.0 (https://www.standardwebhooks.com, read 2026-09), and
// never into a private network unless the operator allows it.
package notify

import (
	"context"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/outbound"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// Endpoint is where notifications go.
type Endpoint struct {
	URL          string            // http or https, without user and password
	Secret       string            // signs the requests; "": they are not signed. See Key
	Headers      map[string]string // sent beside those of Standard Webhooks
	AllowPrivate bool              // it may be on this machine or in a private network
}

// Config is what a Notifier needs. Zero values are the defaults.
type Config struct {
	Endpoints map[string]Endpoint
	Timeout   time.Duration // of one attempt; default 15 s
	PerHost   int           // connections to one host; default 64
	Resolver  *net.Resolver // default the system's
	Log       *slog.Logger  // default none
	Metrics   prometheus.Registerer
}

// Notifier posts to endpoints. It is safe for concurrent use.
type Notifier struct {
	timeout   time.Duration
	endpoints atomic.Pointer[map[string]*endpoint]
	guarded   *http.Transport
	open      *http.Transport // for endpoints that may be private
	log       *slog.Logger
	attempts  *prometheus.CounterVec
	seconds   *prometheus.HistogramVec
}

// endpoint is a checked Endpoint.
type endpoint struct {
	Endpoint
	key []byte // nil: not signed
}

// New returns a notifier, or the first endpoint that is wrong.
func New(c Config) (*Notifier, error) {
	if c.Timeout <= 0 {
		c.Timeout = 15 * time.Second
	}
	if c.PerHost <= 0 {
		c.PerHost = 64
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	n := &Notifier{
		timeout: c.Timeout, log: c.Log,
		guarded: newTransport(c, outbound.Control), open: newTransport(c, nil),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_notify_attempts_total", Help: "Requests to endpoints, by outcome.",
		}, []string{"endpoint", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gateway_notify_seconds", Help: "How long endpoints took to answer.",
			Buckets: []float64{.01, .05, .1, .5, 1, 5, 15},
		}, []string{"endpoint"}),
	}
	if err := n.SetEndpoints(c.Endpoints); err != nil {
		return nil, err
	}
	if c.Metrics != nil {
		c.Metrics.MustRegister(n.attempts, n.seconds)
	}
	return n, nil
}

// SetEndpoints replaces all endpoints at once. Requests under way go on with
// those they began with. If one is wrong, none is changed.
func (n *Notifier) SetEndpoints(endpoints map[string]Endpoint) error {
	set := make(map[string]*endpoint, len(endpoints))
	for name, e := range endpoints {
		if err := outbound.CheckURL(e.URL); err != nil {
			return core.Errorf(core.Invalid, "endpoint %q: %s", name, err)
		}
		key, err := Key(e.Secret)
		if err != nil {
			return core.Errorf(core.Invalid, "endpoint %q: %s", name, err)
		}
		e.Headers = maps.Clone(e.Headers)
		set[name] = &endpoint{e, key}
	}
	n.endpoints.Store(&set)
	return nil
}

// Close ends idle connections.
func (n *Notifier) Close() {
	n.guarded.CloseIdleConnections()
	n.open.CloseIdleConnections()
}

// Do posts body to the endpoint once and says what became of it. id is the
// same for all attempts of one notification: the other side drops what it has
// seen, so a lost answer is RETRY and never AMBIGUOUS. Do blocks until there is
// an outcome, at most for the time-out.
func (n *Notifier) Do(ctx context.Context, name, id string, body []byte) *pluginv1.Result {
	r, _ := n.do(ctx, name, id, body, 0)
	return r
}

// Ask is Do for somebody who wants to know what the endpoint says: JSON of at
// most limit bytes, "null" if it says nothing. Another answer is nil.
func (n *Notifier) Ask(ctx context.Context, name, id string, body []byte, limit int) (*pluginv1.Result, []byte) {
	return n.do(ctx, name, id, body, limit)
}

func (n *Notifier) do(ctx context.Context, name, id string, body []byte, limit int) (*pluginv1.Result, []byte) {
	e, ok := (*n.endpoints.Load())[name]
	if !ok {
		return &pluginv1.Result{Outcome: pluginv1.Outcome_REJECTED, Code: "no_endpoint", Detail: "there is no endpoint " + strconv.Quote(name)}, nil
	}
	start := time.Now()
	r, said := n.post(ctx, e, webhookID(id), start, body, limit)
	took := time.Since(start)
	n.attempts.WithLabelValues(name, strings.ToLower(r.GetOutcome().String())).Inc()
	n.seconds.WithLabelValues(name).Observe(took.Seconds())
	n.log.Debug("endpoint answered", "endpoint", name, "id", id, "outcome", r.GetOutcome().String(), "code", r.GetCode(), "took", took.String())
	return r, said
}
