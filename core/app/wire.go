package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/config"
	"github.com/openccsp/gateway/core/engine"
	"github.com/openccsp/gateway/core/host"
	"github.com/openccsp/gateway/core/httpd"
	"github.com/openccsp/gateway/core/notify"
	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/core/store/badger"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// gateway is the assembled inside of the App: what the doors open to. It
// implements httpd.Hooks, httpd.Gateway and host.Core.
type gateway struct {
	*App
	metrics *prometheus.Registry
	store   *badger.Store
	notify  *notify.Notifier
	host    *host.Host
	engine  *engine.Engine
	rules   *rules.Watcher
	media   *kept
	door    *httpd.Public
	ran     atomic.Bool // the plugins' part has run: it has stopped them

	current   atomic.Pointer[setup] // what gateway.hcl sets up, as it is in force; config has what only a start reads
	following *following            // of gateway.hcl
	remains   remains               // of instances that leave
	drains    chan struct{}         // an instance leaves
	rearm     []string              // services whose timers changed while the gateway was stopped
	applying  sync.Mutex            // of changes of current, before the other locks
	kept      map[string][]byte     // instances as they are kept; guarded by applying
	worlds    sync.Mutex            // of what rules may name, and when

	mu    sync.Mutex                   // of what follows, and of changes to the engine's snap
	saved map[string]map[string][]byte // secrets that drivers replaced, by instance
	flows flowVersions                 // that may be under way

	live atomic.Pointer[liveRules] // nil before the first set is in force
}

// liveRules are the rules by which events are decided. The watcher's set may be
// newer for as long as it takes to keep it.
type liveRules struct {
	set  *rules.Set
	at   time.Time
	snap string // hash of the snap that they are part of
}

// wire opens the store, the plugins, the rules and the engine, appends their
// parts in the order of start, and sets a.ready.
func (a *App) wire(ctx context.Context) error {
	g := &gateway{
		App: a, metrics: prometheus.NewRegistry(), saved: map[string]map[string][]byte{},
		kept: map[string][]byte{}, drains: make(chan struct{}, 1),
	}
	a.gateway = g
	g.following = newFollowing(a.config, g.metrics)
	g.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), newLeavingGauge(g))
	for _, step := range []func(context.Context) error{g.openStore, g.openMedia, g.openEngine, g.openSetup, g.newRules, g.openPlugins, g.openRules} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	a.parts = append(a.parts,
		part{"store", g.watchStore},
		part{"media", g.media.Run},
		part{"engine", g.engine.Run},
		part{"rules", g.rules.Run},
		part{"plugins", func(ctx context.Context) error { g.ran.Store(true); return g.host.Run(ctx) }},
		part{"removed instances", g.drain},
		part{"configuration", g.follow},
	)
	a.ready = func(ctx context.Context) error {
		select {
		case <-g.engine.Started():
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (g *gateway) openStore(context.Context) error {
	c := g.config.Store
	s, err := badger.Open(badger.Options{
		Dir: filepath.Join(g.config.DataDir, "store"), Key: g.key, Retention: c.Retention,
		Watermark: c.Watermark, Ballast: c.Ballast, Memory: g.config.Limits.Memory, Log: g.log, Metrics: g.metrics, Hook: failHook(),
	})
	if err != nil {
		return fmt.Errorf("store in %s: %w", g.config.DataDir, err)
	}
	g.store = s
	g.onClose("store", s.Close)
	return nil
}

// watchStore ends the process as soon as the store is broken. Nothing can be
// acknowledged any more, and a graceful stop would take seconds in which
// somebody could think otherwise.
func (g *gateway) watchStore(ctx context.Context) error {
	select {
	case <-g.store.Failed():
		g.log.Error("the store is broken, the gateway stops at once", "err", g.store.Health().Err)
		os.Exit(exitFailed)
	case <-ctx.Done():
	}
	return nil
}

func (g *gateway) openEngine(context.Context) error {
	c := g.config
	var err error
	g.notify, err = notify.New(notify.Config{
		Endpoints: endpointsOf(c), Source: c.PublicURL, Memory: g.store, Log: g.log, Metrics: g.metrics,
	})
	if err != nil {
		return err
	}
	dirs, optional, err := pluginDirs(c)
	if err != nil {
		return err
	}
	g.host = host.New(host.Config{
		Dirs: dirs, Optional: optional, Trust: trustOf(c.Plugins), Sandbox: c.Plugins.Sandbox, Read: c.Plugins.Read, Memory: c.Plugins.Memory,
		Each: limitsOfEach(c.Plugins), DataDir: c.DataDir, HostVersion: core.Version, Log: g.log, Metrics: g.metrics, Core: g,
	})
	g.metrics.MustRegister(newPluginMetrics(g))
	g.engine = engine.New(engine.Options{
		Store: failStore(g.store), Drivers: failDrivers(g.host), Notifier: g.notify, Log: g.log, Metrics: g.metrics, Retention: c.Store.Retention,
		MaxWaiting: c.Limits.Queue, MaxInstance: c.Limits.InstanceQueue, Verdicts: g.count, Kept: g.keptFile,
		MaxFlying:  int(min(max((c.Limits.Memory-128<<20)>>18, 64), 1024)),                               // each may bring a conversation into memory
		CacheBytes: int(c.Limits.Memory / 16), MaxHeap: c.Limits.Memory - max(c.Limits.Memory/4, 64<<20), // the rest is for what is not live
	})
	return nil
}

// openSetup finds out what is in force: gateway.hcl, and what it no longer has
// and was in force when the gateway last ran.
func (g *gateway) openSetup(ctx context.Context) error {
	all, err := g.loadKnown(ctx)
	if err != nil {
		return err
	}
	problems, err := g.moved(ctx, all, g.config)
	if err != nil {
		return err
	}
	manifests, err := host.LoadManifests(g.config.DataDir)
	if err != nil {
		g.log.Warn("manifests of the last run are not readable", "err", err)
	}
	if err := append(problems, driverProblems(manifests, all, g.config)...).Err(); err != nil {
		return err
	}
	s := succeed(all, g.config, time.Now())
	if err := g.keepKnown(ctx, s); err != nil {
		return err
	}
	for _, k := range s.leaving {
		g.log.Info("removed instance finishes what it has", "instance", k.Name, "driver", k.Driver, "left", k.left)
	}
	g.current.Store(s)
	for _, i := range s.instances() {
		if err := g.loadSaved(ctx, i.Name); err != nil {
			return err
		}
	}
	g.renewSecrets(ctx, all, g.config)
	g.rearm, err = g.changedTimers(ctx, s)
	return err
}

// changedTimers returns the services that had other timers when the gateway last
// ran.
func (g *gateway) changedTimers(ctx context.Context, s *setup) (changed []string, err error) {
	hash, err := g.store.State(ctx, gatewayState, lastSnap)
	if err != nil || hash == nil {
		return nil, err
	}
	k, _, err := g.readSnap(ctx, string(hash))
	if err != nil {
		g.log.Warn("what was in force last is not known", "err", err)
		return nil, nil
	}
	for name, svc := range s.services() {
		if old := k.Services[name]; old != nil && !svc.SameTimers(old) {
			changed = append(changed, name)
		}
	}
	return changed, nil
}

// openPlugins starts the plugins and opens the configured instances on them.
func (g *gateway) openPlugins(ctx context.Context) error {
	manifests, err := host.LoadManifests(g.config.DataDir)
	if err != nil {
		manifests = nil // openSetup has told
	}
	g.setInstances(manifests)
	g.onClose("plugins", func() error { // they run from here on, also if a later step of Open fails
		if g.ran.Load() {
			return nil
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		return g.host.Run(ctx)
	})
	if err := g.host.Open(ctx); err != nil {
		return err
	}
	g.setInstances(g.manifests())
	g.warnOfLimits()
	return nil
}

// setInstances tells the host what to open. Which settings are secret is the
// drivers' to say.
func (g *gateway) setInstances(manifests []*pluginv1.Manifest) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []host.Instance
	for _, i := range g.now().instances() {
		d := driverOf(manifests, i)
		all = append(all, hostInstance(g.config, i, d, g.saved[i.Name]))
	}
	g.host.SetInstances(all)
}

// loadSaved reads the secrets that an instance's driver replaced.
func (g *gateway) loadSaved(ctx context.Context, instance string) error {
	names, err := g.store.State(ctx, instance, savedNames)
	if err != nil {
		return fmt.Errorf("secrets of %s: %w", instance, err)
	}
	for _, name := range splitNames(names) {
		v, err := g.store.Secret(ctx, instance, name)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("secret %s of %s: %w", name, instance, err)
		}
		g.remember(instance, name, v)
	}
	return nil
}

func (g *gateway) remember(instance, name string, value []byte) {
	if g.saved[instance] == nil {
		g.saved[instance] = map[string][]byte{}
	}
	g.saved[instance][name] = value
}

// newRules makes what will load the rules. Plugins tell it of their channels
// as they come.
func (g *gateway) newRules(context.Context) error {
	g.rules = rules.NewWatcher(rules.WatchConfig{
		Dir: g.config.RulesDir, Log: g.log, Metrics: g.metrics, Publish: func(*rules.Set) {
			_ = g.publish() // it logs what goes wrong
			g.following.stir()
		},
	})
	return nil
}

// openRules loads the rules, now that it is known what channels there are. If
// something is wrong with them, those that were in force last are, as after a
// save while the gateway runs.
func (g *gateway) openRules(ctx context.Context) error {
	g.rules.SetWorld(g.world())
	files, err := g.lastRules(ctx)
	if err == nil {
		g.rules.Remember(len(files))
	}
	problems := g.rules.Load()
	if problems == nil {
		return g.publish()
	}
	if err == nil {
		err = g.rules.Restore(files)
	}
	if err == nil {
		return g.publish()
	}
	if !errors.Is(err, store.ErrNotFound) {
		g.log.Error("the last good rules cannot be used", "err", err)
	}
	if g.rules.Reload(true) == nil { // all files have gone, and nothing is left to put in their place
		return g.publish()
	}
	return problems
}

func (g *gateway) world() rules.World { return rulesWorld(g.now().Config, g.offered()) }

// publish gives the engine what decisions depend on now.
func (g *gateway) publish() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	set := g.rules.Set()
	if set == nil {
		return nil // they are being loaded
	}
	snap, err := newSnap(g.now(), g.offered(), set, g.earlier(set, g.world, time.Now()))
	if err != nil {
		g.log.Error("the new rules and configuration are not in force", "err", err)
		return err
	}
	snap.Rules = g.rules.Guard(set)
	if snap.Hash != g.engine.Snap().Hash {
		if err := g.keepSnap(snap, set); err != nil {
			g.log.Warn("what decisions depend on is not kept, history of this time cannot be explained later", "err", err)
		}
		failpoint(failReload)
		g.engine.SetSnap(snap)
	}
	at := time.Now()
	if live := g.live.Load(); live != nil && live.set == set {
		at = live.at
	}
	g.live.Store(&liveRules{set, at, snap.Hash})
	return nil
}

// wireDoors appends the parts that let requests in. They start last and stop
// first.
func (a *App) wireDoors(context.Context) error {
	g := a.gateway
	limits := limitsOf(a.config)
	admin := httpd.NewAdmin(httpd.AdminOptions{
		Gateway: g, Token: a.token.Reveal(), Ready: g.reasons, Gatherer: g.metrics, Limits: limits, Log: a.log, Metrics: g.metrics,
	})
	g.door = httpd.NewPublic(httpd.PublicOptions{
		Hooks: g, OpenLink: g.openLink, Limits: limits, PublicURL: a.config.PublicURL, TrustedProxies: a.config.Proxies, Log: a.log, Metrics: g.metrics,
	})
	a.parts = append(a.parts,
		part{"admin socket", func(ctx context.Context) error { return admin.ServeSocket(ctx, a.socket) }},
		part{"admin", func(ctx context.Context) error { return admin.Serve(ctx, a.admin) }},
		part{"hooks", func(ctx context.Context) error { return g.door.Serve(ctx, a.public) }},
	)
	return nil
}

func limitsOf(c *config.Config) httpd.Limits {
	l := c.Limits
	return httpd.Limits{
		Body: int(l.Body), Header: int(l.Header), Conns: l.Connections, ConnsPerAddr: l.ConnectionsPerIP,
		Read: l.ReadTimeout, Write: l.WriteTimeout, Idle: l.IdleTimeout,
	}
}
