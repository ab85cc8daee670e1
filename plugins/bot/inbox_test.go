package main

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

// sink is a gateway that counts events.
type sink struct{ n int }

func (s *sink) emit(_ context.Context, events ...sdk.Event) error {
	s.n += len(events)
	return nil
}

// TestInboxWaitsForTheGateway: a reply that comes before the gateway listens
// waits for it.
func TestInboxWaitsForTheGateway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s := newInbox(), new(sink)
		done := make(chan error, 1)
		go func() { done <- b.hand(t.Context(), make([]sdk.Event, 2)) }()
		time.Sleep(grace / 2)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); b.listen(ctx, s.emit) }()
		if err := <-done; err != nil || s.n != 2 {
			t.Errorf("%v and %d events, want 2", err, s.n)
		}
		stop()
		<-ended
	})
}

// TestInboxOutlivesTheListener: what bots are being asked when the gateway stops
// to listen still comes in, for a while; afterwards nothing does, until the
// gateway listens again.
func TestInboxOutlivesTheListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s := newInbox(), new(sink)
		listen := func() (stop func(), ended chan struct{}) {
			ctx, cancel := context.WithCancel(t.Context())
			ended = make(chan struct{})
			go func() { defer close(ended); b.listen(ctx, s.emit) }()
			synctest.Wait()
			return cancel, ended
		}
		stop, ended := listen()
		end := b.begin()
		stop()
		time.Sleep(grace / 2)
		if err := b.hand(t.Context(), make([]sdk.Event, 1)); err != nil {
			t.Errorf("while it drains: %v", err)
		}
		start := time.Now()
		end()
		<-ended
		if d := time.Since(start); d > 0 {
			t.Errorf("it listened for %v after the last reply", d)
		}
		if err := b.hand(t.Context(), make([]sdk.Event, 1)); !errors.Is(err, errDeaf) {
			t.Errorf("after the drain: %v, want %v", err, errDeaf)
		}
		stop, ended = listen()
		if err := b.hand(t.Context(), make([]sdk.Event, 1)); err != nil || s.n != 2 {
			t.Errorf("once it listens again: %v, %d events, want 2", err, s.n)
		}
		slow := b.begin() // a bot that hangs holds nobody for longer than that
		start = time.Now()
		stop()
		<-ended
		if d := time.Since(start); d != grace {
			t.Errorf("a hanging bot held the listener for %v, want %v", d, grace)
		}
		slow()
	})
}

// TestUnheardReplies: a reply that the gateway does not take is not lost: the
// message goes to the bot once more. One that it never takes ends the message.
func TestUnheardReplies(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{errors.New("the link is down"), "ambiguous"},
		{context.DeadlineExceeded, "ambiguous"},
		{sdk.Rejected("event", "it names nobody"), "rejected event"},
	} {
		r := dial(t, &plugintest.Far{Body: `[{"text":"Hi"}]`}, profileRasa)
		r.refuse = tt.err
		if err := acts["send"](t.Context(), r); plugintest.Verdict(err) != tt.want {
			t.Errorf("%v: %v, want %s", tt.err, err, tt.want)
		}
	}
}

// TestNoReply: a bot that says nothing does not need a gateway that listens.
func TestNoReply(t *testing.T) {
	host := new(plugintest.Host)
	for _, s := range []settings{rasaAt("http://127.0.0.1:1"), jsonAt("http://127.0.0.1:1")} {
		c, err := open(t.Context(), s, host)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.inbox.hand(t.Context(), nil); err != nil {
			t.Errorf("%s: %v", s.Profile, err)
		}
	}
}

// TestCopiesOfRasa: Rasa would answer a copy, so it gets none unless it is said
// to know them.
func TestCopiesOfRasa(t *testing.T) {
	for _, copies := range []bool{false, true} {
		far := &plugintest.Far{Body: "[]"}
		r := dial(t, far, profileRasa, func(s *settings) { s.Copies = copies })
		_, err := r.Send(t.Context(), talk, sdk.Message{ID: "m1", Text: "Hi", Author: sdk.AuthorAgent, Copy: true})
		if n := len(far.Requests()); err != nil || (n == 1) != copies {
			t.Errorf("copies %v: %d requests, %v", copies, n, err)
		}
	}
}

// TestNothingToRead: a message that would be empty is refused, not sent.
func TestNothingToRead(t *testing.T) {
	r := dial(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("sent") }), profileRasa)
	if _, err := r.Send(t.Context(), talk, sdk.Message{ID: "m1", Text: " "}); plugintest.Verdict(err) != "rejected no_text" {
		t.Errorf("%v, want rejected no_text", err)
	}
}
