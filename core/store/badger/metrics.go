package badger

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics count what the committer does. A nil one counts nothing.
type metrics struct {
	reg     prometheus.Registerer
	all     []prometheus.Collector
	size    prometheus.Histogram
	seconds prometheus.Histogram
	writes  [opCount]prometheus.Counter
	refused prometheus.Counter
}

// newMetrics registers the metrics of a store with reg, nil: none.
func newMetrics(reg prometheus.Registerer, p *space) (*metrics, error) {
	if reg == nil {
		return nil, nil
	}
	m := &metrics{reg: reg}
	m.size = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "gateway_store_group_writes",
		Help:    "Writes that one transaction and one sync made durable.",
		Buckets: prometheus.ExponentialBuckets(1, 2, 9),
	})
	m.seconds = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "gateway_store_commit_seconds",
		Help:    "Time one group took, with its sync.",
		Buckets: prometheus.ExponentialBuckets(0.0001, 2, 16),
	})
	writes := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gateway_store_writes_total",
		Help: "Writes by kind (append, commit, bind, swap, delete, put), also refused ones.",
	}, []string{"kind"})
	for o := range m.writes {
		m.writes[o] = writes.WithLabelValues(opNames[o])
	}
	m.refused = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "gateway_store_refused_total",
		Help: "Writes refused: conflicts, duplicates, a full disk, damaged values.",
	})
	free := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gateway_store_free_bytes",
		Help: "Free space on the disk of the store.",
	}, func() float64 { return float64(p.bytes.Load()) })
	for _, c := range []prometheus.Collector{m.size, m.seconds, writes, m.refused, free} {
		if err := reg.Register(c); err != nil {
			return nil, errors.Join(err, m.close())
		}
		m.all = append(m.all, c)
	}
	return m, nil
}

func (m *metrics) count(r *request) {
	if m == nil {
		return
	}
	m.writes[r.op].Inc()
	if r.err != nil || len(r.dups) > 0 {
		m.refused.Inc()
	}
}

func (m *metrics) group(n int, d time.Duration) {
	if m == nil {
		return
	}
	m.size.Observe(float64(n))
	m.seconds.Observe(d.Seconds())
}

// close takes the metrics out of the registry, so that the store can be
// opened again.
func (m *metrics) close() error {
	if m == nil {
		return nil
	}
	for _, c := range m.all {
		m.reg.Unregister(c)
	}
	return nil
}
