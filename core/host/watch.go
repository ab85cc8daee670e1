package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// maxMissed is how many pings or health checks in a row may stay unanswered.
const maxMissed = 3

// connect opens the data stream. ctx is only for opening it.
func (g *generation) connect(ctx context.Context, s *slot) error {
	g.slot = s
	own, cancel := context.WithCancel(context.Background())
	unhook := context.AfterFunc(ctx, cancel)
	stream, err := pluginv1.NewLinkClient(g.conn).Exchange(own)
	if !unhook() || err != nil {
		cancel()
		if err == nil {
			err = ctx.Err()
		}
		return fmt.Errorf("open stream: %w", plain(err))
	}
	g.stopL = cancel
	limit := defaultOpen
	if n := int(g.mf.MaxInFlight); n > 0 && n < limit {
		limit = n
	}
	g.inbox = newInbox(g.accept, g.accepted)
	g.link = newLink(stream, limit, g.h.t.grace, g.log, g.h.m.link(g.mf.PluginId), g.notice)
	g.link.stuck = g.h.t.stuck
	// A broken stream ends both, but only the reader may say so: it has first
	// to read the answers that did arrive.
	g.links.Go(func() { _ = g.link.write(own) })
	g.links.Go(func() { g.breakLink(g.link.read()) })
	watch, end := context.WithCancel(context.Background())
	g.unwatch = end
	g.watching.Go(func() {
		if err := g.watch(watch); err != nil {
			g.down <- err
			g.h.changed()
		}
	})
	return nil
}

func (g *generation) breakLink(err error) {
	if errors.Is(err, io.EOF) {
		err = errors.New("plugin closed the stream")
	}
	g.brokeOnce.Do(func() {
		g.brokeErr = plain(err)
		g.stopL()
		close(g.broke)
	})
}

// watch returns why the generation cannot go on: it ended, its stream broke, or
// it does not answer. It returns nil when ctx ends.
func (g *generation) watch(ctx context.Context) error {
	var checks sync.WaitGroup
	defer checks.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sick := make(chan error, 1)
	if !g.attached { // it may stand at a breakpoint
		checks.Go(func() { g.checkHealth(ctx, sick) })
	}

	sweep := time.NewTicker(g.h.t.sweep)
	defer sweep.Stop()
	ping := time.NewTicker(g.h.t.ping)
	defer ping.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-g.proc.exited:
			return g.endError()
		case <-g.broke:
			return g.deathError() // usually it died
		case err := <-sick:
			return err
		case now := <-sweep.C:
			g.link.expire(now)
			if err := g.wedged(now); err != nil && !g.attached {
				return err
			}
		case <-ping.C:
			if g.link.sendPing() >= maxMissed && !g.attached {
				return fmt.Errorf("wedged: no pong to %d pings", maxMissed)
			}
		}
	}
}

func (g *generation) endError() error { return g.proc.endError("process ended") }

// checkHealth asks for the plugin's health until ctx ends, and tells sick when
// it has been bad too often.
func (g *generation) checkHealth(ctx context.Context, sick chan<- error) {
	t := time.NewTicker(g.h.t.health)
	defer t.Stop()
	missed := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		call, cancel := context.WithTimeout(ctx, min(5*time.Second, g.h.t.health))
		r, err := g.plugin.CheckHealth(call, &pluginv1.HealthRequest{})
		cancel()
		if err == nil && r.Serving || status.Code(err) == codes.Unimplemented {
			missed = 0
			for _, i := range r.GetInstances() {
				g.instanceHealth(i)
			}
			continue
		}
		if missed++; missed >= maxMissed {
			sick <- fmt.Errorf("%w: %d health checks failed", errUnhealthy, maxMissed)
			return
		}
	}
}

// dead says that the process has ended or its stream has.
func (g *generation) dead() bool {
	select {
	case <-g.proc.exited:
		return true
	case <-g.broke:
		return true
	default:
		return false
	}
}

func (g *generation) deathError() error {
	if g.proc.awaitFor(pipeGrace) {
		return g.endError()
	}
	return fmt.Errorf("stream broke: %w", g.brokeErr)
}
