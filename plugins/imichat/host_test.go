package main

import (
	"bytes"
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

const (
	secret = "canary-7f3a91"
	older  = "canary-old-55"
)

// fakeHost is a gateway that remembers what it is told.
type fakeHost struct {
	mu     sync.Mutex
	typing []typed
	at     time.Time // zero: the real time
	logs   bytes.Buffer
}

func (h *fakeHost) Instance() string   { return "desk" }
func (h *fakeHost) PublicURL() string  { return "" }
func (h *fakeHost) DataDir() string    { return "" }
func (h *fakeHost) HTTP() *http.Client { return http.DefaultClient }

func (h *fakeHost) Log() *slog.Logger {
	return slog.New(slog.NewTextHandler(h, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Write implements io.Writer for the log.
func (h *fakeHost) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.logs.Write(b)
}

func (h *fakeHost) logged() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.logs.String()
}

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

func (h *fakeHost) ChatTyping(ref sdk.ChatRef, on bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.typing = append(h.typing, typed{ref, on})
}

// request is what the far side got.
type request struct{ method, uri, contentType, key, body string }

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
	d.seen = append(d.seen, request{r.Method, r.URL.RequestURI(), r.Header.Get("Content-Type"), r.Header.Get("key"), string(b)})
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

func settingsFor(url string) settings {
	return settings{InstanceURL: url, TeamSecret: secret, TeamID: 17}
}

// dial opens a connector to h and hands over its host.
func dial(t testing.TB, h http.Handler, change ...func(*settings)) (*connector, *fakeHost) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	s := settingsFor(srv.URL)
	for _, f := range change {
		f(&s)
	}
	return connect(t, s)
}

func connect(t testing.TB, s settings) (*connector, *fakeHost) {
	t.Helper()
	host := new(fakeHost)
	c, err := open(t.Context(), s, host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseInstance(context.Background()) })
	return c, host
}

// receiver is a connector that only takes webhooks.
func receiver(t testing.TB, change ...func(*settings)) (*connector, *fakeHost) {
	t.Helper()
	s := settingsFor("https://acme.imi.chat")
	for _, f := range change {
		f(&s)
	}
	return connect(t, s)
}

var (
	ada  = sdk.Customer{Address: "+4179", FirstName: "Ada", LastName: "Lovelace", Locale: "de-CH"}
	chat = sdk.Chat{Ref: "CSR1", Conversation: "0123", Number: 2, Customer: ada, Channel: "shop", ChannelType: "sms",
		Service: "retail", Attributes: map[string]string{"vip": "yes"}}
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
	for _, known := range []error{sdk.ErrChatGone, sdk.ErrAuthConfig, sdk.ErrUnsupported} {
		if strings.HasPrefix(err.Error(), known.Error()) {
			return known.Error()
		}
	}
	return err.Error()
}

// keyDesk takes some secrets only, and says so by HTTP's status or in the
// envelope.
type keyDesk struct {
	desk
	valid    map[string]bool
	envelope bool
}

func (d *keyDesk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !d.valid[r.Header.Get("key")] {
		if !d.envelope {
			w.WriteHeader(http.StatusUnauthorized)
		}
		_, _ = io.WriteString(w, `{"status_code":401}`)
		w = httptest.NewRecorder()
	}
	d.desk.ServeHTTP(w, r)
}
