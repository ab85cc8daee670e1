package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

const (
	secret = "canary-of-sixteen-bytes-1"
	older  = "canary-of-sixteen-bytes-2"
	token  = "canary-token-of-the-hook"
	ref    = "0123456789abcdef0123456789abcdef"
)

var (
	ada  = sdk.Customer{Address: "+4179", Name: "Ada Lovelace", FirstName: "Ada", Locale: "de-CH"}
	talk = sdk.Chat{Ref: ref, Conversation: ref, Customer: ada, Channel: "shop", ChannelType: "sms", Service: "retail"}
	noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
)

func rasaAt(url string) settings {
	return settings{Profile: profileRasa, URL: url, HookToken: token, Name: "Robin"}
}

func jsonAt(url string) settings {
	return settings{Profile: profileJSON, URL: url, Secret: secret, FurtherSecrets: older, Name: "Robin"}
}

// profiles are settings of both, for a bot at url.
var profiles = map[string]func(url string) settings{profileRasa: rasaAt, profileJSON: jsonAt}

// rig is a connector with a gateway that listens.
type rig struct {
	*connector
	host *plugintest.Host

	mu     sync.Mutex
	events []sdk.Event
	refuse error // what the gateway says to events
}

// connect opens a connector whose clock stands at noon.
func connect(t testing.TB, s settings) *rig {
	t.Helper()
	r := &rig{host: new(plugintest.Host)}
	r.host.Set(noon)
	c, err := open(t.Context(), s, r.host)
	if err != nil {
		t.Fatal(err)
	}
	c.newID = func() string { return "event-1" }
	r.connector = c
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Listen(ctx, r.emit) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("listen: %v", err)
		}
		_ = c.CloseInstance(context.Background())
	})
	return r
}

// dial is connect, with the bot served by h.
func dial(t testing.TB, h http.Handler, profile string, change ...func(*settings)) *rig {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	s := profiles[profile](srv.URL)
	for _, f := range change {
		f(&s)
	}
	return connect(t, s)
}

func (r *rig) emit(_ context.Context, events ...sdk.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refuse != nil {
		return r.refuse
	}
	r.events = append(r.events, events...)
	return nil
}

// took returns what the gateway got by now.
func (r *rig) took() []sdk.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.events
}

// signedBy answers like a bot that knows secret.
func signedBy(t testing.TB, secret string, body string) http.HandlerFunc {
	k, err := parseKeys(secret, "")
	if err != nil {
		t.Fatal(err)
	}
	return func(w http.ResponseWriter, r *http.Request) {
		if err := k.sign(w.Header(), r.Header.Get("webhook-id"), noon, []byte(body)); err != nil {
			t.Error(err)
		}
		_, _ = w.Write([]byte(body))
	}
}

// hooked is a webhook to a hook of the profile json, signed at the given time.
func hooked(t testing.TB, secret, id string, at time.Time, body string) *sdk.WebhookRequest {
	t.Helper()
	k, err := parseKeys(secret, "")
	if err != nil {
		t.Fatal(err)
	}
	r := &sdk.WebhookRequest{Method: http.MethodPost, Header: http.Header{}, Body: []byte(body)}
	if err := k.sign(r.Header, id, at, r.Body); err != nil {
		t.Fatal(err)
	}
	return r
}

// called is a webhook to a hook of the profile rasa.
func called(body string) *sdk.WebhookRequest {
	return &sdk.WebhookRequest{Method: http.MethodPost, Header: http.Header{}, Query: "token=" + token, Body: []byte(body)}
}

// big is a text of n bytes.
func big(n int) string { return string(bytes.Repeat([]byte("a"), n)) }
