package app

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/openccsp/gateway/core/host/stage"
)

// pluginMetrics counts what lies in the plugin directories when it is asked.
type pluginMetrics struct {
	g             *gateway
	files, alarms *prometheus.Desc
}

func newPluginMetrics(g *gateway) *pluginMetrics {
	return &pluginMetrics{
		g: g,
		files: prometheus.NewDesc("gateway_plugin_files",
			"Files in the plugin directories, by state (ready, settling: being written, refused).", []string{"state"}, nil),
		alarms: prometheus.NewDesc("gateway_plugin_alarms",
			"Plugin directories, and the lock file, that cannot be read; what came of them before stays in force.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (m *pluginMetrics) Describe(to chan<- *prometheus.Desc) {
	to <- m.files
	to <- m.alarms
}

// Collect implements prometheus.Collector.
func (m *pluginMetrics) Collect(to chan<- prometheus.Metric) {
	n := map[string]int{string(stage.Ready): 0, string(stage.Settling): 0, string(stage.Refused): 0}
	for _, p := range m.g.host.Plugins() {
		if _, known := n[p.File]; known {
			n[p.File]++
		}
	}
	for state, n := range n {
		to <- prometheus.MustNewConstMetric(m.files, prometheus.GaugeValue, float64(n), state)
	}
	to <- prometheus.MustNewConstMetric(m.alarms, prometheus.GaugeValue, float64(len(m.g.host.Alarms())))
}
