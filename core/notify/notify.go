// Package notify posts JSON to the endpoints of gateway.hcl: after Standard
// Webhooks 1.0.0 (https://www.standardwebhooks.com, read 2026-09), or as
// CloudEvents 1.0 over HTTP; at the pace that an endpoint bears; and never into a
// private network unless the operator allows it.
package notify

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/outbound"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// Config is what a Notifier needs. Zero values are the defaults.
type Config struct {
	Endpoints map[string]Endpoint
	Timeout   time.Duration    // of one attempt, unless an endpoint has its own; default 15 s
	PerHost   int              // connections to one host; default 64
	Source    string           // of CloudEvents, a URI; default "urn:openccsp:gateway"
	Memory    Memory           // default none: a restart forgets which endpoints are disabled
	Resolver  *net.Resolver    // default the system's
	Now       func() time.Time // default time.Now
	Log       *slog.Logger     // default none
	Metrics   prometheus.Registerer
}

// Notifier posts to endpoints. It is safe for concurrent use.
type Notifier struct {
	timeout   time.Duration
	perHost   int
	source    string
	origin    string // its host; "" if it has none
	now       func() time.Time
	memory    Memory
	setting   sync.Mutex // of SetEndpoints
	endpoints atomic.Pointer[map[string]*endpoint]
	guarded   *http.Transport
	open      *http.Transport // for endpoints that may be private
	log       *slog.Logger
	attempts  *prometheus.CounterVec
	seconds   *prometheus.HistogramVec
	disabled  *prometheus.GaugeVec
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
	if c.Now == nil {
		c.Now = time.Now
	}
	n := &Notifier{
		timeout: c.Timeout, perHost: c.PerHost, source: cmp.Or(c.Source, "urn:openccsp:gateway"), origin: originOf(c.Source), now: c.Now, memory: c.Memory, log: c.Log,
		guarded: newTransport(c, outbound.Control), open: newTransport(c, outbound.ControlPrivate),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_notify_attempts_total", Help: "Requests to endpoints, by outcome.",
		}, []string{"endpoint", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gateway_notify_seconds", Help: "How long endpoints took to answer.",
			Buckets: []float64{.01, .05, .1, .5, 1, 5, 15},
		}, []string{"endpoint"}),
		disabled: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gateway_notify_disabled", Help: "1 for an endpoint that gets nothing any more, until it is enabled.",
		}, []string{"endpoint"}),
	}
	if err := n.SetEndpoints(c.Endpoints); err != nil {
		return nil, err
	}
	if c.Metrics != nil {
		c.Metrics.MustRegister(n.attempts, n.seconds, n.disabled)
	}
	return n, nil
}

// SetEndpoints replaces all endpoints at once. Requests under way go on with
// those they began with. If one is wrong, none is changed. An endpoint that is
// the same as before keeps its state; with another URL it is enabled.
func (n *Notifier) SetEndpoints(endpoints map[string]Endpoint) error {
	n.setting.Lock()
	defer n.setting.Unlock()
	var before map[string]*endpoint
	if p := n.endpoints.Load(); p != nil {
		before = *p
	}
	set := make(map[string]*endpoint, len(endpoints))
	for name, conf := range endpoints {
		e, err := newEndpoint(name, conf, n.origin, n.perHost)
		if err != nil {
			return core.Errorf(core.Invalid, "endpoint %q: %s", name, err)
		}
		if old := before[name]; old != nil && old.URL == conf.URL {
			e.gate = old.gate
			e.gate.set(conf.Rate, conf.Validate)
		} else if e.gate.off, err = n.remembered(e); err != nil {
			return err
		}
		set[name] = e
	}
	n.endpoints.Store(&set)
	n.disabled.Reset()
	for _, s := range n.Status() {
		off := 0.0
		if s.State == Off {
			off = 1
		}
		n.disabled.WithLabelValues(s.Name).Set(off)
	}
	return nil
}

// Close ends idle connections.
func (n *Notifier) Close() {
	n.guarded.CloseIdleConnections()
	n.open.CloseIdleConnections()
}

// Do posts body to the endpoint once and says what became of it. id is the
// same for all attempts of one notification: the other side drops what it has
// seen, so a lost answer is RETRY and never AMBIGUOUS. core.NotSent: nothing was
// attempted, since the endpoint is to be left alone; come again after what the
// result says. RECIPIENT_GONE: it is disabled. Do blocks until there is an outcome,
// at most for the time-out and a wait of some seconds for the endpoint's pace.
func (n *Notifier) Do(ctx context.Context, name, id string, body []byte) (*pluginv1.Result, core.Fate) {
	r, _, fate := n.do(ctx, name, id, body, 0)
	return r, fate
}

// Ask is Do for somebody who wants to know what the endpoint says: JSON of at
// most limit bytes, "null" if it says nothing. Another answer is nil.
func (n *Notifier) Ask(ctx context.Context, name, id string, body []byte, limit int) (*pluginv1.Result, []byte, core.Fate) {
	return n.do(ctx, name, id, body, limit)
}

func (n *Notifier) do(ctx context.Context, name, id string, body []byte, limit int) (*pluginv1.Result, []byte, core.Fate) {
	e, ok := (*n.endpoints.Load())[name]
	if !ok {
		return &pluginv1.Result{Outcome: pluginv1.Outcome_REJECTED, Code: "no_endpoint", Detail: "there is no endpoint " + strconv.Quote(name)}, nil, core.Answered
	}
	hold, again, off := e.gate.enter(n.now())
	switch {
	case off != nil:
		return &pluginv1.Result{Outcome: pluginv1.Outcome_RECIPIENT_GONE, Code: "disabled", Detail: off.Reason}, nil, core.Answered
	case again > 0:
		return &pluginv1.Result{Outcome: pluginv1.Outcome_RETRY, AfterMs: uint64(again.Milliseconds()) + 1}, nil, core.NotSent
	case !wait(ctx, hold):
		e.gate.gaveUp()
		return &pluginv1.Result{Outcome: pluginv1.Outcome_RETRY}, nil, core.NotSent
	}
	start := n.now()
	r, said := n.attempt(ctx, e, webhookID(id), start, body, limit)
	took := n.now().Sub(start)
	n.attempts.WithLabelValues(name, strings.ToLower(r.GetOutcome().String())).Inc()
	n.seconds.WithLabelValues(name).Observe(took.Seconds())
	n.log.Debug("endpoint answered", "endpoint", name, "id", id, "outcome", r.GetOutcome().String(), "code", r.GetCode(), "took", took.String())
	n.settle(ctx, e, r)
	return r, said, core.Answered
}

// attempt posts to an endpoint that has said, if it is to, that it wants it.
func (n *Notifier) attempt(ctx context.Context, e *endpoint, id string, at time.Time, body []byte, limit int) (*pluginv1.Result, []byte) {
	if e.gate.mustAsk() {
		if r := n.consent(ctx, e); r.GetOutcome() != pluginv1.Outcome_OK {
			return r, nil
		}
	}
	return n.post(ctx, e, id, at, body, limit)
}

// settle lets the endpoint's gate know what became of an attempt.
func (n *Notifier) settle(ctx context.Context, e *endpoint, r *pluginv1.Result) {
	tooLong := e.gate.leave(n.now(), r, e.DisableAfter)
	switch {
	case r.GetOutcome() == pluginv1.Outcome_RECIPIENT_GONE:
		n.disable(ctx, e, "it said 410 Gone")
	case tooLong:
		n.disable(ctx, e, "it has failed for "+e.DisableAfter.String())
	}
}

// wait waits, and says no if ctx ends first.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
