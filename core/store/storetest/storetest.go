// Package storetest is the suite that every engine of the store must pass: one
// subtest for each promise that the comments of package store make.
//
//	func TestMemory(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) store.Store { return open(t) }, storetest.Options{})
//	}
package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/store"
)

// Options are what an engine can do beside store.Store. A subtest that needs
// what is nil says so and is skipped.
type Options struct {
	// Reopen closes s and opens its data again.
	Reopen func(t *testing.T, s store.Store) store.Store
	// Full makes the disk of s look full, or not.
	Full func(s store.Store, full bool)
	// Break makes the next sync of s fail.
	Break func(s store.Store)
}

// Run tests the stores that open returns. Each subtest gets a fresh one and
// closes it.
func Run(t *testing.T, open func(t *testing.T) store.Store, o Options) {
	for _, group := range [][]subtest{mailTests, commitTests, outboxTests, keepTests, readerTests, lifeTests, modelTests} {
		for _, st := range group {
			t.Run(st.name, func(t *testing.T) {
				if !st.ends {
					defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
				}
				f := &fixture{T: t, o: o, open: open, Store: open(t)}
				defer f.close()
				f.serve()
				st.run(f)
			})
		}
	}
}

// subtest is one promise.
type subtest struct {
	name string
	run  func(*fixture)
	ends bool // the process would end here: goroutines may stay
}

// fixture is an open and served store.
type fixture struct {
	*testing.T
	store.Store
	o       Options
	open    func(t *testing.T) store.Store
	shards  [store.Shards]store.Shard
	unserve func() error
}

// serve takes all shards, until unserve.
func (f *fixture) serve() {
	f.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var mu sync.Mutex
	var got sync.WaitGroup
	got.Add(store.Shards)
	done := make(chan error, 1)
	go func() {
		done <- f.Serve(ctx, func(ctx context.Context, s store.Shard) error {
			mu.Lock()
			f.shards[s.ID()] = s
			mu.Unlock()
			got.Done()
			<-ctx.Done()
			return nil
		})
	}()
	got.Wait()
	f.unserve = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
}

// close stops serving and closes the store.
func (f *fixture) close() {
	f.Helper()
	if err := f.unserve(); err != nil && !errors.Is(err, store.ErrBroken) {
		f.Errorf("Serve = %v", err)
	}
	if err := f.Close(); err != nil && !errors.Is(err, store.ErrBroken) {
		f.Errorf("Close = %v", err)
	}
}

// reopen closes the store and opens its data again.
func (f *fixture) reopen() {
	f.Helper()
	if err := f.unserve(); err != nil {
		f.Fatalf("Serve = %v", err)
	}
	f.Store = f.o.Reopen(f.T, f.Store)
	f.serve()
}

// need skips the subtest if the engine has no such ability.
func (f *fixture) need(ok bool, what string) {
	if !ok {
		f.Skipf("this engine has no %s", what)
	}
}

// shard returns the shard of a conversation.
func (f *fixture) shard(c core.ConversationID) store.Shard {
	return f.shards[(int(c[0])<<8|int(c[1]))%store.Shards]
}

// conv returns the nth conversation of this test.
func conv(n int) core.ConversationID { return core.NewConversationID("storetest", fmt.Sprint(n)) }

// commit commits c, with a random id if it has none, and fails the test on an
// error.
func (f *fixture) commit(c store.Commit) store.Rev {
	f.Helper()
	rev, err := f.tryCommit(c)
	if err != nil {
		f.Fatalf("Commit = %v", err)
	}
	return rev
}

func (f *fixture) tryCommit(c store.Commit) (store.Rev, error) {
	if c.ID == ([16]byte{}) {
		c.ID = randomID()
	}
	return f.shard(c.Conversation).Commit(f.Context(), &c)
}

func randomID() (id [16]byte) {
	_, _ = rand.Read(id[:])
	return id
}

// append appends events and fails the test on an error.
func (f *fixture) append(evs ...store.Event) []store.Receipt {
	f.Helper()
	rs, err := f.Append(f.Context(), evs...)
	if err != nil {
		f.Fatalf("Append = %v", err)
	}
	if len(rs) != len(evs) {
		f.Fatalf("Append of %d events = %d receipts", len(evs), len(rs))
	}
	return rs
}

// mails returns the whole mailbox of a conversation.
func (f *fixture) mails(c core.ConversationID) []store.Mail {
	f.Helper()
	ms, err := f.shard(c).Mail(f.Context(), c, 0, 1<<20)
	if err != nil {
		f.Fatalf("Mail = %v", err)
	}
	return ms
}

func event(c core.ConversationID, id, body string) store.Event {
	return store.Event{Conversation: c, Dedup: store.Dedup{Instance: "i", ID: id, For: time.Hour}, Body: []byte(body)}
}

// wantErr fails the test if err is not want.
func (f *fixture) wantErr(what string, err, want error) {
	f.Helper()
	if !errors.Is(err, want) {
		f.Errorf("%s = %v, want %v", what, err, want)
	}
}

func (f *fixture) eventually(what string, ok func() bool) {
	f.Helper()
	Eventually(f.T, what, ok)
}

// Eventually polls until ok; for what only time brings.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within a minute: %s", what)
		}
	}
}
