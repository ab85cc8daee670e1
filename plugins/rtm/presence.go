package main

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/openccsp/gateway/sdk"
)

const (
	presenceGrace = 10 * time.Second // a client that comes back within this was never away
	presenceLimit = 10 * time.Second // for the gateway to take the word
)

// presence knows which customers are there. It tells those who watch, and reports
// who comes and goes as custom events. It is a hint: a connection that has died
// counts until its broker finds out. It is safe for concurrent use.
type presence struct {
	emit  emitter // nil: nothing is reported
	now   func() time.Time
	grace time.Duration

	mu       sync.Mutex
	closed   bool
	here     map[string]*time.Timer // by user; a timer runs when no client is connected
	watchers map[string][]chan bool // by user
	due      map[string][]sdk.Event // by user, reports in order; the first is under way
	wg       sync.WaitGroup
}

func newPresence(emit emitter, now func() time.Time) *presence {
	return &presence{emit: emit, now: now, grace: presenceGrace,
		here: map[string]*time.Timer{}, watchers: map[string][]chan bool{}, due: map[string][]sdk.Event{}}
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
		p.changed(user, true)
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
	p.changed(user, false)
}

// changed tells everybody. The caller holds p.mu.
func (p *presence) changed(user string, online bool) {
	for _, w := range p.watchers[user] {
		select {
		case <-w: // has not been told yet, and the later word counts
		default:
		}
		w <- online
	}
	if p.emit == nil {
		return
	}
	state := presenceWord(online)
	p.due[user] = append(p.due[user], sdk.Event{
		Type: sdk.CustomEvent, EventName: "presence", Params: map[string]string{"state": state},
		ID:       "presence/" + user + "/" + state + "/" + strconv.FormatInt(p.now().UnixNano(), 10),
		Customer: sdk.Customer{Address: user},
	})
	if len(p.due[user]) == 1 {
		p.wg.Go(func() { p.report(user) })
	}
}

func presenceWord(online bool) string {
	if online {
		return "online"
	}
	return "offline"
}

// report tells the gateway what is due, one after the other.
func (p *presence) report(user string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.due[user]) > 0 {
		e := p.due[user][0]
		p.mu.Unlock()
		ctx, cancel := context.WithTimeout(context.Background(), presenceLimit)
		_ = p.emit(ctx, e) // it is a hint
		cancel()
		p.mu.Lock()
		p.due[user] = p.due[user][1:]
	}
	delete(p.due, user)
}

// watch returns whether user is there, now and whenever it changes. Who is slow
// gets the last word only.
func (p *presence) watch(user string) chan bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := make(chan bool, 1)
	_, online := p.here[user]
	w <- online
	p.watchers[user] = append(p.watchers[user], w)
	return w
}

func (p *presence) unwatch(user string, w chan bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watchers[user] = slices.DeleteFunc(p.watchers[user], func(o chan bool) bool { return o == w })
	if len(p.watchers[user]) == 0 {
		delete(p.watchers, user)
	}
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
