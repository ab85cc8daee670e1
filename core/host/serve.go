package host

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// coreTimeout bounds one call of the engine on behalf of a plugin.
const coreTimeout = 30 * time.Second

// accept makes the events of an Inbound frame durable. It runs on the inbox's
// goroutines.
func (g *generation) accept(p *pluginv1.PluginFrame) (err error) {
	defer g.recovered(&err)
	i := g.ownInstance(p.Instance)
	if i == nil || !i.receiving(g) {
		return core.Errorf(core.NotFound, "instance %q is not open for this plugin", p.Instance)
	}
	ctx, cancel := context.WithTimeout(context.Background(), coreTimeout)
	defer cancel()
	return i.accept(ctx, p.GetInbound().GetEvents())
}

// recovered makes an error of a panic in code that handles what a plugin sent.
func (g *generation) recovered(err *error) {
	if p := recover(); p != nil {
		g.log.Error("handling a plugin's frame panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		*err = core.Errorf(core.Internal, "panic")
	}
}

// accepted answers an Inbound frame and gives its credit back.
func (g *generation) accepted(p *pluginv1.PluginFrame, err error) { g.ack(p, err, 1) }

func (g *generation) ack(p *pluginv1.PluginFrame, err error, credit uint32) {
	a := &pluginv1.Ack{Seq: p.Seq, Ok: err == nil}
	if err != nil {
		a.Message = shown(err)
		if a.Final = final(err); !a.Final {
			a.AfterMs = 1000
		}
	}
	g.link.tell(&pluginv1.HostFrame{Instance: p.Instance, Body: &pluginv1.HostFrame_Ack{Ack: a}}, credit)
}

// final says that events which the core refused so are refused always.
func final(err error) bool {
	code := core.CodeOf(err)
	return code == core.Invalid || code == core.TooLarge || errors.Is(err, core.ErrNoMessage)
}

// shown is what a plugin may read of an error.
func shown(err error) string {
	if e, ok := errors.AsType[*core.Error](err); ok && e.Code != core.Internal {
		return e.Message
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "the gateway did not answer in time"
	}
	return "the gateway could not do that, see its log"
}

// accept hands events to the core if they are addressed as the instance may:
// a channel names its own customers or refs, a connector names refs.
func (i *instance) accept(ctx context.Context, events []*pluginv1.Event) error {
	if len(events) == 0 {
		return nil
	}
	connector := i.kind() == pluginv1.DriverKind_CONNECTOR
	for _, e := range events {
		if e.Ref == "" && (connector || e.Customer.GetAddress() == "") {
			return core.Errorf(core.Invalid, "event %q names neither a customer nor a ref it may name", clip(e.Type, 64))
		}
	}
	return i.h.cfg.Core.Accept(ctx, i.name, events)
}

// hostCall serves what a driver asks of its Host.
func (g *generation) hostCall(p *pluginv1.PluginFrame, call *pluginv1.HostCall) {
	i := g.ownInstance(p.Instance)
	if t, ok := call.Op.(*pluginv1.HostCall_Typing); ok {
		if i != nil {
			g.h.cfg.Core.Typing(p.Instance, t.Typing)
		}
		return
	}
	if i == nil {
		g.reply(p, &pluginv1.HostReply{Message: "instance is not this plugin's"})
		return
	}
	slots, timeout := g.slots, coreTimeout
	if isFileCall(call) {
		slots, timeout = g.files, fileTimeout
	}
	select {
	case slots <- struct{}{}:
	default:
		g.reply(p, &pluginv1.HostReply{Message: "too many calls at once"})
		return
	}
	g.calls.Go(func() {
		defer func() { <-slots }()
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		g.reply(p, g.serveCall(ctx, p.Instance, call))
	})
}

func (g *generation) reply(p *pluginv1.PluginFrame, r *pluginv1.HostReply) {
	r.Seq = p.Seq
	f := &pluginv1.HostFrame{Instance: p.Instance, Body: &pluginv1.HostFrame_Reply{Reply: r}}
	if f.SizeVT() > maxFrameBytes {
		r.Ok, r.Value, r.Messages, r.Message = false, nil, nil, "the answer is "+errFrameSize.Error()
	}
	g.link.tell(f, 0)
}

func (g *generation) serveCall(ctx context.Context, instance string, call *pluginv1.HostCall) *pluginv1.HostReply {
	r := &pluginv1.HostReply{}
	err := g.perform(ctx, instance, call, r)
	if r.Ok = err == nil; r.Ok {
		return r
	}
	r.Conflict = errors.Is(err, store.ErrConflict) || core.CodeOf(err) == core.Conflict
	r.Message, r.Code = shown(err), core.ReasonOf(err)
	r.Refused = isFileCall(call) && isRefusal(err)
	if core.CodeOf(err) == core.Internal && !r.Conflict {
		g.log.Warn("a plugin's call did not succeed", "instance", instance, "err", err)
	}
	return r
}

func (g *generation) perform(ctx context.Context, instance string, call *pluginv1.HostCall,
	r *pluginv1.HostReply) (err error) {
	defer g.recovered(&err)
	c := g.h.cfg.Core
	switch op := call.Op.(type) {
	case *pluginv1.HostCall_StateGet:
		r.Value, err = c.State(ctx, instance, op.StateGet.Key)
	case *pluginv1.HostCall_StateSet:
		err = c.SetState(ctx, instance, op.StateSet.Key, op.StateSet.Old, op.StateSet.New)
	case *pluginv1.HostCall_SaveSecret:
		err = c.SaveSecret(ctx, instance, op.SaveSecret.Name, op.SaveSecret.Value)
	case *pluginv1.HostCall_Undelivered:
		u := op.Undelivered
		r.Messages, err = c.Undelivered(ctx, instance, u.Address, u.After, pageOf(u.Limit))
	case *pluginv1.HostCall_MediaFetch, *pluginv1.HostCall_MediaPut, *pluginv1.HostCall_MediaGet:
		err = g.performFile(ctx, instance, call, r)
	default:
		err = core.Errorf(core.Invalid, "the gateway does not know this call")
	}
	return err
}

// pageOf bounds the number of messages in one reply; the default is 100.
func pageOf(limit uint32) int {
	if limit == 0 || limit > 100 {
		return 100
	}
	return int(limit)
}

// notice handles frames that answer nothing. It runs on the reader and does
// not block.
func (g *generation) notice(p *pluginv1.PluginFrame) {
	switch body := p.Body.(type) {
	case *pluginv1.PluginFrame_Inbound:
		if body.Inbound.SizeVT() > maxFrameBytes {
			g.ack(p, core.Errorf(core.TooLarge, "events are %s", errFrameSize), 1)
		} else if !g.inbox.add(p) {
			g.ack(p, core.Errorf(core.Unavailable, "more events than credits"), 0)
		}
	case *pluginv1.PluginFrame_Call:
		g.hostCall(p, body.Call)
	case *pluginv1.PluginFrame_Health:
		g.instanceHealth(body.Health)
	}
}

func (g *generation) instanceHealth(r *pluginv1.InstanceHealth) {
	if i := g.ownInstance(r.Instance); i != nil {
		i.setHealth(r.Ok, r.Message)
	}
}

// ownInstance returns the configured instance of that name if one of this
// plugin's drivers serves it. A plugin cannot reach the instances of others.
func (g *generation) ownInstance(name string) *instance {
	i := g.h.instance(name)
	if i == nil || g.slot == nil || i.slot.Load() != g.slot {
		return nil
	}
	return i
}
