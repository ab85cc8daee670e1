package badger_test

import (
	"crypto/rand"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/core/store/badger"
)

// BenchmarkCommit measures realistic commits at several numbers of concurrent
// callers: a document of 1 KB, a history entry of 400 bytes, a new command,
// the end of the one before it, and the dedup of the event.
func BenchmarkCommit(b *testing.B) {
	for _, callers := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) { benchCommit(b, callers) })
	}
}

// BenchmarkRaw measures the floor: one value of 512 bytes through the
// committer.
func BenchmarkRaw(b *testing.B) {
	for _, callers := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := benchOpen(b)
			value := random(512)
			var n atomic.Uint64
			inParallel(b, callers, func(int) func() error {
				return func() error {
					return s.WriteRaw(b.Context(), fmt.Appendf(nil, "%016x", n.Add(1)), value)
				}
			})
		})
	}
}

func benchOpen(b *testing.B) *badger.Store {
	s, err := badger.Open(badger.Options{Dir: b.TempDir(), Ballast: -1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s
}

func benchCommit(b *testing.B, callers int) {
	s := benchOpen(b)
	shards, unserve := serve(b, s)
	defer unserve()
	doc, entry, out := random(1024), random(400), random(300)
	inParallel(b, callers, func(caller int) func() error {
		id := core.NewConversationID("bench", fmt.Sprint(caller))
		sh := shards[store.ShardOf(id)]
		var n uint64
		return func() error {
			n++
			c := store.Commit{
				Conversation: id, Expect: store.Rev(n - 1), Doc: doc,
				Fresh:   []store.Dedup{{Instance: "bench", ID: fmt.Sprint(n), For: time.Hour}},
				Out:     []store.OutItem{{ID: core.CommandID{Conversation: id, Epoch: 1, N: n}, Lane: "customer", Body: out}},
				OutDone: []store.OutRef{{ID: core.CommandID{Conversation: id, Epoch: 1, N: n - 1}, Lane: "customer"}},
				History: []store.Entry{{N: n, Body: entry}},
			}
			_, _ = rand.Read(c.ID[:])
			_, err := sh.Commit(b.Context(), &c)
			return err
		}
	})
}

// inParallel spreads b.N calls over callers.
func inParallel(b *testing.B, callers int, caller func(int) func() error) {
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for i := range callers {
		call := caller(i)
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := call(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}
