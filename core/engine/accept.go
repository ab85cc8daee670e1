package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// dedupFor is how long a provider's event is remembered where the driver does
// not say.
const dedupFor = 24 * time.Hour

// Accept makes the events of one request durable and returns; nil means all
// are. An error of code unavailable means that any part of them may be: the
// far side sends them again, and they are recognized by their ids. It may
// outlast ctx by one write of the store.
//
// Too many means the same, and more slowly: the instance is over its quota. The
// other codes are final: not found (the instance, or the message of a receipt)
// and invalid (an event without an address). The events are the engine's
// afterwards.
func (e *Engine) Accept(ctx context.Context, instance string, events []*pluginv1.Event) error {
	done := make(chan error, 1)
	if step := e.accept(instance, events, func(err error) { done <- err }); step != nil {
		e.Exec.Do(step) // on this goroutine, which would only wait for another one
	}
	return e.wait(ctx, done)
}

// wait returns what done says of events, or that nobody will know.
func (e *Engine) wait(ctx context.Context, done <-chan error) error {
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

// accept is Accept with a callback, which may be called before it returns. It
// may return a step that the caller must run.
func (e *Engine) accept(instance string, events []*pluginv1.Event, done func(error)) (step func()) {
	i, conf := e.instance(instance), e.Snap().Instances[instance]
	if i == nil || conf == nil {
		done(core.Errorf(core.NotFound, "no channel or integration %q", instance))
		return nil
	}
	if len(events) == 0 {
		done(nil)
		return nil
	}
	now, n := e.Clock.Now(), int64(len(events))
	if err := e.admit(i, n, now); err != nil {
		e.m.refused.Inc()
		done(err)
		return nil
	}
	a := &accepting{e: e, i: i, conf: conf, left: n, done: func(err error) {
		e.discharge(i, n)
		e.shed(now)
		done(err)
	}}
	groups := a.groups(events)
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

// accepting is a request on its way. It counts the events that are not durable
// yet.
type accepting struct {
	e    *Engine
	i    *instance
	conf *conversation.Instance // the same for all events of the request

	mu   sync.Mutex
	left int64
	err  error
	done func(error)
}

// finish says that one more event is durable, or why it is not.
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

// ref is what the group's events say of their chat.
func (g group) ref() orphanRef {
	m := g.ins[0].mail
	return orphanRef{m.Instance, m.GetEvent().GetRef()}
}

// groups puts events that follow each other in one conversation together. It
// finishes those that have none.
func (a *accepting) groups(events []*pluginv1.Event) (all []group) {
	for _, ev := range events {
		id, hold, err := a.route(ev)
		if err != nil {
			a.finish(err)
			continue
		}
		if k := len(all) - 1; k >= 0 && all[k].id == id {
			all[k].ins = append(all[k].ins, a.input(ev))
			continue
		}
		all = append(all, group{id: id, hold: hold, ins: []*input{a.input(ev)}})
	}
	return all
}

func (a *accepting) input(ev *pluginv1.Event) *input {
	source := "integration"
	if a.conf.Channel {
		source = "channel"
	}
	return &input{
		fresh: true, done: a.finish, dedup: store.Dedup{Instance: a.i.name, ID: ev.Id, For: dedupOf(a.conf)},
		mail: &state.Mail{
			AcceptedMs: a.e.Clock.Now().UnixMilli(), Instance: a.i.name, Source: source,
			Body: &state.Mail_Event{Event: ev},
		},
	}
}

// dedupOf returns how long the events of an instance, which may be nil, are
// remembered.
func dedupOf(conf *conversation.Instance) time.Duration {
	if conf != nil && conf.Caps.GetDedupForMs() > 0 {
		return time.Duration(conf.Caps.GetDedupForMs()) * time.Millisecond
	}
	return dedupFor
}

// route finds the conversation of an event. hold: nobody knows its chat yet,
// but may soon.
func (a *accepting) route(ev *pluginv1.Event) (id core.ConversationID, hold bool, err error) {
	e, name, conf := a.e, a.i.name, a.conf
	if conversation.IsCall(ev.Type) && conf.Channel {
		if id, ok, err := a.routeCall(ev); ok || err != nil {
			return id, false, err
		}
	}
	if address := ev.Customer.GetAddress(); address != "" && conf.Channel {
		id = core.NewConversationID(name, address)
		if !isReceipt(ev.Type) && a.leaves(id) {
			return id, false, removing(name)
		}
		return id, false, nil
	}
	if a.isBegun(ev) {
		if id, ok, err := a.routeBegun(ev); ok || err != nil {
			return id, false, err
		}
	}
	ref := cmp.Or(ev.Ref, ev.MessageId)
	if ref == "" {
		return id, false, core.Errorf(core.Invalid, "event %q has neither a customer nor a ref", ev.Type)
	}
	if id, ok := e.orphans.has(orphanRef{name, ref}); ok {
		ev.Ref = ref
		return id, true, nil
	}
	early := e.awaitsID(a.i) // before looking: what is bound meanwhile is found
	id, err = e.Store.Resolve(e.ctx, name, ref)
	switch {
	case err == nil:
		return id, false, nil
	case !errors.Is(err, store.ErrNotFound):
		return id, false, unavailable(err)
	case conf.Channel && conf.Caps.GetReceiptsByRef() && early:
		return id, false, core.Errorf(core.Unavailable, "the id of this %s may not be known yet", ev.Type)
	case conf.Channel:
		return id, false, &core.Error{Code: core.NotFound, Err: core.ErrNoMessage,
			Message: fmt.Sprintf("no message with the id of this %s", ev.Type)}
	}
	hold = e.opening(name)
	if conf.Removed && !hold {
		return id, false, removing(name)
	}
	ev.Ref = ref
	return core.OrphanID(name, ref), hold, nil
}

// routeCall finds the conversation that placed the call which an event is about;
// not ok: nobody here did, the customer rang.
func (a *accepting) routeCall(ev *pluginv1.Event) (id core.ConversationID, ok bool, err error) {
	ref := cmp.Or(ev.CallId, ev.Ref)
	if ref == "" {
		return id, false, nil
	}
	if cmd, err := core.ParseCommandID(ref); err == nil {
		return cmd.Conversation, true, nil
	}
	early := a.e.awaitsID(a.i) // before looking: what is bound meanwhile is found
	id, err = a.e.Store.Resolve(a.e.ctx, a.i.name, ref)
	switch {
	case err == nil:
		return id, true, nil
	case !errors.Is(err, store.ErrNotFound):
		return id, false, unavailable(err)
	case early:
		return id, false, core.Errorf(core.Unavailable, "the id of this call may not be known yet")
	}
	return id, false, nil
}

// isReceipt says whether an event tells what became of a message of ours.
func isReceipt(typ string) bool {
	return typ == sdk.MessageDelivered || typ == sdk.MessageRead || typ == sdk.MessageFailed
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
		e.orphans.add(g.ref(), g.id, len(g.ins))
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
		e.orphans.done(g.ref(), len(g.ins)-stored)
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
