package host_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/host"
)

// crash has the plugin of i-echo panic, and waits until it has ended.
func (b *bench) crash() {
	b.t.Helper()
	b.eventually("it serves", func() bool {
		_, fate := b.call("i-echo", "hello")
		return fate == core.Answered
	})
	if _, fate := b.call("i-echo", "crash"); fate != core.Lost {
		b.t.Fatalf("call that crashes = %v, want Lost", fate)
	}
}

// TestCrashLoop: five crashes are too many, also for the next gateway, until an
// operator or the quarantine's end says otherwise.
func TestCrashLoop(t *testing.T) {
	b := start(t, host.Timing{Trial: time.Hour}, []string{"echo"}, "echo")
	for range 5 {
		b.crash()
	}
	b.eventually("quarantine", func() bool { return b.plugin("echo").State == host.Quarantined })
	p := b.plugin("echo")
	if p.Crashes != 5 || time.Until(p.Quarantine) < 20*time.Minute || !strings.Contains(p.LastError, "5 crashes") {
		t.Errorf("plugin = %+v", p)
	}
	if b.metric("gateway_plugin_quarantined", "test.echo") != 1 {
		t.Error("the metric does not say so")
	}
	b.stop()

	again := startIn(t, b.dir, b.data, host.Timing{Trial: time.Hour}, nil, "echo")
	if p := again.plugin("echo"); p.State != host.Quarantined || p.PID != 0 || p.Crashes != 5 {
		t.Errorf("after a restart of the gateway: %+v", p)
	}
	if err := again.h.Release("test.echo"); err != nil {
		t.Errorf("Release = %v", err)
	}
	again.eventually("it serves", func() bool { _, fate := again.call("i-echo", "hello"); return fate == core.Answered })
	if err := again.h.Release("test.echo"); core.CodeOf(err) != core.Conflict {
		t.Errorf("second Release = %v, want a conflict", err)
	}
}

// TestTrials: after a quarantine there is one trial; if that fails the next
// quarantine is twice as long.
func TestTrials(t *testing.T) {
	b := start(t, host.Timing{Trial: 50 * time.Millisecond}, []string{"echo"}, "echo")
	for range 7 {
		b.crash()
	}
	b.eventually("third quarantine", func() bool {
		return b.log.line("is in quarantine", "for=200ms", "crashed again") != "" || b.log.line("is in quarantine", "for=200ms") != ""
	})
	for _, d := range []string{"50ms", "100ms"} {
		if b.log.line("is in quarantine", "for="+d) == "" {
			t.Errorf("no quarantine of %s", d)
		}
	}
}

// TestNewFileLiftsQuarantine: another program need not wait.
func TestNewFileLiftsQuarantine(t *testing.T) {
	b := start(t, host.Timing{Trial: time.Hour}, []string{"echo"}, "echo")
	for range 5 {
		b.crash()
	}
	b.eventually("quarantine", func() bool { return b.plugin("echo").State == host.Quarantined })
	b.replace("echo", "echo_1.0.1")
	b.awaitVersion("test.echo", "1.0.1")
}

// TestProbation: a new version that crashes twice, or whose calls go wrong, is
// rejected, and the one before comes back.
func TestProbation(t *testing.T) {
	for _, tt := range []struct {
		name, next, want string
		harm             func(b *bench)
	}{
		{"crashes", "echo_2.0.0", "on probation: process ended", func(b *bench) { b.crash(); b.crash() }},
		{"errors", "faulty_2.0.0_test.echo", "of its", func(b *bench) {
			for range 30 {
				b.call("i-echo", "hello")
			}
		}},
		{"health", "unwell_2.0.0_test.echo", "health", func(*bench) {}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := start(t, host.Timing{Judge: 5 * time.Millisecond, Probation: time.Hour}, nil)
			b.replace("echo", "echo_1.0.0")
			b.h.SetInstances([]host.Instance{{Name: "i-echo", Driver: "echo", Revision: 1}})
			b.awaitVersion("test.echo", "1.0.0")
			b.eventually("the old one serves", func() bool { r, _ := b.call("i-echo", "hello"); return r.GetCode() == "1.0.0" })
			for range 30 { // what it does well is the measure
				b.call("i-echo", "hello")
			}
			b.replace("echo", tt.next)
			if tt.name != "health" {
				b.awaitVersion("test.echo", "2.0.0")
				b.eventually("probation", func() bool { return !b.running("test.echo").Probation.IsZero() })
			}
			tt.harm(b)
			b.eventually("rejection", func() bool { return strings.Contains(b.rejected("test.echo", "2.0.0"), tt.want) })
			b.awaitVersion("test.echo", "1.0.0")
			b.eventually("the old one serves", func() bool { r, _ := b.call("i-echo", "hello"); return r.GetCode() == "1.0.0" })
			b.stop()

			// The next gateway knows what to run, too.
			again := startIn(t, b.dir, b.data, host.Timing{}, nil, "echo")
			again.awaitVersion("test.echo", "1.0.0")
			if again.rejected("test.echo", "2.0.0") == "" {
				t.Error("the rejection is forgotten")
			}
			if err := again.h.Release("test.echo"); err != nil {
				t.Fatal(err)
			}
			if tt.name != "health" {
				again.awaitVersion("test.echo", "2.0.0")
			}
		})
	}
}

// TestConfigurationError: a plugin that ends with code 78 is not started again
// before its configuration changes.
func TestConfigurationError(t *testing.T) {
	b := start(t, host.Timing{}, []string{"config"}, "config")
	p := b.plugin("config")
	if p.State != host.Failed || !strings.Contains(p.LastError, "token is missing: it says that its configuration is wrong") {
		t.Errorf("plugin = %s %q", p.State, p.LastError)
	}
	starts := strings.Count(b.log.String(), "plugin does not start")
	b.h.SetInstances([]host.Instance{{Name: "i-config", Driver: "config", Revision: 2}})
	b.eventually("another try", func() bool { return strings.Count(b.log.String(), "plugin does not start") == starts+1 })
}

// TestConfigurationErrorLater is the same of a plugin that ran.
func TestConfigurationErrorLater(t *testing.T) {
	b := start(t, host.Timing{}, []string{"echo"}, "echo")
	b.call("i-echo", "misconfigured")
	b.eventually("it stays down", func() bool { return b.plugin("echo").State == host.Failed })
	if p := b.plugin("echo"); p.Crashes != 0 || !strings.Contains(p.LastError, "configuration is wrong") {
		t.Errorf("plugin = %+v", p)
	}
	b.h.SetInstances([]host.Instance{{Name: "i-echo", Driver: "echo", Revision: 2}})
	b.eventually("it serves", func() bool { _, fate := b.call("i-echo", "hello"); return fate == core.Answered })
}

// TestStandbyIsNotStarted: the gateway remembers what files are.
func TestStandbyIsNotStarted(t *testing.T) {
	b := start(t, host.Timing{}, []string{"echo_1.0.0", "echo_2.0.0"}, "echo")
	b.awaitVersion("test.echo", "2.0.0")
	b.stop()
	again := startIn(t, b.dir, b.data, host.Timing{}, nil, "echo")
	p := again.running("test.echo")
	if p.Version != "2.0.0" || p.Generation != 1 {
		t.Errorf("plugin = %+v, want the better one to be the only process", p)
	}
	if s := again.plugin("echo_1.0.0"); s.State != host.Standby || s.Version != "1.0.0" {
		t.Errorf("other file = %+v, want standby", s)
	}
}

// TestOperator rolls back, quarantines and releases.
func TestOperator(t *testing.T) {
	b := start(t, host.Timing{}, nil)
	b.replace("echo", "echo_1.0.0")
	b.h.SetInstances([]host.Instance{{Name: "i-echo", Driver: "echo", Revision: 1}})
	b.awaitVersion("test.echo", "1.0.0")
	if err := b.h.Rollback("test.echo"); core.CodeOf(err) != core.Conflict {
		t.Errorf("Rollback of the only version = %v, want a conflict", err)
	}
	for _, op := range []func(string) error{b.h.Rollback, b.h.Quarantine, b.h.Release} {
		if err := op("nobody"); core.CodeOf(err) != core.NotFound {
			t.Errorf("of nobody = %v, want not found", err)
		}
	}
	b.replace("echo", "echo_1.1.0")
	b.awaitVersion("test.echo", "1.1.0")
	if err := b.h.Rollback("test.echo"); err != nil {
		t.Errorf("Rollback = %v", err)
	}
	b.awaitVersion("test.echo", "1.0.0")
	if why := b.rejected("test.echo", "1.1.0"); !strings.Contains(why, "operator") {
		t.Errorf("rejected because %q", why)
	}
	if err := b.h.Quarantine("test.echo"); err != nil {
		t.Errorf("Quarantine = %v", err)
	}
	b.eventually("it is stopped", func() bool {
		p := b.plugin("echo")
		for _, q := range b.h.Plugins() {
			if q.State == host.Quarantined && q.Operator {
				p = q
			}
		}
		return p.State == host.Quarantined && b.running("test.echo").PID == 0
	})
	if err := b.h.Release("test.echo"); err != nil {
		t.Errorf("Release = %v", err)
	}
	b.awaitVersion("test.echo", "1.1.0") // its rejection is lifted, too
}

// TestLogs reads the ring, and follows it.
func TestLogs(t *testing.T) {
	b := start(t, host.Timing{}, []string{"echo"}, "echo")
	if err := b.h.Logs(t.Context(), "nobody", false, nil); core.CodeOf(err) != core.NotFound {
		t.Errorf("Logs of nobody = %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	lines, done := make(chan host.LogLine, 100), make(chan error, 1)
	go func() {
		done <- b.h.Logs(ctx, "test.echo", true, func(l host.LogLine) error { lines <- l; return nil })
	}()
	b.call("i-echo", "state i-echo")
	l := <-lines
	if !strings.Contains(l.Text, "reply true") || l.PID != b.plugin("echo").PID || l.Generation == 0 || l.At.IsZero() {
		t.Errorf("line = %+v", l)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Logs = %v, want nil when the context ends", err)
	}
	stop := errors.New("enough")
	n := 0
	err := b.h.Logs(t.Context(), "test.echo", false, func(host.LogLine) error { n++; return stop })
	if !errors.Is(err, stop) || n != 1 {
		t.Errorf("Logs = %v after %d lines, want emit's error after one", err, n)
	}
	if got := fmt.Sprint(b.plugin("echo").Log); !strings.Contains(got, "reply true") {
		t.Errorf("report has %s", got)
	}
}
