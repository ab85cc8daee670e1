package main

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/sdk"
)

type headerDesk struct{ user, password, tenant string }

func (d *headerDesk) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	d.user, d.password, _ = r.BasicAuth()
	d.tenant = r.Header.Get("X-Tenant")
}

// calls are the calls that can fail, by their verb.
var calls = map[string]func(context.Context, *connector) error{
	"joinchat": func(ctx context.Context, c *connector) error {
		_, err := c.Open(ctx, chat, sdk.Message{Text: "Hi"})
		return err
	},
	"sendmsg": func(ctx context.Context, c *connector) error {
		_, err := c.Send(ctx, chat, sdk.Message{Text: "Hi"})
		return err
	},
	"leavechat": func(ctx context.Context, c *connector) error { return c.Close(ctx, chat, "") },
	"fireevent": func(ctx context.Context, c *connector) error { return c.SendEvent(ctx, chat, "vip", nil) },
	"getevents": func(ctx context.Context, c *connector) error {
		_, err := c.Poll(ctx, chat, nil)
		return err
	},
}

// TestAnswers holds what each answer means, verb by verb.
func TestAnswers(t *testing.T) {
	const page = "<!DOCTYPE html><html><body>maintenance</body></html>"
	type outcomes map[string]string
	same := func(what string) outcomes {
		return outcomes{"joinchat": what, "sendmsg": what, "leavechat": what, "fireevent": what, "getevents": what}
	}
	// What may have been done is not simply done again, unless that is harmless.
	twofold := outcomes{"joinchat": "ambiguous", "sendmsg": "ambiguous", "fireevent": "ambiguous", "leavechat": "retry", "getevents": "retry"}
	for _, tt := range []struct {
		name string
		desk *desk
		want outcomes
	}{
		{"empty", &desk{}, outcomes{"joinchat": "ambiguous", "sendmsg": "ok", "leavechat": "ok", "fireevent": "ok", "getevents": "ok"}},
		{"no id", &desk{body: `{}`}, outcomes{"joinchat": "retry", "sendmsg": "ok", "getevents": "ok"}},
		{"id null", &desk{body: `{"Connection_ID":null}`}, outcomes{"joinchat": "retry"}},
		{"id -1", &desk{body: `{"Connection_ID":-1}`}, outcomes{"joinchat": "retry"}},
		{"a list", &desk{body: `[]`}, outcomes{"joinchat": "retry", "getevents": "retry"}},
		{"Events null", &desk{body: `{"Events":null}`}, outcomes{"getevents": "ok"}},
		{"Events empty", &desk{body: `{"Events":[]}`}, outcomes{"getevents": "ok"}},
		{"half JSON", &desk{body: `{"Connection_ID":"C`}, outcomes{"joinchat": "ambiguous", "sendmsg": "ok", "getevents": "retry"}},
		{"web page", &desk{body: page}, outcomes{"joinchat": "ambiguous", "sendmsg": "ambiguous", "fireevent": "ambiguous", "leavechat": "retry", "getevents": "retry"}},
		{"400", &desk{status: 400}, outcomes{"joinchat": "rejected http_400", "sendmsg": "rejected http_400", "leavechat": "rejected http_400", "getevents": "retry"}},
		{"401", &desk{status: 401}, same("credentials refused")},
		{"403", &desk{status: 403}, same("credentials refused")},
		{"404", &desk{status: 404}, outcomes{"joinchat": "rejected http_404", "sendmsg": "chat gone", "fireevent": "chat gone", "leavechat": "ok", "getevents": "retry"}},
		{"408", &desk{status: 408}, same("retry")},
		{"410", &desk{status: 410}, outcomes{"sendmsg": "chat gone", "leavechat": "ok"}},
		{"429", &desk{status: 429}, same("throttled 0s")},
		{"429 and when", &desk{status: 429, header: http.Header{"Retry-After": {"7"}}}, same("throttled 7s")},
		{"429 and an age", &desk{status: 429, header: http.Header{"Retry-After": {"999999999999"}}}, same("throttled 1h0m0s")},
		{"429 and nonsense", &desk{status: 429, header: http.Header{"Retry-After": {"soon"}}}, same("throttled 0s")},
		{"503 and when", &desk{status: 503, header: http.Header{"Retry-After": {"7"}}}, same("throttled 7s")},
		{"503", &desk{status: 503}, same("retry")},
		{"501", &desk{status: 501}, same("retry")},
		{"500", &desk{status: 500, body: page}, twofold},
		{"500 and when", &desk{status: 500, header: http.Header{"Retry-After": {"7"}}}, twofold},
		{"502", &desk{status: 502}, twofold},
		{"504", &desk{status: 504}, twofold},
		{"599", &desk{status: 599}, twofold},
		{"redirect", &desk{status: 307, header: http.Header{"Location": {"/elsewhere"}}}, outcomes{
			"joinchat": "rejected http_307", "sendmsg": "rejected http_307", "getevents": "retry"}},
	} {
		for verb, want := range tt.want {
			t.Run(tt.name+"/"+verb, func(t *testing.T) {
				c, _ := dial(t, tt.desk)
				if got := verdict(calls[verb](t.Context(), c)); got != want {
					t.Errorf("%s, want %s", got, want)
				}
			})
		}
	}
}

func TestRetryAfterDate(t *testing.T) {
	c := newClient(config{}, func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) })
	for text, want := range map[string]time.Duration{
		"Fri, 02 Jan 2026 03:04:15 GMT": 10 * time.Second,
		"Fri, 02 Jan 2026 03:04:00 GMT": 0,
		"Fri, 02 Jan 2036 03:04:00 GMT": time.Hour,
		"-5":                            0,
		"":                              0,
	} {
		if got := c.waitAsked(text); got != want {
			t.Errorf("Retry-After %q: %v, want %v", text, got, want)
		}
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("/scripts/", http.RedirectHandler("/elsewhere", http.StatusFound))
	mux.HandleFunc("/elsewhere", func(http.ResponseWriter, *http.Request) { t.Error("followed") })
	c, _ := dial(t, mux)
	for verb, call := range calls {
		if err := call(t.Context(), c); err == nil {
			t.Errorf("%s: no error", verb)
		}
	}
}

// raw is a far side below HTTP. It serves one connection after the other.
func raw(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serve(c)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return "http://" + l.Addr().String()
}

func connect(t *testing.T, s settings) *connector {
	t.Helper()
	c, err := open(t.Context(), s, new(fakeHost))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseInstance(context.Background()) })
	return c
}

func TestLostAnswers(t *testing.T) {
	readAll := func(c net.Conn) { _, _ = http.ReadRequest(newReader(c)) }
	for _, tt := range []struct {
		name  string
		serve func(net.Conn)
		want  map[string]string
	}{
		{"closed after the request", readAll, map[string]string{"joinchat": "ambiguous", "sendmsg": "ambiguous", "leavechat": "retry", "getevents": "retry"}},
		{"reset after the request", func(c net.Conn) {
			readAll(c)
			_ = c.(*net.TCPConn).SetLinger(0)
		}, map[string]string{"joinchat": "ambiguous", "sendmsg": "ambiguous", "leavechat": "retry", "getevents": "retry"}},
		{"hangs", func(c net.Conn) {
			readAll(c)
			_, _ = io.Copy(io.Discard, c)
		}, map[string]string{"joinchat": "ambiguous", "sendmsg": "ambiguous", "leavechat": "retry", "getevents": "retry"}},
		{"never reads", func(c net.Conn) {
			buf := make([]byte, 1)
			_, _ = c.Read(buf)
			_, _ = io.Copy(io.Discard, c)
		}, map[string]string{"joinchat": "ambiguous", "sendmsg": "ambiguous", "leavechat": "retry", "getevents": "retry"}},
		{"garbage", func(c net.Conn) {
			readAll(c)
			_, _ = io.WriteString(c, "SSH-2.0-x\r\n")
		}, map[string]string{"joinchat": "ambiguous", "sendmsg": "ambiguous", "leavechat": "retry", "getevents": "retry"}},
		{"status and half a body", func(c net.Conn) {
			readAll(c)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"Connec")
		}, map[string]string{"joinchat": "ambiguous", "sendmsg": "ok", "getevents": "retry"}},
		{"one byte at a time", func(c net.Conn) {
			readAll(c)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
			_, _ = io.Copy(io.Discard, c) // until the client gives up
		}, map[string]string{"joinchat": "ambiguous", "sendmsg": "ok", "getevents": "retry"}},
	} {
		for verb, want := range tt.want {
			t.Run(tt.name+"/"+verb, func(t *testing.T) {
				got, base := "", raw(t, tt.serve)
				for limit := 200 * time.Millisecond; got != want && limit < time.Minute; limit *= 2 {
					c := connect(t, settings{BaseURL: base, Timeout: limit.String()}) // enough to get that far
					got = verdict(calls[verb](t.Context(), c))
				}
				if got != want {
					t.Errorf("%s, want %s", got, want)
				}
			})
		}
	}
}

func TestNothingWentOut(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := "http://" + l.Addr().String()
	_ = l.Close()
	plain := raw(t, func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") })
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		name, base string
		ctx        context.Context
	}{
		{"refused", refused, t.Context()},
		{"no such host", "http://nowhere.invalid", t.Context()},
		{"no TLS over there", strings.Replace(plain, "http", "https", 1), t.Context()},
		{"ended before", refused, ended},
	} {
		for verb, call := range calls {
			t.Run(tt.name+"/"+verb, func(t *testing.T) {
				c := connect(t, settings{BaseURL: tt.base, Timeout: "30s"})
				err := call(tt.ctx, c)
				if verdict(err) != "retry" {
					t.Errorf("%v, want a retry", err)
				}
				if strings.Contains(err.Error(), "C1") {
					t.Errorf("%v names the chat, which is its key", err)
				}
			})
		}
	}
}

// TestDeadline: the caller's deadline counts where it is the shorter one.
func TestDeadline(t *testing.T) {
	asked := make(chan struct{}, 16)
	c := connect(t, settings{Timeout: "30s", BaseURL: raw(t, func(c net.Conn) {
		if _, err := http.ReadRequest(newReader(c)); err == nil {
			asked <- struct{}{}
		}
		_, _ = io.Copy(io.Discard, c)
	})})
	for limit := 100 * time.Millisecond; ; limit *= 2 { // enough for the request to get there
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		_, err := c.Send(ctx, chat, sdk.Message{Text: "Hi"})
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("%v, want the deadline", err)
		}
		if len(asked) == 0 {
			continue
		}
		if verdict(err) != "ambiguous" {
			t.Errorf("%v, want ambiguous", err)
		}
		return
	}
}

func TestClientCertificate(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) == 0 {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	srv.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	srv.StartTLS()
	defer srv.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if err := os.WriteFile(ca, cert, 0o600); err != nil {
		t.Fatal(err)
	}
	certFile, keyFile := keyPair(t)
	if _, err := connect(t, settings{BaseURL: srv.URL}).Send(t.Context(), chat, sdk.Message{Text: "Hi"}); verdict(err) != "retry" {
		t.Errorf("without the authority: %v, want a retry, nothing went out", err)
	}
	trusting := settings{BaseURL: srv.URL, TLS: tlsSettings{CA: ca}}
	if _, err := connect(t, trusting).Send(t.Context(), chat, sdk.Message{Text: "Hi"}); verdict(err) != "credentials refused" {
		t.Errorf("without a certificate: %v, want credentials refused", err)
	}
	trusting.TLS.Cert, trusting.TLS.Key = certFile, keyFile
	if _, err := connect(t, trusting).Send(t.Context(), chat, sdk.Message{Text: "Hi"}); err != nil {
		t.Errorf("with both: %v", err)
	}
}
