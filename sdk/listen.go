package sdk

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// listen has the listener bind and listen, again and again until r ends.
func (in *instance) listen(r *receiver, l Listener) {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = firstPause, longestPause
	for r.ctx.Err() == nil {
		started := time.Now()
		err := in.listenOnce(r, l)
		if r.ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("listener returned although it may go on")
		}
		if time.Since(started) > longestPause {
			pause.Reset()
		}
		wait := pause.NextBackOff()
		if re, ok := errors.AsType[*RetryError](err); ok && re.After > 0 {
			wait = re.After
		}
		in.host.log.Warn("listener ended", "err", err, "wait", wait.String())
		in.setTrouble(err.Error())
		if sleep(r.ctx, wait) != nil {
			return
		}
		in.setTrouble("")
	}
}

func (in *instance) listenOnce(r *receiver, l Listener) error {
	if b, ok := l.(Binder); ok {
		err := in.guard("bind", func() error { return b.Bind(r.ctx) })
		r.bound.set(err)
		if err != nil {
			return err
		}
	}
	return in.guard("listen", func() error { return l.Listen(r.ctx, in.emitter(r)) })
}

// setTrouble says what is wrong with the listener, "" for nothing, here and to
// the gateway.
func (in *instance) setTrouble(msg string) {
	in.mu.Lock()
	in.trouble = msg
	in.mu.Unlock()
	if l := in.s.currentLink(); l != nil {
		l.offer(&pluginv1.PluginFrame{Instance: in.spec.Instance,
			Body: &pluginv1.PluginFrame_Health{Health: in.health()}})
	}
}

func (in *instance) health() *pluginv1.InstanceHealth {
	in.mu.Lock()
	defer in.mu.Unlock()
	return &pluginv1.InstanceHealth{Instance: in.spec.Instance, Ok: in.trouble == "",
		Message: clip(in.trouble, maxDetail)}
}

// binding says whether a listener has what it listens on.
type binding struct {
	tried chan struct{} // closed after the first attempt
	once  sync.Once     // of closing it

	mu  sync.Mutex
	err error // of the last attempt
}

// set records the end of an attempt.
func (b *binding) set(err error) {
	b.mu.Lock()
	b.err = err
	b.mu.Unlock()
	b.once.Do(func() { close(b.tried) })
}

// awaitBound returns when the listener has tried to bind, and how that went the
// last time.
func (r *receiver) awaitBound(ctx context.Context) error {
	select {
	case <-r.bound.tried:
	case <-r.ctx.Done():
		return r.ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
	r.bound.mu.Lock()
	defer r.bound.mu.Unlock()
	return r.bound.err
}
