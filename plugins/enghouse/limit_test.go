package main

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
)

func TestLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(10)
		begun := time.Now()
		var wg sync.WaitGroup
		for range 21 {
			wg.Go(func() {
				if err := l.wait(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(begun); took != 2*time.Second {
			t.Errorf("21 polls at 10 a second took %v, want 2s", took)
		}
		time.Sleep(time.Hour) // what was not used is not saved up
		begun = time.Now()
		for range 3 {
			_ = l.wait(t.Context())
		}
		if took := time.Since(begun); took != 200*time.Millisecond {
			t.Errorf("3 more took %v, want 200ms", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		begun = time.Now()
		if err := l.wait(ctx); err == nil || time.Since(begun) != 0 {
			t.Errorf("%v after %v, want an error at once: its turn is too late", err, time.Since(begun))
		}
		gone, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Millisecond, cancel)
		if err := l.wait(gone); err == nil {
			t.Error("the caller has gone, and no error")
		}
	})
}

func TestNoLimit(t *testing.T) {
	l := newLimiter(0)
	if err := l.wait(t.Context()); err != nil || !l.next.IsZero() {
		t.Errorf("%v, next %v; want no limit", err, l.next)
	}
}

// TestTooManyChats: a poll whose turn does not come says which setting it is.
func TestTooManyChats(t *testing.T) {
	c, _ := dial(t, &plugintest.Far{Body: "{}"}, func(s *settings) { s.Poll.MaxPerSecond = 1 })
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if _, err := c.Poll(ctx, chat, nil); err != nil {
		t.Fatal(err)
	}
	_, err := c.Poll(ctx, chat, nil)
	if plugintest.Verdict(err) != "retry" || err.Error() != "poll.max_per_second is too low for the chats that are open: context deadline exceeded" {
		t.Errorf("%v, want a retry that names the setting", err)
	}
}
