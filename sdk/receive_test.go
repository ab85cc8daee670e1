package sdk_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/sdktest"
)

func startHook(t *testing.T, h *hook) *sdktest.Gateway {
	t.Helper()
	return sdktest.Start(t, h.plugin(), "inst", "hook", fakeSettings{})
}

// TestEmit: emit returns when the events are durable, also if the gateway
// refused them at first.
func TestEmit(t *testing.T) {
	done := make(chan error, 1)
	begin := make(chan struct{})
	f := &fake{listen: func(ctx context.Context, emit func(context.Context, ...sdk.Event) error) error {
		<-begin
		var events []sdk.Event
		for i := range 200 { // more than one frame holds
			events = append(events, sdk.Event{Type: sdk.CustomerMessage, ID: fmt.Sprint(i), Customer: ada})
		}
		done <- emit(ctx, events...)
		<-ctx.Done()
		return nil
	}}
	g := f.start(t)
	g.RefuseEvents(3)
	close(begin)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		if e := g.NextEvent(); e.ID != fmt.Sprint(i) {
			t.Fatalf("event %d has the id %s", i, e.ID)
		}
	}
}

// TestEmitNobody: what can never be accepted is not emitted for ever.
func TestEmitNobody(t *testing.T) {
	result := make(chan error, 1)
	f := &fake{listen: func(ctx context.Context, emit func(context.Context, ...sdk.Event) error) error {
		result <- emit(ctx, sdk.Event{Type: sdk.CustomerMessage})
		<-ctx.Done()
		return nil
	}}
	f.start(t)
	if err := <-result; kind(err) != "rejected event an event needs a customer or a ref" {
		t.Errorf("emit: %v", err)
	}
}

// TestEmitOfACall: a call is named by its id alone.
func TestEmitOfACall(t *testing.T) {
	f := &fake{listen: func(ctx context.Context, emit func(context.Context, ...sdk.Event) error) error {
		err := emit(ctx, sdk.Event{Type: sdk.CallAnswered, CallID: "c1"}, sdk.Event{Type: sdk.CallEnded, CallID: "c1", Ref: "r1"})
		if err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	}}
	g := f.start(t)
	for _, want := range []string{"c1", "r1"} {
		if e := g.NextEvent(); e.Ref != want || e.CallID != "c1" {
			t.Errorf("event %+v, want the ref %s", e, want)
		}
	}
}

// TestEmitUnderPressure: many goroutines may emit, more than there are credits.
func TestEmitUnderPressure(t *testing.T) {
	const n = 500
	f := &fake{listen: func(ctx context.Context, emit func(context.Context, ...sdk.Event) error) error {
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				if err := emit(ctx, sdk.Event{Type: sdk.CustomerMessage, ID: fmt.Sprint(i), Customer: ada}); err != nil {
					t.Errorf("event %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		<-ctx.Done()
		return nil
	}}
	g := f.start(t)
	seen := make(map[string]bool)
	for range n {
		seen[g.NextEvent().ID] = true
	}
	if len(seen) != n {
		t.Errorf("%d different events, want %d", len(seen), n)
	}
}

// TestEmitDuringDrain: what has been emitted is still acknowledged.
func TestEmitDuringDrain(t *testing.T) {
	result := make(chan error, 1)
	listening := make(chan struct{})
	f := &fake{}
	f.listen = func(ctx context.Context, emit func(context.Context, ...sdk.Event) error) error {
		close(listening)
		<-ctx.Done()
		result <- emit(context.WithoutCancel(ctx), sdk.Event{Type: sdk.CustomerMessage, ID: "last", Ref: "chat"})
		return nil
	}
	g := f.start(t)
	<-listening
	if n := g.Drain(t.Context(), time.Minute); n != 0 {
		t.Errorf("drain left %d", n)
	}
	if err := <-result; err != nil {
		t.Errorf("emit: %v", err)
	}
	if e := g.NextEvent(); e.ID != "last" {
		t.Errorf("event %s", e.ID)
	}
}

// TestListenerRestarts: after an error Listen is called again, and health says
// what is wrong meanwhile.
func TestListenerRestarts(t *testing.T) {
	var calls atomic.Int32
	f := &fake{listen: func(ctx context.Context, emit func(context.Context, ...sdk.Event) error) error {
		switch calls.Add(1) {
		case 1:
			panic("at once")
		case 2:
			return sdk.Retry(errors.New("no session"), time.Millisecond)
		}
		if err := emit(ctx, sdk.Event{Type: sdk.CustomerMessage, ID: "third", Customer: ada}); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	}}
	g := f.start(t)
	if e := g.NextEvent(); e.ID != "third" || calls.Load() != 3 {
		t.Errorf("event %s of call %d", e.ID, calls.Load())
	}
	if trouble := g.Trouble(t.Context()); trouble != "" {
		t.Errorf("trouble %q after the restart", trouble)
	}
}

func TestTrouble(t *testing.T) {
	f := &fake{listen: func(context.Context, func(context.Context, ...sdk.Event) error) error {
		return sdk.Retry(errors.New("login refused"), time.Hour)
	}}
	g := f.start(t)
	for deadline := time.Now().Add(time.Minute); g.Trouble(t.Context()) != "login refused"; {
		if time.Now().After(deadline) {
			t.Fatalf("trouble %q", g.Trouble(t.Context()))
		}
	}
}

// TestReconfigureRestartsListener: the old listener ends before the new one
// begins, and the value is closed once, after its last call.
func TestReconfigureRestartsListener(t *testing.T) {
	var listening, most, closed atomic.Int32
	begun := make(chan struct{}, 2)
	f := &fake{
		listen: func(ctx context.Context, _ func(context.Context, ...sdk.Event) error) error {
			most.Store(max(most.Load(), listening.Add(1)))
			defer listening.Add(-1)
			begun <- struct{}{}
			<-ctx.Done()
			return nil
		},
		close: func(context.Context) error {
			closed.Add(1)
			return nil
		},
	}
	g := f.start(t)
	<-begun
	if err := g.Reconfigure(t.Context(), fakeSettings{Name: "new"}); err != nil {
		t.Fatal(err)
	}
	<-begun
	if most.Load() != 1 {
		t.Errorf("%d listeners at a time", most.Load())
	}
	g.Stop()
	if closed.Load() != 2 {
		t.Errorf("closed %d values, want 2", closed.Load())
	}
}

func TestHostServices(t *testing.T) {
	f := &fake{}
	g := f.start(t)
	ctx, h := t.Context(), f.host
	if v, err := h.State(ctx, "token"); v != nil || err != nil {
		t.Errorf("no state: %q, %v", v, err)
	}
	if err := h.SetState(ctx, "token", nil, []byte("one")); err != nil {
		t.Error(err)
	}
	if err := h.SetState(ctx, "token", nil, []byte("two")); !errors.Is(err, sdk.ErrConflict) {
		t.Errorf("set over another value: %v, want %v", err, sdk.ErrConflict)
	}
	if v, err := h.State(ctx, "token"); string(v) != "one" || err != nil {
		t.Errorf("state: %q, %v", v, err)
	}
	if err := h.SaveSecret(ctx, "refresh", "r2"); err != nil || g.Secret("refresh") != "r2" {
		t.Errorf("secret %q, %v", g.Secret("refresh"), err)
	}
	g.SetUndelivered("ada", sdk.Message{ID: "1", Text: "a"}, sdk.Message{ID: "2", Text: "b"})
	if ms, err := h.Undelivered(ctx, "ada", "1", 0); err != nil || len(ms) != 1 || ms[0].Text != "b" {
		t.Errorf("undelivered %+v, %v", ms, err)
	}
	h.CustomerTyping("ada", true)
	if got, want := <-g.TypingReports(), (sdktest.Typing{Address: "ada", On: true}); got != want {
		t.Errorf("typing %+v, want %+v", got, want)
	}
	before := h.Now()
	g.Advance(time.Hour)
	if d := h.Now().Sub(before); d < time.Hour {
		t.Errorf("the clock went on by %v", d)
	}
	if h.Instance() != "inst" || h.PublicURL() != "https://gateway.example/hooks/inst" || h.DataDir() == "" {
		t.Errorf("instance %q at %q in %q", h.Instance(), h.PublicURL(), h.DataDir())
	}
}

// TestHostInOpen: opening may need the gateway's services.
func TestHostInOpen(t *testing.T) {
	p := onePlugin(sdk.NewChannel("fake", sdk.Capabilities{},
		func(ctx context.Context, _ fakeSettings, h sdk.Host) (*fake, error) {
			return &fake{}, h.SetState(ctx, "opened", nil, []byte("yes"))
		}))
	g := sdktest.Start(t, p, "inst", "fake", fakeSettings{})
	if got := string(g.State("opened")); got != "yes" {
		t.Errorf("state %q", got)
	}
}

// TestStubbornListener: a listener that outlives a drain is not joined by a
// second one when the instance may receive again.
func TestStubbornListener(t *testing.T) {
	var calls atomic.Int32
	first, second, leave := make(chan struct{}), make(chan struct{}), make(chan struct{})
	f := &fake{listen: func(ctx context.Context, _ func(context.Context, ...sdk.Event) error) error {
		if calls.Add(1) == 1 {
			close(first)
			<-leave // whatever ctx says
			return nil
		}
		close(second)
		<-ctx.Done()
		return nil
	}}
	g := f.start(t)
	<-first
	g.Drain(t.Context(), 10*time.Millisecond)
	g.Activate(t.Context())
	select {
	case <-second:
		t.Error("two listeners at a time")
	case <-time.After(50 * time.Millisecond):
	}
	close(leave)
	<-second
}
