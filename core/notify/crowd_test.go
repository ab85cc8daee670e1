package notify_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/notify"
)

// Thousands that wait for an endpoint that fails come again one after the other:
// all at once, each second, would keep the gateway from everything else.
func TestCrowdComesOneByOne(t *testing.T) {
	f := newFar(t)
	n := newNotifier(t, notify.Config{Now: f.clock, Endpoints: map[string]notify.Endpoint{"e": {URL: f.URL, AllowPrivate: true}}})
	f.status.Store(http.StatusInternalServerError)
	for range 5 {
		post(t, n, "e", "1", body)
	}
	inOneSecond := map[uint64]int{}
	for range 1000 {
		r, fate := n.Do(t.Context(), "e", "1", []byte(body))
		if fate != core.NotSent {
			t.Fatalf("an endpoint that rests was asked: %v, %v", r, fate)
		}
		inOneSecond[r.GetAfterMs()/1000]++
	}
	for at, many := range inOneSecond {
		if many > 200 {
			t.Errorf("%d of 1000 come again in second %d, want at most 200", many, at)
		}
	}
}

// An endpoint that hangs does not hold all that is for it until the first time-out.
func TestHangingEndpointHoldsFew(t *testing.T) {
	release := make(chan struct{})
	far := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(far.Close)
	n := newNotifier(t, notify.Config{PerHost: 100, Endpoints: map[string]notify.Endpoint{"e": {URL: far.URL, AllowPrivate: true}}})
	fates := make(chan core.Fate, 150)
	for range cap(fates) {
		go func() {
			_, fate := n.Do(t.Context(), "e", "1", []byte(body))
			fates <- fate
		}()
	}
	sent := 0
	for i := range cap(fates) {
		if i == 50 {
			close(release)
		}
		select {
		case fate := <-fates:
			if want := i >= 50; (fate == core.Answered) != want {
				t.Errorf("number %d ended as %v", i, fate)
			}
			if fate == core.Answered {
				sent++
			}
		case <-time.After(10 * time.Second):
			if i < 50 {
				close(release)
			}
			t.Fatalf("%d came back from an endpoint that hangs, want 50", i)
		}
	}
	if sent != 100 {
		t.Errorf("%d were sent, want 100", sent)
	}
	if _, fate := n.Do(t.Context(), "e", "1", []byte(body)); fate != core.Answered {
		t.Errorf("when all are back: %v", fate)
	}
}

// Who waits for the pace comes about when it is his turn: a hundred endpoints at which
// fifty wait each, all day, must not cost more than what they are sent. More than come
// in a minute come beside the others, and not all at its end.
func TestCrowdKeepsThePace(t *testing.T) {
	f := newFar(t)
	n := newNotifier(t, notify.Config{Now: f.clock, Endpoints: map[string]notify.Endpoint{"e": {URL: f.URL, AllowPrivate: true, Rate: 1}}})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	post(t, n, "e", "1", body)
	asked, told := map[time.Duration]int{}, 0
	for range 200 { // of whom the first few may wait in their places
		r, fate := n.Do(gone, "e", "1", []byte(body))
		if fate != core.NotSent {
			t.Fatalf("%v, %v", r, fate)
		}
		if ms := r.GetAfterMs(); ms > 0 {
			asked[time.Duration(ms)*time.Millisecond/time.Second]++
			told++
		}
	}
	for at, many := range asked {
		if many > told/50+1 || at > 65 {
			t.Errorf("%d of %d come again in second %d", many, told, at)
		}
	}
	if told < 150 {
		t.Errorf("%d were told to come again", told)
	}
}

// While nothing comes back from an endpoint, ever fewer look whether something has.
func TestCrowdOfAHangingEndpoint(t *testing.T) {
	release := make(chan struct{})
	entered := make(chan struct{}, 1)
	far := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { entered <- struct{}{}; <-release }))
	t.Cleanup(far.Close)
	f := newFar(t)
	n := newNotifier(t, notify.Config{Now: f.clock, PerHost: 1, Endpoints: map[string]notify.Endpoint{"e": {URL: far.URL, AllowPrivate: true}}})
	done := make(chan struct{})
	go func() { defer close(done); post(t, n, "e", "1", body) }()
	<-entered
	defer func() { close(release); <-done }()
	inFirstSecond := func() (many int) {
		for range 1000 {
			r, fate := n.Do(t.Context(), "e", "1", []byte(body))
			if fate != core.NotSent {
				t.Fatalf("%v, %v", r, fate)
			}
			if r.GetAfterMs() <= 1000 {
				many++
			}
		}
		return many
	}
	atFirst := inFirstSecond()
	f.pass(2 * time.Minute)
	if late := inFirstSecond(); late > 20 || atFirst < 500 {
		t.Errorf("of 1000 come again within a second: %d at first, %d when it has hung for minutes", atFirst, late)
	}
}
