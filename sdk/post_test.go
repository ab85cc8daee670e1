package sdk

import (
	"context"
	"errors"
	"testing"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// TestNumbersAscend: frames that the gateway answers leave in the order of their
// numbers, however many goroutines ask at the same time.
func TestNumbersAscend(t *testing.T) {
	const n = 2000
	ctx, cancel := context.WithCancel(t.Context())
	l := newLink(ctx, nothingServer(t))
	out := sink{answers: make(chan *pluginv1.PluginFrame, n)}
	written := make(chan error, 1)
	go func() { written <- l.write(out) }()
	var askers gauge
	for range n {
		askers.run(func() {
			f := &pluginv1.PluginFrame{Body: &pluginv1.PluginFrame_Inbound{Inbound: &pluginv1.Inbound{}}}
			if _, err := l.ask(ctx, f, nil); !errors.Is(err, context.Canceled) && !errors.Is(err, errLinkLost) {
				t.Errorf("ask without an answer: %v", err)
			}
		})
	}
	for want := uint64(1); want <= n; want++ {
		if f := <-out.answers; f.Seq != want {
			t.Errorf("frame %d has the number %d", want, f.Seq)
			break
		}
	}
	cancel()
	if err := <-written; err != nil {
		t.Error(err)
	}
	if err := askers.wait(t.Context()); err != nil {
		t.Error(err)
	}
}
