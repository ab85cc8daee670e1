package main

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/openccsp/gateway/sdk"
)

const (
	presenceGrace = 10 * time.Second // a client that comes back within this was never away
	presenceLimit = 10 * time.Second // for the gateway to take the word
)

// presence reports customers who come and go, as custom events. It is a hint: a
// connection that has died counts until its broker finds out. It is safe for
// concurrent use.
type presence struct {
	emit  emitter
	now   func() time.Time
	grace time.Duration

	mu     sync.Mutex
	closed bool
	here   map[string]*time.Timer // by user; a timer runs when no client is connected
	wg     sync.WaitGroup
}

func newPresence(emit emitter, now func() time.Time) *presence {
	return &presence{emit: emit, now: now, grace: presenceGrace, here: map[string]*time.Timer{}}
}

// set says whether a user has a client that is connected.
func (p *presence) set(user string, online bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	leaving, known := p.here[user]
	switch {
	case p.closed:
	case online && !known:
		p.here[user] = nil
		p.report(user, "online")
	case online && leaving != nil:
		leaving.Stop()
		p.here[user] = nil
	case !online && known && leaving == nil:
		var t *time.Timer
		t = time.AfterFunc(p.grace, func() { p.gone(user, &t) })
		p.here[user] = t
	}
}

func (p *presence) gone(user string, t **time.Timer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.here[user] != *t {
		return // it came back
	}
	delete(p.here, user)
	p.report(user, "offline")
}

// report tells the gateway. The caller holds p.mu.
func (p *presence) report(user, state string) {
	e := sdk.Event{
		Type: sdk.CustomEvent, EventName: "presence", Params: map[string]string{"state": state},
		ID:       "presence/" + user + "/" + state + "/" + strconv.FormatInt(p.now().UnixNano(), 10),
		Customer: sdk.Customer{Address: user},
	}
	p.wg.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), presenceLimit)
		defer cancel()
		_ = p.emit(ctx, e) // it is a hint
	})
}

func (p *presence) close() {
	p.mu.Lock()
	p.closed = true
	for _, t := range p.here {
		if t != nil {
			t.Stop()
		}
	}
	p.mu.Unlock()
	p.wg.Wait()
}
