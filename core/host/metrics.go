package host

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	up       *prometheus.GaugeVec
	restarts *prometheus.CounterVec
	frames   *prometheus.CounterVec
	batch    *prometheus.HistogramVec
	trip     *prometheus.HistogramVec
	late     *prometheus.CounterVec
	lost     *prometheus.CounterVec
	dropped  *prometheus.CounterVec
	swaps    *prometheus.CounterVec
	gap      *prometheus.HistogramVec
	rejected *prometheus.CounterVec
	crashes  *prometheus.CounterVec
	held     *prometheus.GaugeVec
	poison   *prometheus.CounterVec
}

// newMetrics registers the metrics of plugins with reg.
func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	plugin := []string{"plugin"}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return f.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, append(plugin, labels...))
	}
	return &metrics{
		up: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gateway_plugin_up", Help: "1 while the plugin runs, else 0.",
		}, plugin),
		restarts: counter("gateway_plugin_restarts_total", "Starts of the plugin after an end that nobody asked for."),
		frames: counter("gateway_plugin_frames_total",
			"Frames exchanged, by direction (in: from the plugin, out: to it).", "direction"),
		batch: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gateway_plugin_batch_frames", Help: "Frames in one batch to the plugin.",
			Buckets: []float64{1, 2, 4, 8, 16, 32, 64},
		}, plugin),
		trip: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gateway_plugin_round_trip_seconds", Help: "Time from a call until the plugin's answer.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, plugin),
		late: counter("gateway_plugin_late_answers_total", "Answers dropped because nobody waited any more."),
		lost: counter("gateway_plugin_unanswered_total",
			"Calls without an answer, by fate (lost: handed over, not_sent: never written).", "fate"),
		dropped: counter("gateway_plugin_log_lines_dropped_total", "Log lines over the plugin's limit."),
		swaps: counter("gateway_plugin_swaps_total",
			"Replacements by another version, by result (parallel, exclusive: how it took over, refused: it did not).", "result"),
		gap: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gateway_plugin_swap_gap_seconds", Help: "Time in a replacement while nobody served the plugin's callers.",
			Buckets: []float64{.00001, .0001, .001, .005, .01, .02, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, plugin),
		rejected: counter("gateway_plugin_rejected_total", "Plugin files that did not pass, or did not prove themselves."),
		poison:   counter("gateway_plugin_poison_total", "Calls and webhooks that ended the plugin twice."),
		crashes:  counter("gateway_plugin_crashes_total", "Ends and failed starts that nobody asked for."),
		held: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gateway_plugin_quarantined", Help: "1 while the plugin is in quarantine, else 0.",
		}, plugin),
	}
}

// linkMetrics are the metrics of one plugin, looked up once.
type linkMetrics struct {
	in, out, late, lost, notSent prometheus.Counter
	batch, trip                  prometheus.Observer
}

func (m *metrics) link(plugin string) *linkMetrics {
	return &linkMetrics{
		in: m.frames.WithLabelValues(plugin, "in"), out: m.frames.WithLabelValues(plugin, "out"),
		late: m.late.WithLabelValues(plugin),
		lost: m.lost.WithLabelValues(plugin, "lost"), notSent: m.lost.WithLabelValues(plugin, "not_sent"),
		batch: m.batch.WithLabelValues(plugin), trip: m.trip.WithLabelValues(plugin),
	}
}
