package httpd_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/openccsp/gateway/core/httpd"
)

// TestKeepalive has a client answer pings for a while, in fake time, and then
// fall silent.
func TestKeepalive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const every = 30 * time.Second
		client, server := webSocketPair(t)
		ctx, cancel := context.WithCancel(t.Context())
		conn, kept := httpd.Keepalive(ctx, server, every)

		var deaf atomic.Bool
		pong := client.PingHandler()
		client.SetPingHandler(func(s string) error {
			if deaf.Load() {
				return nil
			}
			return pong(s)
		})
		go client.ReadMessage() // it answers the pings

		start, got := time.Now(), make(chan string)
		var ended time.Duration
		go func() {
			defer close(got)
			buf := make([]byte, 8)
			for {
				n, err := conn.Read(buf)
				if err != nil {
					ended = time.Since(start)
					return
				}
				got <- string(buf[:n])
			}
		}()
		time.Sleep(20 * every)
		client.WriteMessage(websocket.BinaryMessage, []byte("alive"))
		if text := <-got; text != "alive" {
			t.Errorf("driver read %q after 20 intervals, want alive", text)
		}
		deaf.Store(true)
		if text, ok := <-got; ok {
			t.Errorf("driver read %q", text)
		}
		if ended <= 22*every || ended > 23*every {
			t.Errorf("the socket ended after %s, want two intervals of silence", ended)
		}
		cancel()
		<-kept
	})
}

// webSocketPair returns the ends of a WebSocket in memory.
func webSocketPair(t *testing.T) (client, server *websocket.Conn) {
	t.Helper()
	near, far := net.Pipe()
	t.Cleanup(func() { near.Close(); far.Close() })
	upgraded := make(chan error)
	go func() {
		in := bufio.NewReader(near)
		req, err := http.ReadRequest(in)
		if err == nil {
			server, err = new(websocket.Upgrader).Upgrade(&hijacked{conn: near, in: in}, req, nil)
		}
		upgraded <- err
	}()
	d := websocket.Dialer{NetDial: func(string, string) (net.Conn, error) { return far, nil }}
	client, resp, err := d.Dial("ws://gw/", nil)
	if err = errors.Join(err, <-upgraded); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return client, server
}

// hijacked is an http.ResponseWriter whose connection can be taken over.
type hijacked struct {
	http.ResponseWriter
	conn net.Conn
	in   *bufio.Reader
}

func (h *hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.conn, bufio.NewReadWriter(h.in, bufio.NewWriter(io.Discard)), nil
}
