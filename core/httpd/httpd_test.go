package httpd_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/httpd"
	pluginv1 "github.com/openccsp/gateway/sdk/pluginv1"
)

func TestMain(m *testing.M) {
	code := m.Run()
	left := []goleak.Option{
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"), // up to 10 s behind Serve
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).workerFunc"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1.1"),
	}
	err := goleak.Find(left...)
	for end := time.Now().Add(patience); code == 0 && err != nil && time.Now().Before(end); {
		err = goleak.Find(left...) // it waits for a second itself
	}
	if code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, "goroutines are left:", err)
		code = 1
	}
	os.Exit(code)
}

// hooks is a driver's side made of functions; it remembers what it was asked.
type hooks struct {
	webhook   func(context.Context, *pluginv1.WebhookRequest) (*pluginv1.WebhookAnswer, error)
	socket    func(context.Context, *pluginv1.WebhookRequest, string, net.Conn) error
	protocols []string
	widget    string
	noWidget  error

	mu   sync.Mutex
	seen []*pluginv1.WebhookRequest
}

func (h *hooks) Webhook(ctx context.Context, instance string, r *pluginv1.WebhookRequest) (*pluginv1.WebhookAnswer, error) {
	if instance != "shop" {
		return nil, core.Errorf(core.NotFound, "no channel %q", instance)
	}
	h.mu.Lock()
	h.seen = append(h.seen, r)
	h.mu.Unlock()
	if h.webhook == nil {
		return &pluginv1.WebhookAnswer{Body: []byte("ok")}, nil
	}
	return h.webhook(ctx, r)
}

func (h *hooks) Socket(ctx context.Context, _ string, r *pluginv1.WebhookRequest, sub string, conn net.Conn) error {
	return h.socket(ctx, r, sub, conn)
}

func (h *hooks) SocketProtocols(instance string) []string {
	if instance != "shop" {
		return nil
	}
	return h.protocols
}

func (h *hooks) OnlyWidget() (string, error) { return h.widget, h.noWidget }

func (h *hooks) requests() []*pluginv1.WebhookRequest {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]*pluginv1.WebhookRequest(nil), h.seen...)
}

// patience is for what takes milliseconds on a machine that has nothing else
// to do.
const patience = time.Minute

// public is a running public listener.
type public struct {
	*httpd.Public
	addr string
	reg  *prometheus.Registry
	log  *syncBuffer
	stop func() error // stops it and returns what Serve returned
}

// startPublic serves o on loopback until the test ends. Times that are not set
// are long, because machines are busy.
func startPublic(t testing.TB, o httpd.PublicOptions) *public {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &public{addr: ln.Addr().String(), reg: prometheus.NewRegistry(), log: &syncBuffer{}}
	for _, d := range []*time.Duration{&o.Limits.Read, &o.Limits.Write, &o.Limits.Request} {
		if *d == 0 {
			*d = patience
		}
	}
	o.Metrics, o.Log = p.reg, slog.New(slog.NewJSONHandler(p.log, nil))
	p.Public = httpd.NewPublic(o)
	p.stop = serve(t, ln, p.Serve)
	waitFor(t, p.Serving)
	return p
}

// serve runs f until the test ends or the returned function is called.
func serve(t testing.TB, ln net.Listener, f func(context.Context, net.Listener) error) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx, ln) }()
	stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return stop
}

// exchange sends raw bytes and returns all that comes back until the server
// closes.
func exchange(t testing.TB, addr, raw string) string {
	t.Helper()
	c := dial(t, addr)
	if _, err := io.WriteString(c, raw); err != nil {
		t.Logf("write: %v", err) // the server may have closed
	}
	b, _ := io.ReadAll(c) // a reset after the answer is not an error here
	return string(b)
}

func dial(t testing.TB, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

// client returns an HTTP client whose connections end with the test.
func client(t testing.TB) *http.Client {
	tr := &http.Transport{MaxIdleConnsPerHost: 300, DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// reply is an HTTP response that was read whole.
type reply struct {
	*http.Response
	body string
}

func readReply(t testing.TB, r *bufio.Reader) reply {
	t.Helper()
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatalf("no response: %v", err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("response body: %v", err)
	}
	return reply{resp, string(b)}
}

func do(t testing.TB, c *http.Client, req *http.Request) reply {
	t.Helper()
	resp, err := c.Do(req)
	for n := 0; n < 5 && (errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)); n++ {
		// Who is refused while he still writes may miss the answer.
		if req.Body, err = req.GetBody(); err != nil {
			t.Fatal(err)
		}
		resp, err = c.Do(req)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp, string(b)}
}

func request(t testing.TB, method, url, body string, header ...string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, url, bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	return req
}

// waitFor waits for something at the process's border.
func waitFor(t testing.TB, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it did not happen within %s", patience)
		}
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
