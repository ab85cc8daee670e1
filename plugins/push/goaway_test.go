package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
)

// frames is one connection to an APNs that a test plays frame by frame.
type frames struct {
	*http2.Framer
	conn net.Conn
}

// request reads until a request is whole, and returns its stream; 0 if the
// connection ended.
func (f *frames) request() uint32 {
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return 0
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				err = f.WriteSettingsAck()
			}
		case *http2.DataFrame:
			if frame.StreamEnded() {
				return frame.StreamID
			}
		}
		if err != nil {
			return 0
		}
	}
}

// taken answers a request with 200.
func (f *frames) taken(stream uint32) error {
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	err := errors.Join(e.WriteField(hpack.HeaderField{Name: ":status", Value: "200"}), e.WriteField(hpack.HeaderField{Name: "apns-id", Value: "id"}))
	if err != nil {
		return err
	}
	return f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true})
}

// serveFrames plays Apple: serve gets each connection with its number, from 1. It
// returns settings that go there.
func serveFrames(t *testing.T, serve func(n int, f *frames) error) Settings {
	t.Helper()
	cert, key := selfSigned(t)
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	var count atomic.Int32
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
					return // a handshake that came to nothing
				}
				f := &frames{http2.NewFramer(conn, conn), conn}
				if err := errors.Join(f.WriteSettings(), serve(int(count.Add(1)), f)); err != nil {
					t.Error(err)
				}
			}()
		}
	}()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, cert, 0o600); err != nil {
		t.Fatal(err)
	}
	set := services(t, newSim(t, nil))
	only(onAPNs)(&set)
	set.CA, set.APNs.BaseURL, set.Timeout = ca, "https://"+ln.Addr().String(), "5s"
	return set
}

// apnsAt sends to where set says.
func apnsAt(t *testing.T, set Settings) *apns {
	t.Helper()
	cfg, err := set.config()
	if err != nil {
		t.Fatal(err)
	}
	h, err := newHTTP(cfg.CA)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.CloseIdleConnections)
	return newAPNs(cfg, h, at)
}

// all answers requests until the connection ends.
func (f *frames) all() error {
	for {
		stream := f.request()
		if stream == 0 {
			return nil
		}
		if err := f.taken(stream); err != nil {
			return err
		}
	}
}

// TestGoAway: Apple ends connections whenever it likes. What it says it has not
// taken goes out again at once, on another connection; of what it may have taken the
// gateway knows nothing, and sends it again.
func TestGoAway(t *testing.T) {
	for _, tt := range []struct {
		name  string
		first func(f *frames) error // of the first connection
		want  []string              // of two notices, one after the other
		conns int32
	}{
		{"before the request", func(f *frames) error {
			f.request()
			return f.WriteGoAway(0, http2.ErrCodeNo, []byte("bye"))
		}, []string{"ok", "ok"}, 2},
		{"after the answer", func(f *frames) error {
			stream := f.request()
			err := errors.Join(f.taken(stream), f.WriteGoAway(stream, http2.ErrCodeNo, nil))
			f.request() // until the other side is gone, or has begun the next one
			return err
		}, []string{"ok", "ok"}, 2},
		{"with the answer still to come", func(f *frames) error {
			stream := f.request()
			return errors.Join(f.WriteGoAway(stream, http2.ErrCodeNo, nil), f.taken(stream))
		}, []string{"ok", "ok"}, 2},
		{"without an answer", func(f *frames) error {
			return f.WriteGoAway(f.request(), http2.ErrCodeEnhanceYourCalm, []byte("canary"))
		}, []string{"retry", "ok"}, 2},
		{"cut off", func(f *frames) error {
			f.request()
			return nil
		}, []string{"retry", "ok"}, 2},
		{"the stream is refused", func(f *frames) error {
			if err := f.WriteRSTStream(f.request(), http2.ErrCodeRefusedStream); err != nil {
				return err
			}
			return f.all()
		}, []string{"ok", "ok"}, 1},
		{"the stream is reset", func(f *frames) error {
			if err := f.WriteRSTStream(f.request(), http2.ErrCodeInternal); err != nil {
				return err
			}
			return f.all()
		}, []string{"retry", "ok"}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var conns atomic.Int32
			a := apnsAt(t, serveFrames(t, func(n int, f *frames) error {
				conns.Store(int32(n))
				if n == 1 {
					return tt.first(f)
				}
				return f.all()
			}))
			for i, want := range tt.want {
				if _, err := a.send(t.Context(), phone[5:], notice{id: "c.1", text: "Hi"}); plugintest.Verdict(err) != want {
					t.Errorf("notice %d: %v, want %s", i, err, want)
				}
			}
			if n := conns.Load(); n != tt.conns {
				t.Errorf("%d connections, want %d", n, tt.conns)
			}
		})
	}
}

// TestHalfOpen: a connection that somebody in between has forgotten is noticed, though
// nobody ends it, and the next notice goes over another one.
func TestHalfOpen(t *testing.T) {
	if testing.Short() {
		t.Skip("takes as long as HTTP/2 waits for a sign of life")
	}
	t.Parallel()
	ended := make(chan struct{})
	set := serveFrames(t, func(n int, f *frames) error {
		if n > 1 {
			return f.all()
		}
		err := f.taken(f.request())
		_, _ = io.Copy(io.Discard, f.conn) // without an answer to anything, pings included
		close(ended)
		return err
	})
	set.Timeout = "2s"
	a := apnsAt(t, set)
	send := func(want string) {
		t.Helper()
		if _, err := a.send(t.Context(), phone[5:], notice{id: "c.1", text: "Hi"}); plugintest.Verdict(err) != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	send("ok")
	send("retry")
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Fatal("nobody notices that the connection is dead")
	}
	send("ok")
}
