package main

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
)

// other is the same channel in another process, which knows the same settings.
func (r *rig) other(t *testing.T) *channel {
	t.Helper()
	c, err := new(accounts).open(t.Context(), r.set, r.host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseInstance(context.Background()) })
	return c
}

// TestTwoProcesses: while one version takes over from another, both send: what one
// renews the other goes on with, and no refresh token is used twice.
func TestTwoProcesses(t *testing.T) {
	r := dial(t, byOAuth2)
	next := r.other(t)
	for day := range 3 {
		for _, c := range []*channel{r.channel, next} {
			if _, err := c.Send(t.Context(), toAda, text("Hi")); err != nil {
				t.Fatalf("day %d: %v", day, err)
			}
		}
		if n, _ := r.x.Renewed(); n != day+1 {
			t.Errorf("day %d: renewed %d times", day, n)
		}
		r.pass(24 * time.Hour)
	}
	for day := range 5 { // the second alone, until the first has been away for a while
		if _, err := next.Send(t.Context(), toAda, text("Hi")); err != nil {
			t.Fatalf("day %d: %v", day, err)
		}
		r.pass(24 * time.Hour)
	}
	if _, err := r.Send(t.Context(), toAda, text("Hi")); err != nil {
		t.Error(err)
	}
	r.sound(t)
}

// TestBothAtOnce: two processes that renew at the same moment: one does, and the other
// is told to come again.
func TestBothAtOnce(t *testing.T) {
	r := dial(t, byOAuth2)
	both := []*channel{r.channel, r.other(t)}
	errs := make([]error, len(both))
	var wg sync.WaitGroup
	for i, c := range both {
		wg.Go(func() { _, errs[i] = c.Send(t.Context(), toAda, text("Hi")) })
	}
	wg.Wait()
	for i, err := range errs {
		if got := plugintest.Verdict(err); got != "ok" && got != "retry" {
			t.Errorf("process %d: %v", i, err)
		}
		if _, err := both[i].Send(t.Context(), toAda, text("again")); err != nil {
			t.Errorf("process %d, again: %v", i, err)
		}
	}
	if n, _ := r.x.Renewed(); n != 1 {
		t.Errorf("renewed %d times", n)
	}
	r.sound(t)
}

// TestRestart: a process that starts goes on with the access token there is.
func TestRestart(t *testing.T) {
	r := dial(t, byOAuth2)
	for range 3 {
		if _, err := r.other(t).Send(t.Context(), toAda, text("Hi")); err != nil {
			t.Fatal(err)
		}
	}
	if n, _ := r.x.Renewed(); n != 1 {
		t.Errorf("renewed %d times", n)
	}
	r.sound(t)
}

// TestSealed: the state shows no token, and a record that cannot be read is none.
func TestSealed(t *testing.T) {
	r := dial(t, byOAuth2)
	if _, err := r.Send(t.Context(), toAda, text("Hi")); err != nil {
		t.Fatal(err)
	}
	raw := r.host.state[recordKey]
	rec, _, err := r.record(t.Context())
	if err != nil || rec.Refresh != r.host.saved()[0] || rec.Access == "" || len(rec.Spent) != 1 {
		t.Errorf("record %+v, %v", rec, err)
	}
	for _, secret := range []string{rec.Refresh, rec.Access, "refresh", "access"} {
		if bytes.Contains(raw, []byte(secret)) {
			t.Errorf("the state has %q", secret)
		}
	}
	for name, broken := range map[string][]byte{"cut": raw[:20], "short": []byte("x"), "changed": append(bytes.Clone(raw[:len(raw)-1]), raw[len(raw)-1]^1)} {
		r.host.state[recordKey] = broken
		if rec, _, err := r.record(t.Context()); err != nil || rec.Refresh != "" {
			t.Errorf("%s: %+v %v", name, rec, err)
		}
	}
	r.pass(24 * time.Hour)
	if _, err := r.Send(t.Context(), toAda, text("Hi")); err != nil {
		t.Error(err)
	}
	r.sound(t)
}

// TestClaim: a process that died while it renewed holds up the others for half a
// minute.
func TestClaim(t *testing.T) {
	r := dial(t, byOAuth2)
	if err := r.claim(t.Context(), record{}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Send(t.Context(), toAda, text("Hi")); plugintest.Verdict(err) != "retry" {
		t.Errorf("%v, want retry", err)
	}
	r.pass(renewLimit)
	if _, err := r.Send(t.Context(), toAda, text("Hi")); err != nil {
		t.Error(err)
	}
	if err := r.claim(t.Context(), record{}, []byte("another")); plugintest.Verdict(err) != "retry" || errors.Is(err, context.Canceled) {
		t.Errorf("who was slower: %v", err)
	}
	r.sound(t)
}
