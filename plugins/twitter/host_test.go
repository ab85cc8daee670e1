package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/openccsp/gateway/examples/twitter-sim/sim"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

const (
	shop = "43" // our account
	ada  = "30" // who writes to it

	consumerSecret = "canary-consumer-secret"
	setupKey       = "canary-setup-key-1"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// fakeHost is a gateway that remembers what it is told.
type fakeHost struct {
	plugintest.Host

	mu      sync.Mutex
	state   map[string][]byte
	secrets []string // refresh tokens that were saved
	files   map[string][]byte
	mimes   map[string]string
	fetched []*http.Request
	refuse  error // what becomes of files
	unsaved error // what becomes of secrets
	typing  []string
}

func (h *fakeHost) Instance() string  { return "shop" }
func (h *fakeHost) PublicURL() string { return "https://gw.example.com/hooks/shop" }

func (h *fakeHost) State(_ context.Context, key string) ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.state[key], nil
}

func (h *fakeHost) SetState(_ context.Context, key string, old, next []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !bytes.Equal(h.state[key], old) {
		return sdk.ErrConflict
	}
	if h.state == nil {
		h.state = map[string][]byte{}
	}
	h.state[key] = next
	return nil
}

func (h *fakeHost) SaveSecret(_ context.Context, name, value string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if name != "refresh_token" {
		return errors.New("no such secret")
	}
	if h.unsaved == nil {
		h.secrets = append(h.secrets, value)
	}
	return h.unsaved
}

func (h *fakeHost) saved() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.secrets
}

// FetchMedia fetches what a server of the test has.
func (h *fakeHost) FetchMedia(ctx context.Context, url string, header http.Header) (sdk.Attachment, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return sdk.Attachment{}, err
	}
	r.Header = header
	h.mu.Lock()
	h.fetched = append(h.fetched, r)
	refuse := h.refuse
	h.mu.Unlock()
	if refuse != nil {
		return sdk.Attachment{}, refuse
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return sdk.Attachment{}, err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 {
		return sdk.Attachment{}, sdk.Rejected("status", res.Status)
	}
	return sdk.Attachment{MediaID: "m1", MIME: res.Header.Get("Content-Type"), Bytes: int64(len(data))}, nil
}

func (h *fakeHost) add(id, mime string, data []byte) sdk.Attachment {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.files == nil {
		h.files, h.mimes = map[string][]byte{}, map[string]string{}
	}
	h.files[id], h.mimes[id] = data, mime
	return sdk.Attachment{MediaID: id, MIME: mime, Bytes: int64(len(data)), URL: "https://gw.example.com/media/" + id}
}

func (h *fakeHost) OpenMedia(_ context.Context, a sdk.Attachment) (io.ReadCloser, sdk.Attachment, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	data, ok := h.files[a.MediaID]
	if !ok {
		return nil, a, sdk.Rejected("media", "there is no such file")
	}
	a.MIME, a.Bytes = h.mimes[a.MediaID], int64(len(data))
	return io.NopCloser(bytes.NewReader(data)), a, nil
}

func (h *fakeHost) CustomerTyping(address string, on bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if on {
		h.typing = append(h.typing, address)
	}
}

func (h *fakeHost) typed() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.typing
}

// byOAuth1 and byOAuth2 are settings for an X at url.
func byOAuth1(url string) settings {
	return settings{UserID: shop, ConsumerKey: "ck", ConsumerSecret: consumerSecret, APIURL: url, AuthorizeURL: url + "/i/oauth2/authorize",
		AccessToken: shop + "-canary-access", AccessTokenSecret: "canary-access-secret", Timeout: "5s"}
}

func byOAuth2(url string) settings {
	s := byOAuth1(url)
	s.AccessToken, s.AccessTokenSecret = "", ""
	s.ClientID, s.ClientSecret, s.RefreshToken, s.SetupKey = "client", "canary-client-secret", "canary-refresh-0", setupKey
	return s
}

// optionsOf are an X that knows the credentials of s.
func optionsOf(s settings, now func() time.Time) sim.Options {
	return sim.Options{UserID: shop, ConsumerKey: s.ConsumerKey, ConsumerSecret: s.ConsumerSecret, AccessToken: s.AccessToken,
		AccessTokenSecret: s.AccessTokenSecret, ClientID: s.ClientID, ClientSecret: s.ClientSecret, RefreshToken: s.RefreshToken, Now: now}
}

// rig is a channel whose clock stands at noon, and the X that it belongs to.
type rig struct {
	*channel
	host *fakeHost
	x    *sim.Sim
	url  string
	set  settings
	all  *accounts
}

// dial opens a channel at a simulated X.
func dial(t testing.TB, by func(string) settings, change ...func(*sim.Options)) *rig {
	t.Helper()
	r := &rig{host: new(fakeHost), all: new(accounts)}
	r.host.Set(noon)
	o := optionsOf(by("x"), r.host.Now)
	for _, f := range change {
		f(&o)
	}
	r.x = sim.New(o)
	srv := httptest.NewServer(r.x)
	t.Cleanup(srv.Close)
	r.url, r.set = srv.URL, by(srv.URL)
	r.reopen(t, r.set)
	return r
}

// at opens a channel at a server of the test's own.
func at(t testing.TB, s settings) *rig {
	t.Helper()
	r := &rig{host: new(fakeHost), all: new(accounts), set: s}
	r.host.Set(noon)
	r.reopen(t, s)
	return r
}

// reopen opens the channel with other settings, as the same process does.
func (r *rig) reopen(t testing.TB, s settings) {
	t.Helper()
	c, err := r.all.open(context.Background(), s, r.host)
	if err != nil {
		t.Fatal(err)
	}
	r.channel = c
	t.Cleanup(func() { _ = c.CloseInstance(context.Background()) })
}

// pass lets time pass.
func (r *rig) pass(d time.Duration) { r.host.Set(r.host.Now().Add(d)) }

// sound checks that the channel has kept the contract.
func (r *rig) sound(t testing.TB) {
	t.Helper()
	for _, b := range r.x.Breaks() {
		t.Errorf("X complains: %s", b)
	}
}

// signed is a webhook as X sends it.
func signed(body string) *sdk.WebhookRequest {
	return &sdk.WebhookRequest{Method: http.MethodPost, Body: []byte(body),
		Header: http.Header{signatureHeader: {sign(consumerSecret, []byte(body))}}}
}

// take hands a signed body in.
func (r *rig) take(t testing.TB, body string) sdk.WebhookResponse {
	t.Helper()
	res, err := r.Webhook(t.Context(), signed(body))
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func text(s string) sdk.Message { return sdk.Message{ID: "c.1.1", Text: s, Author: sdk.AuthorAgent} }

var toAda = sdk.Customer{Address: ada}
