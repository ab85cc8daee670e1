package phone

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/icholy/digest"
	"github.com/pion/rtp"
)

// The vector that Python, sipgo and sipp agree on. The library computes what goes
// over the wire; it must not change.
func TestDigestVector(t *testing.T) {
	const nonce = "47ebe028cda119c35d4877b383027d28da013815"
	tests := map[string]string{
		`Digest realm="gw.test", nonce="` + nonce + `", algorithm=MD5, qop="auth"`:     "6edaef89547b69f6e72041d9203d2950",
		`Digest realm="gw.test", nonce="` + nonce + `", algorithm=MD5`:                 "577d5b5050af65fc846aeac282cb4779",
		`Digest realm="gw.test", nonce="` + nonce + `", algorithm=SHA-256, qop="auth"`: "83b5c4326de13f06e4c966996ab8400aa08b6c9714176977facc770e8fa9d74a",
	}
	for header, want := range tests {
		c, err := digest.ParseChallenge(header)
		if err != nil {
			t.Fatal(err)
		}
		got, err := digest.Digest(c, digest.Options{
			Method: "INVITE", URI: "sip:100@127.0.0.1:5081", Count: 1, Cnonce: "6e5e54f3bac002e3", Username: "u", Password: "p",
		})
		if err != nil || got.Response != want {
			t.Errorf("%s: %v, %v; want %s", header, got, err, want)
		}
	}
}

// mangled is b with some bytes changed, cut or doubled.
func mangled(rnd *rand.Rand, b []byte) []byte {
	b = slices.Clone(b)
	for range 1 + rnd.IntN(6) {
		if len(b) < 2 {
			break
		}
		at := rnd.IntN(len(b))
		switch rnd.IntN(4) {
		case 0:
			b[at] = byte(rnd.Uint32())
		case 1:
			b = b[:at]
		case 2:
			b = append(b[:at:at], b[rnd.IntN(len(b)):]...)
		default:
			b = slices.Insert(b, at, bytes.Repeat([]byte{byte(rnd.Uint32())}, rnd.IntN(64))...)
		}
	}
	return b
}

// Ten thousand of each that nobody should send: none may make more of it than an
// error.
func TestMalformed(t *testing.T) {
	rnd := rand.New(rand.NewPCG(6, 6))
	sdp := newMedia(netip.MustParseAddrPort("192.0.2.1:4000")).offer()
	packet, err := (&rtp.Packet{Payload: []byte{5, 0x80, 0, 160}, Header: rtp.Header{Version: 2, PayloadType: 101, Timestamp: 1}}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	tone := wav(8000, 1, 16, 0.01, 440)
	for range 10_000 {
		if a, err := readAnswer(mangled(rnd, sdp)); err == nil && (!a.remote.IsValid() || a.codec != typePCMU && a.codec != typePCMA) {
			t.Fatalf("an answer without a place or a codec: %+v", a)
		}
		if samples, err := ReadWAV(bytes.NewReader(mangled(rnd, tone))); err == nil && len(samples) > int(MaxAudio.Seconds())*Rate {
			t.Fatalf("%d samples", len(samples))
		}
		var p rtp.Packet
		var k keypad
		if p.Unmarshal(mangled(rnd, packet)) == nil {
			if key, ok := k.press(p.SSRC, p.Timestamp, p.Payload); ok && !strings.ContainsRune(keys, rune(key)) {
				t.Fatalf("key %q", key)
			}
		}
	}
}

// Ten thousand malformed requests at the socket of SIP: the telephone still answers
// afterwards, and has told of no call.
func TestMalformedRequests(t *testing.T) {
	p, err := New(Config{
		Server: "127.0.0.1:5060", Transport: "udp", Domain: "gw.test", User: "100", Listen: netip.MustParseAddr("127.0.0.1"),
		Ring: time.Second, Most: time.Second, Tell: func(e Event) { t.Errorf("told of %+v", e) }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	conn, err := net.Dial("udp", p.local.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	request := func(method string, n int) string {
		return fmt.Sprintf("%s sip:100@%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%d\r\nFrom: <sip:x@gw.test>;tag=1\r\n"+
			"To: <sip:100@gw.test>\r\nCall-ID: bad-%d\r\nCSeq: 1 %s\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
			method, p.local, conn.LocalAddr(), n, n, method)
	}
	rnd := rand.New(rand.NewPCG(6, 7))
	methods := []string{"INVITE", "BYE", "INFO", "OPTIONS", "UPDATE", "NOTIFY", "ACK", "CANCEL", "REGISTER", "X"}
	for n := range 10_000 {
		if _, err := conn.Write(mangled(rnd, []byte(request(methods[n%len(methods)], n)))); err != nil {
			continue // longer than a datagram can be
		}
	}
	for try := range 100 { // datagrams may be lost in the crowd
		if _, err := conn.Write([]byte(request("OPTIONS", 1_000_000+try))); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(time.Second))
		for buf := make([]byte, 4096); ; {
			size, err := conn.Read(buf)
			if err != nil {
				break
			}
			if answer := string(buf[:size]); strings.HasPrefix(answer, "SIP/2.0 200") && strings.Contains(answer, "bad-1000") {
				return
			}
		}
	}
	t.Error("the telephone does not answer any more")
}
