// Package host runs the plugins: it starts what package stage finds in the
// plugin directories, keeps the processes alive, replaces them when their files
// are, opens the configured instances on them and exchanges frames with them.
//
// A plugin id has a slot, and the slot an actor, one goroutine that brings what
// there is nearer to what its files say. A generation is a process with its data
// stream; one of a slot's serves, for a while beside its successor or its
// predecessor. Callers follow the slot's pointer and never wait for a restart:
// while a plugin is down their calls end as core.NoPlugin.
//
// A new version takes over when it has opened all that is open on the old one:
// the pointer moves, a conversation that still has a call on the old one keeps
// its next calls waiting for it (see barrier), instances stop receiving there
// before they receive here, and what the old one has it answers. Then it proves
// itself for a minute, or the one before comes back.
package host

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openccsp/gateway/core/host/sandbox"
	"github.com/openccsp/gateway/core/host/stage"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// Config is what a Host needs.
type Config struct {
	Dirs        []string // plugin folders
	Optional    []string // those of Dirs that need not be there, as long as they never were
	DataDir     string   // of this gateway alone
	SocketDir   string   // of this gateway alone, at most 64 bytes; "": one in the system's temporary folder
	HostVersion string
	Log         *slog.Logger
	Metrics     prometheus.Registerer
	Core        Core
	Trust       stage.Trust // whose files may run; the zero value: all
	Sandbox     bool        // plugins run in package sandbox; then its Main must be called first in main
	Read        []string    // files and folders that plugins may read in it, beside their own; absolute
	Memory      int64       // ceiling for one plugin, in bytes; 0: none

	// Each are narrower limits of single plugins, by id. A program whose id is
	// not known is first started without them, to say it, and then again.
	Each map[string]PluginLimits
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
	// SaveSecret replaces a secret of the instance's settings, durably.
	SaveSecret(ctx context.Context, instance, name string, value []byte) error
	// Undelivered returns what was sent to address and has no delivered
	// receipt, oldest first, after the message id after, at most limit.
	Undelivered(ctx context.Context, instance, address, after string, limit int) ([]*pluginv1.Message, error)
	// FetchMedia fetches a file, checks and keeps it, PutMedia takes one in parts:
	// it returns the upload's id or, after the last part, the attachment. GetMedia
	// returns what of a kept file lies at an offset, and what is known of the file.
	// An error of code core.Unavailable, TooMany or Internal may pass.
	FetchMedia(ctx context.Context, instance string, f *pluginv1.MediaFetch) (*pluginv1.Attachment, error)
	PutMedia(ctx context.Context, instance string, p *pluginv1.MediaPut) (upload string, a *pluginv1.Attachment, err error)
	GetMedia(ctx context.Context, instance string, g *pluginv1.MediaGet) ([]byte, *pluginv1.Attachment, error)
	// Typing passes on that somebody is typing; it may be dropped.
	Typing(instance string, t *pluginv1.Typing)
	// InstanceUp says that calls of the instance reach a driver, InstanceDown
	// that they do not. They alternate for an instance.
	InstanceUp(instance string)
	InstanceDown(instance string)
	// InstanceChanged says that an instance which is up has other capabilities.
	InstanceChanged(instance string)
}

// Host runs the plugins. Its methods are safe for concurrent use.
//
// Locks are taken in this order: setMu or saveMu, mu, slot.mu; then one of
// instance.mu, generation.mu, ledger.mu, suspects.mu, tail.mu, or link.mu, of
// which that of an older generation comes before that of its successor. Who
// calls changed holds none of them.
type Host struct {
	cfg       Config
	log       *slog.Logger
	m         *metrics
	t         timing
	launcher  *launcher
	limits    limits
	ledger    *ledger
	socketDir string
	starts    chan struct{} // of programs that nobody knows yet: a few at once

	generations atomic.Uint64
	base        context.Context // of slots and candidates
	stop        context.CancelFunc
	instBase    context.Context // of instances; outlives base
	instStop    context.CancelFunc
	wg          sync.WaitGroup // slots, candidates
	instances   atomic.Pointer[map[string]*instance]
	instWG      sync.WaitGroup
	setMu       sync.Mutex                 // of SetInstances
	ending      map[string]<-chan struct{} // instances that are being closed, by name; guarded by setMu
	saveMu      sync.Mutex
	savedOwn    []byte // as the file has it; guarded by saveMu

	mu        sync.Mutex
	booting   bool
	cataloged bool // the first catalog is there
	places    map[string]*place
	alarms    []stage.Alarm
	slots     map[string]*slot // by plugin id
	drivers   map[string]*claimed
	news      chan struct{} // closed and replaced at every change of a state
	closed    bool
}

// New returns a Host. It starts nothing.
func New(cfg Config) *Host {
	h := &Host{
		cfg: cfg, log: cfg.Log, m: newMetrics(cfg.Metrics), t: defaultTiming,
		places: make(map[string]*place), slots: make(map[string]*slot), booting: true, starts: make(chan struct{}, 4),
		drivers: make(map[string]*claimed), ending: make(map[string]<-chan struct{}), news: make(chan struct{}),
	}
	h.limits.watch = sandbox.NewWatch(watchEvery)
	h.instances.Store(&map[string]*instance{})
	h.base, h.stop = context.WithCancel(context.Background())
	h.instBase, h.instStop = context.WithCancel(context.Background())
	return h
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
	for _, s := range h.slots { // those of a boot that never came
		for _, g := range s.warm {
			g.kill()
		}
	}
	h.mu.Unlock()
	if h.launcher != nil {
		h.launcher.close()
	}
	_ = os.Remove(h.socketDir) // empty, unless something did not end
	return nil
}

// strict says that not all files may run.
func (h *Host) strict() bool { return h.cfg.Trust.Mode != "" && h.cfg.Trust.Mode != stage.Open }

func (h *Host) instance(name string) *instance { return (*h.instances.Load())[name] }

// SetInstances says which instances there shall be. They are opened as soon as
// their driver is live, again after each restart, and changed or closed as
// later calls say. It does not wait for that.
func (h *Host) SetInstances(want []Instance) {
	h.setMu.Lock()
	defer h.setMu.Unlock()
	if h.closed {
		return
	}
	old := *h.instances.Load()
	next := make(map[string]*instance, len(want))
	changed := false
	for _, spec := range want {
		i := old[spec.Name]
		if i == nil || i.want().Driver != spec.Driver {
			i = h.begin(spec, i)
			changed = true
		} else if i.configure(spec) {
			changed = true
		}
		next[spec.Name] = i
	}
	h.instances.Store(&next)
	for name, i := range old {
		if next[name] == nil {
			h.endInstance(i)
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if changed && !h.booting {
		h.reconfiguredLocked()
	}
}

// begin makes an instance, in place of the one that it replaces, if any. It
// does nothing before the last one of its name is closed. The caller holds
// setMu.
func (h *Host) begin(spec Instance, instead *instance) *instance {
	if instead != nil {
		h.endInstance(instead)
	}
	before := h.ending[spec.Name]
	ctx, end := context.WithCancel(h.instBase)
	i := newInstance(h, spec, end)
	h.instWG.Go(func() {
		defer close(i.done)
		if before != nil {
			<-before
		}
		i.run(ctx)
	})
	return i
}

// endInstance has an instance closed. The caller holds setMu.
func (h *Host) endInstance(i *instance) {
	i.end()
	for name, done := range h.ending {
		select {
		case <-done:
			delete(h.ending, name)
		default:
		}
	}
	h.ending[i.name] = i.done
}

func (h *Host) stirInstances() {
	for _, i := range *h.instances.Load() {
		i.stir()
	}
}
