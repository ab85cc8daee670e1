package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/openccsp/gateway/sdk"
)

// again is how often a trouble that only an operator can end is reported.
const again = 30 * time.Second

// health says what an operator must do. The zero value is well; it is safe for
// concurrent use.
type health struct {
	mu      sync.Mutex
	why     string
	changed chan struct{}
}

// set says what is wrong, "" that nothing is any more.
func (h *health) set(why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.why == why {
		return
	}
	h.why = why
	if h.changed != nil {
		close(h.changed)
		h.changed = nil
	}
}

// state returns what is wrong, and a channel that is closed when that changes.
func (h *health) state() (string, <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.changed == nil {
		h.changed = make(chan struct{})
	}
	return h.why, h.changed
}

// Listen implements sdk.Listener. Everything comes by webhook: this registers the
// hook, if it is to, and tells the gateway, and so the operator, of a trouble.
func (c *channel) Listen(ctx context.Context, _ func(context.Context, ...sdk.Event) error) error {
	registered := !c.cfg.Register
	for {
		why, changed := c.health.state()
		if why != "" {
			return sdk.Retry(errors.New(why), again)
		}
		if !registered {
			if err := c.register(ctx); ctx.Err() != nil {
				return nil
			} else if err != nil {
				return sdk.Retry(err, registerAgain)
			}
			registered = true
			continue // what happened meanwhile
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}
