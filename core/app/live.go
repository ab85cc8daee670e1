package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openccsp/gateway/core/config"
	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/core/httpd"
	"github.com/openccsp/gateway/core/notify"
	"github.com/openccsp/gateway/core/watch"
	"github.com/openccsp/gateway/sdk/pluginv1"
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
	for _, w := range c.Warnings {
		g.log.Warn("warning in the configuration", "file", w.File, "line", w.Line, "column", w.Column, "summary", w.Summary, "hint", w.Hint)
	}
	for _, r := range restart {
		g.log.Warn("restart needed", "setting", r.Key, "file", r.At.File, "line", r.At.Line, "column", r.At.Column)
	}
	g.log.Info("configuration applied", "file", c.File, "channels", len(c.Channels), "integrations", len(c.Integrations),
		"services", len(c.Services), "endpoints", len(c.Endpoints), "restart_needed", len(restart), "leaving", len(g.now().leaving))
}

// apply puts c in force, all of it that can be without a start, or none of it.
// It returns what a start would change. What is wrong is a diag.Problems.
func (g *gateway) apply(ctx context.Context, c *config.Config) (restart []config.Change, err error) {
	g.applying.Lock()
	defer g.applying.Unlock()
	restart = c.Hold(g.config)
	old := g.now()
	next := succeed(old.known(), c, time.Now())
	manifests := g.manifests()
	problems, err := g.moved(ctx, old.known(), c)
	if err != nil {
		return nil, err
	}
	problems = append(problems, endpointProblems(c)...)
	for _, i := range c.Instances() {
		if d := driverOf(manifests, i); d != nil {
			problems = append(problems, settingsProblems(i, declaredSecrets(d), d)...)
		}
	}
	if len(problems) > 0 {
		return nil, problems.Err()
	}
	g.worlds.Lock()
	err = g.rules.ChangeWorld(rulesWorld(c, manifests), func() error {
		if err := g.keepKnown(ctx, next); err != nil {
			return err
		}
		if err := g.notify.SetEndpoints(endpointsOf(c)); err != nil {
			return err
		}
		g.current.Store(next)
		return nil
	})
	g.worlds.Unlock()
	if ps, ok := errors.AsType[diag.Problems](err); ok {
		return nil, append(ps, removedProblems(old.Config, c, ps)...).Err()
	}
	if err != nil {
		return nil, err
	}
	g.renewSecrets(ctx, old.known(), c)
	g.setInstances(manifests)
	return restart, nil
}

// moved returns problems of instances that have another driver now while chats
// are open with the old one, whose ids the new one does not know.
func (g *gateway) moved(ctx context.Context, all []*known, c *config.Config) (ps diag.Problems, err error) {
	for _, i := range c.Instances() {
		at := slices.IndexFunc(all, func(k *known) bool { return k.Name == i.Name })
		if at < 0 || all[at].Driver == i.Driver && all[at].Kind == i.Kind {
			continue
		}
		left, err := g.engine.Remains(ctx, i.Name)
		if err != nil {
			return nil, err
		}
		if n := left[i.Name].Chats; n > 0 {
			ps = append(ps, &diag.Problem{
				Pos: i.DriverAt, Summary: fmt.Sprintf("%s %q still has %s of %s %q", i.Kind, i.Name, count(n, "open chat"), all[at].Kind, all[at].Driver),
				Hint: "give the new one another name; the old one finishes its chats",
			})
		}
	}
	return ps, nil
}

// removedProblems says for each thing that old has, c has not, and a problem of
// the rules names, that it is missed: so both places are told.
func removedProblems(old, c *config.Config, rules diag.Problems) (ps diag.Problems) {
	type thing struct{ kind, name string }
	list := func(c *config.Config) map[thing]diag.Pos {
		all := map[thing]diag.Pos{}
		for _, i := range c.Instances() {
			all[thing{string(i.Kind), i.Name}] = i.Pos
		}
		for _, s := range c.Services {
			all[thing{"service", s.Name}] = s.Pos
		}
		for _, e := range c.Endpoints {
			all[thing{"endpoint", e.Name}] = e.Pos
		}
		return all
	}
	now := list(c)
	for t, pos := range list(old) {
		if _, there := now[t]; there {
			continue
		}
		for _, p := range rules {
			if strings.Contains(p.Summary, strconv.Quote(t.name)) {
				ps = append(ps, &diag.Problem{
					Pos: diag.Pos{File: c.File}, Summary: fmt.Sprintf("%s %q, until now at line %d, is gone and a rule names it: %s", t.kind, t.name, pos.Line, p.Pos),
					Hint: "change the rule first, or save both",
				})
				break
			}
		}
	}
	if len(ps) == 0 {
		ps = diag.Problems{{Pos: diag.Pos{File: c.File}, Summary: "the rules do not fit it", Hint: "change the rules first, or save both"}}
	}
	return ps
}

// renewSecrets forgets what drivers saved where the operator has set the secret
// anew since.
func (g *gateway) renewSecrets(ctx context.Context, before []*known, c *config.Config) {
	for _, k := range before {
		for _, i := range c.Instances() {
			switch saved := g.savedSecrets(i.Name); {
			case i.Name != k.Name:
			case i.Driver != k.Driver: // they are another one's
				g.dropSaved(ctx, i.Name, saved...)
			default:
				g.dropSaved(ctx, i.Name, setAnew(k.Settings, i.Settings, saved)...)
			}
		}
	}
}

func endpointsOf(c *config.Config) map[string]notify.Endpoint {
	all := map[string]notify.Endpoint{}
	for _, e := range c.Endpoints {
		all[e.Name] = notify.Endpoint{URL: e.URL, Secret: e.Secret.Reveal(), AllowPrivate: e.AllowPrivate}
	}
	return all
}

// now returns what is set up.
func (g *gateway) now() *setup { return g.current.Load() }

// manifests are the plugins' as they are now.
func (g *gateway) manifests() []*pluginv1.Manifest {
	return []*pluginv1.Manifest{{Drivers: g.host.Drivers()}}
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
