package notify_test

import (
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
