package host

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// drain has the plugin finish what it has, and waits for the answers, until
// ctx ends. release has it give up what only one process can have. Nothing
// more is sent to the plugin.
func (g *generation) drain(ctx context.Context, left time.Duration, release bool) error {
	defer g.drainOnce.Do(func() { close(g.drained) })
	g.link.seal()
	flush, cancel := context.WithTimeout(ctx, min(left/2, g.h.t.describe))
	g.link.flush(flush) // or the plugin would refuse what it gets after the drain
	cancel()
	_, err := g.plugin.Drain(ctx, &pluginv1.DrainRequest{
		DeadlineMs: uint32(max(left.Milliseconds(), 1)), ReleaseExclusive: release})
	g.drainOnce.Do(func() { close(g.drained) })
	if err != nil && status.Code(err) != codes.Unimplemented {
		g.log.Warn("plugin did not drain", "err", plain(err))
		return plain(err)
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for g.pins.Load() > 0 || g.link.unanswered() > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-g.proc.exited:
			return errors.New("plugin ended")
		}
	}
	return nil
}

// patience is how long a drain may take, of at most limit.
func (g *generation) patience(limit time.Duration) time.Duration {
	if own := time.Duration(g.mf.DrainTimeoutMs) * time.Millisecond; own > 0 {
		return min(limit, own)
	}
	return limit
}

// quit drains the generation and stops it, in ctx's time.
func (g *generation) quit(ctx context.Context) {
	left := g.h.t.drain
	if d, ok := ctx.Deadline(); ok {
		left = time.Until(d) - g.h.t.shutdown - g.h.t.term
	}
	left = g.patience(left)
	drain, cancel := context.WithTimeout(ctx, left)
	_ = g.drain(drain, left, false) // it has been logged, and what is open is lost now
	cancel()
	g.stop(ctx)
}

// stop ends the process in bounded time: Shutdown, SIGTERM, SIGKILL.
func (g *generation) stop(ctx context.Context) {
	if g.attached {
		g.letGo()
		return
	}
	if g.conn != nil {
		call, cancel := context.WithTimeout(ctx, g.h.t.shutdown)
		// go-plugin's own Shutdown waits for ever for a stopped process.
		err := g.conn.Invoke(call, "/plugin.GRPCController/Shutdown", &emptypb.Empty{}, &emptypb.Empty{})
		if err == nil {
			select {
			case <-g.proc.exited:
			case <-call.Done():
			}
		}
		cancel()
		g.proc.signal(syscall.SIGTERM)
		g.proc.awaitFor(g.h.t.term)
	}
	g.kill()
}

// cleanUp is how long go-plugin may take to end its goroutines.
const cleanUp = 5 * time.Second

// kill ends the process at once, if it still runs, answers what is open, and
// frees everything the generation holds.
func (g *generation) kill() {
	if g.attached {
		g.letGo()
		return
	}
	if err := g.proc.Kill(context.Background()); err != nil {
		g.log.Error("plugin does not end", "err", err)
	}
	g.disconnect()
	cleaned := make(chan struct{})
	go func() {
		defer close(cleaned)
		g.client.Kill() // waits for go-plugin's goroutines; the process is gone
	}()
	select {
	case <-cleaned:
	case <-time.After(cleanUp):
		g.log.Error("clean-up after the plugin overran, it goes on in the background")
	}
	if g.proc.socketDir != "" {
		_ = os.RemoveAll(g.proc.socketDir)
	}
}

// disconnect ends the stream. What the plugin had already sent is still read:
// an answer in the socket is an answer.
func (g *generation) disconnect() {
	g.drainOnce.Do(func() { close(g.drained) })
	if g.link == nil {
		return
	}
	g.unwatch()
	g.watching.Wait()
	select {
	case <-g.broke:
	case <-time.After(pipeGrace):
		g.breakLink(errors.New("closed"))
	}
	g.links.Wait()
	g.serving.Store(&map[string]bool{})
	g.link.close()
	g.h.wg.Go(func() { // a slow store must not hold up the restart
		g.inbox.close()
		g.calls.Wait()
	})
}
