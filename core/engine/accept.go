package engine

import (
	"context"
	"errors"
	rtmetrics "runtime/metrics"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// dedupFor is how long a provider's event is remembered where the driver does
// not say.
const dedupFor = 24 * time.Hour

// Accept makes the events of one request durable and returns; nil means all
// are. An error of code unavailable means that any part of them may be: the
// far side sends them again, and they are recognized by their ids. It may
// outlast ctx by one write of the store.
func (e *Engine) Accept(ctx context.Context, instance string, events []*pluginv1.Event) error {
	done := make(chan error, 1)
	if step := e.accept(instance, events, func(err error) { done <- err }); step != nil {
		e.Exec.Do(step) // on this goroutine, which would only wait for another one
	}
	select {
	case err := <-done:
		return err
	case <-e.stopped:
		select {
		case err := <-done:
			return err
		default:
			return core.Errorf(core.Unavailable, "the gateway is stopping")
		}
	case <-ctx.Done():
		return &core.Error{Code: core.Unavailable, Message: "the events were not durable in time", Err: ctx.Err()}
	}
}

// accept is Accept with a callback. It may return a step that the caller must
// run.
func (e *Engine) accept(instance string, events []*pluginv1.Event, done func(error)) (step func()) {
	i := e.instance(instance)
	if i == nil || e.Snap().Instances[instance] == nil {
		done(core.Errorf(core.NotFound, "no channel or integration %q", instance))
		return nil
	}
	n := int64(len(events))
	if n == 0 {
		done(nil)
		return nil
	}
	now := e.Clock.Now()
	if now.UnixMilli() < e.shedUntil.Load() {
		e.m.refused.Inc()
		done(core.Errorf(core.Unavailable, "the store is slow"))
		return nil
	}
	if e.MaxHeap > 0 && e.heap.read(now) > e.MaxHeap {
		e.m.refused.Inc()
		done(core.Errorf(core.Unavailable, "too much waits in memory"))
		return nil
	}
	if all, own := e.waiting.Add(n), i.waiting.Add(n); all > int64(e.MaxWaiting) || own > int64(e.MaxInstance) {
		e.waiting.Add(-n)
		i.waiting.Add(-n)
		e.m.refused.Inc()
		code := core.Unavailable
		if own > int64(e.MaxInstance) {
			code = core.TooMany
		}
		done(core.Errorf(code, "too many events are waiting"))
		return nil
	}
	a := &accepting{left: n, done: func(err error) {
		e.waiting.Add(-n)
		i.waiting.Add(-n)
		e.shed(now)
		done(err)
	}}
	var groups []group
	for _, ev := range events {
		id, hold, err := e.route(i, ev)
		if err != nil {
			a.finish(err)
			continue
		}
		in := e.input(i, ev, a)
		if k := len(groups) - 1; k >= 0 && groups[k].id == id {
			groups[k].ins = append(groups[k].ins, in)
			continue
		}
		groups = append(groups, group{id: id, hold: hold, ins: []*input{in}})
	}
	for k, g := range groups {
		next := e.enter(g)
		if next != nil && k < len(groups)-1 {
			e.Exec.Go(next)
			continue
		}
		step = next
	}
	return step
}

const (
	maxAge  = 4 * time.Second // how long an event may take to be durable
	shedFor = time.Second     // how long nothing is accepted after one took longer
)

// shed refuses new events for a while after one that was accepted at the given
// time took too long: the far side is better told at once.
func (e *Engine) shed(accepted time.Time) {
	if now := e.Clock.Now(); now.Sub(accepted) > maxAge {
		e.shedUntil.Store(now.Add(shedFor).UnixMilli())
	}
}

// heapGauge knows how many bytes were in use after the last collection.
type heapGauge struct {
	at   atomic.Int64 // Unix milliseconds of the reading
	live atomic.Int64
}

// heapEvery is how old a reading may be.
const heapEvery = 100 * time.Millisecond

func (g *heapGauge) read(now time.Time) int64 {
	old := g.at.Load()
	if ms := now.UnixMilli(); ms-old >= heapEvery.Milliseconds() && g.at.CompareAndSwap(old, ms) {
		s := []rtmetrics.Sample{{Name: "/gc/heap/live:bytes"}}
		rtmetrics.Read(s)
		g.live.Store(int64(s[0].Value.Uint64()))
	}
	return g.live.Load()
}

// accepting counts the events of one request that are not durable yet.
type accepting struct {
	mu   sync.Mutex
	left int64
	err  error
	done func(error)
}

func (a *accepting) finish(err error) {
	a.mu.Lock()
	a.err = errors.Join(a.err, err)
	a.left--
	last := a.left == 0
	a.mu.Unlock()
	if last {
		a.done(a.err)
	}
}

// group is a run of events of one conversation.
type group struct {
	id   core.ConversationID
	hold bool // of a chat that nobody knows yet: they go into the store
	ins  []*input
}

func (e *Engine) input(i *instance, ev *pluginv1.Event, a *accepting) *input {
	conf := e.Snap().Instances[i.name]
	source := "integration"
	if conf.Channel {
		source = "channel"
	}
	return &input{
		fresh: true, done: a.finish, dedup: store.Dedup{Instance: i.name, ID: ev.Id, For: e.dedupFor(i.name)},
		mail: &state.Mail{
			AcceptedMs: e.Clock.Now().UnixMilli(), Instance: i.name, Source: source,
			Body: &state.Mail_Event{Event: ev},
		},
	}
}

// dedupFor returns how long an instance's events are remembered.
func (e *Engine) dedupFor(instance string) time.Duration {
	if conf := e.Snap().Instances[instance]; conf != nil && conf.Caps.GetDedupForMs() > 0 {
		return time.Duration(conf.Caps.GetDedupForMs()) * time.Millisecond
	}
	return dedupFor
}

// route finds the conversation of an event.
func (e *Engine) route(i *instance, ev *pluginv1.Event) (id core.ConversationID, hold bool, err error) {
	conf := e.Snap().Instances[i.name]
	if address := ev.Customer.GetAddress(); address != "" && conf.Channel {
		return core.NewConversationID(i.name, address), false, nil
	}
	ref := ev.Ref
	if ref == "" {
		ref = ev.MessageId
	}
	if ref == "" {
		return id, false, core.Errorf(core.Invalid, "event %q has neither a customer nor a ref", ev.Type)
	}
	if id, ok := e.orphans.has(orphanRef{i.name, ref}); ok {
		ev.Ref = ref
		return id, true, nil
	}
	early := e.awaitsID(i) // before looking: what is bound meanwhile is found
	id, err = e.Store.Resolve(e.ctx, i.name, ref)
	switch {
	case err == nil:
		return id, false, nil
	case !errors.Is(err, store.ErrNotFound):
		return id, false, unavailable(err)
	case conf.Channel && conf.Caps.GetReceiptsByRef() && early:
		return id, false, core.Errorf(core.Unavailable, "the id of this %s may not be known yet", ev.Type)
	case conf.Channel:
		return id, false, core.Errorf(core.NotFound, "no message with the id of this %s", ev.Type)
	}
	ev.Ref = ref
	return core.OrphanID(i.name, ref), e.opening(i.name), nil
}

// enter brings a group into its conversation: into memory, to be durable with
// its decision, or, where too much waits already, into the store.
func (e *Engine) enter(g group) (step func()) {
	s := e.shard(g.id)
	if s == nil {
		for _, in := range g.ins {
			in.finish(core.Errorf(core.Unavailable, "the gateway is starting"))
		}
		return nil
	}
	if g.hold {
		ev := g.ins[0].mail
		e.orphans.add(orphanRef{ev.Instance, ev.GetEvent().GetRef()}, g.id, len(g.ins))
	}
	if g.hold || s.cell(g.id).full() {
		e.Exec.Go(func() { e.storeGroup(s, g) })
		return nil
	}
	for {
		if step, ok := s.cell(g.id).pushAndStep(g.ins); ok {
			return step
		}
	}
}

// storeGroup makes events durable in their mailbox, to be decided later.
func (e *Engine) storeGroup(s *shard, g group) {
	events := make([]store.Event, len(g.ins))
	for k, in := range g.ins {
		events[k] = store.Event{Conversation: g.id, Dedup: in.dedup, Body: encode(in.mail)}
	}
	stored, err := e.put(s.ctx, events...)
	if g.hold {
		first := g.ins[0].mail
		e.orphans.done(orphanRef{first.Instance, first.GetEvent().GetRef()}, len(g.ins)-stored)
	}
	if err != nil {
		err = unavailable(err)
	}
	for _, in := range g.ins {
		in.finish(err)
	}
}

// store appends events to mailboxes and wakes their conversations.
func (e *Engine) store(ctx context.Context, events ...store.Event) error {
	_, err := e.put(ctx, events...)
	return err
}

// put is store, and says how many were new.
func (e *Engine) put(ctx context.Context, events ...store.Event) (stored int, err error) {
	receipts, err := e.Store.Append(ctx, events...)
	if err != nil {
		if errors.Is(err, store.ErrBroken) {
			e.fail(err)
		}
		return 0, err
	}
	for k, r := range receipts {
		if r.Duplicate {
			e.m.duplicates.Inc()
			continue
		}
		stored++
		if s := e.shard(events[k].Conversation); s != nil {
			s.stored(store.Ref{Conversation: events[k].Conversation, Seq: r.Seq})
		}
	}
	return stored, nil
}
