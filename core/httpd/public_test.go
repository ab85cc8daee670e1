package httpd_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp/fasthttputil"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/httpd"
	"github.com/openccsp/gateway/core/store"
	pluginv1 "github.com/openccsp/gateway/sdk/pluginv1"
)

func TestWebhookReachesTheDriverAsItCame(t *testing.T) {
	h := &hooks{}
	p := startPublic(t, httpd.PublicOptions{Hooks: h, PublicURL: "https://gw.example.com/base/"})
	body := "{\"a\":1}\x00\xff raw"
	req := request(t, "POST", "http://"+p.addr+"/hooks/shop/in/a%20b?x=1&y=%2F", body,
		"X-Signature", "sha256=00", "X-Twice", "1", "X-Twice", "2")
	if got := do(t, client(t), req); got.StatusCode != 200 || got.body != "ok" {
		t.Fatalf("answer %d %q, want 200 ok", got.StatusCode, got.body)
	}
	r := h.requests()[0]
	got := []string{r.Method, r.Path, r.Query, string(r.Body), r.RemoteAddr, r.Url}
	want := []string{"POST", "/in/a b", "x=1&y=%2F", body, "127.0.0.1", "https://gw.example.com/base/hooks/shop/in/a%20b?x=1&y=%2F"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("request (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"sha256=00", "1", "2", p.addr},
		append(append(header(r, "X-Signature"), header(r, "X-Twice")...), header(r, "Host")...)); d != "" {
		t.Errorf("headers (-want +got):\n%s", d)
	}
}

func header(r *pluginv1.WebhookRequest, name string) (values []string) {
	for _, h := range r.Headers {
		if strings.EqualFold(h.Name, name) {
			values = append(values, h.Value)
		}
	}
	return values
}

func TestWidgetIsTheChannelsOwn(t *testing.T) {
	none := core.Errorf(core.NotFound, "there are 2")
	for _, tt := range []struct {
		query, only string
		err         error
		status      int
	}{
		{"", "shop", nil, 200},
		{"?channel=shop", "", none, 200},
		{"?channel=shop&v=2", "", none, 200},
		{"", "", none, 404},
		{"?channel=club", "shop", nil, 404},
		{"?channel=..%2Fshop", "shop", nil, 404},
	} {
		h := &hooks{widget: tt.only, noWidget: tt.err}
		p := startPublic(t, httpd.PublicOptions{Hooks: h})
		got := do(t, client(t), request(t, "GET", "http://"+p.addr+"/widget.js"+tt.query, ""))
		if got.StatusCode != tt.status {
			t.Errorf("%s: %d %s, want %d", tt.query, got.StatusCode, got.body, tt.status)
		}
		if tt.status == 200 && h.requests()[0].Path != "/widget.js" {
			t.Errorf("%s: the driver got %q", tt.query, h.requests()[0].Path)
		}
	}
}

func TestEveryMethodGoesToTheDriver(t *testing.T) {
	h := &hooks{}
	p := startPublic(t, httpd.PublicOptions{Hooks: h})
	methods := []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"}
	for i, method := range methods {
		got := do(t, client(t), request(t, method, "http://"+p.addr+"/hooks/shop", ""))
		if got.StatusCode != 200 {
			t.Errorf("%s: status %d, want 200", method, got.StatusCode)
		}
		if r := h.requests()[i]; r.Method != method || r.Path != "" {
			t.Errorf("driver saw %s %q, want %s and no path", r.Method, r.Path, method)
		}
	}
}

func TestPublicErrors(t *testing.T) {
	tests := []struct {
		name string
		err  error
		code int
		body string
	}{
		{"invalid", core.Errorf(core.Invalid, "no"), 400, `{"error":{"code":"invalid","message":"no"}}`},
		{"unauthorized", core.Errorf(core.Unauthorized, "bad signature"), 401, `{"error":{"code":"unauthorized","message":"bad signature"}}`},
		{"not found", core.Errorf(core.NotFound, "gone"), 404, `{"error":{"code":"not_found","message":"gone"}}`},
		{"conflict", core.Errorf(core.Conflict, "no"), 409, `{"error":{"code":"conflict","message":"no"}}`},
		{"too large", core.Errorf(core.TooLarge, "no"), 413, `{"error":{"code":"too_large","message":"no"}}`},
		{"unavailable, wrapped", fmt.Errorf("x: %w", core.Errorf(core.Unavailable, "later")), 503, `{"error":{"code":"unavailable","message":"later"}}`},
		{"store full", fmt.Errorf("append: %w", store.ErrFull), 503, `{"error":{"code":"unavailable","message":"not possible now, try again"}}`},
		{"too late", context.DeadlineExceeded, 503, `{"error":{"code":"unavailable","message":"not possible now, try again"}}`},
		{"internal", core.Errorf(core.Internal, "canary-1"), 500, `{"error":{"code":"internal","message":"internal error, see the gateway's log"}}`},
		{"unknown", errors.New("canary-2"), 500, `{"error":{"code":"internal","message":"internal error, see the gateway's log"}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := &hooks{webhook: func(context.Context, *pluginv1.WebhookRequest) (*pluginv1.WebhookAnswer, error) { return nil, tt.err }}
			p := startPublic(t, httpd.PublicOptions{Hooks: h})
			got := do(t, client(t), request(t, "POST", "http://"+p.addr+"/hooks/shop", "x"))
			if got.StatusCode != tt.code || strings.TrimSpace(got.body) != tt.body {
				t.Errorf("got %d %s\nwant %d %s", got.StatusCode, got.body, tt.code, tt.body)
			}
			if retry := got.Header.Get("Retry-After"); (retry != "") != (tt.code == 503) {
				t.Errorf("Retry-After %q with %d", retry, tt.code)
			}
			logged := strings.Contains(p.log.String(), tt.err.Error())
			if logged != (tt.code == 500) {
				t.Errorf("logged %v with %d: %s", logged, tt.code, p.log)
			}
			if id := got.Header.Get("X-Request-Id"); id == "" || logged && !strings.Contains(p.log.String(), id) {
				t.Errorf("request id %q is not in the log %s", id, p.log)
			}
		})
	}
}

func TestPanicIsAnError(t *testing.T) {
	h := &hooks{webhook: func(context.Context, *pluginv1.WebhookRequest) (*pluginv1.WebhookAnswer, error) { panic("boom") }}
	p := startPublic(t, httpd.PublicOptions{Hooks: h})
	for range 2 {
		if got := do(t, client(t), request(t, "GET", "http://"+p.addr+"/hooks/shop", "")); got.StatusCode != 500 {
			t.Errorf("status %d, want 500", got.StatusCode)
		}
	}
	if !strings.Contains(p.log.String(), "boom") {
		t.Error("the panic is not in the log")
	}
}

func TestUnknownPaths(t *testing.T) {
	h := &hooks{}
	p := startPublic(t, httpd.PublicOptions{Hooks: h})
	for path, want := range map[string]int{
		"/": 404, "/hooks": 404, "/hooks/": 404, "/hooks//x": 404, "/hooks/nobody": 404, "/hooks/sho%70/x": 404,
		"/hooks/../hooks/shop": 404, "/hooks/%2e%2e/x": 404, "/HOOKS/shop": 404, "/v1/version": 404, "/metrics": 404,
		"/hooks/shop/../x": 400, "/hooks/shop/a/..": 400, "/hooks/shop/./x": 400, "/hooks/shop/%2e%2e/x": 400,
		"/hooks/shop/%2E%2e%2fx": 400, "/hooks/shop/%00": 400, "/hooks/shop/a%5cb": 400, "/hooks/shop/%zz": 400,
		"/hooks/shop/.well-known/x": 200, "/hooks/shop/a..b/..c": 200, "//hooks/shop": 404,
	} {
		got := exchange(t, p.addr, "GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if !strings.HasPrefix(got, fmt.Sprintf("HTTP/1.1 %d ", want)) {
			t.Errorf("GET %s: %.60q, want %d", path, got, want)
		}
	}
}

func TestRemoteAddressAndURL(t *testing.T) {
	tests := []struct {
		name, forwarded, proto string
		trusted                []netip.Prefix
		addr, scheme           string
	}{
		{"no proxy is trusted", "9.9.9.9", "https", nil, "127.0.0.1", "http"},
		{"trusted", "9.9.9.9", "https", []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, "9.9.9.9", "https"},
		{"forged before the proxy", "1.1.1.1, 9.9.9.9", "http", []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, "9.9.9.9", "http"},
		{"two proxies", "9.9.9.9, 127.0.0.9", "", []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, "9.9.9.9", "http"},
		{"garbage", "9.9.9.9, <script>", "", []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, "127.0.0.1", "http"},
		{"nothing", "", "", []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, "127.0.0.1", "http"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := &hooks{}
			p := startPublic(t, httpd.PublicOptions{Hooks: h, TrustedProxies: tt.trusted})
			req := request(t, "GET", "http://"+p.addr+"/hooks/shop", "", "X-Forwarded-For", tt.forwarded, "X-Forwarded-Proto", tt.proto)
			do(t, client(t), req)
			r := h.requests()[0]
			if want := tt.scheme + "://" + p.addr + "/hooks/shop"; r.RemoteAddr != tt.addr || r.Url != want {
				t.Errorf("got %s %s, want %s %s", r.RemoteAddr, r.Url, tt.addr, want)
			}
		})
	}
}

func TestTLSListener(t *testing.T) {
	srv := httptest.NewTLSServer(nil) // for its certificate
	defer srv.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &hooks{}
	p := httpd.NewPublic(httpd.PublicOptions{Hooks: h, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry()})
	serve(t, tls.NewListener(ln, &tls.Config{Certificates: srv.TLS.Certificates}), p.Serve)
	url := "https://" + ln.Addr().String() + "/hooks/shop"
	if got := do(t, srv.Client(), request(t, "POST", url, "x")); got.StatusCode != 200 {
		t.Fatalf("status %d, want 200", got.StatusCode)
	}
	srv.Client().CloseIdleConnections()
	if r := h.requests()[0]; r.Url != url || r.RemoteAddr != "127.0.0.1" {
		t.Errorf("driver saw %s from %s, want %s", r.Url, r.RemoteAddr, url)
	}
}

func TestInMemoryListener(t *testing.T) {
	ln := fasthttputil.NewInmemoryListener()
	h := &hooks{}
	p := httpd.NewPublic(httpd.PublicOptions{Hooks: h, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry()})
	serve(t, ln, p.Serve)
	tr := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return ln.Dial() }}
	t.Cleanup(tr.CloseIdleConnections)
	if got := do(t, &http.Client{Transport: tr}, request(t, "POST", "http://gw/hooks/shop", "x")); got.StatusCode != 200 {
		t.Fatalf("status %d, want 200", got.StatusCode)
	}
	if r := h.requests()[0]; r.RemoteAddr != "" || r.Url != "http://gw/hooks/shop" {
		t.Errorf("driver saw %s from %q, want no address", r.Url, r.RemoteAddr)
	}
}

func TestAnswers(t *testing.T) {
	hdr := func(kv ...string) (list []*pluginv1.Header) {
		for i := 0; i < len(kv); i += 2 {
			list = append(list, &pluginv1.Header{Name: kv[i], Value: kv[i+1]})
		}
		return list
	}
	tests := []struct {
		name   string
		answer *pluginv1.WebhookAnswer
		code   int
		body   string
		header map[string]string // "": must be absent
	}{
		{"nothing set", &pluginv1.WebhookAnswer{}, 200, "", map[string]string{"Content-Type": ""}},
		{"nil", nil, 200, "", nil},
		{"as it is", &pluginv1.WebhookAnswer{Status: 201, Headers: hdr("Content-Type", "text/xml", "Access-Control-Allow-Origin", "*", "X-A", "1"), Body: []byte("<a/>")},
			201, "<a/>", map[string]string{"Content-Type": "text/xml", "Access-Control-Allow-Origin": "*", "X-A": "1", "Content-Length": "4"}},
		{"a body of no type is text", &pluginv1.WebhookAnswer{Body: []byte("<script>")}, 200, "<script>",
			map[string]string{"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}},
		{"the gateway's own headers", &pluginv1.WebhookAnswer{Headers: hdr("Content-Length", "1", "content-length", "0", "Transfer-Encoding", "chunked",
			"Connection", "upgrade", "Date", "yesterday", "Server", "evil", "Upgrade", "h2c", "Trailer", "X"), Body: []byte("abc")},
			200, "abc", map[string]string{"Content-Length": "3", "Server": "", "Upgrade": "", "Trailer": ""}},
		{"redirect", &pluginv1.WebhookAnswer{Status: 302, Headers: hdr("Location", "https://x.example/")}, 302, "", map[string]string{"Location": "https://x.example/"}},
		{"no content", &pluginv1.WebhookAnswer{Status: 204}, 204, "", nil},
		{"line break in a value", &pluginv1.WebhookAnswer{Headers: hdr("X-A", "1\r\nSet-Cookie: a=b")}, 500, internal, map[string]string{"Set-Cookie": "", "X-A": ""}},
		{"line feed in a value", &pluginv1.WebhookAnswer{Headers: hdr("X-A", "1\nX-B: 2")}, 500, internal, map[string]string{"X-B": ""}},
		{"line break in a name", &pluginv1.WebhookAnswer{Headers: hdr("X-A: 1\r\nX-B", "2")}, 500, internal, map[string]string{"X-A": "", "X-B": ""}},
		{"space in a name", &pluginv1.WebhookAnswer{Headers: hdr("X A", "2")}, 500, internal, nil},
		{"NUL in a value", &pluginv1.WebhookAnswer{Headers: hdr("X-A", "a\x00b")}, 500, internal, nil},
		{"no name", &pluginv1.WebhookAnswer{Headers: hdr("", "x")}, 500, internal, nil},
		{"injected location", &pluginv1.WebhookAnswer{Status: 302, Headers: hdr("Location", "/\r\n\r\n<script>")}, 500, internal, map[string]string{"Location": ""}},
		{"status 100", &pluginv1.WebhookAnswer{Status: 100}, 500, internal, nil},
		{"status 101", &pluginv1.WebhookAnswer{Status: 101}, 500, internal, nil},
		{"status 99999", &pluginv1.WebhookAnswer{Status: 99999}, 500, internal, nil},
		{"65 headers", &pluginv1.WebhookAnswer{Headers: hdr(strings.Split(strings.Repeat("X,y,", 65), ",")[:130]...)}, 500, internal, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := &hooks{webhook: func(context.Context, *pluginv1.WebhookRequest) (*pluginv1.WebhookAnswer, error) {
				return tt.answer, nil
			}}
			p := startPublic(t, httpd.PublicOptions{Hooks: h})
			got := do(t, client(t), request(t, "GET", "http://"+p.addr+"/hooks/shop", ""))
			if got.StatusCode != tt.code || strings.TrimSpace(got.body) != tt.body {
				t.Errorf("got %d %q, want %d %q", got.StatusCode, got.body, tt.code, tt.body)
			}
			for name, want := range tt.header {
				if v := got.Header.Get(name); v != want {
					t.Errorf("%s: %q, want %q", name, v, want)
				}
			}
		})
	}
}

const internal = `{"error":{"code":"internal","message":"internal error, see the gateway's log"}}`

func TestTooManyRequestsInHand(t *testing.T) {
	enter, leave := make(chan struct{}, 8), make(chan struct{})
	h := &hooks{webhook: func(context.Context, *pluginv1.WebhookRequest) (*pluginv1.WebhookAnswer, error) {
		enter <- struct{}{}
		<-leave
		return nil, nil
	}}
	p := startPublic(t, httpd.PublicOptions{Hooks: h, Limits: httpd.Limits{InFlight: 2}})
	c, first := client(t), make(chan int, 2)
	for range 2 {
		req := request(t, "POST", "http://"+p.addr+"/hooks/shop", "x")
		go func() {
			resp, err := c.Do(req)
			if err != nil {
				first <- 0
				return
			}
			resp.Body.Close()
			first <- resp.StatusCode
		}()
		<-enter
	}
	got := do(t, c, request(t, "POST", "http://"+p.addr+"/hooks/shop", "x"))
	if got.StatusCode != 503 || got.Header.Get("Retry-After") == "" {
		t.Errorf("third request: %d, Retry-After %q; want 503 and a time", got.StatusCode, got.Header.Get("Retry-After"))
	}
	close(leave)
	for range 2 {
		if code := <-first; code != 200 {
			t.Errorf("request in hand: %d, want 200", code)
		}
	}
	if got := do(t, c, request(t, "POST", "http://"+p.addr+"/hooks/shop", "x")); got.StatusCode != 200 {
		t.Errorf("after them: %d, want 200", got.StatusCode)
	}
}

func TestRequestHasADeadline(t *testing.T) {
	h := &hooks{webhook: func(ctx context.Context, _ *pluginv1.WebhookRequest) (*pluginv1.WebhookAnswer, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	p := startPublic(t, httpd.PublicOptions{Hooks: h, Limits: httpd.Limits{Request: 50 * time.Millisecond}})
	if got := do(t, client(t), request(t, "GET", "http://"+p.addr+"/hooks/shop", "")); got.StatusCode != 503 {
		t.Errorf("status %d, want 503", got.StatusCode)
	}
}

func TestStopFinishesWhatIsInHand(t *testing.T) {
	enter, leave := make(chan struct{}), make(chan struct{})
	h := &hooks{webhook: func(ctx context.Context, _ *pluginv1.WebhookRequest) (*pluginv1.WebhookAnswer, error) {
		enter <- struct{}{}
		<-leave
		return &pluginv1.WebhookAnswer{Body: []byte("done")}, ctx.Err()
	}}
	p := startPublic(t, httpd.PublicOptions{Hooks: h, Limits: httpd.Limits{Drain: patience}})
	c := dial(t, p.addr)
	io.WriteString(c, "GET /hooks/shop HTTP/1.1\r\nHost: x\r\n\r\n")
	<-enter
	stopped := make(chan error, 1)
	go func() { stopped <- p.stop() }()
	waitFor(t, func() bool { return !p.Serving() })
	close(leave)
	got := readReply(t, bufio.NewReader(c))
	if got.StatusCode != 200 || got.body != "done" || !got.Close {
		t.Errorf("got %d %q, close %v; want 200 done and the end of the connection", got.StatusCode, got.body, got.Close)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if c, err := net.Dial("tcp", p.addr); err == nil {
		c.Close()
		t.Error("it still listens")
	}
}

func TestStopIsBounded(t *testing.T) {
	t.Parallel() // it takes 4 s
	enter := make(chan struct{})
	h := &hooks{webhook: func(ctx context.Context, _ *pluginv1.WebhookRequest) (*pluginv1.WebhookAnswer, error) {
		enter <- struct{}{}
		<-ctx.Done() // it would take its hour
		return nil, ctx.Err()
	}}
	p := startPublic(t, httpd.PublicOptions{Hooks: h, Limits: httpd.Limits{Drain: 2 * time.Second, Request: time.Hour}})
	c := dial(t, p.addr)
	io.WriteString(c, "GET /hooks/shop HTTP/1.1\r\nHost: x\r\n\r\n")
	<-enter
	idle := dial(t, p.addr) // has said nothing yet
	stopped := make(chan error, 1)
	go func() { stopped <- p.stop() }()
	select {
	case err := <-stopped:
		if err != nil {
			t.Errorf("Serve: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("the stop has no end")
	}
	if got := readReply(t, bufio.NewReader(c)); got.StatusCode != 503 {
		t.Errorf("cut request: %d, want 503", got.StatusCode)
	}
	if n, err := idle.Read(make([]byte, 1)); err == nil {
		t.Errorf("idle connection is open (%d bytes read)", n)
	}
}

func TestStopBeforeStart(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := httpd.NewPublic(httpd.PublicOptions{Hooks: &hooks{}, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry()})
	if err := p.Serve(ctx, ln); err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener: %v, want it closed", err)
	}
}

func TestLostListenerIsAnError(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	p := httpd.NewPublic(httpd.PublicOptions{Hooks: &hooks{}, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry()})
	if err := p.Serve(t.Context(), ln); err == nil || !strings.Contains(err.Error(), ln.Addr().String()) {
		t.Errorf("Serve: %v, want an error that names the address", err)
	}
}

func TestMetrics(t *testing.T) {
	p := startPublic(t, httpd.PublicOptions{Hooks: &hooks{}})
	do(t, client(t), request(t, "GET", "http://"+p.addr+"/hooks/shop", ""))
	do(t, client(t), request(t, "GET", "http://"+p.addr+"/hooks/nobody", ""))
	exchange(t, p.addr, "garbage\r\n\r\n")
	want := map[string]float64{"2xx": 1, "4xx": 2, "5xx": 0}
	families, err := p.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		if f.GetName() != "gateway_http_requests_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if labels["listener"] != "public" {
				t.Errorf("labels %v, want listener public", labels)
			}
			if _, ok := want[labels["code"]]; ok {
				got[labels["code"]] = m.GetCounter().GetValue()
			}
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("requests by class (-want +got):\n%s", d)
	}
}

func BenchmarkWebhook(b *testing.B) {
	h := benchHooks{}
	p := startPublic(b, httpd.PublicOptions{Hooks: h})
	raw := "POST /hooks/shop/in HTTP/1.1\r\nHost: gw.example.com\r\nContent-Type: application/json\r\nX-Hub-Signature-256: sha256=" +
		strings.Repeat("0", 64) + "\r\nUser-Agent: bench\r\nContent-Length: 512\r\n\r\n" + strings.Repeat("x", 512)
	b.ReportAllocs()
	b.SetParallelism(256 / runtime.GOMAXPROCS(0)) // senders
	b.RunParallel(func(pb *testing.PB) {
		c := dial(b, p.addr)
		c.SetDeadline(time.Time{})
		in := bufio.NewReader(c)
		for pb.Next() {
			io.WriteString(c, raw)
			for {
				line, err := in.ReadSlice('\n')
				if err != nil {
					b.Error(err)
					return
				}
				if len(line) == 2 {
					break
				}
			}
			in.Discard(2)
		}
	})
}

type benchHooks struct{ httpd.Hooks }

var benchAnswer = &pluginv1.WebhookAnswer{Body: []byte("ok")}

func (benchHooks) Webhook(context.Context, string, *pluginv1.WebhookRequest) (*pluginv1.WebhookAnswer, error) {
	return benchAnswer, nil
}
