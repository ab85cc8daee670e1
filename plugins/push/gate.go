package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/openccsp/gateway/sdk"
)

// authPause is how long a platform is left alone that refuses our credentials.
const authPause = time.Minute

// gate keeps the trouble of one platform from the other one. The gateway stops the
// whole channel when it hears of a quota or of credentials; so it is told to try the
// app again later, and the platform is not called until then. It is safe for
// concurrent use.
type gate struct {
	platform
	name string
	host sdk.Host

	mu     sync.Mutex
	closed time.Time // until then
	why    string
}

func (g *gate) send(ctx context.Context, token string, n notice) (string, error) {
	g.mu.Lock()
	wait, why := g.closed.Sub(g.host.Now()), g.why
	g.mu.Unlock()
	if wait > 0 {
		return "", g.later(wait, why)
	}
	id, err := g.platform.send(ctx, token, n)
	if wait = pauseOf(err); wait == 0 {
		return id, err
	}
	g.close(wait, err.Error())
	return "", g.later(wait, err.Error())
}

// later says that an app is to be tried again; nothing in the error stops the channel.
func (g *gate) later(wait time.Duration, why string) error {
	return sdk.Retry(fmt.Errorf("%s waits: %s", g.name, why), wait)
}

func (g *gate) close(wait time.Duration, why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.host.Now()
	if g.closed.Before(now) { // else it has been said
		g.host.Log().Error("notices of one platform wait", "platform", g.name, "for", wait.String(), "err", why)
	}
	g.closed, g.why = now.Add(wait), why
}

// pauseOf is how long an error stops a whole platform, 0 for other errors.
func pauseOf(err error) time.Duration {
	if errors.Is(err, sdk.ErrAuthConfig) {
		return authPause
	}
	if e, ok := errors.AsType[*sdk.RetryError](err); ok && e.Throttled {
		return max(e.After, time.Second)
	}
	return 0
}
