package files

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	saved, read, expired prometheus.Counter
	refused              *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer, s *Store) *metrics {
	m := &metrics{
		saved: prometheus.NewCounter(prometheus.CounterOpts{Name: "gateway_media_saved_total", Help: "Files of messages that were kept."}),
		read:  prometheus.NewCounter(prometheus.CounterOpts{Name: "gateway_media_opened_total", Help: "Times that a kept file was opened, by drivers and links."}),
		expired: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gateway_media_expired_total", Help: "Files removed because they were older than the retention.",
		}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_media_refused_total",
			Help: "Files that were not kept, by reason (content, size, total, disk, timeout).",
		}, []string{"reason"}),
	}
	if reg != nil {
		reg.MustRegister(m.saved, m.read, m.expired, m.refused,
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "gateway_media_files", Help: "Files of messages that are kept."},
				func() float64 { return float64(s.Usage().Files) }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "gateway_media_lost", Help: "What files hold that should be on the disk and is not."},
				func() float64 { return float64(s.Usage().Lost) }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "gateway_media_bytes", Help: "What kept files and those that arrive take on disk."},
				func() float64 { return float64(s.Usage().Bytes) }))
	}
	return m
}
