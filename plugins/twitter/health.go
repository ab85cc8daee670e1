package main

import (
	"cmp"
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

// recheckEvery is how often it is looked whether X still sends here: it switches off a
// hook that fails once, if the fault is TLS's or a proxy's page.
const recheckEvery = time.Hour

// Listen implements sdk.Listener. Everything comes by webhook: this registers the
// hook, if it is to, and tells the gateway, and so the operator, of a trouble.
func (c *channel) Listen(ctx context.Context, _ func(context.Context, ...sdk.Event) error) error {
	for {
		why, changed := c.health.state()
		if why = cmp.Or(why, c.unauthorized()); why != "" {
			return sdk.Retry(errors.New(why), again)
		}
		var due <-chan time.Time // never, if others register the hook
		if c.cfg.Register {
			if err := c.register(ctx); ctx.Err() != nil {
				return nil
			} else if err != nil {
				return sdk.Retry(err, registerAgain)
			}
			due = time.After(c.recheck)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-due:
		}
	}
}

// unauthorized says what an administrator has to do before anything goes, "" if it
// is done.
func (c *channel) unauthorized() string {
	if c.cfg.oauth1() || c.account.authorized() {
		return ""
	}
	return "nobody has authorized the gateway yet; open " + c.startURL()
}
