package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/openccsp/gateway/examples/messenger-sim/sim"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/sdktest"
)

// The secrets of the protocol's vectors.
const (
	testSecret = "0123456789abcdef0123456789abcdef"
	testToken  = "EAAGtoken123"
	testVerify = "verify-me-please"
)

func settingsFor(url string) settings {
	return settings{PageID: "1001", AppID: "9001", AccessToken: testToken, AppSecret: testSecret, VerifyToken: testVerify, BaseURL: url}
}

// connect opens a channel by itself, for what needs no gateway.
func connect(t testing.TB, url string, change ...func(*settings)) (*channel, *plugintest.Host) {
	t.Helper()
	s := settingsFor(url)
	for _, f := range change {
		f(&s)
	}
	host := &plugintest.Host{Limit: capabilities().Text}
	c, err := open(t.Context(), s, host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseInstance(context.Background()) })
	return c, host
}

// clock is one that tests set.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// stage is a gateway and the platform, joined both ways.
type stage struct {
	*sdktest.Gateway
	sim   *sim.Sim
	clock *clock

	mu     sync.Mutex
	events []sdk.Event
	seen   map[string]bool // ids, as the gateway drops repetitions
}

// begin joins a gateway with the platform.
func begin(t *testing.T, o sim.Options, change ...func(*settings)) *stage {
	t.Helper()
	s := &stage{clock: &clock{at: time.Now()}, seen: map[string]bool{}}
	o.Page, o.App, o.Token, o.AppSecret = "1001", "9001", testToken, testSecret
	o.Now, o.Retry = s.clock.now, 10*time.Millisecond
	s.sim = sim.New(o)
	graph := httptest.NewServer(s.sim)
	s.sim.SetBase(graph.URL)
	t.Cleanup(func() { graph.CloseClientConnections(); graph.Close() })
	set := settingsFor(graph.URL)
	for _, f := range change {
		f(&set)
	}
	s.Gateway = sdktest.Start(t, plugin(), "page", "messenger", set)
	hook := httptest.NewServer(http.HandlerFunc(s.hook))
	s.sim.SetHook(hook.URL)
	t.Cleanup(hook.Close)
	t.Cleanup(s.sim.Close)
	return s
}

func (s *stage) hook(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	res, err := s.Webhook(r.Context(), &sdk.WebhookRequest{Method: r.Method, Query: r.URL.RawQuery, Header: r.Header, Body: body})
	if err != nil {
		res.Status = http.StatusServiceUnavailable
	}
	s.mu.Lock()
	for _, e := range res.Events {
		if key := e.Customer.Address + " " + e.ID; e.ID == "" || !s.seen[key] {
			s.seen[key] = true
			s.events = append(s.events, e)
		}
	}
	s.mu.Unlock()
	if res.Status == 0 {
		res.Status = http.StatusOK
	}
	w.WriteHeader(res.Status)
	_, _ = w.Write(res.Body)
}

// heard returns the events so far, and forgets them.
func (s *stage) heard() []sdk.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.events
	s.events = nil
	return all
}

// said returns the last message of the page.
func (s *stage) said(t *testing.T) sim.Message {
	t.Helper()
	all := s.sim.Sent()
	if len(all) == 0 {
		t.Fatal("the page has sent nothing")
	}
	return all[len(all)-1]
}

func (s *stage) unbroken(t *testing.T) {
	t.Helper()
	if b := s.sim.Breaks(); len(b) > 0 {
		t.Errorf("the contract is broken: %q", b)
	}
}

var ada = sdk.Customer{Address: "2002"}

// verdict names what an error has the gateway do.
func verdict(err error) string {
	for name, known := range map[string]error{"window closed": sdk.ErrWindowClosed, "recipient gone": sdk.ErrRecipientGone,
		"auth config": sdk.ErrAuthConfig, "unsupported": sdk.ErrUnsupported} {
		if errors.Is(err, known) {
			return name
		}
	}
	var retry *sdk.RetryError
	if errors.As(err, &retry) && !retry.Throttled && retry.After > 0 {
		return fmt.Sprintf("retry %v", retry.After)
	}
	return plugintest.Verdict(err)
}
