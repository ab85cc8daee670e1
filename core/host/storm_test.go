package host_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/host"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// TestStorm has 64 conversations written to while the plugin is replaced, killed
// and removed, in any order, also in the middle of each other: nothing is lost
// or out of order, and only what a kill made ambiguous is done twice.
func TestStorm(t *testing.T) {
	b := start(t, host.Timing{Served: time.Nanosecond, Healthy: time.Nanosecond}, nil)
	b.replace("echo", "echo_1.0.0")
	b.h.SetInstances([]host.Instance{{Name: "i-echo", Driver: "echo", Revision: 1}})
	b.eventually("it serves", func() bool { _, fate := b.call("i-echo", "hello"); return fate == core.Answered })
	const callers, rounds = 64, 20
	stop := make(chan struct{})
	tallies := make([]tally, callers)
	var all sync.WaitGroup
	for c := range callers {
		tallies[c].twice = map[int]bool{}
		all.Go(func() { b.write(c, &tallies[c], stop) })
	}
	rnd := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // not for secrets
	var kills []time.Duration
	version := 0
	for n := range rounds {
		version++
		b.replace("echo", fmt.Sprintf("echo_1.%d.0", version))
		if rnd.IntN(2) == 0 { // else the kill comes in the middle of the swap
			b.awaitVersion("test.echo", fmt.Sprintf("1.%d.0", version))
		}
		b.eventually("a process", func() bool { return b.running("test.echo").PID != 0 })
		begin := time.Now()
		kill9(t, b.running("test.echo").PID)
		b.eventually("it serves again", func() bool { _, fate := b.call("i-echo", "hello"); return fate == core.Answered })
		kills = append(kills, time.Since(begin))
		b.awaitVersion("test.echo", fmt.Sprintf("1.%d.0", version))
		if n%2 == 0 {
			if err := os.Remove(filepath.Join(b.dir, "echo")); err != nil {
				t.Fatal(err)
			}
			b.eventually("it stops", func() bool { return b.running("test.echo").PID == 0 })
			b.replace("echo", fmt.Sprintf("echo_1.%d.0", version))
			b.awaitVersion("test.echo", fmt.Sprintf("1.%d.0", version))
		}
	}
	close(stop)
	all.Wait()
	p := b.running("test.echo")
	b.stop()
	b.checkSeen(tallies)
	var gaps []time.Duration
	for _, s := range p.Swaps {
		if s.Err == "" {
			gaps = append(gaps, s.Gap)
		}
	}
	slices.Sort(gaps)
	slices.Sort(kills)
	calls, twice := 0, 0
	for _, tally := range tallies {
		calls += tally.next
		twice += len(tally.twice)
	}
	t.Logf("%d calls, %d of them ambiguous and repeated; 0 lost, 0 out of order; %d swaps, gap p50 %s max %s; kill to serving p50 %s max %s",
		calls, twice, len(gaps), gaps[len(gaps)/2], gaps[len(gaps)-1], kills[len(kills)/2], kills[len(kills)-1])
}

// tally is what one caller of the storm has done.
type tally struct {
	next  int          // the first call that is not done
	twice map[int]bool // calls that may have been done more than once
}

// write calls until stop, one call after the other, each until it is answered,
// as the engine does.
func (b *bench) write(c int, tally *tally, stop <-chan struct{}) {
	done := make(chan core.Fate, 2)
	for {
		b.h.Call("i-echo", core.NewConversationID("i-echo", fmt.Sprint(c)), message(fmt.Sprintf("record %d.%d", c, tally.next)), time.Minute,
			func(_ *pluginv1.Result, f core.Fate) { done <- f })
		switch <-done {
		case core.Answered:
			tally.next++
		case core.Lost:
			tally.twice[tally.next] = true
			continue
		default:
			time.Sleep(time.Millisecond)
			continue
		}
		select {
		case <-stop:
			return
		default:
		}
	}
}

// checkSeen compares what the plugin did with what its callers were told.
func (b *bench) checkSeen(tallies []tally) {
	b.t.Helper()
	text, err := os.ReadFile(filepath.Join(b.data, "plugins", "work", "test.echo", "seen"))
	if err != nil {
		b.t.Fatal(err)
	}
	next := make([]int, len(tallies))
	for line := range strings.Lines(string(text)) {
		var c, n int
		if _, err := fmt.Sscanf(line, "%d.%d", &c, &n); err != nil {
			b.t.Fatalf("line %q: %v", line, err)
		}
		switch {
		case n == next[c]:
			next[c]++
		case n == next[c]-1 && tallies[c].twice[n]:
		default:
			b.t.Fatalf("conversation %d: call %d was done, want %d", c, n, next[c])
		}
	}
	for c, tally := range tallies {
		if next[c] != tally.next {
			b.t.Errorf("conversation %d: %d calls were done, %d answered", c, next[c], tally.next)
		}
	}
}
