package host

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// Instance is a configured instance of a driver, as it should be. Another
// Revision is another configuration.
type Instance struct {
	Name, Driver string
	Revision     uint64
	Settings     []byte              // JSON, without secrets
	Secrets      map[string][]byte   // by setting
	PublicURL    string              // of its hook, "" if none is configured
	TextLimit    *pluginv1.TextLimit // that texts are split by, nil: the driver's
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

	sockets []string // subprotocols; kept while the plugin restarts, as own
	own     *able    // nil: it has not been open
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
