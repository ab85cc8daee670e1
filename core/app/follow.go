package app

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openccsp/gateway/core/config"
	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/core/httpd"
	"github.com/openccsp/gateway/core/watch"
)

// applyFor bounds the writes of one apply.
const applyFor = 10 * time.Second

// following is how the following of gateway.hcl stands.
type following struct {
	wake     chan struct{} // look again: what kept the last save from applying may have changed
	attempts *prometheus.CounterVec
	ok       prometheus.Gauge
	restart  prometheus.Gauge

	mu     sync.Mutex // of the rest
	status configStatus
	seen   string   // fingerprint of the last attempt
	files  []string // that hold secrets, at the last attempt
}

// configStatus says how the last save of gateway.hcl went.
type configStatus struct {
	applied, tried     time.Time
	problems, warnings diag.Problems   // of the last attempt; no problems: it is in force
	restart            []config.Change // what a start would change
}

func newFollowing(c *config.Config, reg prometheus.Registerer) *following {
	now := time.Now()
	f := &following{
		wake: make(chan struct{}, 1), seen: c.Fingerprint, files: c.Secrets,
		status: configStatus{applied: now, tried: now, warnings: c.Warnings},
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_config_reload_total", Help: "Attempts to apply a changed gateway.hcl, by result (ok, refused).",
		}, []string{"result"}),
		ok: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gateway_config_last_reload_successful", Help: "1 if gateway.hcl on disk is in force, 0 if an older one is.",
		}),
		restart: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gateway_config_restart_needed", Help: "Settings of gateway.hcl that the next start will change.",
		}),
	}
	f.ok.Set(1)
	reg.MustRegister(f.attempts, f.ok, f.restart)
	return f
}

// stir has gateway.hcl looked at again if it is not in force.
func (f *following) stir() {
	f.mu.Lock()
	refused := len(f.status.problems) > 0
	f.mu.Unlock()
	if refused {
		poke(f.wake)
	}
}

// poke wakes who waits on ch, if it is not awake already.
func poke(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// follow applies gateway.hcl and the files of its secrets when they change.
func (g *gateway) follow(ctx context.Context) error {
	select {
	case <-g.engine.Started():
	case <-ctx.Done():
		return nil
	}
	g.engine.Rearm(g.rearm...)
	places := func() (all []string) {
		g.following.mu.Lock()
		files := append([]string{g.config.File}, g.following.files...)
		g.following.mu.Unlock()
		for _, f := range files {
			all = append(all, watch.Places(f)...)
		}
		return all
	}
	var followed []string
	return watch.Run(ctx, watch.Config{
		Name: g.config.File, Wake: g.following.wake, Log: g.log,
		Dirs: func() (dirs []string) {
			followed = places()
			for _, p := range followed {
				dirs = append(dirs, filepath.Dir(p))
			}
			return dirs
		},
		Concerns: func(path string) bool { return slices.Contains(followed, path) },
		Look:     func() { g.look(ctx); poke(g.drains) },
	})
}

// look reads gateway.hcl and applies it if it is not what was tried last.
func (g *gateway) look(ctx context.Context) {
	f := g.following
	src, err := os.ReadFile(g.config.File)
	if err != nil {
		g.refuse(diag.Problems{diag.Errorf(diag.Pos{File: g.config.File}, "cannot be read: %s", plainPath(err))}, "unreadable")
		return
	}
	c, problems := config.Parse(src, g.config.File)
	f.mu.Lock()
	same := f.seen == c.Fingerprint && len(f.status.problems) == 0
	f.files = c.Secrets
	f.mu.Unlock()
	if same {
		return
	}
	if len(problems) > 0 {
		g.refuse(problems, c.Fingerprint)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, applyFor)
	defer cancel()
	restart, err := g.apply(ctx, c)
	if err != nil {
		if ps, ok := errors.AsType[diag.Problems](err); ok {
			problems = ps
		} else {
			problems = diag.Problems{diag.Errorf(diag.Pos{File: c.File}, "could not be applied, it is tried again: %s", err)}
		}
		g.refuse(problems, c.Fingerprint)
		return
	}
	g.applied(c, restart)
}

// plainPath is err without the path, which is in the place already.
func plainPath(err error) error {
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		return pe.Err
	}
	return err
}

// refuse notes and tells why what is on disk is not in force.
func (g *gateway) refuse(problems diag.Problems, seen string) {
	if ps, ok := errors.AsType[diag.Problems](problems.Err()); ok {
		problems = ps // sorted
	}
	f := g.following
	f.mu.Lock()
	again := f.seen == seen && f.status.problems.Error() == problems.Error()
	f.seen = seen
	f.status.tried, f.status.problems = time.Now(), problems
	f.mu.Unlock()
	f.ok.Set(0)
	if again {
		return // it has been told
	}
	f.attempts.WithLabelValues("refused").Inc()
	for i, p := range problems {
		if i == 20 {
			g.log.Error("more problems in the configuration", "problems", len(problems)-i)
			break
		}
		g.log.Error("problem in the configuration", "file", p.File, "line", p.Line, "column", p.Column, "summary", p.Summary, "hint", p.Hint)
	}
	g.log.Error("configuration not applied, the one before stays", "file", g.config.File, "problems", len(problems))
}

// applied notes and tells that what is on disk is in force.
func (g *gateway) applied(c *config.Config, restart []config.Change) {
	f := g.following
	now := time.Now()
	f.mu.Lock()
	f.seen = c.Fingerprint
	f.status = configStatus{applied: now, tried: now, warnings: c.Warnings, restart: restart}
	f.mu.Unlock()
	f.attempts.WithLabelValues("ok").Inc()
	f.ok.Set(1)
	f.restart.Set(float64(len(restart)))
	g.logWarnings(c.Warnings)
	for _, r := range restart {
		g.log.Warn("restart needed", "setting", r.Key, "file", r.At.File, "line", r.At.Line, "column", r.At.Column)
	}
	g.log.Info("configuration applied", "file", c.File, "channels", len(c.Channels), "integrations", len(c.Integrations),
		"services", len(c.Services), "endpoints", len(c.Endpoints), "restart_needed", len(restart), "leaving", len(g.now().leaving))
}

func (g *gateway) logWarnings(ps diag.Problems) {
	for _, w := range ps {
		g.log.Warn("warning in the configuration", "file", w.File, "line", w.Line, "column", w.Column, "summary", w.Summary, "hint", w.Hint)
	}
}

// Config implements httpd.Gateway.
func (g *gateway) Config() httpd.Config {
	f := g.following
	f.mu.Lock()
	s := f.status
	f.mu.Unlock()
	out := httpd.Config{File: g.config.File, AppliedAt: s.applied, TriedAt: s.tried, Problems: s.problems, Warnings: s.warnings}
	for _, r := range s.restart {
		out.Restart = append(out.Restart, httpd.Change{Setting: r.Key, At: r.At})
	}
	return out
}
