package host

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// Instance is a configured instance of a driver, as it should be. Another
// Revision is another configuration.
type Instance struct {
	Name, Driver string
	Revision     uint64
	Settings     []byte            // JSON, without secrets
	Secrets      map[string][]byte // by setting
	PublicURL    string            // of its hook, "" if none is configured
}

// The states of an instance.
const (
	Waiting = "waiting" // for a plugin that offers its driver
	Opening = "opening" // under way, or to be tried again
	Opened  = "open"
	Refused = "failed" // its settings are wrong; it stays so until they change
)

// InstanceStatus says how an instance is.
type InstanceStatus struct {
	Name, Driver string
	Revision     uint64
	State        string
	Message      string    // why it is not open, or what the driver says of its health
	Problems     []Problem // of its settings
	Healthy      bool
	Since        time.Time
}

// instance keeps one configured instance open on whatever generation serves
// its driver. Its goroutine is the only one that opens and closes it.
type instance struct {
	h    *Host
	name string
	end  context.CancelFunc
	wake chan struct{} // the configuration or a generation has changed
	done chan struct{} // closed when it is closed

	slot   atomic.Pointer[slot]       // that owns the driver
	on     atomic.Pointer[generation] // where it is open for callers
	active atomic.Pointer[generation] // that may send events

	mu     sync.Mutex
	spec   Instance
	status InstanceStatus
	up     chan struct{} // closed while it is open
	hears  chan struct{} // closed while it receives from the outside, too

	sockets []string // subprotocols; kept while the plugin restarts
}

func newInstance(h *Host, spec Instance, end context.CancelFunc) *instance {
	return &instance{h: h, name: spec.Name, end: end, wake: make(chan struct{}, 1), done: make(chan struct{}), spec: spec,
		up: make(chan struct{}), hears: make(chan struct{}),
		status: InstanceStatus{Name: spec.Name, Driver: spec.Driver, Revision: spec.Revision,
			State: Waiting, Healthy: true, Since: time.Now()}}
}

// stir makes the goroutine look again. It does not block.
func (i *instance) stir() {
	select {
	case i.wake <- struct{}{}:
	default:
	}
}

// configure takes over what the instance should be, and reports whether that is
// news.
func (i *instance) configure(spec Instance) (changed bool) {
	i.mu.Lock()
	changed = i.spec.Revision != spec.Revision || i.spec.Driver != spec.Driver
	i.spec = spec
	i.mu.Unlock()
	if changed {
		i.stir()
	}
	return changed
}

func (i *instance) want() Instance {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.spec
}

// progress is what the goroutine has achieved.
type progress struct {
	on       *generation // where it is open
	revision uint64
	receives bool        // since Activate
	received bool        // where it was open last
	sound    bool        // its settings passed the live check
	refuser  *generation // that would not take the revision refused
	refused  uint64
	tried    *generation // last asked to open it

	ready    *generation // a successor where it is open, too
	prepared uint64      // the revision there
	state    *pluginv1.InstanceState
}

// run keeps the instance open until ctx ends, then closes it.
func (i *instance) run(ctx context.Context) {
	var have progress
	wait := &backoff.ExponentialBackOff{InitialInterval: 200 * time.Millisecond,
		Multiplier: 2, RandomizationFactor: 0.2, MaxInterval: 30 * time.Second}
	wait.Reset()
	for ctx.Err() == nil {
		var again <-chan time.Time
		if retry := i.reconcile(ctx, &have); retry {
			again = time.After(wait.NextBackOff())
		} else {
			wait.Reset()
		}
		select {
		case <-i.wake:
		case <-again:
		case <-ctx.Done():
		}
	}
	if have.on == nil && have.tried != nil {
		i.tellClosed(have.tried) // it may have been opened after all
	}
	if have.ready != nil && have.ready != have.on {
		i.tellClosed(have.ready)
	}
	i.shut(have.on)
}

// reconcile brings the instance nearer to what is wanted; true asks for
// another try.
func (i *instance) reconcile(ctx context.Context, have *progress) (retry bool) {
	spec := i.want()
	s := i.h.owner(spec.Driver)
	i.slot.Store(s)
	var g, next *generation
	if s != nil {
		next = s.next.Load() // before gen: it becomes that
		g = s.gen.Load()
	}
	if next == g {
		next = nil
	}
	i.follow(ctx, have, g)
	if have.ready != g && have.ready != next {
		have.ready = nil // it came to nothing
	}
	if next != nil {
		retry = i.prepare(ctx, have, next, spec)
	}
	switch {
	case g == nil:
		i.set(spec, Waiting, i.h.missing(spec.Driver, s), nil)
		return retry
	case have.on == g && have.revision == spec.Revision:
		return !i.settle(ctx, have, spec) || retry
	case have.refuser == g && have.refused == spec.Revision:
		return retry
	case have.on == nil && have.ready == g && have.prepared == spec.Revision:
		return !i.enter(ctx, have, spec) || retry
	}
	have.tried = g
	was := have.on == g
	state, ok := i.open(ctx, g, spec, was)
	switch {
	case ok:
		have.sound = have.sound && have.revision == spec.Revision
		have.on, have.revision, have.receives = g, spec.Revision, false
		i.on.Store(g)
		i.opened(g, spec, was)
		return !i.settle(ctx, have, spec) || retry
	case state.Retry:
		return true
	}
	have.refuser, have.refused = g, spec.Revision
	return retry
}

// settle does what is left to do with an open instance: it lets the outside in,
// after the callers, and has the settings checked. False asks for another try.
func (i *instance) settle(ctx context.Context, have *progress, spec Instance) bool {
	if !have.receives {
		err := i.activate(ctx, have.on)
		have.receives = err == nil
		if have.receives || status.Code(err) == codes.ResourceExhausted { // its own port is not the only way in
			i.hear()
		}
	}
	have.sound = have.sound || i.probe(ctx, have.on, spec)
	return have.receives && have.sound
}

// open opens the instance, or changes an open one. Settings that are refused
// leave an open one as it was.
func (i *instance) open(ctx context.Context, g *generation, spec Instance, was bool) (*pluginv1.InstanceState, bool) {
	if !was {
		i.set(spec, Opening, "", nil)
	}
	if problems := checkSettings(g.mf.schemas[spec.Driver], spec.Settings, spec.Secrets); problems != nil {
		i.set(spec, Refused, "settings do not match the driver's schema", problems)
		g.log.Error("settings of an instance are wrong", "instance", i.name, "problems", ProblemText(problems))
		return &pluginv1.InstanceState{}, false
	}
	state, err := i.call(ctx, g, spec)
	if err != nil {
		state = &pluginv1.InstanceState{Retry: true, Message: plain(err).Error()}
	}
	if state.Ok {
		i.setSubprotocols(g, spec, state)
		return state, true
	}
	problems := problemsOf(state.Problems)
	if state.Retry {
		i.set(spec, Opening, state.Message, problems)
	} else {
		i.set(spec, Refused, state.Message, problems)
	}
	g.log.Warn("instance does not open", "instance", i.name, "retry", state.Retry, "err", state.Message, "problems", ProblemText(problems))
	return state, false
}

func (i *instance) call(ctx context.Context, g *generation, spec Instance) (*pluginv1.InstanceState, error) {
	dir, err := i.h.instanceDir(g.mf.PluginId, i.name)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, i.h.t.open)
	defer cancel()
	return g.plugin.OpenInstance(ctx, &pluginv1.InstanceSpec{
		Instance: i.name, Driver: spec.Driver, Revision: spec.Revision, Settings: spec.Settings,
		Secrets: spec.Secrets, PublicUrl: spec.PublicURL, DataDir: dir,
	})
}

// setSubprotocols records which WebSockets the instance takes: nil none, empty
// all.
func (i *instance) setSubprotocols(g *generation, spec Instance, s *pluginv1.InstanceState) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.sockets = nil
	if d := g.mf.drivers[spec.Driver]; d != nil && slices.Contains(d.Abilities, pluginv1.AbilitySocket) {
		i.sockets = append([]string{}, s.Subprotocols...)
	}
}

// opened lets callers in.
func (i *instance) opened(g *generation, spec Instance, was bool) {
	i.active.Store(g)
	g.setServing(i.name, spec.Revision, true)
	i.set(spec, Opened, "", nil)
	if !was {
		i.h.cfg.Core.InstanceUp(i.name)
		g.log.Info("instance is open", "instance", i.name, "driver", spec.Driver)
	}
}

// activate has the plugin receive for the instance. One that does not know the
// call receives from the start.
func (i *instance) activate(ctx context.Context, g *generation) error {
	ctx, cancel := context.WithTimeout(ctx, i.h.t.describe)
	defer cancel()
	_, err := g.plugin.Activate(ctx, &pluginv1.ActivateRequest{Generation: g.number, Instances: []string{i.name}})
	if status.Code(err) == codes.Unimplemented {
		return nil
	}
	if err != nil {
		g.log.Warn("instance does not receive", "instance", i.name, "err", plain(err))
	}
	return err
}

// hear lets those in who come from the outside.
func (i *instance) hear() {
	i.mu.Lock()
	defer i.mu.Unlock()
	select {
	case <-i.hears: // only the settings have changed
	default:
		close(i.hears)
	}
}

// shut closes the instance on a generation where it was open.
func (i *instance) shut(g *generation) {
	if g == nil {
		return
	}
	g.setServing(i.name, 0, false)
	i.on.Store(nil)
	i.deafen()
	i.set(i.want(), Waiting, "", nil)
	i.h.cfg.Core.InstanceDown(i.name)
	i.tellClosed(g)
}

// deafen has those wait who come from the outside.
func (i *instance) deafen() {
	i.mu.Lock()
	defer i.mu.Unlock()
	select {
	case <-i.hears:
		i.hears = make(chan struct{})
	default: // it was never activated
	}
}

// tellClosed has the plugin close the instance, if the plugin goes on.
func (i *instance) tellClosed(g *generation) {
	select {
	case <-g.proc.exited:
		return
	default:
	}
	if g.stopping.Load() {
		return // a drain closes all
	}
	ctx, cancel := context.WithTimeout(context.Background(), i.h.t.describe)
	defer cancel()
	if _, err := g.plugin.CloseInstance(ctx, &pluginv1.InstanceRef{Instance: i.name}); err != nil {
		g.log.Warn("instance does not close", "instance", i.name, "err", plain(err))
	}
}

// set records the state, and opens or closes the door of those who wait.
func (i *instance) set(spec Instance, state, message string, problems []Problem) {
	defer i.h.changed() // without i.mu
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.status.State != state {
		i.status.Since = time.Now()
		switch {
		case state == Opened:
			close(i.up)
		case i.status.State == Opened:
			i.up = make(chan struct{})
		}
	}
	i.status = InstanceStatus{Name: i.name, Driver: spec.Driver, Revision: spec.Revision,
		State: state, Message: message, Problems: problems, Healthy: true, Since: i.status.Since}
}

func (i *instance) setHealth(ok bool, message string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.status.State == Opened {
		i.status.Healthy, i.status.Message = ok, clip(message, 512)
	}
}

func (i *instance) report() InstanceStatus {
	i.mu.Lock()
	defer i.mu.Unlock()
	s := i.status
	s.Problems = slices.Clone(s.Problems)
	return s
}

// receiving says whether events from g count.
func (i *instance) receiving(g *generation) bool { return i.active.Load() == g }

// kind is the kind of the instance's driver, unspecified if there is none.
func (i *instance) kind() pluginv1.DriverKind {
	return i.h.driver(i.want().Driver).GetKind()
}

// pin returns the generation that serves the instance, pinned; nil if none
// does.
func (i *instance) pin() *generation {
	s := i.slot.Load()
	if s == nil {
		return nil
	}
	g := s.pin()
	if g == nil {
		return nil
	}
	if !g.serves(i.name) {
		g.unpin()
		return nil
	}
	return g
}

// isOpen returns a channel that is closed while the instance is open.
func (i *instance) isOpen() <-chan struct{} {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.up
}

// isReceiving returns a channel that is closed while the outside may come in.
func (i *instance) isReceiving() <-chan struct{} {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.hears
}

// await is pin, and waits up to 4 s for the door and a generation that is fit.
func (i *instance) await(ctx context.Context, door func() <-chan struct{}, fit func(*generation) bool) (*generation, error) {
	ctx, cancel := context.WithTimeout(ctx, i.h.t.hook)
	defer cancel()
	for {
		select {
		case <-door():
		case <-ctx.Done():
			return nil, core.Errorf(core.Unavailable, "instance %q is not up", i.name)
		}
		if g := i.pin(); g != nil && (fit == nil || fit(g)) {
			return g, nil
		} else if g != nil {
			g.unpin()
		}
		sleep(ctx, time.Millisecond) // its generation has just ended: the door follows
	}
}

// instanceDir makes the folder for the instance's files. It lies in the plugin's
// own: a plugin cannot read those of others.
func (h *Host) instanceDir(plugin, name string) (string, error) {
	work, err := h.workDir(plugin)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(work, "instances", filepath.Base(name))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("data folder of %s: %w", name, err)
	}
	return dir, nil
}

// workDir makes the folder that a plugin runs in. That of a program nobody
// knows yet is for all of them.
func (h *Host) workDir(plugin string) (string, error) {
	dir := filepath.Join(h.cfg.DataDir, "plugins", "work", cmp.Or(plugin, "unknown"))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("data folder of plugin %s: %w", plugin, err)
	}
	return dir, nil
}
