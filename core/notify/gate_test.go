package notify_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/notify"
	"github.com/openccsp/gateway/core/store/memstore"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// far is an endpoint whose answer the test sets, and a clock that it moves.
type far struct {
	*httptest.Server
	status atomic.Int64
	after  atomic.Value // Retry-After
	calls  atomic.Int64

	mu  sync.Mutex
	now time.Time
}

func newFar(t *testing.T) *far {
	f := &far{now: time.Unix(1700000000, 0)}
	f.after.Store("")
	f.status.Store(http.StatusOK)
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		f.calls.Add(1)
		w.Header().Set("Retry-After", f.after.Load().(string))
		w.WriteHeader(int(f.status.Load()))
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *far) clock() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *far) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

// An endpoint that fails is left alone for longer and longer; a single attempt
// sees whether it answers again, and then all go.
func TestBreaker(t *testing.T) {
	f := newFar(t)
	n := newNotifier(t, notify.Config{Now: f.clock, Endpoints: map[string]notify.Endpoint{"e": {URL: f.URL, AllowPrivate: true}}})
	f.status.Store(http.StatusInternalServerError)
	for range 5 {
		post(t, n, "e", "1", body)
	}
	var rests []time.Duration
	for range 7 {
		r, fate := n.Do(t.Context(), "e", "1", []byte(body))
		if fate != core.NotSent || r.GetAfterMs() == 0 {
			t.Fatalf("an endpoint that fails was asked again at once: %v, %v", r, fate)
		}
		rest := time.Duration(r.GetAfterMs()) * time.Millisecond
		rests = append(rests, rest.Truncate(time.Second))
		f.pass(rest)
		post(t, n, "e", "1", body) // the probe
	}
	want := []time.Duration{15, 30, 60, 120, 240, 300, 300}
	for i := range want {
		if rests[i] != want[i]*time.Second {
			t.Errorf("rests %v, want %v seconds", rests, want)
			break
		}
	}
	if s := n.Status()[0]; s.State != notify.Failing || !s.Since.Equal(time.Unix(1700000000, 0)) {
		t.Errorf("status: %+v", s)
	}
	f.pass(5 * time.Minute)
	f.status.Store(http.StatusNoContent)
	for range 3 {
		if r := post(t, n, "e", "1", body); r.GetOutcome() != pluginv1.Outcome_OK {
			t.Errorf("an endpoint that answers again: %v", r)
		}
	}
	if got := f.calls.Load(); got != 5+7+3 {
		t.Errorf("%d calls, want 15", got)
	}
	if s := n.Status()[0]; s.State != notify.Answers {
		t.Errorf("status: %+v", s)
	}
}

// While the probe is under way the others wait.
func TestOneProbe(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	var calls atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) > 5 {
			entered <- struct{}{}
			<-leave
		}
		w.WriteHeader(http.StatusBadGateway)
	}))
	defer srv.Close()
	f := newFar(t)
	n := newNotifier(t, notify.Config{Now: f.clock, Endpoints: map[string]notify.Endpoint{"e": {URL: srv.URL, AllowPrivate: true}}})
	for range 5 {
		post(t, n, "e", "1", body)
	}
	f.pass(time.Minute)
	done := make(chan struct{})
	go func() {
		defer close(done)
		n.Do(context.WithoutCancel(t.Context()), "e", "1", []byte(body))
	}()
	<-entered
	if r, fate := n.Do(t.Context(), "e", "2", []byte(body)); fate != core.NotSent || r.GetAfterMs() == 0 {
		t.Errorf("beside the probe: %v, %v", r, fate)
	}
	close(leave)
	<-done
}

// More than an endpoint has connections do not stand in line for one until their
// time is up: they come again, and the endpoint has not failed.
func TestCrowd(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		entered <- struct{}{}
		<-leave
	}))
	defer srv.Close()
	n := newNotifier(t, notify.Config{PerHost: 2, Endpoints: map[string]notify.Endpoint{"e": {URL: srv.URL, AllowPrivate: true}}})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { post(t, n, "e", "1", body) })
		<-entered
	}
	var first, last uint64
	for i := range 5000 {
		r, fate := n.Do(t.Context(), "e", "2", []byte(body))
		if fate != core.NotSent || r.GetAfterMs() == 0 {
			t.Fatalf("in a crowd: %v, %v", r, fate)
		}
		if i == 0 {
			first = r.GetAfterMs()
		}
		last = r.GetAfterMs()
	}
	if last < first+500 {
		t.Errorf("5000 come again after %d to %d ms: all at once", first, last)
	}
	close(leave)
	wg.Wait()
	go func() { <-entered }()
	if r := post(t, n, "e", "2", body); r.GetOutcome() != pluginv1.Outcome_OK {
		t.Errorf("with a place again: %v", r)
	}
	if s := n.Status()[0]; s.State != notify.Answers {
		t.Errorf("status: %+v", s)
	}
}

// What an endpoint says of when to come again counts for all notifications to it.
func TestQuiet(t *testing.T) {
	for status, want := range map[int]time.Duration{429: 70 * time.Second, 503: 70 * time.Second} {
		f := newFar(t)
		n := newNotifier(t, notify.Config{Now: f.clock, Endpoints: map[string]notify.Endpoint{"e": {URL: f.URL, AllowPrivate: true}}})
		f.status.Store(int64(status))
		f.after.Store("70")
		post(t, n, "e", "1", body)
		r, fate := n.Do(t.Context(), "e", "2", []byte(body))
		if fate != core.NotSent || time.Duration(r.GetAfterMs())*time.Millisecond < want || f.calls.Load() != 1 {
			t.Errorf("%d: %v, %v after %d calls", status, r, fate, f.calls.Load())
		}
		f.pass(want + time.Second)
		f.status.Store(http.StatusOK)
		post(t, n, "e", "2", body)
	}
}

// More than the pace allows does not go.
func TestPace(t *testing.T) {
	f := newFar(t)
	n := newNotifier(t, notify.Config{Now: f.clock, Endpoints: map[string]notify.Endpoint{"e": {URL: f.URL, AllowPrivate: true, Rate: 2}}})
	for range 2 { // may go at once
		post(t, n, "e", "1", body)
	}
	began := time.Now()
	post(t, n, "e", "1", body)
	if took := time.Since(began); took < 400*time.Millisecond {
		t.Errorf("the third in a second at a pace of two went after %v", took)
	}
}

// An endpoint that says 410, or fails for too long, gets nothing more, also after
// a restart, until somebody enables it or gives it another URL.
func TestDisabled(t *testing.T) {
	tests := map[string]func(f *far, n *notify.Notifier){
		"gone": func(f *far, n *notify.Notifier) {
			f.status.Store(http.StatusGone)
			post(t, n, "e", "1", body)
		},
		"fails for days": func(f *far, n *notify.Notifier) {
			f.status.Store(http.StatusInternalServerError)
			post(t, n, "e", "1", body)
			f.pass(49 * time.Hour)
			post(t, n, "e", "1", body)
		},
	}
	for name, fail := range tests {
		t.Run(name, func(t *testing.T) {
			f, memory := newFar(t), memstore.New(time.Now)
			conf := notify.Config{Now: f.clock, Memory: memory, Endpoints: map[string]notify.Endpoint{
				"e": {URL: f.URL + "/a", AllowPrivate: true, DisableAfter: 48 * time.Hour},
			}}
			n := newNotifier(t, conf)
			fail(f, n)
			f.status.Store(http.StatusOK)
			calls := f.calls.Load()
			wantOff := func(n *notify.Notifier) {
				t.Helper()
				if r := post(t, n, "e", "2", body); r.GetOutcome() != pluginv1.Outcome_RECIPIENT_GONE || r.GetCode() != "disabled" || f.calls.Load() != calls {
					t.Errorf("got %v after %d calls", r, f.calls.Load()-calls)
				}
				if s := n.Status()[0]; s.State != notify.Off || s.Reason == "" {
					t.Errorf("status: %+v", s)
				}
			}
			wantOff(n)
			wantOff(newNotifier(t, conf)) // a restart
			if err := n.Enable(t.Context(), "e"); err != nil {
				t.Fatal(err)
			}
			if r := post(t, n, "e", "3", body); r.GetOutcome() != pluginv1.Outcome_OK {
				t.Errorf("enabled: %v", r)
			}
			fail(f, n)
			f.status.Store(http.StatusOK)
			err := n.SetEndpoints(map[string]notify.Endpoint{"e": {URL: f.URL + "/b", AllowPrivate: true}})
			if err != nil {
				t.Fatal(err)
			}
			if r := post(t, n, "e", "4", body); r.GetOutcome() != pluginv1.Outcome_OK {
				t.Errorf("with another URL: %v", r)
			}
		})
	}
	n := newNotifier(t, notify.Config{})
	if err := n.Enable(t.Context(), "nobody"); core.CodeOf(err) != core.NotFound {
		t.Errorf("an endpoint that is not there: %v", err)
	}
}

// Two attempts that both learn that an endpoint is gone disable it once.
func TestDisabledOnce(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		entered <- struct{}{}
		<-leave
		w.WriteHeader(http.StatusGone)
	}))
	defer srv.Close()
	var said bytes.Buffer
	n := newNotifier(t, notify.Config{
		Log: slog.New(slog.NewTextHandler(&said, nil)), Memory: memstore.New(time.Now),
		Endpoints: map[string]notify.Endpoint{"e": {URL: srv.URL, AllowPrivate: true}},
	})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { post(t, n, "e", "1", body) })
		<-entered
	}
	close(leave)
	wg.Wait()
	if got := strings.Count(said.String(), "endpoint disabled"); got != 1 {
		t.Errorf("it is said %d times: %s", got, said.String())
	}
}
