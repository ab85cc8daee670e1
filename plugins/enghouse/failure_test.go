package main

import (
	"bufio"
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

	"github.com/openccsp/gateway/plugins/internal/pemfile"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
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
		desk *plugintest.Far
		want outcomes
	}{
		{"empty", &plugintest.Far{}, outcomes{"joinchat": "ambiguous", "sendmsg": "ok", "leavechat": "ok", "fireevent": "ok", "getevents": "ok"}},
		{"no id", &plugintest.Far{Body: `{}`}, outcomes{"joinchat": "retry", "sendmsg": "ok", "getevents": "ok"}},
		{"id null", &plugintest.Far{Body: `{"Connection_ID":null}`}, outcomes{"joinchat": "retry"}},
		{"id -1", &plugintest.Far{Body: `{"Connection_ID":-1}`}, outcomes{"joinchat": "retry"}},
		{"a list", &plugintest.Far{Body: `[]`}, outcomes{"joinchat": "retry", "getevents": "retry"}},
		{"Events null", &plugintest.Far{Body: `{"Events":null}`}, outcomes{"getevents": "ok"}},
		{"Events empty", &plugintest.Far{Body: `{"Events":[]}`}, outcomes{"getevents": "ok"}},
		{"half JSON", &plugintest.Far{Body: `{"Connection_ID":"C`}, outcomes{"joinchat": "ambiguous", "sendmsg": "ok", "getevents": "retry"}},
		{"web page", &plugintest.Far{Body: page}, outcomes{"joinchat": "ambiguous", "sendmsg": "ambiguous", "fireevent": "ambiguous", "leavechat": "retry", "getevents": "retry"}},
		{"400", &plugintest.Far{Status: 400}, outcomes{"joinchat": "rejected http_400", "sendmsg": "chat gone", "fireevent": "chat gone", "leavechat": "ok", "getevents": "retry"}},
		{"401", &plugintest.Far{Status: 401}, same("credentials refused")},
		{"403", &plugintest.Far{Status: 403}, same("credentials refused")},
		{"404", &plugintest.Far{Status: 404}, outcomes{"joinchat": "rejected http_404", "sendmsg": "chat gone", "fireevent": "chat gone", "leavechat": "ok", "getevents": "retry"}},
		{"408", &plugintest.Far{Status: 408}, same("retry")},
		{"410", &plugintest.Far{Status: 410}, outcomes{"sendmsg": "chat gone", "leavechat": "ok"}},
		{"429", &plugintest.Far{Status: 429}, same("throttled 0s")},
		{"429 and when", &plugintest.Far{Status: 429, Header: http.Header{"Retry-After": {"7"}}}, same("throttled 7s")},
		{"429 and an age", &plugintest.Far{Status: 429, Header: http.Header{"Retry-After": {"999999999999"}}}, same("throttled 1h0m0s")},
		{"429 and nonsense", &plugintest.Far{Status: 429, Header: http.Header{"Retry-After": {"soon"}}}, same("throttled 0s")},
		{"503 and when", &plugintest.Far{Status: 503, Header: http.Header{"Retry-After": {"7"}}}, same("throttled 7s")},
		{"503", &plugintest.Far{Status: 503}, same("retry")},
		{"501", &plugintest.Far{Status: 501}, same("retry")},
		{"500", &plugintest.Far{Status: 500, Body: page}, twofold},
		{"500 and when", &plugintest.Far{Status: 500, Header: http.Header{"Retry-After": {"7"}}}, twofold},
		{"502", &plugintest.Far{Status: 502}, twofold},
		{"504", &plugintest.Far{Status: 504}, twofold},
		{"599", &plugintest.Far{Status: 599}, twofold},
		{"redirect", &plugintest.Far{Status: 307, Header: http.Header{"Location": {"/elsewhere"}}}, outcomes{
			"joinchat": "rejected http_307", "sendmsg": "rejected http_307", "getevents": "retry"}},
	} {
		for verb, want := range tt.want {
			t.Run(tt.name+"/"+verb, func(t *testing.T) {
				c, _ := dial(t, tt.desk)
				if got := plugintest.Verdict(calls[verb](t.Context(), c)); got != want {
					t.Errorf("%s, want %s", got, want)
				}
			})
		}
	}
}

// TestRefusedText: a refusal is about the text if the chat can still be asked for.
func TestRefusedText(t *testing.T) {
	for events, want := range map[int]string{200: "rejected http_400", 400: "chat gone", 404: "chat gone", 500: "rejected http_400",
		429: "rejected http_400", 401: "rejected http_400", 302: "rejected http_400"} {
		c, _ := dial(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				w.WriteHeader(events)
				return
			}
			w.WriteHeader(http.StatusBadRequest)
		}))
		if _, err := c.Send(t.Context(), chat, sdk.Message{Text: "Hi"}); plugintest.Verdict(err) != want {
			t.Errorf("getevents answers %d: %v, want %s", events, err, want)
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

func connect(t *testing.T, s settings) *connector {
	t.Helper()
	c, err := open(t.Context(), s, new(plugintest.Host))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseInstance(context.Background()) })
	return c
}

func TestLostAnswers(t *testing.T) {
	for _, far := range plugintest.Lost {
		base := plugintest.Listen(t, far.Serve)
		outcomes := map[string]string{"joinchat": "ambiguous", "sendmsg": "ambiguous", "leavechat": "retry", "getevents": "retry"}
		if far.Begun { // no more than the status of these counts
			outcomes["sendmsg"], outcomes["leavechat"] = "ok", "ok"
		}
		for verb, want := range outcomes {
			t.Run(far.Name+"/"+verb, func(t *testing.T) {
				got := plugintest.Patiently(want, func(limit time.Duration) error {
					return calls[verb](t.Context(), connect(t, settings{BaseURL: base, Timeout: limit.String()}))
				})
				if got != want {
					t.Errorf("%s, want %s", got, want)
				}
			})
		}
	}
}

func TestNothingWentOut(t *testing.T) {
	for _, far := range plugintest.Nowhere(t) {
		for verb, call := range calls {
			t.Run(far.Name+"/"+verb, func(t *testing.T) {
				err := call(far.Ctx, connect(t, settings{BaseURL: far.Base, Timeout: "30s"}))
				if plugintest.Verdict(err) != "retry" {
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
	c := connect(t, settings{Timeout: "30s", BaseURL: plugintest.Listen(t, func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
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
		if plugintest.Verdict(err) != "ambiguous" {
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
	if _, err := connect(t, settings{BaseURL: srv.URL}).Send(t.Context(), chat, sdk.Message{Text: "Hi"}); plugintest.Verdict(err) != "retry" {
		t.Errorf("without the authority: %v, want a retry, nothing went out", err)
	}
	trusting := settings{BaseURL: srv.URL, TLS: tlsSettings{TLS: pemfile.TLS{CA: ca}}}
	if _, err := connect(t, trusting).Send(t.Context(), chat, sdk.Message{Text: "Hi"}); plugintest.Verdict(err) != "credentials refused" {
		t.Errorf("without a certificate: %v, want credentials refused", err)
	}
	trusting.TLS.Cert, trusting.TLS.Key = certFile, keyFile
	if _, err := connect(t, trusting).Send(t.Context(), chat, sdk.Message{Text: "Hi"}); err != nil {
		t.Errorf("with both: %v", err)
	}
}
