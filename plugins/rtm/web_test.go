package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/openccsp/gateway/sdk"
)

// web is a rig behind a real port, as the gateway would have it.
type web struct {
	*rig
	*httptest.Server

	mu     sync.Mutex
	events []sdk.Event
	down   bool // nothing is answered
	cut    bool // the next answer to a registration ends in the middle
	mute   mute
}

// mute is how far the next client that connects over MQTT comes.
type mute int

const (
	noMute mute = iota
	muteAtOnce
	muteSocket  // open
	muteConnack // taken
)

func newWeb(t *testing.T, change func(*Settings)) *web {
	t.Helper()
	w := &web{rig: newRig(t, change)}
	w.Server = httptest.NewServer(http.HandlerFunc(w.serve))
	t.Cleanup(func() {
		w.link.close() // hijacked connections would keep the server
		w.Close()
	})
	return w
}

func (w *web) serve(out http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	down := w.down
	w.mu.Unlock()
	if down {
		panic(http.ErrAbortHandler)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	req := &sdk.WebhookRequest{
		Method: r.Method, Path: strings.TrimPrefix(r.URL.Path, "/hooks/webshop"), Query: r.URL.RawQuery,
		Header: r.Header, Body: body, RemoteAddr: host, URL: "http://" + r.Host + r.URL.RequestURI(),
	}
	if websocket.IsWebSocketUpgrade(r) {
		w.socket(out, r, req)
		return
	}
	resp, err := w.Webhook(r.Context(), req)
	if err != nil {
		http.Error(out, "internal", http.StatusInternalServerError)
		return
	}
	w.host.receipts(resp.Events)
	w.mu.Lock()
	w.events = append(w.events, resp.Events...)
	w.mu.Unlock()
	for name, values := range resp.Header {
		out.Header()[name] = values
	}
	if w.cuts(req.Path) {
		out.Header().Set("Content-Length", strconv.Itoa(len(resp.Body)+1))
	}
	out.WriteHeader(max(resp.Status, 200))
	out.Write(resp.Body)
}

func (w *web) cuts(path string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.cut || path != "/register" {
		return false
	}
	w.cut = false
	return true
}

func (w *web) socket(out http.ResponseWriter, r *http.Request, req *sdk.WebhookRequest) {
	w.mu.Lock()
	mute := w.mute
	w.mute = noMute
	w.mu.Unlock()
	if mute == muteAtOnce {
		<-r.Context().Done()
		return
	}
	up := websocket.Upgrader{Subprotocols: w.Subprotocols(), CheckOrigin: func(*http.Request) bool { return true }}
	ws, err := up.Upgrade(out, r, nil)
	if err != nil {
		return
	}
	if mute != noMute {
		defer ws.Close()
		if mute == muteConnack {
			err = ws.WriteMessage(websocket.BinaryMessage, []byte{0x20, 3, 0, 0, 0})
		}
		for err == nil {
			_, _, err = ws.ReadMessage()
		}
		return
	}
	if err := w.ServeSocket(r.Context(), req, &wsConn{Conn: ws}); err != nil {
		w.t.Logf("ServeSocket = %v", err)
	}
}

// seen returns the events so far that have a type.
func (w *web) seen(kind string) (found []sdk.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		if e.Type == kind {
			found = append(found, e)
		}
	}
	return found
}

// outage makes the server answer nothing and cuts what is connected, or ends that.
func (w *web) outage(on bool) {
	w.mu.Lock()
	w.down = on
	w.mu.Unlock()
	if on {
		b := w.link.(*broker)
		b.mu.Lock()
		conns := make([]*conn, 0, len(b.conns))
		for c := range b.conns {
			conns = append(conns, c)
		}
		b.mu.Unlock()
		for _, c := range conns {
			c.Close()
		}
	}
}

// wsConn carries the payload of binary messages.
type wsConn struct {
	*websocket.Conn
	r io.Reader
}

func (c *wsConn) Read(b []byte) (int, error) {
	for {
		if c.r == nil {
			_, r, err := c.NextReader()
			if err != nil {
				return 0, err
			}
			c.r = r
		}
		n, err := c.r.Read(b)
		if err == io.EOF {
			c.r, err = nil, nil
			if n == 0 {
				continue
			}
		}
		return n, err
	}
}

func (c *wsConn) Write(b []byte) (int, error) {
	return len(b), c.WriteMessage(websocket.BinaryMessage, b)
}

func (c *wsConn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}
