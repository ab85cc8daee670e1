package sdk

import (
	"context"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

const (
	maxEventsPerFrame = 64
	maxEventBytes     = 512 << 10 // in one frame, unless one event alone is larger
	firstPause        = 100 * time.Millisecond
	longestPause      = 30 * time.Second
)

// receiver is the time in which an instance may receive.
type receiver struct {
	ctx    context.Context // of Listen and of sockets
	cancel context.CancelFunc
	ended  gauge         // listener and sockets
	hard   chan struct{} // closed by giveUp
	giveUp func()        // ends what still waits for the gateway
	bound  binding
}

// startReceiving starts the listener, unless it runs.
func (in *instance) startReceiving() *receiver {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.recv != nil {
		return in.recv
	}
	before := in.before
	r := &receiver{hard: make(chan struct{})}
	r.bound.tried = make(chan struct{})
	r.giveUp = sync.OnceFunc(func() { close(r.hard) })
	r.ctx, r.cancel = context.WithCancel(in.s.ctx)
	in.recv = r
	if l, ok := in.value.(Listener); ok {
		r.ended.add(1)
		in.s.background.run(func() {
			defer r.ended.add(-1)
			if before != nil { // it may have outlived a drain
				_ = before.ended.wait(in.s.ctx)
			}
			in.listen(r, l)
		})
	}
	if _, ok := in.value.(Binder); !ok {
		r.bound.set(nil)
	}
	return r
}

// stopReceiving ends listener and sockets and waits for them until ctx ends.
// What has been sent to the gateway may still be acknowledged meanwhile.
func (in *instance) stopReceiving(ctx context.Context) error {
	in.mu.Lock()
	if in.recv != nil {
		in.recv, in.before = nil, in.recv
	}
	r := in.before
	in.mu.Unlock()
	if r == nil {
		return nil
	}
	r.cancel()
	defer r.giveUp()
	return r.ended.wait(ctx)
}

// receiving registers one socket, or returns nil if the instance may not receive.
func (in *instance) receiving() *receiver {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.recv != nil {
		in.recv.ended.add(1)
	}
	return in.recv
}

// emitter returns what Listen gets as emit.
func (in *instance) emitter(r *receiver) func(context.Context, ...Event) error {
	return func(ctx context.Context, events ...Event) error {
		for _, body := range inbounds(events) {
			if body.SizeVT() > maxFrameBytes {
				return Rejected("too_large", "an event is larger than the gateway takes")
			}
			if err := in.inbound(ctx, r, body); err != nil {
				return err
			}
		}
		return nil
	}
}

// inbounds cuts events into what fits into a frame each.
func inbounds(events []Event) (out []*pluginv1.Inbound) {
	var one *pluginv1.Inbound
	size := 0
	for _, e := range eventsProto(events) {
		n := e.SizeVT()
		if one == nil || len(one.Events) == maxEventsPerFrame || size+n > maxEventBytes {
			one, size = new(pluginv1.Inbound), 0
			out = append(out, one)
		}
		one.Events = append(one.Events, e)
		size += n
	}
	return out
}

// inbound sends one frame until the gateway has made it durable.
func (in *instance) inbound(ctx context.Context, r *receiver, body *pluginv1.Inbound) error {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = firstPause, 5*time.Second
	for {
		l, err := in.s.waitLink(ctx)
		if err != nil {
			return err
		}
		if err := l.acquire(ctx); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			continue // another link
		}
		reply, err := l.ask(ctx, &pluginv1.PluginFrame{Instance: in.spec.Instance,
			Body: &pluginv1.PluginFrame_Inbound{Inbound: body}}, r)
		switch {
		case ctx.Err() != nil && err != nil:
			return ctx.Err()
		case err != nil:
			continue // another link
		}
		ack := reply.GetAck()
		switch {
		case ack.GetOk():
			return nil
		case ack.GetFinal():
			return Rejected("event", clip(ack.GetMessage(), maxDetail))
		}
		wait := pause.NextBackOff()
		if after := ack.GetAfterMs(); after > 0 {
			wait = time.Duration(after) * time.Millisecond
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// acquire takes one credit, waiting for it until ctx or the link ends.
func (l *link) acquire(ctx context.Context) error {
	if l.credits.TryAcquire(1) {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(l.hearing, cancel)
	defer stop()
	return l.credits.Acquire(ctx, 1)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
