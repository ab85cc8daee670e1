package engine

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store/memstore"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// rig is a real engine on a store in memory, between a fake channel "chan" and
// a fake integration "desk", in a bubble of fake time. Whatever is not said
// otherwise works: calls are answered at once.
type rig struct {
	*testing.T
	opt   Options
	snap  *conversation.Snap
	rules ruleFunc
	mem   *memstore.Store
	disk  *disk       // of this life of the gateway
	life  func(*disk) // what befalls the disk of the next one; nil: nothing
	e     *Engine
	reg   *prometheus.Registry
	logs  logs

	stop context.CancelFunc
	ran  chan error

	mu     sync.Mutex
	calls  []*call
	opened int
	polled int

	// on takes a call, on another goroutine than the engine's: it answers it
	// now, later or never. nil: ok.
	on func(*call)
	// onPoll answers a poll, after a while; never if that is negative.
	onPoll func(*pluginv1.Poll) (a *pluginv1.PollAnswer, fate core.Fate, after time.Duration)
	posts  []string      // endpoints and bodies
	refuse string        // a body that is not taken the first time
	rests  int           // so many posts are not attempted: come again after 10 s
	says   string        // what endpoints answer, in JSON
	slow   time.Duration // how long they take
}

type ruleFunc func(*state.View) core.Evaluation

func (f ruleFunc) Evaluate(v *state.View) core.Evaluation {
	if f == nil {
		return core.Evaluation{}
	}
	return f(v)
}

// engine runs test with a running engine. conf may change r before the start.
func engine(t *testing.T, conf func(r *rig), test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{T: t, mem: memstore.New(time.Now), snap: testSnap()}
		if conf != nil {
			conf(r)
		}
		r.boot()
		t.Cleanup(r.halt)
		test(r)
	})
}

func testSnap() *conversation.Snap {
	return &conversation.Snap{
		Hash: "test",
		Services: map[string]*conversation.Service{"shop": {
			Name: "shop", Integration: "desk", Channels: []string{"chan"}, Forward: state.Owner_OWNER_CCSP, Timezone: "UTC",
		}},
		Instances: map[string]*conversation.Instance{
			"chan": {Name: "chan", Channel: true, Service: "shop", Caps: &pluginv1.Capabilities{ChannelType: "rtm"}},
			"desk": {Name: "desk", MessageRouting: true, Caps: &pluginv1.Capabilities{}},
		},
	}
}

// boot starts an engine on what the store has.
func (r *rig) boot() {
	r.Helper()
	r.snap.Rules = r.rules
	r.disk = &disk{Store: r.mem}
	if r.life != nil {
		r.life(r.disk)
	}
	r.reg = prometheus.NewRegistry()
	opt := r.opt
	opt.Store, opt.Drivers, opt.Notifier, opt.Metrics = r.disk, r, r, r.reg
	opt.Log = slog.New(slog.NewTextHandler(io.MultiWriter(&r.logs, r.Output()), nil))
	e, ran := New(opt), make(chan error, 1)
	e.SetSnap(r.snap)
	ctx, stop := context.WithCancel(context.Background())
	r.mu.Lock()
	r.e, r.stop, r.ran = e, stop, ran
	r.mu.Unlock()
	go func() { ran <- e.Run(ctx) }()
	<-e.Started()
	synctest.Wait()
}

// halt stops the engine as a signal does.
func (r *rig) halt() {
	r.Helper()
	if r.stop == nil {
		return
	}
	r.stop()
	if err := <-r.ran; err != nil && !r.disk.isDead() {
		r.Errorf("Run = %v", err)
	}
	r.stop = nil
	synctest.Wait()
}

// crash ends the engine as kill -9 does: not one more write reaches the store,
// and no answer reaches the engine.
func (r *rig) crash() {
	r.Helper()
	r.disk.die()
	r.halt()
}

// restart is crash and boot.
func (r *rig) restart() {
	r.Helper()
	r.crash()
	r.boot()
}

// running returns the engine of this life.
func (r *rig) running() *Engine {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.e
}

// swap is restart while others use the engine.
func (r *rig) swap() {
	r.Helper()
	r.disk.die()
	r.stop()
	<-r.ran
	r.stop = nil
	r.boot()
}

// after lets d pass.
func (r *rig) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
