// Package twiliotest is what the tests of the plugins that speak Twilio's API have
// in common.
package twiliotest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/sdktest"
)

// Hook carries what goes to the gateway's public address to the plugin, and keeps
// what becomes durable: each id once, as the gateway does.
type Hook struct {
	Gateway *sdktest.Gateway
	Publics string // the address

	mu     sync.Mutex
	events []sdk.Event
}

// Twilio is a simulator of it.
type Twilio interface {
	http.Handler
	SetTransport(http.RoundTripper) // for its requests
	Breaches() map[string]int       // of its contract
	Close()
}

// Connect connects a Twilio and a gateway with the plugin, which start starts: base is
// Twilio's address, and publics that of the gateway, which need not exist. The test
// fails if the contract is broken.
func Connect(t *testing.T, s Twilio, publics string, start func(base string) *sdktest.Gateway) (*sdktest.Gateway, *Hook) {
	t.Helper()
	far := httptest.NewServer(s)
	h := &Hook{Gateway: start(far.URL), Publics: publics}
	s.SetTransport(h)
	t.Cleanup(far.Close)
	t.Cleanup(s.Close)
	t.Cleanup(func() {
		if b := s.Breaches(); len(b) > 0 {
			t.Errorf("the contract is broken: %v", b)
		}
	})
	return h.Gateway, h
}

// RoundTrip implements http.RoundTripper.
func (h *Hook) RoundTrip(q *http.Request) (*http.Response, error) {
	path, ok := strings.CutPrefix(q.URL.String(), h.Publics)
	if !ok {
		return http.DefaultTransport.RoundTrip(q)
	}
	path, _, _ = strings.Cut(path, "?")
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return nil, err
	}
	res, err := h.Gateway.Webhook(q.Context(), &sdk.WebhookRequest{Method: q.Method, Path: path, Query: q.URL.RawQuery,
		Header: q.Header, Body: body, URL: q.URL.Scheme + "://" + q.URL.Host + q.URL.RequestURI()})
	if err != nil {
		return nil, err
	}
	h.keep(res.Events)
	w := httptest.NewRecorder()
	for name, v := range res.Header {
		w.Header()[name] = v
	}
	w.WriteHeader(res.Status)
	_, _ = w.Write(res.Body)
	return w.Result(), nil
}

func (h *Hook) keep(events []sdk.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range events {
		if e.ID == "" || !slices.ContainsFunc(h.events, func(o sdk.Event) bool { return o.ID == e.ID }) {
			h.events = append(h.events, e)
		}
	}
}

// Events returns what came in.
func (h *Hook) Events() []sdk.Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.events)
}
