package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMessage(t *testing.T) {
	var got struct{ ID, From, Text string }
	if err := json.Unmarshal(message(nil, 3, 12345, "c1-2"), &got); err != nil {
		t.Fatal(err)
	}
	if got.ID != "3-12345" || got.From != "c1-2" || len(got.Text) != textBytes {
		t.Errorf("message = %+v with a text of %d bytes, want id 3-12345 from c1-2 with %d", got, len(got.Text), textBytes)
	}
}

// TestTook counts a message once, and not those of another load.
func TestTook(t *testing.T) {
	l := &load{first: 100, slots: make([]slot, 3)}
	l.next.Store(2)
	now := time.Now()
	l.slots[0].sent, l.slots[1].sent = now, now
	for _, id := range []int64{99, 100, 100, 102} {
		l.took(id, now.Add(time.Millisecond))
	}
	if got := l.arrived.Load(); got != 1 {
		t.Errorf("arrived = %d, want 1", got)
	}
	if got := l.slots[0].took.Load(); got != int64(time.Millisecond) {
		t.Errorf("took = %d ns, want a millisecond", got)
	}
}

func TestPercentiles(t *testing.T) {
	us := make([]float64, 100)
	for i := range us {
		us[99-i] = float64(i)
	}
	if got, want := percentiles(us), (times{50, 99}); got != want {
		t.Errorf("percentiles = %v, want %v", got, want)
	}
	if got := percentiles(nil); got != (times{}) {
		t.Errorf("percentiles of nothing = %v", got)
	}
}

func TestResults(t *testing.T) {
	var r results
	for _, perSecond := range []float64{300, 100, 200} {
		r.add(Row{Case: "gateway", Concurrency: 64, Rules: 1, PerSecond: perSecond, Ratio: perSecond / 400})
	}
	r.add(Row{Case: "floor", Concurrency: 64, PerSecond: 400, Ratio: 1})
	file := filepath.Join(t.TempDir(), "bin", "bench.json")
	if err := r.write(file); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string][]map[string]any
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	row := func(name string, rules, perSecond, ratio float64) map[string]any {
		return map[string]any{"case": name, "concurrency": 64.0, "rules": rules, "per_second": perSecond, "ratio": ratio,
			"accept_p50_us": 0.0, "accept_p99_us": 0.0, "e2e_p50_us": 0.0, "e2e_p99_us": 0.0, "cpu_us": 0.0, "cpu_ratio": 0.0, "rss_mb": 0.0}
	}
	want := map[string][]map[string]any{"rows": {row("gateway", 1, 200, 0.5), row("floor", 0, 400, 1)}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("bench.json (-want +got):\n%s", diff)
	}
	if lowest, highest := r.spread(key{"gateway", 64, 1}); lowest != 100 || highest != 300 {
		t.Errorf("spread = %v to %v, want 100 to 300", lowest, highest)
	}
}
