// Package engine is the way of a message: accept, decide, commit, act.
//
// Each conversation is a cell with a queue. One step at a time takes what is
// queued, decides it, and commits document, commands, timers and history
// together; then the callers are told and the commands are carried out, lane
// by lane. Nothing here blocks a goroutine of its own: every wait is a
// callback, run by the [Executor], so that a test can run the whole engine on
// one goroutine, in an order drawn from a seed.
//
// The words: a shard holds cells; a cell is a conversation with something to
// do; an input is one thing to do for it; a plan is what a batch of inputs led
// to, on its way to the store; a lane is an ordered queue of its commands, and
// an item one of them; an instance counts the calls to a channel or an
// integration. Locks are taken in this order: shard, cell, instance; no lock is
// held while a driver, the notifier or a caller is called, and a cell's alone
// while its lanes are read from the store.
package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/delivery"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// Drivers carries calls to the plugins. Its methods may be called from any
// goroutine and do not block. Each calls done exactly once, on another
// goroutine than the caller's and at the latest a little after timeout: with
// the driver's answer and core.Answered, or with nil and why there is none.
type Drivers interface {
	// Call asks the driver of an instance for one effect, on behalf of
	// conversation c. call is read by both sides from now on: nobody changes it.
	Call(instance string, c core.ConversationID, call *pluginv1.Call, timeout time.Duration,
		done func(*pluginv1.Result, core.Fate))
	// Poll asks the driver for news of c's chat, or, if c is zero, of the
	// instance's account. p is read by both sides, as with Call.
	Poll(instance string, c core.ConversationID, p *pluginv1.Poll, timeout time.Duration,
		done func(*pluginv1.PollAnswer, core.Fate))
}

// Notifier posts to endpoints.
type Notifier interface {
	// Do posts body to the endpoint once and says what became of it. id is the
	// same at every attempt: the other side may see one notification twice. It
	// blocks, at most for the endpoint's time-out, and ends early with ctx; it
	// may be called by many goroutines. core.NotSent: nothing was attempted, and
	// the result says when to come again.
	Do(ctx context.Context, endpoint, id string, body []byte) (*pluginv1.Result, core.Fate)
	// Ask is Do for a command whose answer is wanted: JSON of at most limit
	// bytes, nil if the endpoint said something else.
	Ask(ctx context.Context, endpoint, id string, body []byte, limit int) (*pluginv1.Result, []byte, core.Fate)
}

// Options are what an engine is made of. Store, Drivers and Notifier are
// required; the rest has defaults.
type Options struct {
	Store    store.Store
	Drivers  Drivers
	Notifier Notifier
	Log      *slog.Logger                               // nil: nothing is logged
	Metrics  prometheus.Registerer                      // nil: nobody sees them
	Exec     Executor                                   // nil: goroutines
	Clock    Clock                                      // nil: the wall clock
	Rand     func() uint64                              // of epochs and commit ids; nil: that of the runtime
	Verdicts func(at time.Time, v []*state.RuleVerdict) // gets those of decided events; nil: nobody counts
	// Kept returns what is known of a file that the gateway keeps, with a link to it
	// if there can be one, made now; nil if there is no such file. It may be called
	// from any goroutine. nil: none are kept.
	Kept func(id string) *pluginv1.Attachment

	Retention   time.Duration // of history, from the end of an event's commands; 0: 30 days
	CallTimeout time.Duration // of one call to a driver; 0: 30 s
	LaneAge     time.Duration // of the head of a lane; 0: 24 h
	MaxWaiting  int           // events accepted and not yet durable, over all; 0: 20,000
	MaxInstance int           // of one instance; 0: 5,000
	MaxFlying   int           // calls under way at one instance; 0: 1,024
	MaxPolls    int           // polls of open chats under way at one instance; 0: 256
	CacheBytes  int           // of documents kept in memory; 0: 32 MiB
	MaxHeap     int64         // bytes in use above which no events are accepted; 0: no limit
}

// Engine accepts events and carries out what follows from them. It is safe for
// concurrent use.
type Engine struct {
	Options
	m    *metrics
	snap atomic.Pointer[conversation.Snap]
	ctx  context.Context // ends with Run
	end  context.CancelFunc

	mu        sync.Mutex // of changes to instances
	instances atomic.Pointer[map[string]*instance]
	shards    [store.Shards]atomic.Pointer[shard]
	waiting   atomic.Int64 // events accepted and not yet durable
	heap      heapGauge
	shedUntil atomic.Int64  // Unix milliseconds: nothing is accepted until then
	failed    chan error    // why the store cannot be trusted
	ready     chan struct{} // closed when all shards are owned
	stopped   chan struct{} // closed when nothing runs any more
	readied   sync.Once
	resuming  atomic.Int32 // how often it was asked to look up open chats for their pollers, since that began
	orphans   orphans
	unseen    atomic.Int64 // conversations found at the start that have not read their lanes
	typing    atomic.Int64 // typing calls under way
	typists   typists
	started   time.Time // timers wait for the first polls for a while from then
}

// New returns an engine that accepts nothing before [Engine.Run].
func New(o Options) *Engine {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = prometheus.NewRegistry()
	}
	if o.Exec == nil {
		o.Exec = &goroutines{}
	}
	if o.Clock == nil {
		o.Clock = wallClock{}
	}
	if o.Rand == nil {
		o.Rand = rand.Uint64
	}
	o.Retention = cmp.Or(o.Retention, 30*24*time.Hour)
	o.CallTimeout = cmp.Or(o.CallTimeout, 30*time.Second)
	o.LaneAge = cmp.Or(o.LaneAge, delivery.LaneAge)
	o.MaxWaiting = cmp.Or(o.MaxWaiting, 20_000)
	o.MaxInstance = cmp.Or(o.MaxInstance, 5_000)
	o.MaxFlying = cmp.Or(o.MaxFlying, 1_024)
	o.MaxPolls = cmp.Or(o.MaxPolls, 256)
	o.CacheBytes = cmp.Or(o.CacheBytes, 32<<20)
	e := &Engine{
		Options: o, started: o.Clock.Now(),
		failed: make(chan error, 1), ready: make(chan struct{}), stopped: make(chan struct{}),
	}
	e.ctx, e.end = context.WithCancel(context.Background())
	e.m = newMetrics(o.Metrics, e)
	e.snap.Store(&conversation.Snap{})
	e.instances.Store(&map[string]*instance{})
	return e
}

// SetSnap replaces what decisions depend on. Decisions under way go on with
// the old one. s must not change afterwards. An instance that s does not have
// accepts no more events; calls under way to it go on, what waits for it ends
// as dead letters. Open chats follow a change of their service's timers at once.
func (e *Engine) SetSnap(s *conversation.Snap) {
	e.mu.Lock()
	before := e.Snap()
	all := maps.Clone(*e.instances.Load())
	for name, inst := range s.Instances {
		if old := all[name]; old == nil {
			all[name] = newInstance(e, inst)
		} else {
			old.configure(inst)
		}
	}
	e.instances.Store(&all)
	e.snap.Store(s)
	e.mu.Unlock()
	for name, inst := range all {
		if s.Instances[name] == nil {
			inst.leave()
		}
	}
	for name, svc := range s.Services {
		if old := before.Services[name]; old != nil && !svc.SameTimers(old) {
			e.Rearm(name)
		}
	}
	e.resumePolls()
}

// Snap returns what decisions depend on now.
func (e *Engine) Snap() *conversation.Snap { return e.snap.Load() }

// Run owns the store's shards until ctx ends, then finishes the steps in hand;
// calls to drivers that are under way are not waited for. It is called once. An
// error means that the store failed, and the process must stop.
func (e *Engine) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, e.end)()
	served := make(chan error, 1)
	go func() { served <- e.Store.Serve(ctx, e.own) }()
	var err error
	select {
	case err = <-served:
	case err = <-e.failed:
		cancel()
		err = errors.Join(err, <-served)
	case <-e.Store.Failed():
		cancel()
		err = errors.Join(store.ErrBroken, <-served)
	}
	e.end()
	e.Exec.Close()
	close(e.stopped)
	return err
}

// own runs one shard until ctx ends.
func (e *Engine) own(ctx context.Context, st store.Shard) error {
	s, rest, err := e.attach(ctx, st)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return fmt.Errorf("recover shard %d: %w", st.ID(), err)
	}
	err = s.follow(rest)
	s.stop()
	return err
}

// attach recovers a shard and begins to serve it.
func (e *Engine) attach(ctx context.Context, st store.Shard) (*shard, *feed, error) {
	s := newShard(ctx, e, st)
	rest, err := s.recover()
	if err != nil {
		return nil, nil, err
	}
	e.shards[st.ID()].Store(s)
	if e.Ready() {
		e.readied.Do(func() { close(e.ready) })
	}
	if e.seen() {
		e.letAllGoOn()
	}
	e.resumePolls()
	return s, rest, nil
}

// shard returns the shard of a conversation, nil while it is not owned.
func (e *Engine) shard(id core.ConversationID) *shard {
	return e.shards[store.ShardOf(id)].Load()
}

// instance returns the instance of that name, nil if there never was one.
func (e *Engine) instance(name string) *instance { return (*e.instances.Load())[name] }

// Ready says whether all shards are owned and recovered.
func (e *Engine) Ready() bool {
	for i := range e.shards {
		if e.shards[i].Load() == nil {
			return false
		}
	}
	return true
}

// Started returns a channel that is closed once all shards are owned and
// recovered.
func (e *Engine) Started() <-chan struct{} { return e.ready }

// fail stops the engine: the store cannot be trusted any more.
func (e *Engine) fail(err error) {
	select {
	case e.failed <- err:
		e.Log.Error("store failed, the gateway stops", "err", err)
	default:
	}
}
