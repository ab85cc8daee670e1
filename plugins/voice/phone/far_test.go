package phone

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// far is the other side of calls where sipp cannot be as odd as others are: a socket,
// and what is said by hand.
type far struct {
	t      *testing.T
	conn   *net.UDPConn
	audio  *net.UDPConn
	events chan Event
	seen   map[string]bool
}

func newFar(t *testing.T) *far {
	t.Helper()
	f := &far{t: t, conn: listenUDP(t), audio: listenUDP(t), events: make(chan Event, 64), seen: map[string]bool{}}
	return f
}

func listenUDP(t testing.TB) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// phone returns one whose server is the other side.
func (f *far) phone(change func(*Config)) *Phone {
	f.t.Helper()
	c := Config{
		Server: f.conn.LocalAddr().String(), Transport: "udp", Domain: "gw.test", User: "100", Listen: netip.MustParseAddr("127.0.0.1"),
		Ring: 30 * time.Second, Most: 30 * time.Second, Tell: func(e Event) { f.events <- e }, Log: slog.New(slog.NewTextHandler(f.t.Output(), nil)),
	}
	if change != nil {
		change(&c)
	}
	p, err := New(c)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = p.Close() })
	return p
}

// place places a call and returns what becomes of that.
func (f *far) place(p *Phone, c Call) <-chan error {
	placed := make(chan error, 1)
	go func() { placed <- p.Place(f.t.Context(), c) }()
	return placed
}

func (f *far) told() Event {
	f.t.Helper()
	select {
	case e := <-f.events:
		return e
	case <-time.After(20 * time.Second):
		f.t.Fatal("no event came")
		return Event{}
	}
}

// heard is a message that came.
type heard struct {
	text string
	from *net.UDPAddr
}

func (h heard) first() string {
	line, _, _ := strings.Cut(h.text, "\r\n")
	return line
}

// all are the values of a header.
func (h heard) all(name string) (out []string) {
	head, _, _ := strings.Cut(h.text, "\r\n\r\n")
	for line := range strings.SplitSeq(head, "\r\n") {
		if n, v, ok := strings.Cut(line, ":"); ok && strings.EqualFold(strings.TrimSpace(n), name) {
			out = append(out, strings.TrimSpace(v))
		}
	}
	return out
}

func (h heard) header(name string) string { return strings.Join(h.all(name), "|") }

func (h heard) body() string {
	_, body, _ := strings.Cut(h.text, "\r\n\r\n")
	return body
}

// next waits for a request of a method, or for an answer with a status, that has not
// come before.
func (f *far) next(start string) heard {
	f.t.Helper()
	h, ok := f.within(15*time.Second, start)
	if !ok {
		f.t.Fatalf("no %s came", start)
	}
	return h
}

func (f *far) within(d time.Duration, start string) (heard, bool) {
	_ = f.conn.SetReadDeadline(time.Now().Add(d))
	for buf := make([]byte, 1<<16); ; {
		n, from, err := f.conn.ReadFromUDP(buf)
		if err != nil {
			return heard{}, false
		}
		h := heard{string(buf[:n]), from}
		key := h.first() + h.header("Via") + h.header("CSeq")
		if strings.HasPrefix(h.first(), start) && !f.seen[key] {
			f.seen[key] = true
			return h, true
		}
	}
}

// answer answers a request. More are lines of the head; after an empty one, the body.
func (f *far) answer(req heard, status, tag string, more ...string) {
	f.t.Helper()
	to := req.header("To")
	if tag != "" && !strings.Contains(to, "tag=") {
		to += ";tag=" + tag
	}
	f.write(req.from, append([]string{
		"SIP/2.0 " + status, "Via: " + req.header("Via"), "From: " + req.header("From"), "To: " + to,
		"Call-ID: " + req.header("Call-ID"), "CSeq: " + req.header("CSeq"),
	}, more...)...)
}

func (f *far) write(to *net.UDPAddr, lines ...string) {
	f.t.Helper()
	f.writeFrom(f.conn, to, lines...)
}

func (f *far) writeFrom(conn *net.UDPConn, to *net.UDPAddr, lines ...string) {
	f.t.Helper()
	body := ""
	if at := slices.Index(lines, ""); at >= 0 {
		body, lines = strings.Join(lines[at+1:], "\r\n")+"\r\n", lines[:at]
	}
	text := strings.Join(lines, "\r\n") + fmt.Sprintf("\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	if _, err := conn.WriteToUDP([]byte(text), to); err != nil {
		f.t.Fatal(err)
	}
}

func (f *far) contact() string { return "Contact: <sip:far@" + f.conn.LocalAddr().String() + ">" }

// described are the lines of a description of our audio, after those of a head.
func (f *far) described(attributes ...string) []string {
	return append([]string{
		f.contact(), "Content-Type: application/sdp", "", "v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0",
		fmt.Sprintf("m=audio %d RTP/AVP 8 96", f.audio.LocalAddr().(*net.UDPAddr).Port), "a=rtpmap:96 telephone-event/8000",
	}, attributes...)
}

// talk takes a call as far as a confirmed dialog, and returns its INVITE.
func (f *far) talk(p *Phone, c Call) heard {
	f.t.Helper()
	placed := f.place(p, c)
	invite := f.next("INVITE")
	f.answer(invite, "200 OK", "t", f.described()...)
	f.next("ACK")
	if err := <-placed; err != nil {
		f.t.Fatal(err)
	}
	if e := f.told(); !e.Answered {
		f.t.Fatalf("got %+v, want it answered", e)
	}
	return invite
}

// ask sends a request inside of a call whose INVITE is given.
func (f *far) ask(conn *net.UDPConn, invite heard, method string, cseq int, fromTag, toTag string, more ...string) {
	f.t.Helper()
	from := strings.Split(invite.header("From"), ";tag=")
	if toTag == "" {
		toTag = from[1]
	}
	f.writeFrom(conn, invite.from, append([]string{
		method + " sip:100@" + invite.from.String() + " SIP/2.0",
		fmt.Sprintf("Via: SIP/2.0/UDP %s;branch=z9hG4bK%s%d%s%s", conn.LocalAddr(), method, cseq, fromTag, toTag),
		"From: " + invite.header("To") + ";tag=" + fromTag, "To: " + from[0] + ";tag=" + toTag,
		"Call-ID: " + invite.header("Call-ID"), fmt.Sprintf("CSeq: %d %s", cseq, method), "Max-Forwards: 70",
	}, more...)...)
}
