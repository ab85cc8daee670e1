package sdk_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/sdktest"
)

// echoSocket sends back what it gets.
type echoSocket struct {
	fake
	ended chan error
}

func (*echoSocket) Subprotocols() []string { return []string{"mqtt"} }

func (s *echoSocket) ServeSocket(ctx context.Context, r *sdk.WebhookRequest, conn net.Conn) error {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		s.ended <- err
		return err
	}
	conn.SetReadDeadline(time.Time{})
	if _, err := io.WriteString(conn, conn.RemoteAddr().String()+" "+r.Header.Get("Sec-WebSocket-Protocol")+"\n"); err != nil {
		return err
	}
	_, err := io.Copy(conn, conn)
	s.ended <- err
	return err
}

func startSocket(t *testing.T) (*echoSocket, *sdktest.Gateway) {
	s := &echoSocket{ended: make(chan error, 4)}
	p := onePlugin(sdk.NewChannel("sock", sdk.Capabilities{ChannelType: "rtm"},
		func(context.Context, fakeSettings, sdk.Host) (*echoSocket, error) { return s, nil }))
	return s, sdktest.Start(t, p, "inst", "sock", fakeSettings{})
}

func TestSocket(t *testing.T) {
	s, g := startSocket(t)
	conn, err := g.Dial(t.Context(), &sdk.WebhookRequest{Method: "GET", Path: "/mqtt", RemoteAddr: "192.0.2.7"}, "mqtt")
	if err != nil {
		t.Fatal(err)
	}
	hello := make([]byte, len("192.0.2.7 mqtt\n"))
	if _, err := io.ReadFull(conn, hello); err != nil || string(hello) != "192.0.2.7 mqtt\n" {
		t.Fatalf("hello %q, %v", hello, err)
	}
	sent := bytes.Repeat([]byte("0123456789"), 20_000)
	go conn.Write(sent)
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("%d bytes came back changed, %v", len(got), err)
	}
	conn.Close()
	if err := <-s.ended; err != nil {
		t.Errorf("the driver's side ended with %v", err)
	}
}

// TestDrainEndsSockets: clients come back to the plugin's successor.
func TestDrainEndsSockets(t *testing.T) {
	s, g := startSocket(t)
	conn, err := g.Dial(t.Context(), &sdk.WebhookRequest{Method: "GET"}, "")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, conn)
	if n := g.Drain(t.Context(), time.Minute); n != 0 {
		t.Errorf("drain left %d", n)
	}
	select {
	case <-s.ended:
	default:
		t.Error("the socket outlives the drain")
	}
}
