package engine

import (
	rtmetrics "runtime/metrics"
	"sync/atomic"
	"time"

	"github.com/openccsp/gateway/core"
)

const (
	maxAge  = 4 * time.Second // how long an event may take to be durable
	shedFor = time.Second     // how long nothing is accepted after one took longer
)

// admit makes room for n events of an instance, or says why there is none.
func (e *Engine) admit(i *instance, n int64, now time.Time) error {
	if now.UnixMilli() < e.shedUntil.Load() {
		return core.Errorf(core.Unavailable, "the store is slow")
	}
	if e.MaxHeap > 0 && e.heap.read(now) > e.MaxHeap {
		return core.Errorf(core.Unavailable, "too much waits in memory")
	}
	all, own := e.waiting.Add(n), i.waiting.Add(n)
	switch {
	case own > int64(e.MaxInstance):
		e.discharge(i, n)
		return core.Errorf(core.TooMany, "too many events are waiting")
	case all > int64(e.MaxWaiting):
		e.discharge(i, n)
		return core.Errorf(core.Unavailable, "too many events are waiting")
	}
	return nil
}

// discharge gives back the room of n events.
func (e *Engine) discharge(i *instance, n int64) {
	e.waiting.Add(-n)
	i.waiting.Add(-n)
}

// shed refuses new events for a while after one that was accepted at the given
// time took too long: the far side is better told at once.
func (e *Engine) shed(accepted time.Time) {
	if now := e.Clock.Now(); now.Sub(accepted) > maxAge {
		e.shedUntil.Store(now.Add(shedFor).UnixMilli())
	}
}

// heapGauge knows how many bytes were in use after the last collection.
type heapGauge struct {
	at   atomic.Int64 // Unix milliseconds of the reading
	live atomic.Int64
}

// heapEvery is how old a reading may be.
const heapEvery = 100 * time.Millisecond

func (g *heapGauge) read(now time.Time) int64 {
	old := g.at.Load()
	if ms := now.UnixMilli(); ms-old >= heapEvery.Milliseconds() && g.at.CompareAndSwap(old, ms) {
		s := []rtmetrics.Sample{{Name: "/gc/heap/live:bytes"}}
		rtmetrics.Read(s)
		g.live.Store(int64(s[0].Value.Uint64()))
	}
	return g.live.Load()
}
