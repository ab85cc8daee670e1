package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openccsp/gateway/sdk"
)

// fakeHost is a gateway that remembers what it is told.
type fakeHost struct {
	mu     sync.Mutex
	typing []bool
	at     time.Time // zero: the real time
}

func (h *fakeHost) Instance() string   { return "desk" }
func (h *fakeHost) PublicURL() string  { return "" }
func (h *fakeHost) DataDir() string    { return "" }
func (h *fakeHost) Log() *slog.Logger  { return slog.New(slog.DiscardHandler) }
func (h *fakeHost) HTTP() *http.Client { return http.DefaultClient }

func (h *fakeHost) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.at.IsZero() {
		return time.Now()
	}
	return h.at
}

func (h *fakeHost) set(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at = now
}

func (h *fakeHost) State(context.Context, string) ([]byte, error)          { return nil, nil }
func (h *fakeHost) SetState(context.Context, string, []byte, []byte) error { return nil }
func (h *fakeHost) SaveSecret(context.Context, string, string) error       { return nil }
func (h *fakeHost) CustomerTyping(string, bool)                            {}
func (h *fakeHost) Undelivered(context.Context, string, string, int) ([]sdk.Message, error) {
	return nil, nil
}

func (h *fakeHost) ChatTyping(_ sdk.ChatRef, on bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.typing = append(h.typing, on)
}

// request is what the far side got.
type request struct{ method, uri, contentType, body string }

// desk is a far side that answers with the same bytes, and remembers.
type desk struct {
	status int
	body   string
	header http.Header

	mu   sync.Mutex
	seen []request
}

func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	d.mu.Lock()
	d.seen = append(d.seen, request{r.Method, r.URL.RequestURI(), r.Header.Get("Content-Type"), string(b)})
	d.mu.Unlock()
	for k, v := range d.header {
		w.Header()[k] = v
	}
	if d.status != 0 {
		w.WriteHeader(d.status)
	}
	_, _ = io.WriteString(w, d.body)
}

func (d *desk) requests() []request {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.seen
}

// dial opens a connector to h and hands over its host.
func dial(t *testing.T, h http.Handler, change ...func(*settings)) (*connector, *fakeHost) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	s := settings{BaseURL: srv.URL, Queue: "retail"}
	for _, f := range change {
		f(&s)
	}
	host := new(fakeHost)
	c, err := open(t.Context(), s, host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseInstance(context.Background()) })
	return c, host
}

var (
	ada  = sdk.Customer{Address: "+4179", FirstName: "Ada", LastName: "Lovelace"}
	chat = sdk.Chat{Ref: "C1", Conversation: "0123", Number: 2, Customer: ada, Channel: "shop", ChannelType: "sms"}
)

// verdict names what an error tells the gateway to do.
func verdict(err error) string {
	switch e := err.(type) { //nolint:errorlint // the outermost one counts
	case nil:
		return "ok"
	case *sdk.RetryError:
		if e.Throttled {
			return "throttled " + e.After.String()
		}
		return "retry"
	case *sdk.AmbiguousError:
		return "ambiguous"
	case *sdk.RejectedError:
		return "rejected " + e.Code
	}
	for _, known := range []error{sdk.ErrChatGone, sdk.ErrAuthConfig} {
		if strings.HasPrefix(err.Error(), known.Error()) {
			return known.Error()
		}
	}
	return err.Error()
}
