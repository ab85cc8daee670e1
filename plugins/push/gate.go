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
	if err := g.waits(); err != nil {
		return "", err
	}
	id, err := g.platform.send(ctx, token, n)
	if wait := pauseOf(err); wait > 0 {
		return "", g.close(wait, err.Error())
	}
	return id, err
}

// waits says that an app is to be tried again later, if the platform is not to be called.
func (g *gate) waits() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if wait := g.closed.Sub(g.host.Now()); wait > 0 {
		return g.later(wait)
	}
	return nil
}

// close has the platform left alone for so long, or longer if another call wants that.
func (g *gate) close(wait time.Duration, why string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.host.Now()
	if g.closed.Before(now) { // else it has been said
		g.host.Log().Error("notices of one platform wait", "platform", g.name, "for", wait.String(), "err", why)
	}
	if until := now.Add(wait); until.After(g.closed) {
		g.closed, g.why = until, why
	}
	return g.later(g.closed.Sub(now))
}

// later holds nothing that stops the whole channel.
func (g *gate) later(wait time.Duration) error {
	return sdk.Retry(fmt.Errorf("%s waits: %s", g.name, g.why), wait)
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
