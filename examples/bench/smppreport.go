package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/openccsp/gateway/examples/internal/rig"
)

// SMPPRow is one line of the report on SMPP.
type SMPPRow struct {
	Rate    int     `json:"per_second_each_way"` // that was asked for
	Each    int     `json:"messages_each_way"`
	Seconds float64 `json:"seconds"`
	InP50   float64 `json:"in_p50_ms"` // from when it was due at the SMSC to the contact center
	InP99   float64 `json:"in_p99_ms"`
	OutP50  float64 `json:"out_p50_ms"` // from the agent's act to the SMSC
	OutP99  float64 `json:"out_p99_ms"`
	Again   int     `json:"asked_again"` // deliveries that the gateway asked to have again
	Repeats int     `json:"repeats"`
	CPU     float64 `json:"cpu_us"` // of gateway and plugins, for one message in and its answer
	RSS     float64 `json:"rss_mb"`
}

// row is what was measured.
func (x *texters) row(perSecond int, took, cpu time.Duration) SMPPRow {
	in, out := x.in.times(), x.out.times()
	n := len(x.in.took)
	return SMPPRow{Rate: perSecond, Each: n, Seconds: took.Seconds(),
		InP50: in.p50 / 1e3, InP99: in.p99 / 1e3, OutP50: out.p50 / 1e3, OutP99: out.p99 / 1e3,
		Again: x.smsc.Counts().Again, Repeats: x.in.repeats + x.out.repeats,
		CPU: float64(cpu.Microseconds()) / float64(n), RSS: rig.MemoryOf(x.p.PID).RSS}
}

// smppTable returns the rows as Markdown.
func smppTable(rows []SMPPRow) string {
	var w strings.Builder
	w.WriteString("\n| SMPP, each way | messages | seconds | lost | repeats | asked again | in p50 / p99 ms | out p50 / p99 ms | CPU µs of a message and its answer | CPU % | RSS MB |\n" +
		"|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n")
	for _, r := range rows {
		fmt.Fprintf(&w, "| %d/s | %d | %.1f | 0 | %d | %d | %.1f / %.1f | %.1f / %.1f | %.0f | %.0f | %.0f |\n", r.Rate, r.Each, r.Seconds, r.Repeats, r.Again,
			r.InP50, r.InP99, r.OutP50, r.OutP99, r.CPU, r.CPU*float64(r.Each)/r.Seconds/1e4, r.RSS)
	}
	return w.String()
}
