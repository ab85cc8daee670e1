package httpd

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/valyala/fasthttp"
)

// metrics counts the requests of one listener. The counters are looked up
// once, not for each request.
type metrics struct {
	requests [6]prometheus.Counter // by the first digit of the status
	seconds  prometheus.Observer
	sockets  prometheus.Gauge
	refused  prometheus.Counter
}

// newMetrics registers the metrics of a listener (public, admin) with reg.
func newMetrics(reg prometheus.Registerer, listener string) *metrics {
	f := promauto.With(prometheus.WrapRegistererWith(prometheus.Labels{"listener": listener}, reg))
	requests := f.NewCounterVec(prometheus.CounterOpts{
		Name: "gateway_http_requests_total",
		Help: "HTTP requests by listener (public, admin) and class of the status code (2xx, 4xx, …).",
	}, []string{"code"})
	m := &metrics{
		seconds: f.NewHistogram(prometheus.HistogramOpts{
			Name:    "gateway_http_request_seconds",
			Help:    "Time from a request's head to its response, by listener (public, admin).",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}),
		sockets: f.NewGauge(prometheus.GaugeOpts{
			Name: "gateway_http_sockets",
			Help: "Open WebSockets by listener (public, admin).",
		}),
		refused: f.NewCounter(prometheus.CounterOpts{
			Name: "gateway_http_connections_refused_total",
			Help: "Connections refused by listener (public, admin) because their address had too many.",
		}),
	}
	for class := 1; class < len(m.requests); class++ {
		m.requests[class] = requests.WithLabelValues(fmt.Sprintf("%dxx", class))
	}
	return m
}

// count records the response in r.
func (m *metrics) count(r *fasthttp.RequestCtx) {
	m.requests[r.Response.StatusCode()/100].Inc()
	m.seconds.Observe(time.Since(r.Time()).Seconds())
}
