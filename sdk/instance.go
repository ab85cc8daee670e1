package sdk

import (
	"context"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// closeTimeout limits Closer.CloseInstance.
const closeTimeout = 5 * time.Second

// reopenTimeout limits the opening with the old settings where the new ones
// failed.
const reopenTimeout = 20 * time.Second

// slot is the place of one instance; its occupant changes with the settings.
type slot struct {
	s       *server
	name    string
	current atomic.Pointer[instance]

	turn     chan struct{} // holds one token: whoever changes the slot has it
	active   bool          // it may receive
	released bool          // closed by a drain, to be opened again by Activate
	spec     *pluginv1.InstanceSpec
}

func newSlot(s *server, name string) *slot {
	sl := &slot{s: s, name: name, turn: make(chan struct{}, 1)}
	sl.turn <- struct{}{}
	return sl
}

// lock waits for the turn to change the slot; unlock gives it back.
func (sl *slot) lock(ctx context.Context) error {
	select {
	case <-sl.turn:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (sl *slot) unlock() { sl.turn <- struct{}{} }

// open opens the instance, or replaces it if the revision differs. The new
// value is opened before the old one is closed, except in an exclusive plugin,
// where the old one is opened again if the new one does not open.
func (sl *slot) open(ctx context.Context, spec *pluginv1.InstanceSpec) (*pluginv1.InstanceState, error) {
	if err := sl.lock(ctx); err != nil {
		return nil, err
	}
	defer sl.unlock()
	old := sl.current.Load()
	if old != nil && old.spec.Revision == spec.Revision && old.spec.Driver == spec.Driver {
		return old.state(), nil
	}
	if old != nil && sl.s.plugin.Exclusive {
		sl.current.Store(nil)
		if err := old.close(ctx); err != nil {
			return refused("the instance with the old settings does not end: %v", err), nil
		}
		defer func() {
			if sl.current.Load() == nil {
				sl.reopen(old.spec)
			}
		}()
		return sl.replace(ctx, nil, spec), nil
	}
	return sl.replace(ctx, old, spec), nil
}

// replace opens the instance as spec says, and closes old, if any, once that
// is done.
func (sl *slot) replace(ctx context.Context, old *instance, spec *pluginv1.InstanceSpec) *pluginv1.InstanceState {
	in, state := sl.s.openInstance(ctx, spec)
	if in == nil {
		return state
	}
	if old != nil {
		if err := old.stopReceiving(ctx); err != nil {
			in.discard()
			if sl.active {
				old.startReceiving() // as soon as it has ended after all
			}
			return refused("the listener with the old settings does not end: %v", err)
		}
	}
	sl.spec, sl.released = spec, false
	sl.current.Store(in)
	if sl.active {
		in.startReceiving()
	}
	if old != nil {
		sl.s.background.run(func() { _ = old.close(sl.s.ctx) })
	}
	return state
}

// reopen has the instance as it was. The call that closed it may have ended.
func (sl *slot) reopen(spec *pluginv1.InstanceSpec) {
	ctx, cancel := context.WithTimeout(sl.s.ctx, reopenTimeout)
	defer cancel()
	if state := sl.replace(ctx, nil, spec); !state.Ok {
		sl.s.log.Error("instance does not open with its old settings either", "instance", sl.name, "err", state.Message)
	}
}

func (sl *slot) close(ctx context.Context) error {
	if err := sl.lock(ctx); err != nil {
		return err
	}
	defer sl.unlock()
	sl.active, sl.released, sl.spec = false, false, nil
	if in := sl.current.Swap(nil); in != nil {
		return in.close(ctx)
	}
	return nil
}

// activate starts the listener, also of an instance that a drain has released.
func (sl *slot) activate(ctx context.Context) (*receiver, error) {
	if err := sl.lock(ctx); err != nil {
		return nil, err
	}
	defer sl.unlock()
	if sl.released {
		in, state := sl.s.openInstance(ctx, sl.spec)
		if in == nil {
			return nil, Rejected("open", state.Message)
		}
		sl.released = false
		sl.current.Store(in)
	}
	in := sl.current.Load()
	if in == nil {
		return nil, Rejected("open", "it is not open")
	}
	sl.active = true
	return in.startReceiving(), nil
}

func (sl *slot) stopReceiving(ctx context.Context) error {
	if err := sl.lock(ctx); err != nil {
		return err
	}
	defer sl.unlock()
	sl.active = false
	if in := sl.current.Load(); in != nil {
		return in.stopReceiving(ctx)
	}
	return nil
}

// release closes the instance and remembers how to open it again.
func (sl *slot) release(ctx context.Context) {
	if sl.lock(ctx) != nil {
		return
	}
	defer sl.unlock()
	if in := sl.current.Swap(nil); in != nil {
		sl.released = true
		_ = in.close(ctx)
	}
}

// instance is one opened value of a driver.
type instance struct {
	s      *server
	driver *Driver
	spec   *pluginv1.InstanceSpec
	host   *host
	value  any
	caps   *pluginv1.Capabilities // with its settings; nil: the driver's
	pins   pins                   // calls under way

	mu      sync.Mutex
	recv    *receiver // while it may receive
	before  *receiver // the one that was stopped last
	trouble string    // of the listener, "" if it is well
}

// openInstance opens a value. If that fails the instance is nil and the state
// says why.
func (s *server) openInstance(ctx context.Context, spec *pluginv1.InstanceSpec) (*instance, *pluginv1.InstanceState) {
	d := s.drivers[spec.Driver]
	if d == nil {
		return nil, refused("plugin %s has no driver %q", s.plugin.ID, spec.Driver)
	}
	settings, problems := d.settings.decode(spec.Settings, spec.Secrets)
	if len(problems) > 0 {
		st := refused("%s", problems[0].Message)
		st.Problems = problems
		return nil, st
	}
	in := &instance{s: s, driver: d, spec: spec}
	in.host = newHost(s, spec)
	err := in.guard("open", func() (err error) {
		in.caps = d.capsWith(settings)
		in.value, err = d.open(ctx, settings, in.host)
		return err
	})
	if err != nil {
		var r pluginv1.Result
		settle(&r, err)
		st := refused("%v", err)
		st.Retry = r.Outcome == pluginv1.Outcome_RETRY || r.Outcome == pluginv1.Outcome_THROTTLED ||
			r.Outcome == pluginv1.Outcome_AMBIGUOUS || r.Outcome == pluginv1.Outcome_AUTH_REFRESH
		return nil, st
	}
	if v := reflect.ValueOf(in.value); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return nil, refused("driver %s: open returned nil", d.name)
	}
	if err := d.undeclared(in.value); err != nil {
		in.discard()
		return nil, refused("%v", err)
	}
	if err := ctx.Err(); err != nil { // nobody would learn that it is open
		in.discard()
		return nil, refused("opened too late: %v", err)
	}
	return in, in.state()
}

func (in *instance) state() *pluginv1.InstanceState {
	st := &pluginv1.InstanceState{Ok: true, Capabilities: in.caps}
	if u, ok := in.value.(SocketUpgrader); ok {
		st.Subprotocols = u.Subprotocols()
	}
	return st
}

// discard closes a value that was never used.
func (in *instance) discard() { in.s.background.run(func() { _ = in.close(in.s.ctx) }) }

// close stops receiving, waits for the calls under way and closes the value.
// If ctx ends first, that goes on without the caller.
func (in *instance) close(ctx context.Context) error {
	done := make(chan struct{})
	in.s.background.run(func() {
		defer close(done)
		defer in.host.client.CloseIdleConnections()
		_ = in.stopReceiving(in.s.ctx)
		select {
		case <-in.pins.close():
		case <-in.s.ctx.Done():
		}
		c, ok := in.value.(Closer)
		if !ok {
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		err := in.guard("close", func() error { return c.CloseInstance(ctx) })
		if err != nil {
			in.host.log.Warn("instance closed with an error", "err", err)
		}
	})
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pins counts the calls that hold an instance open.
type pins struct {
	mu     sync.Mutex
	n      int
	closed bool
	zero   chan struct{}
}

func (p *pins) add() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.n++
	return true
}

func (p *pins) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n--
	if p.n == 0 && p.closed {
		close(p.zero)
	}
}

// close lets no more pins in; the channel is closed when the last has gone. It
// is called once.
func (p *pins) close() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed, p.zero = true, make(chan struct{})
	if p.n == 0 {
		close(p.zero)
	}
	return p.zero
}
