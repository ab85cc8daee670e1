package host

import (
	"context"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

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
	news     bool        // it has other capabilities there than before

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
		if i.report().State != Opened { // other settings were asked for, and did not get there
			have.refuser = nil
			i.set(spec, Opened, "", nil)
		}
		return !i.settle(ctx, have, spec) || retry
	case have.refuser == g && have.refused == spec.Revision:
		return retry
	case have.on == nil && have.ready == g && have.prepared == spec.Revision:
		return !i.enter(ctx, have, spec) || retry
	}
	have.tried = g
	was := have.on == g
	state, ok := i.open(ctx, have, spec, was)
	switch {
	case ok:
		have.sound = have.sound && have.revision == spec.Revision
		have.on, have.revision, have.receives = g, spec.Revision, false
		i.on.Store(g)
		i.opened(g, spec, was, have.news)
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
func (i *instance) open(ctx context.Context, have *progress, spec Instance, was bool) (*pluginv1.InstanceState, bool) {
	g := have.tried
	if !was {
		i.set(spec, Opening, "", nil)
	}
	if problems := checkSettings(g.mf.schemas[spec.Driver], spec.Settings, spec.Secrets); problems != nil {
		g.log.Error("settings of an instance are wrong", "instance", i.name, "problems", ProblemText(problems))
		i.refuse(spec, "settings do not match the driver's schema", problems, was)
		return &pluginv1.InstanceState{}, false
	}
	state, err := i.call(ctx, g, spec)
	if err != nil {
		state = &pluginv1.InstanceState{Retry: true, Message: plain(err).Error()}
	}
	if state.Ok {
		have.news = i.offers(g, spec, state)
		return state, true
	}
	problems := problemsOf(state.Problems)
	g.log.Warn("instance does not open", "instance", i.name, "retry", state.Retry, "err", state.Message, "problems", ProblemText(problems))
	if state.Retry {
		i.set(spec, Opening, state.Message, problems)
	} else {
		i.refuse(spec, state.Message, problems, was)
	}
	return state, false
}

// refuse records that spec is wrong, and whether the instance goes on as it was.
func (i *instance) refuse(spec Instance, why string, problems []Problem, was bool) {
	if was {
		why = "the settings before stay in force until the plugin restarts: " + why
	}
	i.set(spec, Refused, why, problems)
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
		Secrets: spec.Secrets, PublicUrl: spec.PublicURL, DataDir: dir, TextLimit: spec.TextLimit,
	})
}

// offers records what the driver says of the opened instance: its capabilities,
// and which WebSockets it takes, nil none, empty all. It reports whether the
// capabilities are others than before.
func (i *instance) offers(g *generation, spec Instance, s *pluginv1.InstanceState) (news bool) {
	own := &able{&pluginv1.Driver{Name: spec.Driver, Capabilities: s.Capabilities}, settingsHash(spec)}
	i.mu.Lock()
	i.sockets = nil
	if d := g.mf.drivers[spec.Driver]; d != nil && slices.Contains(d.Abilities, pluginv1.AbilitySocket) {
		i.sockets = append([]string{}, s.Subprotocols...)
	}
	before := i.own
	i.own = own
	i.mu.Unlock()
	if !own.equal(before) && (s.Capabilities != nil || before != nil) {
		i.h.saveOwn()
	}
	return before == nil || !proto.Equal(before.driver, own.driver)
}

// opened lets callers in. As everywhere, the state is said last: who waits for it
// finds what else there is of it.
func (i *instance) opened(g *generation, spec Instance, was, news bool) {
	i.active.Store(g)
	g.setServing(i.name, true)
	switch {
	case !was:
		i.h.cfg.Core.InstanceUp(i.name)
		g.log.Info("instance is open", "instance", i.name, "driver", spec.Driver)
	case news:
		i.h.cfg.Core.InstanceChanged(i.name)
	}
	i.set(spec, Opened, "", nil)
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
	g.setServing(i.name, false)
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
