package httpd_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/openccsp/gateway/core/httpd"
	pluginv1 "github.com/openccsp/gateway/sdk/pluginv1"
)

// echo is a driver that sends back what it reads.
func echo(_ context.Context, _ *pluginv1.WebhookRequest, _ string, conn net.Conn) error {
	_, err := io.Copy(conn, conn)
	return err
}

// dialSocket also returns the status and the subprotocol of the answer.
func dialSocket(t *testing.T, p *public, path string, header http.Header, protocols ...string) (*websocket.Conn, string, error) {
	t.Helper()
	d := websocket.Dialer{Subprotocols: protocols, HandshakeTimeout: patience}
	ws, resp, err := d.Dial("ws://"+p.addr+path, header)
	if ws != nil {
		t.Cleanup(func() { ws.Close() })
		ws.SetReadDeadline(time.Now().Add(patience))
	}
	if resp == nil {
		return ws, "", err
	}
	resp.Body.Close()
	return ws, strings.TrimSpace(fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("Sec-Websocket-Protocol"))), err
}

func TestSocketTunnel(t *testing.T) {
	seen := make(chan *pluginv1.WebhookRequest, 1)
	h := &hooks{protocols: []string{"mqtt", "mqttv3.1"}}
	h.socket = func(ctx context.Context, r *pluginv1.WebhookRequest, sub string, conn net.Conn) error {
		if sub != "mqtt" {
			t.Errorf("subprotocol %q, want mqtt", sub)
		}
		seen <- r
		return echo(ctx, r, sub, conn)
	}
	p := startPublic(t, httpd.PublicOptions{Hooks: h})
	ws, answer, err := dialSocket(t, p, "/hooks/shop/mqtt?x=1", http.Header{"Origin": {"https://shop.example"}}, "mqttv3.1", "mqtt")
	if err != nil {
		t.Fatal(err)
	}
	if answer != "101 mqtt" {
		t.Errorf("answer %q, want 101 and mqtt", answer)
	}
	r := <-seen
	if r.Path != "/mqtt" || r.Query != "x=1" || len(header(r, "Origin")) != 1 {
		t.Errorf("driver saw %v, want the path, the query and the origin", r)
	}
	for _, size := range []int{1, 125, 126, 65536, 200 << 10} {
		want := bytes.Repeat([]byte{byte(size)}, size)
		if err := ws.WriteMessage(websocket.BinaryMessage, want); err != nil {
			t.Fatal(err)
		}
		var got []byte
		for len(got) < size {
			kind, b, err := ws.ReadMessage()
			if err != nil || kind != websocket.BinaryMessage {
				t.Fatalf("read: kind %d, %v", kind, err)
			}
			got = append(got, b...)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%d bytes came back changed", size)
		}
	}
	if got := do(t, client(t), request(t, "GET", "http://"+p.addr+"/hooks/shop", "")); got.StatusCode != 200 {
		t.Errorf("plain request beside a socket: %d, want 200", got.StatusCode)
	}
}

func TestSocketHandshakes(t *testing.T) {
	h := &hooks{protocols: []string{"mqtt"}, socket: echo}
	p := startPublic(t, httpd.PublicOptions{Hooks: h})
	base := []string{"Upgrade", "websocket", "Connection", "Upgrade", "Sec-WebSocket-Version", "13",
		"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol", "mqtt"}
	change := func(name, value string) []string {
		h := append([]string(nil), base...)
		for i := 0; i < len(h); i += 2 {
			if h[i] == name {
				h[i+1] = value
			}
		}
		return h
	}
	tests := []struct {
		name, method, path string
		header             []string
		code               int
	}{
		{"right", "GET", "/hooks/shop", base, 101},
		{"no subprotocol", "GET", "/hooks/shop", change("Sec-WebSocket-Protocol", ""), 400},
		{"unknown subprotocol", "GET", "/hooks/shop", change("Sec-WebSocket-Protocol", "wamp, MQTT"), 400},
		{"old version", "GET", "/hooks/shop", change("Sec-WebSocket-Version", "8"), 400},
		{"no key", "GET", "/hooks/shop", change("Sec-WebSocket-Key", ""), 400},
		{"POST", "POST", "/hooks/shop", base, 400},
		{"no such instance", "GET", "/hooks/nobody", base, 404},
		{"not an upgrade", "GET", "/hooks/shop", change("Upgrade", "h2c"), 200},
	}
	for _, tt := range tests {
		raw := tt.method + " " + tt.path + " HTTP/1.1\r\nHost: x\r\n"
		for i := 0; i < len(tt.header); i += 2 {
			raw += tt.header[i] + ": " + tt.header[i+1] + "\r\n"
		}
		c := dial(t, p.addr)
		io.WriteString(c, raw+"\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		resp.Body.Close()
		if resp.StatusCode != tt.code {
			t.Errorf("%s: %d, want %d", tt.name, resp.StatusCode, tt.code)
		}
		c.Close()
	}
}

func TestSocketEnds(t *testing.T) {
	tests := []struct {
		name   string
		limits httpd.Limits
		send   func(*websocket.Conn)
		socket func(context.Context, *pluginv1.WebhookRequest, string, net.Conn) error
		code   int
	}{
		{name: "text", code: websocket.CloseUnsupportedData, send: func(ws *websocket.Conn) { ws.WriteMessage(websocket.TextMessage, []byte("hi")) }},
		{name: "too large", limits: httpd.Limits{SocketFrame: 1000}, code: websocket.CloseMessageTooBig,
			send: func(ws *websocket.Conn) { ws.WriteMessage(websocket.BinaryMessage, make([]byte, 1001)) }},
		{name: "driver is done", code: websocket.CloseNormalClosure,
			socket: func(context.Context, *pluginv1.WebhookRequest, string, net.Conn) error { return nil }},
		{name: "driver closes", code: websocket.CloseNormalClosure,
			socket: func(_ context.Context, _ *pluginv1.WebhookRequest, _ string, c net.Conn) error { return c.Close() }},
		{name: "driver fails", code: websocket.CloseInternalServerErr,
			socket: func(context.Context, *pluginv1.WebhookRequest, string, net.Conn) error { return errors.New("x") }},
		{name: "driver panics", code: websocket.CloseInternalServerErr,
			socket: func(context.Context, *pluginv1.WebhookRequest, string, net.Conn) error { panic("x") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := &hooks{protocols: []string{}, socket: tt.socket}
			if h.socket == nil {
				h.socket = echo
			}
			p := startPublic(t, httpd.PublicOptions{Hooks: h, Limits: tt.limits})
			ws, _, err := dialSocket(t, p, "/hooks/shop", nil)
			if err != nil {
				t.Fatal(err)
			}
			if tt.send != nil {
				tt.send(ws)
			}
			_, _, err = ws.ReadMessage()
			if !websocket.IsCloseError(err, tt.code) {
				t.Errorf("the socket ended with %v, want code %d", err, tt.code)
			}
		})
	}
}

func TestSocketEndIsSeenByTheDriver(t *testing.T) {
	ended := make(chan error, 1)
	h := &hooks{protocols: []string{}}
	h.socket = func(_ context.Context, _ *pluginv1.WebhookRequest, _ string, c net.Conn) error {
		_, err := c.Read(make([]byte, 8))
		ended <- err
		if _, err := c.Write([]byte("x")); err == nil {
			t.Error("write after the end succeeded")
		}
		return nil
	}
	p := startPublic(t, httpd.PublicOptions{Hooks: h})
	ws, _, err := dialSocket(t, p, "/hooks/shop", nil)
	if err != nil {
		t.Fatal(err)
	}
	ws.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""))
	if err := <-ended; !errors.Is(err, io.EOF) {
		t.Errorf("driver read %v, want EOF", err)
	}
}

func TestSocketReadDeadline(t *testing.T) {
	ended := make(chan error, 1)
	h := &hooks{protocols: []string{}}
	h.socket = func(_ context.Context, _ *pluginv1.WebhookRequest, _ string, c net.Conn) error {
		c.SetDeadline(time.Now().Add(20 * time.Millisecond))
		_, err := c.Read(make([]byte, 8))
		ended <- err
		return nil
	}
	p := startPublic(t, httpd.PublicOptions{Hooks: h})
	if _, _, err := dialSocket(t, p, "/hooks/shop", nil); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("driver read %v, want a timeout", err)
	}
}

func TestSilentSocketsAreClosed(t *testing.T) {
	ended := make(chan error, 1)
	h := &hooks{protocols: []string{}}
	h.socket = func(_ context.Context, _ *pluginv1.WebhookRequest, _ string, c net.Conn) error {
		_, err := c.Read(make([]byte, 8))
		ended <- err
		return nil
	}
	p := startPublic(t, httpd.PublicOptions{Hooks: h, Limits: httpd.Limits{SocketPing: 30 * time.Millisecond}})
	if _, _, err := dialSocket(t, p, "/hooks/shop", nil); err != nil { // it does not read, so it answers no ping
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err == nil {
			t.Error("driver read something")
		}
	case <-time.After(patience):
		t.Error("the silent socket is still open")
	}
}

func TestTooManySockets(t *testing.T) {
	h := &hooks{protocols: []string{}, socket: echo}
	p := startPublic(t, httpd.PublicOptions{Hooks: h, Limits: httpd.Limits{Sockets: 1}})
	ws, _, err := dialSocket(t, p, "/hooks/shop", nil)
	if err != nil {
		t.Fatal(err)
	}
	ws.WriteMessage(websocket.BinaryMessage, []byte("x"))
	if _, _, err := ws.ReadMessage(); err != nil { // it is counted now
		t.Fatal(err)
	}
	if _, answer, err := dialSocket(t, p, "/hooks/shop", nil); err == nil || answer != "503" {
		t.Errorf("second socket: %q %v, want 503", answer, err)
	}
	ws.Close()
	waitFor(t, func() bool {
		ws, _, err := dialSocket(t, p, "/hooks/shop", nil)
		if err == nil {
			ws.Close()
		}
		return err == nil
	})
}

func TestSocketsCloseWhenTheServerStops(t *testing.T) {
	started, ended := make(chan struct{}), make(chan struct{})
	h := &hooks{protocols: []string{}}
	h.socket = func(ctx context.Context, r *pluginv1.WebhookRequest, sub string, c net.Conn) error {
		close(started)
		defer close(ended)
		return echo(ctx, r, sub, c)
	}
	p := startPublic(t, httpd.PublicOptions{Hooks: h, Limits: httpd.Limits{Drain: patience}})
	ws, _, err := dialSocket(t, p, "/hooks/shop", nil)
	if err != nil {
		t.Fatal(err)
	}
	<-started
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	default:
		t.Error("Serve returned before the driver did")
	}
	if _, _, err := ws.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseGoingAway) {
		t.Errorf("client read %v, want going away", err)
	}
	if strings.Contains(p.log.String(), "socket failed") {
		t.Errorf("a stop is not a failure: %s", p.log)
	}
}
