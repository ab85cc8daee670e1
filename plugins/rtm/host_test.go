package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openccsp/gateway/sdk"
)

const testSecret = "a secret of the test app"

// fakeHost keeps what a gateway would, in memory.
type fakeHost struct {
	sdk.Host // unused methods

	dir     string
	files   map[string][]byte // that were saved, by media id
	refuse  error             // of SaveMedia
	emitted []sdk.Event
	later   int // so many emits fail at first
	mu      sync.Mutex
	now     time.Time // zero: the real time
	secrets map[string]string
	sent    map[string][]sdk.Message // by address, all that was sent
	got     map[string]bool          // delivered ids
	hidden  map[string]bool          // sent, but not yet listed
	reads   int
	broken  bool
	typed   chan string
}

func newFakeHost() *fakeHost {
	return &fakeHost{
		secrets: map[string]string{}, sent: map[string][]sdk.Message{},
		got: map[string]bool{}, hidden: map[string]bool{}, typed: make(chan string, 1000), files: map[string][]byte{},
	}
}

func (h *fakeHost) Instance() string   { return "webshop" }
func (h *fakeHost) PublicURL() string  { return "https://gw.example.com/hooks/webshop" }
func (h *fakeHost) Log() *slog.Logger  { return slog.New(slog.DiscardHandler) }
func (h *fakeHost) HTTP() *http.Client { return http.DefaultClient }

func (h *fakeHost) DataDir() string { return h.dir }

// SaveMedia implements sdk.Host.
func (h *fakeHost) SaveMedia(_ context.Context, name, mime string, r io.Reader) (sdk.Attachment, error) {
	b, err := io.ReadAll(r)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err = errors.Join(err, h.refuse); err != nil {
		return sdk.Attachment{}, err
	}
	id := fmt.Sprint("media", len(h.files)+1)
	h.files[id] = b
	return sdk.Attachment{MediaID: id, Name: name, MIME: mime, Bytes: int64(len(b))}, nil
}

func (h *fakeHost) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.now.IsZero() {
		return time.Now()
	}
	return h.now
}

func (h *fakeHost) setNow(t time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = t
}

func (h *fakeHost) SaveSecret(_ context.Context, name, value string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.secrets[name] = value
	return nil
}

func (h *fakeHost) CustomerTyping(address string, on bool) {
	h.typed <- fmt.Sprint(address, " ", on)
}

// Undelivered implements sdk.Host.
func (h *fakeHost) Undelivered(_ context.Context, address, after string, limit int) ([]sdk.Message, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reads++
	if h.broken || strings.HasPrefix(after, "foreign") {
		return nil, sdk.Retry(errors.New("the gateway: not now"), 0)
	}
	from := 1 + slices.IndexFunc(h.sent[address], func(m sdk.Message) bool { return m.ID == after })
	var list []sdk.Message
	for _, m := range h.sent[address][from:] {
		if !h.got[m.ID] && !h.hidden[m.ID] && len(list) < limit {
			list = append(list, m)
		}
	}
	return list, nil
}

func (h *fakeHost) emit(_ context.Context, events ...sdk.Event) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.later > 0 {
		h.later--
		return errors.New("the gateway: not now")
	}
	h.emitted = append(h.emitted, events...)
	return nil
}

// failNext makes the next n emits fail.
func (h *fakeHost) failNext(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.later = n
}

// refuseFiles makes SaveMedia fail with err, or work if it is nil.
func (h *fakeHost) refuseFiles(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refuse = err
}

// file returns one that was saved.
func (h *fakeHost) file(id string) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.files[id]
}

// taken returns what was emitted so far.
func (h *fakeHost) taken() []sdk.Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.emitted)
}

// keep records that m was sent, as the gateway does after Send.
func (h *fakeHost) keep(address string, ms ...sdk.Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sent[address] = append(h.sent[address], ms...)
}

// receipts marks what events say was delivered.
func (h *fakeHost) receipts(events []sdk.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range events {
		h.got[e.MessageID] = h.got[e.MessageID] || e.Type == sdk.MessageDelivered
	}
}

// rig is a channel with a fake gateway.
type rig struct {
	*channel
	t    *testing.T
	host *fakeHost
}

func newRig(t *testing.T, change func(*Settings)) *rig {
	t.Helper()
	s := Settings{AppID: "webshop", Secret: testSecret, MQTTListen: "127.0.0.1:0",
		MessagesPerMinute: 1_000_000, RegistersPerMinute: 1_000_000, ReceiptsPerMinute: 1_000_000, ReadsPerMinute: 1_000_000}
	if change != nil {
		change(&s)
	}
	h := newFakeHost()
	h.dir = t.TempDir()
	c, err := new(secrets).open(t.Context(), s, h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseInstance(context.Background()) })
	return &rig{c, t, h}
}

// listen runs Listen until the test ends, and returns the broker's address.
func (r *rig) listen() string {
	r.t.Helper()
	if err := r.Bind(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Listen(ctx, r.host.emit) }()
	r.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Errorf("Listen = %v", err)
		}
	})
	return r.link.address()["tcp"]
}

// until polls for what another goroutine or process does.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// call sends one request as JSON. headers are "Name: value".
func (r *rig) call(method, path, body string, headers ...string) sdk.WebhookResponse {
	r.t.Helper()
	req := &sdk.WebhookRequest{
		Method: method, Path: path, Header: http.Header{}, Body: []byte(body),
		RemoteAddr: "192.0.2.1", URL: "https://gw.example.com/hooks/webshop" + path,
	}
	req.Path, req.Query, _ = strings.Cut(path, "?")
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Content-Type" {
			req.Header.Del(name)
		}
		req.Header.Add(name, value)
	}
	resp, err := r.Webhook(r.t.Context(), req)
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, path, err)
	}
	return resp
}

type registered struct {
	AccessToken string            `json:"accessToken"`
	UserID      string            `json:"userId"`
	AppID       string            `json:"appId"`
	ExpiresAt   time.Time         `json:"expiresAt"`
	Broker      map[string]string `json:"broker"`
}

// register makes a customer with a random id.
func (r *rig) register() registered {
	r.t.Helper()
	return into[registered](r.t, r.call("POST", "/register", `{"deviceId":"d1"}`))
}

// user makes an access token for a chosen id.
func (r *rig) user(id string) registered {
	r.t.Helper()
	token, _, err := r.signer.issue(id, identity{})
	if err != nil {
		r.t.Fatal(err)
	}
	return registered{AccessToken: token, UserID: id}
}

func into[T any](t *testing.T, resp sdk.WebhookResponse) (v T) {
	t.Helper()
	if resp.Status != 200 {
		t.Fatalf("status %d: %s", resp.Status, resp.Body)
	}
	if err := json.Unmarshal(resp.Body, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// errorCode is the code of a refusal.
func errorCode(t *testing.T, resp sdk.WebhookResponse) string {
	t.Helper()
	var v struct {
		Error struct{ Code, Message string } `json:"error"`
	}
	if err := json.Unmarshal(resp.Body, &v); err != nil || v.Error.Message == "" {
		t.Fatalf("not an error body: %q", resp.Body)
	}
	return v.Error.Code
}

func text(n int) sdk.Message {
	return sdk.Message{ID: fmt.Sprintf("c.1.%d", n), Text: fmt.Sprint("message ", n), Part: 1, Parts: 1, Author: sdk.AuthorAgent}
}
