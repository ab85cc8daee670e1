package phone

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openccsp/gateway/plugins/voice/phone/phonetest"
)

// A call over TCP, and over TLS to a server whose name its certificate has.
func TestStreams(t *testing.T) {
	for _, transport := range []string{"tcp", "tls"} {
		t.Run(transport, func(t *testing.T) {
			l := &line{Line: phonetest.StartOn(t, "t1", 1, "testdata/answer.xml"), t: t, events: make(chan Event, 16)}
			l.addr = l.Addr
			waitTCP(t, l.Addr)
			p := l.phone(func(c *Config) {
				c.Transport = transport
				if transport == "tls" {
					c.Server, c.TLS = overTLS(t, l.Addr)
				}
			})
			defer func() { _ = p.Close() }()
			if err := p.Place(t.Context(), Call{ID: "c", To: "1", Samples: make([]int16, Rate/10)}); err != nil {
				t.Fatal(err)
			}
			if e := l.next(); !e.Answered {
				t.Errorf("got %+v, want it answered", e)
			}
			if e := l.next(); e.Ended != Completed {
				t.Errorf("got %+v, want the end", e)
			}
			l.Content()
		})
	}
}

// A certificate of somebody else: nobody is called, and it can be tried again.
func TestForeignCertificate(t *testing.T) {
	f := newFar(t)
	server, _ := overTLS(t, f.conn.LocalAddr().String())
	p := f.phone(func(c *Config) {
		c.Transport, c.Server, c.TLS = "tls", server, &tls.Config{ServerName: "localhost", RootCAs: x509.NewCertPool()}
	})
	if err := p.Place(t.Context(), Call{ID: "c", To: "1"}); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v", err)
	}
}

// waitTCP waits until somebody listens.
func waitTCP(t *testing.T, addr string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// overTLS puts TLS in front of an address, and returns the new one and who trusts it.
func overTLS(t *testing.T, addr string) (string, *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{"localhost"},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	if err != nil {
		t.Fatal(err)
	}
	var relays sync.WaitGroup
	relays.Go(func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			relays.Go(func() { relay(in, addr) })
		}
	})
	t.Cleanup(func() { _ = ln.Close(); relays.Wait() })
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return ln.Addr().String(), &tls.Config{ServerName: "localhost", RootCAs: pool}
}

// relay carries bytes both ways until one side ends.
func relay(in net.Conn, addr string) {
	defer func() { _ = in.Close() }()
	if err := in.(*tls.Conn).Handshake(); err != nil {
		return
	}
	out, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer func() { _ = out.Close() }()
	go func() { _, _ = io.Copy(out, in); _ = out.Close() }()
	_, _ = io.Copy(in, out)
}

// Only the server is answered.
func TestStrangersAtTheSocket(t *testing.T) {
	for server, want := range map[string]bool{"127.0.0.1:5060": true, "192.0.2.1:5060": false} {
		for _, transport := range []string{"udp", "tcp"} {
			f := newFar(t)
			p := f.phone(func(c *Config) { c.Transport, c.Server = transport, server })
			conn, err := net.Dial(transport, p.local.String())
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.WriteString(conn, "OPTIONS sip:100@gw.test SIP/2.0\r\nVia: SIP/2.0/"+strings.ToUpper(transport)+" x;rport;branch=z9hG4bK1\r\n"+
				"From: <sip:x@y>;tag=1\r\nTo: <sip:100@gw.test>\r\nCall-ID: o\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n")
			wait := 10 * time.Second
			if !want {
				wait = 300 * time.Millisecond
			}
			_ = conn.SetReadDeadline(time.Now().Add(wait))
			b := make([]byte, 4096)
			n, _ := conn.Read(b)
			if strings.HasPrefix(string(b[:n]), "SIP/2.0 200") != want {
				t.Errorf("%s, %s: got %q", server, transport, b[:n])
			}
			_ = conn.Close()
		}
	}
}

// Many calls, fifty at a time, leave nothing behind: no goroutine, no socket.
func TestMany(t *testing.T) {
	const calls, atOnce = 500, 50
	l := &line{Line: phonetest.StartOn(t, "u1", calls, "testdata/answer.xml"), t: t, events: make(chan Event, 2*calls)}
	l.addr = l.Addr
	before, files := runtime.NumGoroutine(), openFiles(t)
	slots := make(chan struct{}, atOnce)
	p := l.phone(func(c *Config) {
		c.Tell = func(e Event) {
			if l.events <- e; e.Ended != "" {
				<-slots
			}
		}
	})
	for n := range calls {
		slots <- struct{}{}
		if err := p.Place(t.Context(), Call{ID: "call-" + strconv.Itoa(n), To: "1", Samples: make([]int16, Rate/10)}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 * calls {
		if e := l.next(); !e.Answered && e.Ended != Completed {
			t.Errorf("got %+v", e)
		}
	}
	l.Content()
	p.HangUp() // none is left; who has just told of its end is waited for
	if n := openFiles(t); n > files+2 {
		t.Errorf("%d files are open, were %d before", n, files)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<16)
			t.Fatalf("%d goroutines, were %d before\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("not run: this system does not tell which files are open")
	}
	return len(files)
}
