package engine

import (
	"context"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/core/store/memstore"
)

// disk is the store as one life of the gateway sees it.
type disk struct {
	*memstore.Store

	mu      sync.Mutex
	dead    bool
	commits []*store.Commit
	appends int
	states  int
	before  func(op string, c *store.Commit) error // may refuse or delay a write
	after   func(op string, c *store.Commit)       // may end the life: the write's caller never learns of it
}

func (d *disk) die() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead = true
}

func (d *disk) isDead() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dead
}

// hook sets what happens around writes.
func (d *disk) hook(before func(string, *store.Commit) error, after func(string, *store.Commit)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.before, d.after = before, after
}

// always is how often refuse refuses if it does not end.
const always = math.MaxInt

// refuse answers the next n writes of an operation with err.
func (d *disk) refuse(op string, n int, err error) {
	var refused atomic.Int64
	d.hook(func(is string, _ *store.Commit) error {
		if is == op && refused.Add(1) <= int64(n) {
			return err
		}
		return nil
	}, nil)
}

// made returns the commits so far.
func (d *disk) made() []*store.Commit {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.commits)
}

// gate delays the writes of an operation until it is opened.
func (d *disk) gate(op string) (open func()) {
	ch := make(chan struct{})
	d.hook(func(is string, _ *store.Commit) error {
		if is == op || op == "commit" && is == "end" {
			<-ch
		}
		return nil
	}, nil)
	return func() { close(ch); synctest.Wait() }
}

// dieAt ends the gateway's life before or after its first write of an
// operation: "before append".
func (r *rig) dieAt(when string) {
	d := r.disk
	d.hook(func(op string, _ *store.Commit) error {
		if when == "before "+op {
			d.die()
		}
		return nil
	}, func(op string, _ *store.Commit) {
		if when == "after "+op {
			d.die()
		}
	})
}

// write is an operation: a write, or the reading of a lane or document.
func (d *disk) write(op string, c *store.Commit, do func() error) error {
	d.mu.Lock()
	dead, before := d.dead, d.before
	d.mu.Unlock()
	if dead {
		return store.ErrClosed
	}
	if before != nil {
		if err := before(op, c); err != nil {
			return err
		}
	}
	if d.isDead() { // while it waited
		return store.ErrClosed
	}
	err := do()
	d.mu.Lock()
	if c != nil && err == nil {
		d.commits = append(d.commits, c)
	}
	d.appends += map[string]int{"append": 1}[op]
	d.states += map[string]int{"state": 1}[op]
	after := d.after
	d.mu.Unlock()
	if after != nil {
		after(op, c)
	}
	if d.isDead() {
		return store.ErrClosed
	}
	return err
}

func (d *disk) Append(ctx context.Context, evs ...store.Event) (rs []store.Receipt, err error) {
	err = d.write("append", nil, func() (err error) { rs, err = d.Store.Append(ctx, evs...); return err })
	return rs, err
}

func (d *disk) Bind(ctx context.Context, instance, ref string, c core.ConversationID, ttl time.Duration) error {
	return d.write("bind", nil, func() error { return d.Store.Bind(ctx, instance, ref, c, ttl) })
}

func (d *disk) SetState(ctx context.Context, instance, key string, old, next []byte) error {
	return d.SetStateFor(ctx, instance, key, old, next, 0)
}

func (d *disk) SetStateFor(ctx context.Context, instance, key string, old, next []byte, ttl time.Duration) error {
	return d.write("state", nil, func() error { return d.Store.SetStateFor(ctx, instance, key, old, next, ttl) })
}

func (d *disk) DeleteDead(ctx context.Context, id string) error {
	return d.write("delete", nil, func() error { return d.Store.DeleteDead(ctx, id) })
}

func (d *disk) Serve(ctx context.Context, own func(context.Context, store.Shard) error) error {
	return d.Store.Serve(ctx, func(ctx context.Context, s store.Shard) error { return own(ctx, diskShard{s, d}) })
}

type diskShard struct {
	store.Shard
	d *disk
}

func (s diskShard) Load(ctx context.Context, c core.ConversationID) (doc []byte, rev store.Rev, err error) {
	err = s.d.write("load", nil, func() (err error) { doc, rev, err = s.Shard.Load(ctx, c); return err })
	return doc, rev, err
}

func (s diskShard) Lane(ctx context.Context, c core.ConversationID, lane store.Lane, after core.CommandID, limit int) (items []store.OutItem, err error) {
	err = s.d.write("lane", nil, func() (err error) { items, err = s.Shard.Lane(ctx, c, lane, after, limit); return err })
	return items, err
}

// Commit is the operation "end" if it ends a command, else "commit".
func (s diskShard) Commit(ctx context.Context, c *store.Commit) (rev store.Rev, err error) {
	op := "commit"
	if len(c.OutDone) > 0 {
		op = "end"
	}
	err = s.d.write(op, c, func() (err error) { rev, err = s.Shard.Commit(ctx, c); return err })
	return rev, err
}
