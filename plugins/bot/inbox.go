package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/openccsp/gateway/sdk"
)

// grace is how long the two ends of an inbox wait for each other: a reply for
// the gateway to listen, and the gateway that stops listening for replies.
const grace = 3 * time.Second

// inbox takes what a bot says in its responses to the gateway. The gateway
// listens while the instance may receive.
type inbox struct {
	mu    sync.Mutex
	emit  func(context.Context, ...sdk.Event) error
	there chan struct{} // closed while the gateway listens
	open  int           // calls whose response is awaited
	idle  chan struct{} // closed once open is 0, if somebody waits for that
}

func newInbox() *inbox { return &inbox{there: make(chan struct{})} }

// listen lets the gateway listen until ctx ends. What bots are just being asked
// may still come in after that.
func (b *inbox) listen(ctx context.Context, emit func(context.Context, ...sdk.Event) error) {
	b.mu.Lock()
	b.emit = emit
	close(b.there)
	b.mu.Unlock()
	<-ctx.Done()
	b.mu.Lock()
	idle := make(chan struct{})
	b.idle = idle
	if b.open == 0 {
		close(idle)
		b.idle = nil
	}
	b.mu.Unlock()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-idle:
	case <-timer.C:
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.emit, b.there, b.idle = nil, make(chan struct{}), nil
}

// begin announces a call; end says that its response has been handed over.
func (b *inbox) begin() (end func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open++
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.open--; b.open == 0 && b.idle != nil {
			close(b.idle)
			b.idle = nil
		}
	}
}

var errDeaf = errors.New("the gateway does not listen to this instance now")

// hand returns once events are durable.
func (b *inbox) hand(ctx context.Context, events []sdk.Event) error {
	if len(events) == 0 {
		return nil
	}
	b.mu.Lock()
	there := b.there
	b.mu.Unlock()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-there:
	case <-timer.C:
		return errDeaf
	case <-ctx.Done():
		return ctx.Err()
	}
	b.mu.Lock()
	emit := b.emit
	b.mu.Unlock()
	if emit == nil { // it has just stopped
		return errDeaf
	}
	return emit(ctx, events...)
}
