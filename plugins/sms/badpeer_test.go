package main

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openccsp/gateway/examples/sms-sim/sim"
	"github.com/openccsp/gateway/plugins/internal/pemfile"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/plugins/sms/smpp"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/sdktest"
)

// rawSMSC answers binds; what else it does a test decides.
func rawSMSC(t *testing.T, serve func(net.Conn)) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer func() { _ = c.Close() }()
				stop := context.AfterFunc(t.Context(), func() { _ = c.Close() })
				defer stop()
				b, err := smpp.Read(c, nil, smpp.MaxPDU)
				if err != nil {
					return
				}
				p, err := smpp.Decode(b)
				if err != nil {
					t.Errorf("its first PDU: %v", err)
					return
				}
				b, _ = smpp.PDU{ID: p.ID.Response(), Seq: p.Seq, Body: &smpp.BindResp{SystemID: "RAW"}}.Append(nil)
				_, _ = c.Write(b)
				serve(c)
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); conns.Wait() })
	return l.Addr().(*net.TCPAddr).Port
}

func atPort(port int) settings {
	return settings{Provider: "smpp", Password: "secret", SMPP: &SMPPSettings{Host: "127.0.0.1", Port: port,
		SystemID: "shop", Source: "+" + source, Response: "200ms", Enquire: "200ms"}}
}

// TestMalformedDeliveries: 10,000 requests with something wrong; each has an answer, and
// what is good afterwards arrives.
func TestMalformedDeliveries(t *testing.T) {
	seeds := []smpp.Short{
		{Source: smpp.Address{TON: 1, NPI: 1, Addr: "41791234567"}, Dest: smpp.Address{Addr: source}, Message: []byte("hello")},
		{Source: smpp.Address{TON: 1, Addr: "41791234567"}, ESMClass: smpp.ESMHeader, Message: []byte("\x05\x00\x03\xa7\x03\x02part")},
		{Source: smpp.Address{Addr: "41791234567"}, ESMClass: smpp.ESMReceipt, Message: []byte("id:1 stat:DELIVRD err:000 text:x"),
			TLVs: smpp.TLVs{smpp.StringTLV(smpp.TagReceiptedMessageID, "1"), smpp.OctetTLV(smpp.TagMessageState, 2)}},
		{Source: smpp.Address{Addr: "41791234567"}, DataCoding: 8, TLVs: smpp.TLVs{{Tag: smpp.TagMessagePayload, Value: []byte{0, 'x', 0xD8, 0x3D}}}},
	}
	const many = 10_000
	answered := make(chan int, 1)
	port := rawSMSC(t, func(c net.Conn) {
		go func() { // a window of 100, as a center has
			r := rand.New(rand.NewPCG(3, 4))
			for n := range many + 1 {
				m := seeds[r.IntN(len(seeds))]
				if n == many {
					m = smpp.Short{Source: smpp.Address{TON: 1, Addr: "41790000001"}, Message: []byte("the good one")}
				}
				b, _ := smpp.PDU{ID: smpp.DeliverSM, Seq: uint32(n + 1), Body: &m}.Append(nil)
				if n < many {
					for range 1 + r.IntN(4) {
						b[16+r.IntN(len(b)-16)] = byte(r.Uint32())
					}
					if r.IntN(3) == 0 {
						b = b[:17+r.IntN(len(b)-17)]
						b[2], b[3] = byte(len(b)>>8), byte(len(b))
					}
				}
				if _, err := c.Write(b); err != nil {
					return
				}
				if n%100 == 99 {
					time.Sleep(time.Millisecond)
				}
			}
		}()
		n := 0
		for buf := []byte(nil); n <= many; {
			b, err := smpp.Read(c, buf, smpp.MaxPDU)
			if err != nil {
				return
			}
			p, err := smpp.Decode(b)
			if err != nil {
				t.Errorf("%x: %v", b, err)
			}
			switch p.ID {
			case smpp.EnquireLink:
				b, _ := smpp.PDU{ID: p.ID.Response(), Seq: p.Seq}.Append(nil)
				_, _ = c.Write(b)
			case smpp.DeliverSM.Response():
				n++
			}
		}
		answered <- n
		_, _ = io.Copy(io.Discard, c)
	})
	s := atPort(port)
	s.SMPP.Response, s.SMPP.Enquire = "10s", "10s"
	g := sdktest.Start(t, plugin(), "mobile", "sms", s)
	for {
		e := g.NextEvent()
		if e.Text == "the good one" && e.Customer.Address == "+41790000001" {
			break
		}
		if e.Customer.Address == "" && e.Ref == "" {
			t.Errorf("an event of nobody: %+v", e)
		}
	}
	select {
	case n := <-answered:
		if n != many+1 {
			t.Errorf("%d answers", n)
		}
	case <-time.After(time.Minute):
		t.Error("not all had an answer")
	}
}

// Whatever the other side does, a message ends, and the instance says what is wrong.
func TestBadCenters(t *testing.T) {
	for _, test := range []struct {
		name, want string
		serve      func(net.Conn)
	}{
		{"never answers", "ambiguous", func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }},
		{"reads nothing", "ambiguous", func(c net.Conn) { time.Sleep(time.Second) }},
		{"closes at the first message", "ambiguous", func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) }},
		{"answers garbage", "ambiguous", func(c net.Conn) {
			_, _ = c.Read(make([]byte, 1))
			_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			_, _ = io.Copy(io.Discard, c)
		}},
		{"answers with another number", "ambiguous", func(c net.Conn) {
			for buf := []byte(nil); ; {
				b, err := smpp.Read(c, buf, smpp.MaxPDU)
				if err != nil {
					return
				}
				binary.BigEndian.PutUint32(b[4:], binary.BigEndian.Uint32(b[4:])|1<<31)
				binary.BigEndian.PutUint32(b[12:], binary.BigEndian.Uint32(b[12:])+1000)
				b = append(b[:16:16], '1', 0)
				binary.BigEndian.PutUint32(b, uint32(len(b)))
				_, _ = c.Write(b)
			}
		}},
		{"announces 4 GiB", "ambiguous", func(c net.Conn) {
			_, _ = c.Read(make([]byte, 1))
			_, _ = c.Write([]byte{255, 255, 255, 255, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 1})
			_, _ = io.Copy(io.Discard, c)
		}},
		{"answers an octet at a time", "ambiguous", func(c net.Conn) {
			_, _ = c.Read(make([]byte, 1))
			go func() { _, _ = io.Copy(io.Discard, c) }()
			for {
				if _, err := c.Write([]byte{0}); err != nil {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := sdktest.Start(t, plugin(), "mobile", "sms", atPort(rawSMSC(t, test.serve)))
			_, err := g.Send(t.Context(), ada, message("m", "hello"))
			if got := plugintest.Verdict(err); got != test.want {
				t.Errorf("%s (%v), want %s", got, err, test.want)
			}
		})
	}
}

// answerAll answers the requests that come on c as f says: nil is no answer.
func answerAll(t *testing.T, c net.Conn, f func(p smpp.PDU) *smpp.PDU) {
	for {
		b, err := smpp.Read(c, nil, smpp.MaxPDU)
		if err != nil {
			return
		}
		p, err := smpp.Decode(b)
		if err != nil {
			t.Errorf("%x: %v", b, err)
			return
		}
		answer := f(p)
		if answer == nil {
			continue
		}
		if b, err = answer.Append(nil); err != nil {
			t.Error(err)
		}
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}

// A center that says goodbye in the middle of a text: it goes on with the segment that has
// no answer, under the same reference.
func TestUnbindInTheMiddle(t *testing.T) {
	var mu sync.Mutex
	var came []smpp.Segment
	port := rawSMSC(t, func(c net.Conn) {
		answerAll(t, c, func(p smpp.PDU) *smpp.PDU {
			if p.ID != smpp.SubmitSM {
				return &smpp.PDU{ID: p.ID.Response(), Seq: p.Seq}
			}
			m, _ := p.Incoming()
			mu.Lock()
			defer mu.Unlock()
			if came = append(came, m.Segment); len(came) == 3 {
				return &smpp.PDU{ID: smpp.Unbind, Seq: 1}
			}
			return &smpp.PDU{ID: p.ID.Response(), Seq: p.Seq, Body: &smpp.Taken{MessageID: fmt.Sprint(len(came))}}
		})
	})
	s := atPort(port)
	s.SMPP.Response, s.SMPP.Enquire = "10s", "30s"
	g := sdktest.Start(t, plugin(), "mobile", "sms", s)
	text := strings.Repeat("a", 600)
	if _, err := g.Send(t.Context(), ada, message("m", text)); plugintest.Verdict(err) != "ambiguous" {
		t.Fatalf("the third segment: %v", err)
	}
	r, err := g.Send(t.Context(), ada, message("m", text))
	for plugintest.Verdict(err) == "retry" { // not bound yet
		r, err = g.Send(t.Context(), ada, message("m", text))
	}
	if err != nil || !slices.Equal(r.PartIDs, []string{"1", "2", "4", "5"}) {
		t.Fatalf("receipt %+v %v", r, err)
	}
	mu.Lock()
	defer mu.Unlock()
	var order []uint8
	for _, seg := range came {
		order = append(order, seg.Index)
		if seg.Ref != came[0].Ref {
			t.Errorf("reference %d, then %d", came[0].Ref, seg.Ref)
		}
	}
	if !slices.Equal(order, []uint8{1, 2, 3, 3, 4}) {
		t.Errorf("segments %d", order)
	}
}

// On a half-open connection a message is not sent a second time into the void.
func TestHalfOpenConnection(t *testing.T) {
	var conns, submits atomic.Int64
	port := rawSMSC(t, func(c net.Conn) {
		dead := conns.Add(1) == 1
		answerAll(t, c, func(p smpp.PDU) *smpp.PDU {
			answer := &smpp.PDU{ID: p.ID.Response(), Seq: p.Seq}
			if p.ID == smpp.SubmitSM {
				submits.Add(1)
				answer.Body = &smpp.Taken{MessageID: "1"}
			}
			if dead {
				return nil
			}
			return answer
		})
	})
	s := atPort(port)
	s.SMPP.Response, s.SMPP.Enquire = "1s", "30s"
	g := sdktest.Start(t, plugin(), "mobile", "sms", s)
	var got []string
	for n := 0; n < 50 && !slices.Contains(got, "ok"); n++ {
		_, err := g.Send(t.Context(), ada, message("m", "hello"))
		if v := plugintest.Verdict(err); len(got) == 0 || v != got[len(got)-1] {
			got = append(got, v)
		}
	}
	if !slices.Equal(got, []string{"ambiguous", "retry", "ok"}) {
		t.Errorf("it ends %q", got)
	}
	if n := submits.Load(); n != 2 {
		t.Errorf("it was sent %d times", n)
	}
}

// A center that binds nobody.
func TestBindIsNeverAnswered(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	s := atPort(l.Addr().(*net.TCPAddr).Port)
	s.SMPP.Connect = "100ms"
	g := sdktest.Start(t, plugin(), "mobile", "sms", s)
	if _, err := g.Send(t.Context(), ada, message("m", "hello")); plugintest.Verdict(err) != "retry" {
		t.Errorf("%v, want a retry", err)
	}
}

func TestTLS(t *testing.T) {
	web := httptest.NewTLSServer(nil) // for its certificate
	defer web.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	b := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw})
	if err := os.WriteFile(ca, b, 0o600); err != nil {
		t.Fatal(err)
	}
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &center{SMSC: sim.New(sim.Options{}), t: t, port: inner.Addr().(*net.TCPAddr).Port}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Serve(ctx, tls.NewListener(inner, &tls.Config{Certificates: web.TLS.Certificates})) }()
	defer func() { cancel(); <-done }()

	untrusted := sdktest.Start(t, plugin(), "mobile", "sms", c.settings(func(s *SMPPSettings) { s.TLS = &tlsSettings{} }))
	if _, err := untrusted.Send(t.Context(), ada, message("m", "hello")); plugintest.Verdict(err) != "retry" {
		t.Errorf("a certificate that nobody vouches for: %v", err)
	}
	untrusted.Stop()
	g := c.start(func(s *SMPPSettings) { s.TLS = &tlsSettings{TLS: pemfile.TLS{CA: ca}} })
	if _, err := g.Send(t.Context(), ada, message("m", "hello")); err != nil {
		t.Error(err)
	}
	if e := g.NextEvent(); e.Type != sdk.MessageDelivered {
		t.Errorf("event %+v", e)
	}
}
