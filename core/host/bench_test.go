package host_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/host"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// BenchmarkCall measures calls to a real plugin process, a 256-byte text each,
// by that many callers that wait for their answers.
func BenchmarkCall(b *testing.B) {
	b.Run("raw", func(b *testing.B) {
		benchmarkCall(b, "i-echo", func(b *testing.B) *bench { return start(b, host.Timing{}, []string{"echo"}, "echo") })
	})
	b.Run("sdk", func(b *testing.B) {
		benchmarkCall(b, "i-sdk", func(b *testing.B) *bench { return startSDK(b) })
	})
}

func benchmarkCall(b *testing.B, instance string, start func(*testing.B) *bench) {
	for _, callers := range []int{1, 64, 256} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			s := start(b)
			b.ReportAllocs()
			b.ResetTimer()
			var all sync.WaitGroup
			for c := range callers {
				n := b.N / callers
				if c < b.N%callers {
					n++
				}
				all.Go(func() { s.calls(instance, c, n) })
			}
			all.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
		})
	}
}

func (b *bench) calls(instance string, caller, n int) {
	conv := core.NewConversationID(instance, fmt.Sprint(caller))
	text := fmt.Sprintf("%0256d", caller)
	done := make(chan core.Fate, 1)
	answer := func(_ *pluginv1.Result, f core.Fate) { done <- f }
	for range n {
		b.h.Call(instance, conv, message(text), time.Minute, answer)
		if f := <-done; f != core.Answered {
			b.t.Errorf("call = %v", f)
			return
		}
	}
}
