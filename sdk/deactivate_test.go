package sdk

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/openccsp/gateway/sdk/internal/env"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// hearer is a channel that says when it begins and ends to listen.
type hearer struct {
	nothing
	begins, ends chan struct{}
}

func (h *hearer) Listen(ctx context.Context, _ func(context.Context, ...Event) error) error {
	h.begins <- struct{}{}
	<-ctx.Done()
	h.ends <- struct{}{}
	return nil
}

// TestDeactivate: the listener has ended when the call returns, the instance
// stays open, and Activate undoes it.
func TestDeactivate(t *testing.T) {
	h := &hearer{begins: make(chan struct{}, 1), ends: make(chan struct{}, 1)}
	s := newServer(Plugin{ID: "org.example.hearer", Version: "1.0.0", Drivers: []Driver{
		NewChannel("hearer", Capabilities{}, func(context.Context, struct{}, Host) (*hearer, error) { return h, nil }),
	}}, env.Env{Log: slog.New(slog.DiscardHandler), Now: time.Now})
	t.Cleanup(s.closeSoon)
	st, err := s.OpenInstance(t.Context(), &pluginv1.InstanceSpec{Instance: "a", Driver: "hearer", Revision: 1})
	if err != nil || !st.Ok {
		t.Fatalf("open = %v, %v", st, err)
	}
	names := &pluginv1.ActivateRequest{Instances: []string{"a", "gone"}}
	for range 2 {
		if _, err := s.Activate(t.Context(), &pluginv1.ActivateRequest{Instances: []string{"a"}}); err != nil {
			t.Fatal(err)
		}
		<-h.begins
		if _, err := s.Deactivate(t.Context(), names); err != nil {
			t.Fatal(err)
		}
		select {
		case <-h.ends:
		default:
			t.Error("Deactivate returned before the listener")
		}
		if s.pin("a") == nil {
			t.Fatal("the instance is no longer open")
		}
	}
}
