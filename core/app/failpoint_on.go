//go:build failpoint

package app

import (
	"context"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/engine"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// A gateway built with the tag failpoint kills itself, as SIGKILL does, where
// its environment says: GATEWAY_FAILPOINT is "<point>=<n>", the nth time at a
// point. The points are those below and the store's. No other build has them.
const (
	failDurable = "durable, not acknowledged"
	failSent    = "sent, result not durable"
	failTimer   = "timer fired, not durable"
	failReload  = "rules kept, not in force"
)

// fail is what the environment says.
var fail = newFail()

type fault struct {
	point string
	left  atomic.Int64
}

func newFail() *fault {
	point, n, _ := strings.Cut(os.Getenv("GATEWAY_FAILPOINT"), "=")
	left, _ := strconv.ParseInt(n, 10, 64)
	f := &fault{point: point}
	f.left.Store(left)
	return f
}

// failpoint ends the process if this is the time and the place.
func failpoint(point string) {
	if point == fail.point && fail.left.Add(-1) == 0 {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

func failHook() func(string) { return failpoint }

func failStore(s store.Store) store.Store { return storeThatFails{s} }

type storeThatFails struct{ store.Store }

// Append implements store.Store.
func (s storeThatFails) Append(ctx context.Context, events ...store.Event) ([]store.Receipt, error) {
	r, err := s.Store.Append(ctx, events...)
	if err == nil {
		failpoint(failDurable)
	}
	return r, err
}

// Serve implements store.Store.
func (s storeThatFails) Serve(ctx context.Context, own func(context.Context, store.Shard) error) error {
	return s.Store.Serve(ctx, func(ctx context.Context, sh store.Shard) error { return own(ctx, shardThatFails{sh}) })
}

type shardThatFails struct{ store.Shard }

// Commit implements store.Shard.
func (s shardThatFails) Commit(ctx context.Context, c *store.Commit) (store.Rev, error) {
	fresh := len(c.Fresh) > 0
	if slices.ContainsFunc(c.History, isFire) {
		failpoint(failTimer)
	}
	rev, err := s.Shard.Commit(ctx, c)
	if err == nil && fresh {
		failpoint(failDurable)
	}
	return rev, err
}

// isFire says whether a record is that of a timer's event.
func isFire(e store.Entry) bool {
	var entry state.Entry
	return entry.UnmarshalVT(e.Body) == nil && entry.GetRecord().GetView().GetType() == sdk.CustomerUnattended
}

func failDrivers(d engine.Drivers) engine.Drivers { return driversThatFail{d} }

type driversThatFail struct{ engine.Drivers }

// Call implements engine.Drivers.
func (d driversThatFail) Call(instance string, c core.ConversationID, call *pluginv1.Call, timeout time.Duration,
	done func(*pluginv1.Result, core.Fate),
) {
	d.Drivers.Call(instance, c, call, timeout, func(r *pluginv1.Result, fate core.Fate) {
		if fate == core.Answered && r.GetOutcome() == pluginv1.Outcome_OK {
			failpoint(failSent)
		}
		done(r, fate)
	})
}
