package phone

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtp"
)

// received is a packet of audio, and when it came.
type received struct {
	rtp.Packet
	at time.Time
}

// listen reads packets for a while.
func listen(t *testing.T, conn *net.UDPConn, d time.Duration) (out []received) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(d))
	for buf := make([]byte, 1500); ; {
		n, _, err := conn.ReadFromUDP(buf)
		if err != nil {
			return out
		}
		var p rtp.Packet
		if err := p.Unmarshal(append([]byte(nil), buf[:n]...)); err != nil {
			t.Fatal(err)
		}
		out = append(out, received{p, time.Now()})
	}
}

// The audio of a call is one stream: also between its parts, and while it waits for
// keys, a packet goes every 20 ms.
func TestPace(t *testing.T) {
	f := newFar(t)
	p := f.phone(nil)
	f.talk(p, Call{ID: "c", To: "1", Samples: make([]int16, Rate/10), Repeat: 4, Digits: 1, Wait: time.Minute})
	const parts = 2 * 4 // silence before each
	var got []received
	for deadline := time.Now().Add(time.Minute); len(got) < 150; {
		if time.Now().After(deadline) {
			t.Fatalf("%d packets in a minute", len(got))
		}
		got = append(got, listen(t, f.audio, 100*time.Millisecond)...)
	}
	pauses := 0
	for i, r := range got {
		if r.Marker && i > 0 {
			pauses++
		}
		if i > 0 && (r.SequenceNumber != got[i-1].SequenceNumber+1 || r.Timestamp != got[i-1].Timestamp+packet) {
			t.Errorf("packet %d follows not", i)
		}
	}
	if !got[0].Marker || pauses >= parts { // a machine that is busy makes some
		t.Errorf("the first is marked: %v, and %d others", got[0].Marker, pauses)
	}
	if took, want := got[149].at.Sub(got[0].at), 149*20*time.Millisecond; took < want-2*stall {
		t.Errorf("150 packets in %v, want %v", took, want)
	}
}

// The first packet of what is played next is not sent together with the last before.
func TestJoins(t *testing.T) {
	a, _ := playing(t)
	began := time.Now()
	for range 10 {
		if err := a.play(t.Context(), make([]int16, packet)); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took < 9*20*time.Millisecond {
		t.Errorf("ten packets took %v", took)
	}
}

// playing is audio that goes to a socket.
func playing(t *testing.T) (*audio, *net.UDPConn) {
	t.Helper()
	a, err := listenAudio(netip.MustParseAddr("127.0.0.1"), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.close)
	sink := listenUDP(t)
	a.connect(answer{remote: sink.LocalAddr().(*net.UDPAddr).AddrPort(), packet: packet})
	return a, sink
}

// flows waits until audio comes, or none does any more.
func (f *far) flows(want bool) []received {
	f.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if got := listen(f.t, f.audio, 200*time.Millisecond); (len(got) > 0) == want {
			return got
		}
	}
	f.t.Fatalf("audio flows: %v, want %v", !want, want)
	return nil
}

// A call on hold gets no audio, and our answers are those to what was asked.
func TestHold(t *testing.T) {
	f := newFar(t)
	p := f.phone(nil)
	invite := f.talk(p, Call{ID: "c", To: "1", Samples: make([]int16, 20*Rate)})
	video := []string{"m=video 4000 RTP/AVP 99", "a=rtpmap:99 H264/90000"}
	version := ""
	for i, tt := range []struct {
		method, asks, answers string
		audio                 bool
	}{
		{"INVITE", "a=sendonly", "a=recvonly", false},
		{"UPDATE", "a=sendrecv", "a=sendrecv", true},
		{"INVITE", "a=inactive", "a=inactive", false},
		{"INVITE", "a=recvonly", "a=sendonly", true},
		{"UPDATE", "c=IN IP4 0.0.0.0", "a=sendrecv", false},
		{"INVITE", "a=ptime:30", "a=sendrecv", true},
	} {
		f.ask(f.conn, invite, tt.method, i+1, "t", "", f.described(append([]string{tt.asks}, video...)...)...)
		ok := f.next("SIP/2.0 200")
		lines := strings.Split(ok.body(), "\r\n")
		var origin string
		for _, l := range lines {
			if strings.HasPrefix(l, "o=") {
				origin = l
			}
		}
		if !strings.Contains(ok.body(), "\r\n"+tt.answers+"\r\n") || !strings.Contains(ok.body(), "RTP/AVP 8 96\r\n") ||
			!strings.Contains(ok.body(), "m=video 0 RTP/AVP 99") || origin == version || ok.header("Contact") == "" ||
			ok.header("Content-Type") != "application/sdp" {
			t.Errorf("%s %s: got\n%s", tt.method, tt.asks, ok.text)
		}
		version = origin
		got := f.flows(tt.audio)
		if tt.asks == "a=ptime:30" && len(got[0].Payload) != 240 {
			t.Errorf("a packet has %d samples", len(got[0].Payload))
		}
	}
	// One without a description keeps the call alive, and wants ours.
	f.ask(f.conn, invite, "UPDATE", 20, "t", "", "Session-Expires: 90;refresher=uas")
	if ok := f.next("SIP/2.0 200"); ok.body() != "" {
		t.Errorf("got\n%s", ok.text)
	}
	f.ask(f.conn, invite, "INVITE", 21, "t", "")
	if ok := f.next("SIP/2.0 200"); !strings.Contains(ok.body(), "RTP/AVP 0 8 101") {
		t.Errorf("got\n%s", ok.text)
	}
	f.ask(f.conn, invite, "ACK", 21, "t", "", f.described("a=inactive")...)
	f.flows(false) // as the ACK's description says
	f.ask(f.conn, invite, "INVITE", 22, "t", "", "Content-Type: application/sdp", "", "v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "m=audio 9 RTP/SAVP 0")
	f.next("SIP/2.0 488")
	f.ask(f.conn, invite, "BYE", 23, "t", "")
	f.told()
}

// An answer to a hold that was lost is sent again until it is confirmed.
func TestAnswerLost(t *testing.T) {
	f := newFar(t)
	p := f.phone(nil)
	invite := f.talk(p, Call{ID: "c", To: "1", Samples: make([]int16, 20*Rate)})
	f.ask(f.conn, invite, "INVITE", 7, "t", "", f.described("a=sendonly")...)
	first := f.next("SIP/2.0 200")
	clear(f.seen)
	if again := f.next("SIP/2.0 200"); again.text != first.text {
		t.Errorf("got\n%s\nafter\n%s", again.text, first.text)
	}
	f.ask(f.conn, invite, "ACK", 7, "t", "")
	for d, deadline := p.byID("c").established(), time.Now().Add(10*time.Second); ; time.Sleep(5 * time.Millisecond) {
		d.mu.Lock()
		acked := d.acked
		d.mu.Unlock()
		if acked == 7 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the ACK is not seen")
		}
	}
	f.ask(f.conn, invite, "BYE", 8, "t", "")
	f.told()
}

// Audio may come from elsewhere than it goes to, behind a translator of addresses; a
// third one neither gets the call nor presses keys.
func TestLatch(t *testing.T) {
	for name, tt := range map[string]struct {
		said string
		from []string // of packets, in order
		want string
	}{
		"as it says":              {"198.51.100.1:4000", []string{"198.51.100.1:4000"}, "198.51.100.1:4000"},
		"another port":            {"198.51.100.1:4000", []string{"198.51.100.1:9000", "198.51.100.1:9001"}, "198.51.100.1:9000"},
		"a third":                 {"198.51.100.1:4000", []string{"203.0.113.1:4000"}, "198.51.100.1:4000"},
		"a third, later":          {"198.51.100.1:4000", []string{"198.51.100.1:4000", "198.51.100.1:4001"}, "198.51.100.1:4000"},
		"hidden behind another":   {"10.0.0.1:4000", []string{"203.0.113.1:9000", "203.0.113.2:9000"}, "203.0.113.1:9000"},
		"a neighbour of hidden":   {"10.0.0.1:4000", []string{"10.0.0.66:4000"}, "10.0.0.1:4000"},
		"hidden, back in its lan": {"10.0.0.1:4000", []string{"203.0.113.1:9000", "10.0.0.1:4000"}, "203.0.113.1:9000"},
	} {
		a := &audio{}
		a.connect(answer{remote: netip.MustParseAddrPort(tt.said), codec: typePCMA, events: 96})
		for _, from := range tt.from {
			if _, ok := a.latch(netip.MustParseAddrPort(from), 77); ok && from != a.peer().remote.String() {
				t.Errorf("%s: a packet of no type of ours is taken", name)
			}
			_, ok := a.latch(netip.MustParseAddrPort(from), typePCMA)
			if got := a.peer().remote.String(); ok != (from == got) {
				t.Errorf("%s: %s is taken: %v, and audio goes to %s", name, from, ok, got)
			}
		}
		if got := a.peer().remote.String(); got != tt.want {
			t.Errorf("%s: audio goes to %s, want %s", name, got, tt.want)
		}
	}
}

// Keys from another port than the call's audio are nobody's.
func TestForeignKeys(t *testing.T) {
	f := newFar(t)
	p := f.phone(nil)
	f.talk(p, Call{ID: "c", To: "1", Digits: 1, Wait: time.Minute})
	to := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(p.byID("c").audio.port())}
	press := func(conn *net.UDPConn, event byte) {
		b, err := (&rtp.Packet{Payload: []byte{event, 0x80, 0, 160}, Header: rtp.Header{Version: 2, PayloadType: 96, Timestamp: 1 + uint32(event)}}).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.WriteToUDP(b, to); err != nil {
			t.Fatal(err)
		}
	}
	press(f.audio, 16) // no key, but audio of the call comes from there
	press(listenUDP(t), 6)
	press(f.audio, 5)
	if e := f.told(); e.Digits != "5" {
		t.Errorf("got %+v, want the key 5", e)
	}
	f.answer(f.next("BYE"), "200 OK", "")
}

// A key that was overtaken is not pressed again.
func TestOvertaken(t *testing.T) {
	var k keypad
	var got strings.Builder
	for _, at := range []uint32{4294967000, 200, 4294967000, 200, 1000} {
		if key, ok := k.press(1, at, []byte{1, 0, 0, 0}); ok {
			got.WriteByte(key)
		}
	}
	if got.String() != "111" {
		t.Errorf("got %q", got.String())
	}
	if _, ok := k.press(2, 5, []byte{1, 0, 0, 0}); !ok {
		t.Error("a new source is not heard")
	}
}

// Each even port of the range is found, and its end is told.
func TestAudioPorts(t *testing.T) {
	probe := listenUDP(t).LocalAddr().(*net.UDPAddr).Port&^1 + 1 // odd
	first := uint16(probe)
	if probe > 65000 {
		first = 40001
	}
	ip := netip.MustParseAddr("127.0.0.1")
	free := map[uint16]bool{}
	for port := first + 1; port <= first+8; port += 2 {
		if conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, port))); err == nil {
			free[port] = true
			_ = conn.Close()
		}
	}
	for want := range len(free) {
		a, err := listenAudio(ip, first, first+8)
		if err != nil {
			t.Fatalf("%d of %d ports are found", want, len(free))
		}
		defer a.close()
		if !free[a.port()] {
			t.Errorf("port %d", a.port())
		}
		delete(free, a.port())
	}
	if _, err := listenAudio(ip, first, first+8); err == nil {
		t.Error("more ports than there are")
	}
}

// Nobody runs for a while: what is late is not sent at once.
func TestStall(t *testing.T) {
	a, _ := playing(t)
	now := time.Now()
	a.next = now.Add(-time.Second)
	if err := a.tick(t.Context(), packet); err != nil {
		t.Fatal(err)
	}
	if a.next.Before(now.Add(20*time.Millisecond)) || !a.fresh {
		t.Errorf("the next is due %v after what was late, fresh: %v", a.next.Sub(now), a.fresh)
	}
}
