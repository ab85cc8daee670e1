package host

import (
	"bytes"
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Timing shortens the waits of a host under test. Zero leaves one as it is.
type Timing struct {
	Start, Ping, Health, Shutdown, Term, Stop, Hook, Boot, Healthy, Gather, Describe, Prepare, Drain time.Duration
	Again, Trial, Probation, Judge, Served, Open, Stuck, Absent                                      time.Duration
}

// SetTiming changes the waits. Call it before Open.
func (h *Host) SetTiming(t Timing) {
	h.t.quiet, h.t.absent = 20*time.Millisecond, 100*time.Millisecond
	for _, s := range []struct {
		to   *time.Duration
		want time.Duration
	}{
		{&h.t.start, t.Start}, {&h.t.ping, t.Ping}, {&h.t.health, t.Health}, {&h.t.shutdown, t.Shutdown},
		{&h.t.term, t.Term}, {&h.t.stop, t.Stop}, {&h.t.hook, t.Hook}, {&h.t.boot, t.Boot}, {&h.t.healthy, t.Healthy}, {&h.t.gather, t.Gather},
		{&h.t.describe, t.Describe}, {&h.t.prepare, t.Prepare}, {&h.t.drain, t.Drain}, {&h.t.again, t.Again}, {&h.t.trial, t.Trial},
		{&h.t.probation, t.Probation}, {&h.t.judge, t.Judge}, {&h.t.served, t.Served}, {&h.t.open, t.Open}, {&h.t.absent, t.Absent}, {&h.t.stuck, t.Stuck},
	} {
		if s.want > 0 {
			*s.to = s.want
		}
	}
}

// CompareVersions compares two semantic versions.
func CompareVersions(a, b string) (int, error) {
	v, err := parseSemver(a)
	if err != nil {
		return 0, err
	}
	w, err := parseSemver(b)
	return v.compare(w), err
}

// CheckPeer is checkPeer.
func CheckPeer(c *net.UnixConn, pid int) error { return checkPeer(c, pid) }

// LogPlugin logs output as if a plugin had written it to standard error.
func LogPlugin(log *slog.Logger, output []byte) {
	dropped := newMetrics(prometheus.NewRegistry()).dropped
	l := newLineLog(log, "fuzz", 1, &tail{}, dropped)
	eachLine(bytes.NewReader(output), l.stderr)
	l.ended()
}

// RestartWaits returns the first n waits before a restart.
func RestartWaits(n int) (waits []time.Duration) {
	w := newRestartWait()
	for range n {
		waits = append(waits, w.next())
	}
	return waits
}

// Final says that a plugin need not emit refused events again.
func Final(err error) bool { return final(err) }
