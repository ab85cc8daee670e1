package sdk

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/openccsp/gateway/sdk/internal/env"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// hearer is a channel that says when it begins and ends to listen.
type hearer struct {
	nothing
	begins, ends chan struct{}
	binds        func() error
}

func (h *hearer) Bind(context.Context) error {
	if h.binds == nil {
		return nil
	}
	return h.binds()
}

func (h *hearer) Listen(ctx context.Context, _ func(context.Context, ...Event) error) error {
	h.begins <- struct{}{}
	<-ctx.Done()
	h.ends <- struct{}{}
	return nil
}

// open returns a server in which instance a is open.
func (h *hearer) open(t *testing.T) *server {
	t.Helper()
	s := newServer(Plugin{ID: "org.example.hearer", Version: "1.0.0", Drivers: []Driver{
		NewChannel("hearer", Capabilities{}, func(context.Context, struct{}, Host) (*hearer, error) { return h, nil }),
	}}, env.Env{Log: slog.New(slog.DiscardHandler), Now: time.Now})
	t.Cleanup(s.closeSoon)
	st, err := s.OpenInstance(t.Context(), &pluginv1.InstanceSpec{Instance: "a", Driver: "hearer", Revision: 1})
	if err != nil || !st.Ok {
		t.Fatalf("open = %v, %v", st, err)
	}
	return s
}

// TestDeactivate: the listener has ended when the call returns, the instance
// stays open, and Activate undoes it.
func TestDeactivate(t *testing.T) {
	h := &hearer{begins: make(chan struct{}, 1), ends: make(chan struct{}, 1)}
	s := h.open(t)
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

// TestActivateAwaitsBind: Activate says whether the listener has what it needs,
// which it goes on trying to get.
func TestActivateAwaitsBind(t *testing.T) {
	results := make(chan error, 2)
	results <- errors.New("port 1883 is taken")
	h := &hearer{begins: make(chan struct{}, 1), ends: make(chan struct{}, 1), binds: func() error { return <-results }}
	s := h.open(t)
	a := &pluginv1.ActivateRequest{Instances: []string{"a"}}
	for range 2 {
		_, err := s.Activate(t.Context(), a)
		if status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "port 1883 is taken") {
			t.Errorf("Activate = %v, want why it cannot listen", err)
		}
	}
	results <- nil
	<-h.begins
	if _, err := s.Activate(t.Context(), a); err != nil {
		t.Errorf("Activate when it listens = %v", err)
	}
	if _, err := s.Deactivate(t.Context(), a); err != nil {
		t.Error(err)
	}
	<-h.ends
}
