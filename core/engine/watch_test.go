package engine

import (
	"context"
	"strings"
	"sync"
	"testing/synctest"

	"github.com/openccsp/gateway/core/store"
)

// idle fails the test unless everything is done: nothing waits in the store
// and nothing is in memory.
func (r *rig) idle() {
	r.Helper()
	synctest.Wait()
	for i := range store.Shards {
		for ref := range r.mem.Shard(i).Pending(context.Background()) {
			r.Errorf("command %s of lane %s has not ended", ref.ID, ref.Lane)
		}
	}
	if n := r.e.active(); n != 0 {
		r.Errorf("%d conversations are in memory, want none", n)
	}
	if n := r.e.waiting.Load(); n != 0 {
		r.Errorf("%d events are waiting, want none", n)
	}
	for name, i := range *r.e.instances.Load() {
		i.mu.Lock()
		if i.flying != 0 || i.parked.len() != 0 || i.opens.Load() != 0 || i.awaited.Load() != 0 || i.waiting.Load() != 0 {
			r.Errorf("%s has %d calls, %d parked lanes, %d opens, %d sends, %d events, want none",
				name, i.flying, i.parked.len(), i.opens.Load(), i.awaited.Load(), i.waiting.Load())
		}
		i.mu.Unlock()
	}
	if n := r.e.orphans.refs.Load(); n != 0 {
		r.Errorf("%d refs are waited for, want none", n)
	}
}

// metric returns the sum of a counter over all labels that include value, "" for all.
func (r *rig) metric(name, value string) float64 {
	r.Helper()
	all, err := r.reg.Gather()
	if err != nil {
		r.Fatal(err)
	}
	sum := 0.0
	for _, f := range all {
		for _, m := range f.Metric {
			match := value == ""
			for _, l := range m.Label {
				match = match || l.GetValue() == value
			}
			if f.GetName() == name && match {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

func (r *rig) wantMetric(name, value string, want float64) {
	r.Helper()
	if got := r.metric(name, value); got != want {
		r.Errorf("%s{%s} = %v, want %v", name, value, got, want)
	}
}

// logs keeps what was logged.
type logs struct {
	mu  sync.Mutex
	all strings.Builder
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(b)
}

func (l *logs) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.all.String(), text)
}
