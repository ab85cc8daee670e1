// Package host runs the plugins: it starts every executable in the plugin
// folders, keeps the processes alive, opens the configured instances on them
// and exchanges frames with them.
//
// A plugin id has a slot. A slot has one generation at a time, a process with
// its data stream. Callers follow the slot's pointer and never wait for a
// restart: while a plugin is down their calls end as core.NoPlugin.
package host

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// Config is what a Host needs.
type Config struct {
	Dirs        []string // plugin folders; those that do not exist are skipped
	DataDir     string   // of this gateway alone
	SocketDir   string   // of this gateway alone, at most 64 bytes; "": one in the system's temporary folder
	HostVersion string
	Log         *slog.Logger
	Metrics     prometheus.Registerer
	Core        Core
}

// Core is what plugins ask of the gateway. Its methods are called from many
// goroutines. Those with a context end with it and may block; the others must
// not.
type Core interface {
	// Accept makes events durable. An error of code core.Unavailable, or any
	// other but Invalid, means later. It is called for one customer or ref of
	// an instance in the order in which the plugin sent the events.
	Accept(ctx context.Context, instance string, events []*pluginv1.Event) error
	// State returns nil if there is no value.
	State(ctx context.Context, instance, key string) ([]byte, error)
	// SetState returns store.ErrConflict if the value is not old.
	SetState(ctx context.Context, instance, key string, old, new []byte) error
	SaveSecret(ctx context.Context, instance, name string, value []byte) error
	Undelivered(ctx context.Context, instance, address, after string, limit int) ([]*pluginv1.Message, error)
	Typing(instance string, t *pluginv1.Typing)
	// InstanceUp says that calls of the instance reach a driver, InstanceDown
	// that they do not. They alternate for an instance.
	InstanceUp(instance string)
	InstanceDown(instance string)
}

// Host runs the plugins. Its methods are safe for concurrent use.
type Host struct {
	cfg       Config
	log       *slog.Logger
	m         *metrics
	t         timing
	launcher  *launcher
	socketDir string

	generations atomic.Uint64
	base        context.Context // of slots and candidates
	stop        context.CancelFunc
	instBase    context.Context // of instances; outlives base
	instStop    context.CancelFunc
	wg          sync.WaitGroup // slots, candidates
	instances   atomic.Pointer[map[string]*instance]
	instWG      sync.WaitGroup
	setMu       sync.Mutex // of SetInstances
	saveMu      sync.Mutex

	mu      sync.Mutex
	booting bool
	found   []*generation // described while booting
	pending map[string]*pendingFile
	slots   map[string]*slot // by plugin id
	drivers map[string]*claimed
	news    chan struct{} // closed and replaced at every change of a state
	closed  bool
}

// pendingFile is a file whose plugin is not known yet.
type pendingFile struct {
	file  file
	state string
	since time.Time
	err   error
	tail  *tail
	tried bool
}

// claimed is a driver and the slot that serves it.
type claimed struct {
	slot   *slot
	driver *pluginv1.Driver
}

// New returns a Host. It starts nothing.
func New(cfg Config) *Host {
	h := &Host{
		cfg: cfg, log: cfg.Log, m: newMetrics(cfg.Metrics), t: defaultTiming,
		pending: make(map[string]*pendingFile), slots: make(map[string]*slot),
		drivers: make(map[string]*claimed), news: make(chan struct{}),
	}
	h.instances.Store(&map[string]*instance{})
	h.base, h.stop = context.WithCancel(context.Background())
	h.instBase, h.instStop = context.WithCancel(context.Background())
	return h
}

// Open starts all plugins and returns when each is up or has failed once, and
// the instances that can be open are; at the latest after 10 s. A plugin that
// does not start is no error. After Open, also after its error, Run must be
// called to stop what there is.
func (h *Host) Open(ctx context.Context) error {
	if err := h.prepare(); err != nil {
		return err
	}
	files, missing, err := scan(h.cfg.Dirs)
	if err != nil {
		return err
	}
	for _, dir := range missing {
		h.log.Warn("plugin folder does not exist", "dir", dir)
	}
	h.launcher = newLauncher()
	ctx, cancel := context.WithTimeout(ctx, h.t.boot)
	defer cancel()
	h.mu.Lock()
	h.booting = true
	for _, f := range files {
		h.pending[f.path] = &pendingFile{file: f, state: Starting, since: time.Now(), tail: &tail{}}
	}
	h.mu.Unlock()
	starts := make(chan struct{}, 4) // at once, while booting
	for _, f := range files {
		h.wg.Go(func() { h.identify(h.base, f, starts) })
	}
	gather, done := context.WithTimeout(ctx, h.t.gather)
	h.await(gather, h.settledFiles)
	done()
	h.boot()
	h.await(ctx, func() bool { return h.settledFiles() && h.settledSlots() && h.settledInstances() })
	return nil
}

// settledFiles says that every file has said what it is or has failed once.
func (h *Host) settledFiles() bool {
	for _, p := range h.pending {
		if !p.tried {
			return false
		}
	}
	return true
}

// prepare makes the folders.
func (h *Host) prepare() (err error) {
	if h.cfg.DataDir, err = filepath.Abs(h.cfg.DataDir); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	h.socketDir, err = openSocketDir(h.cfg.SocketDir, h.cfg.DataDir)
	return err
}

// identify starts f until it has said what it is, and hands it on.
func (h *Host) identify(ctx context.Context, f file, starts chan struct{}) {
	wait := newRestartWait()
	for {
		select {
		case starts <- struct{}{}:
		case <-ctx.Done():
			return
		}
		h.mu.Lock()
		p := h.pending[f.path]
		h.mu.Unlock()
		g, err := startGeneration(ctx, h, f, p.tail)
		<-starts
		if err == nil {
			h.adopt(ctx, g)
			return
		}
		if ctx.Err() != nil {
			return
		}
		final := isFinal(err)
		h.missed(p, err, final)
		if final || !sleep(ctx, wait.next()) {
			return
		}
	}
}

// missed records that a file did not start.
func (h *Host) missed(p *pendingFile, err error, final bool) {
	h.log.Error("plugin does not start", "path", p.file.path, "err", err, "final", final)
	h.mu.Lock()
	defer h.mu.Unlock()
	p.err, p.tried, p.since, p.state = err, true, time.Now(), Backoff
	if final {
		p.state = Failed
	}
	h.changedLocked()
}

// adopt gives a described process to its slot. While booting it waits for the
// others, so that the best of each plugin comes first.
func (h *Host) adopt(ctx context.Context, g *generation) {
	h.mu.Lock()
	if h.booting {
		h.found = append(h.found, g)
		h.pending[g.file.path].tried = true
		h.changedLocked()
		h.mu.Unlock()
		return
	}
	s := h.placeLocked(ctx, g)
	h.mu.Unlock()
	h.offer(ctx, s, g)
}

// placeLocked puts g's file into its slot. It returns the slot if it was there
// before: then g is to be offered to it.
func (h *Host) placeLocked(ctx context.Context, g *generation) *slot {
	defer h.changedLocked()
	delete(h.pending, g.file.path)
	s := h.slots[g.mf.PluginId]
	if s != nil {
		s.add(g)
		return s
	}
	s = newSlot(h, g.mf.PluginId)
	s.add(g)
	h.slots[s.id] = s
	h.claimLocked(s, g.mf)
	h.wg.Go(func() { s.run(ctx, g) })
	return nil
}

func (h *Host) offer(ctx context.Context, s *slot, g *generation) {
	if s == nil {
		return
	}
	select {
	case s.offers <- g:
	case <-ctx.Done():
		g.kill()
	}
}

// boot makes the slots of what was found, in the order of plugin ids, best
// version first: so the first plugin keeps a driver that two offer.
func (h *Host) boot() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.booting = false
	slices.SortFunc(h.found, func(a, b *generation) int {
		if c := cmp.Compare(a.mf.PluginId, b.mf.PluginId); c != 0 {
			return c
		}
		return compareOffers(offer{file: a.file, version: a.mf.semver}, offer{file: b.file, version: b.mf.semver})
	})
	for _, g := range h.found {
		if s := h.placeLocked(h.base, g); s != nil {
			h.wg.Go(func() { h.offer(h.base, s, g) })
		}
	}
	h.found = nil
}

// Run watches over the plugins until ctx ends; then it drains and stops all of
// them at once, within 10 s and what a stubborn process needs to be killed.
// Events that they still deliver meanwhile are accepted.
func (h *Host) Run(ctx context.Context) error {
	<-ctx.Done()
	h.setMu.Lock()
	h.closed = true
	h.setMu.Unlock()
	h.stop()
	h.wg.Wait()
	h.instStop()
	h.instWG.Wait()
	h.mu.Lock()
	found := h.found // if boot never came
	h.found = nil
	h.mu.Unlock()
	for _, g := range found {
		g.kill()
	}
	if h.launcher != nil {
		h.launcher.close()
	}
	_ = os.Remove(h.socketDir) // empty, unless something did not end
	return nil
}

// claim gives the drivers of m to s, except those another slot has: they are
// returned.
func (h *Host) claim(s *slot, m *manifest) (clashes []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.claimLocked(s, m)
}

func (h *Host) claimLocked(s *slot, m *manifest) (clashes []string) {
	for name, c := range h.drivers {
		if c.slot == s && m.drivers[name] == nil {
			delete(h.drivers, name)
		}
	}
	for _, d := range m.Drivers {
		if c := h.drivers[d.Name]; c != nil && c.slot != s {
			clashes = append(clashes, d.Name)
			continue
		}
		h.drivers[d.Name] = &claimed{slot: s, driver: d}
	}
	return clashes
}

// owner returns the slot that serves a driver, nil if none does.
func (h *Host) owner(driver string) *slot {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c := h.drivers[driver]; c != nil {
		return c.slot
	}
	return nil
}

// missing says why a driver has no generation.
func (h *Host) missing(driver string, s *slot) string {
	if s == nil {
		return fmt.Sprintf("no plugin offers driver %q", driver)
	}
	return fmt.Sprintf("plugin %s is down", s.id)
}

func (h *Host) instance(name string) *instance { return (*h.instances.Load())[name] }

// SetInstances says which instances there shall be. They are opened as soon as
// their driver is live, again after each restart, and changed or closed as
// later calls say. It does not wait for that.
func (h *Host) SetInstances(_ context.Context, want []Instance) {
	h.setMu.Lock()
	defer h.setMu.Unlock()
	if h.closed {
		return
	}
	old := *h.instances.Load()
	next := make(map[string]*instance, len(want))
	for _, spec := range want {
		i := old[spec.Name]
		if i == nil {
			ctx, end := context.WithCancel(h.instBase)
			i = newInstance(h, spec, end)
			h.instWG.Go(func() { i.run(ctx) })
		} else {
			i.configure(spec)
		}
		next[spec.Name] = i
	}
	h.instances.Store(&next)
	for name, i := range old {
		if next[name] == nil {
			i.end()
		}
	}
}

func (h *Host) stirInstances() {
	for _, i := range *h.instances.Load() {
		i.stir()
	}
}

// saveManifests caches what is live for those who ask while the gateway is
// stopped.
func (h *Host) saveManifests() {
	h.saveMu.Lock()
	defer h.saveMu.Unlock()
	var all []*pluginv1.Manifest
	h.mu.Lock()
	for _, id := range slices.Sorted(maps.Keys(h.slots)) {
		if m := h.slots[id].manifest.Load(); m != nil {
			all = append(all, m.Manifest)
		}
	}
	h.mu.Unlock()
	if err := saveManifests(h.cfg.DataDir, all); err != nil {
		h.log.Warn("manifests are not cached", "err", err)
	}
}

// changed wakes those in await.
func (h *Host) changed() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.changedLocked()
}

func (h *Host) changedLocked() {
	close(h.news)
	h.news = make(chan struct{})
}

// await returns when ok, called with mu held, is true, or ctx ends.
func (h *Host) await(ctx context.Context, ok func() bool) {
	for {
		h.mu.Lock()
		done, news := ok(), h.news
		h.mu.Unlock()
		if done {
			return
		}
		select {
		case <-news:
		case <-ctx.Done():
			return
		}
	}
}

// settledSlots says that every plugin is up or has failed once.
func (h *Host) settledSlots() bool {
	for _, s := range h.slots {
		s.mu.Lock()
		starting := s.state == Starting && s.err == nil
		s.mu.Unlock()
		if starting {
			return false
		}
	}
	return true
}

// settledInstances says that every instance whose plugin is up is open or has
// failed once.
func (h *Host) settledInstances() bool {
	for _, i := range *h.instances.Load() {
		r := i.report()
		c := h.drivers[r.Driver]
		if c == nil || c.slot.gen.Load() == nil {
			continue
		}
		if r.State == Waiting || r.State == Opening && r.Message == "" {
			return false
		}
	}
	return true
}

// sleep returns false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
