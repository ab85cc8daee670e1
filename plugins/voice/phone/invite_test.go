package phone

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/openccsp/gateway/sdk"
)

// A trunk may say many times that it rings, as it must each minute.
func TestManyProvisionals(t *testing.T) {
	f := newFar(t)
	p := f.phone(nil)
	placed := f.place(p, Call{ID: "c", To: "1"})
	invite := f.next("INVITE")
	for range 20 {
		f.answer(invite, "183 Session Progress", "t", f.contact())
	}
	if err := <-placed; err != nil {
		t.Fatal(err)
	}
	f.answer(invite, "200 OK", "t", f.described()...)
	f.next("ACK")
	if e := f.told(); !e.Answered {
		t.Errorf("got %+v, want it answered", e)
	}
	f.answer(f.next("BYE"), "200 OK", "")
}

// Somebody answers in the moment in which we give up: the call is ended as any other,
// so that nobody listens to nothing.
func TestCancelCrossesAnswer(t *testing.T) {
	for _, cancelled := range []string{"200 OK", "481 Call/Transaction Does Not Exist"} {
		t.Run(cancelled, func(t *testing.T) {
			f := newFar(t)
			p := f.phone(func(c *Config) { c.Ring = 200 * time.Millisecond })
			placed := f.place(p, Call{ID: "c", To: "1"})
			invite := f.next("INVITE")
			f.answer(invite, "180 Ringing", "t", f.contact())
			cancel := f.next("CANCEL")
			if branch := invite.header("Via"); cancel.header("Via") != branch || cancel.header("Route") != invite.header("Route") {
				t.Errorf("the CANCEL is not that of the INVITE:\n%s", cancel.text)
			}
			f.answer(cancel, cancelled, "")
			f.answer(invite, "200 OK", "t", f.described()...)
			f.next("ACK")
			f.answer(f.next("BYE"), "200 OK", "")
			if err := <-placed; err != nil {
				t.Fatal(err)
			}
			if e := f.told(); e.Ended != NoAnswer {
				t.Errorf("got %+v, want no answer", e)
			}
		})
	}
}

// A trunk that says nothing for so long that we give up, and then takes the call on,
// or answers it. Nobody knew what became of it; nobody's telephone goes on ringing.
func TestLate(t *testing.T) {
	for _, late := range []string{"180 Ringing", "200 OK"} {
		t.Run(late, func(t *testing.T) {
			f := newFar(t)
			p := f.phone(func(c *Config) { c.Patience = 200 * time.Millisecond })
			placed := f.place(p, Call{ID: "c", To: "1"})
			invite := f.next("INVITE")
			if _, ok := errors.AsType[*sdk.AmbiguousError](<-placed); !ok {
				t.Fatal("want it ambiguous")
			}
			f.answer(invite, late, "t", f.described()...)
			if late == "200 OK" {
				f.next("ACK")
				f.answer(f.next("BYE"), "200 OK", "")
				return
			}
			f.answer(f.next("CANCEL"), "200 OK", "")
			f.answer(invite, "487 Request Terminated", "t")
			f.next("ACK")
			select {
			case e := <-f.events:
				t.Errorf("told of %+v", e)
			default:
			}
		})
	}
}

// A trunk that has the call and does not say how far it is: it is placed, before
// whoever wants to know has waited for too long.
func TestTrying(t *testing.T) {
	f := newFar(t)
	p := f.phone(func(c *Config) { c.Patience = 2 * time.Second })
	placed := f.place(p, Call{ID: "c", To: "1"})
	invite := f.next("INVITE")
	f.answer(invite, "100 Trying", "")
	select {
	case err := <-placed:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it waits for ever")
	}
	f.answer(invite, "503 Service Unavailable", "t")
	f.next("ACK")
	if e := f.told(); e.Ended != Failed {
		t.Errorf("got %+v, want it failed", e)
	}
}

// Two telephones are answered: we talk with the first and hang up on the second.
func TestFork(t *testing.T) {
	f := newFar(t)
	p := f.phone(nil)
	invite := f.talk(p, Call{ID: "c", To: "1", Samples: make([]int16, 5*Rate)})
	f.answer(invite, "200 OK", "second", f.described()...)
	if ack := f.next("ACK"); !strings.HasSuffix(ack.header("To"), "tag=second") {
		t.Errorf("To: %s", ack.header("To"))
	}
	bye := f.next("BYE")
	if !strings.HasSuffix(bye.header("To"), "tag=second") {
		t.Errorf("To: %s", bye.header("To"))
	}
	f.answer(bye, "200 OK", "")
	f.answer(invite, "200 OK", "t", f.described()...) // our ACK was lost
	if ack, ok := f.within(5*time.Second, "ACK"); !ok || !strings.HasSuffix(ack.header("To"), "tag=t") {
		t.Errorf("To: %s", ack.header("To"))
	}
	f.ask(f.conn, invite, "BYE", 1, "t", "")
	if e := f.told(); e.Ended != Completed {
		t.Errorf("got %+v, want the end", e)
	}
}

// The route that the answer has recorded, and where a dialog without one goes.
func TestRoute(t *testing.T) {
	f := newFar(t)
	p := f.phone(nil)
	here := f.conn.LocalAddr().String()
	for id, record := range map[string][]string{
		"routed":    {"Record-Route: <sip:192.0.2.1;lr>, <sip:192.0.2.2;lr>", "Record-Route: <sip:" + here + ";lr>"},
		"no record": nil,
	} {
		placed := f.place(p, Call{ID: id, To: "1"})
		invite := f.next("INVITE")
		// The address that it says it has cannot be reached from here.
		more := append(record, f.described()...)
		more[len(record)] = "Contact: <sip:far@192.0.2.9:5066>"
		f.answer(invite, "200 OK", "t", more...)
		ack := f.next("ACK")
		bye := f.next("BYE")
		want := ""
		if record != nil {
			want = "<sip:" + here + ";lr>|<sip:192.0.2.2;lr>|<sip:192.0.2.1;lr>"
		}
		for _, r := range []heard{ack, bye} {
			if r.header("Route") != want || !strings.Contains(r.first(), " sip:far@192.0.2.9:5066 ") || r.from.String() != invite.from.String() {
				t.Errorf("%s: from %s:\n%s", id, r.from, r.text)
			}
		}
		f.answer(bye, "200 OK", "")
		if err := <-placed; err != nil {
			t.Error(err)
		}
		f.told()
		f.told()
	}
}

// What the INVITE says of us.
func TestInvite(t *testing.T) {
	f := newFar(t)
	p := f.phone(nil)
	placed := f.place(p, Call{ID: "c", To: "*21#"})
	invite := f.next("INVITE")
	if !strings.HasPrefix(invite.first(), "INVITE sip:*21%23@gw.test SIP/2.0") || !strings.Contains(invite.header("Via"), ";rport") ||
		strings.Contains(invite.header("Allow"), "UPDATE") {
		t.Errorf("got\n%s", invite.text)
	}
	f.answer(invite, "486 Busy Here", "t")
	f.next("ACK")
	if err := <-placed; err != nil {
		t.Fatal(err)
	}
}

// An answer whose description came before it, and one that nobody can take.
func TestDescriptions(t *testing.T) {
	f := newFar(t)
	p := f.phone(nil)
	placed := f.place(p, Call{ID: "early", To: "1"})
	invite := f.next("INVITE")
	f.answer(invite, "183 Session Progress", "t", f.described()...)
	if err := <-placed; err != nil {
		t.Fatal(err)
	}
	f.answer(invite, "200 OK", "t", f.contact())
	f.next("ACK")
	if e := f.told(); !e.Answered {
		t.Errorf("got %+v, want it answered", e)
	}
	f.answer(f.next("BYE"), "200 OK", "")
	f.told()

	placed = f.place(p, Call{ID: "none", To: "1"})
	invite = f.next("INVITE")
	f.answer(invite, "200 OK", "t", f.contact())
	f.next("ACK")
	f.answer(f.next("BYE"), "200 OK", "")
	if err := <-placed; err != nil {
		t.Fatal(err)
	}
	if e := f.told(); e.Ended != Failed {
		t.Errorf("got %+v, want it failed", e)
	}
}

const md5 = `WWW-Authenticate: Digest realm="gw.test", nonce="a", algorithm=MD5, qop="auth"`

// What trunks ask for as a proof of who we are.
func TestProofs(t *testing.T) {
	for name, tt := range map[string]struct {
		asks []string // one answer each
		want string   // in the last proof, "": we give up
	}{
		"one":                     {[]string{md5}, `response="`},
		"best first":              {[]string{`WWW-Authenticate: Digest realm="r", nonce="a", algorithm=SHA-256, qop="auth"` + "\r\n" + md5}, "algorithm=SHA-256"},
		"one that nobody knows":   {[]string{`WWW-Authenticate: Digest realm="r", nonce="a", algorithm=AKAv1-MD5` + "\r\n" + md5}, "algorithm=MD5"},
		"with its body":           {[]string{`WWW-Authenticate: Digest realm="r", nonce="a", qop="auth-int"`}, "qop=auth-int"},
		"both, with a space":      {[]string{`WWW-Authenticate: Digest realm="r", nonce="a", qop="auth-int, auth"`}, "qop=auth,"},
		"a stale nonce":           {[]string{md5, `WWW-Authenticate: Digest realm="gw.test", nonce="b", stale=TRUE`}, `nonce="b"`},
		"a proxy, and one behind": {[]string{`Proxy-Authenticate: Digest realm="p", nonce="a"`, md5}, `realm="gw.test"`},
		"the same again":          {[]string{md5, md5}, ""},
		"stale for ever":          {[]string{md5, md5 + ", stale=true", md5 + ", stale=true"}, ""},
		"none that we know":       {[]string{`WWW-Authenticate: Negotiate abc`}, ""},
		"none at all":             {[]string{"X: y"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFar(t)
			p := f.phone(func(c *Config) { c.AuthUser, c.Password = "u", "p" })
			placed := f.place(p, Call{ID: "c", To: "1"})
			number := 0
			for _, asks := range tt.asks {
				status := "401 Unauthorized"
				if strings.HasPrefix(asks, "Proxy") {
					status = "407 Proxy Authentication Required"
				}
				invite := f.next("INVITE")
				var n int
				if _, err := fmt.Sscan(invite.header("CSeq"), &n); err != nil || number > 0 && n != number+1 {
					t.Errorf("CSeq: %s after %d", invite.header("CSeq"), number)
				}
				number = n
				f.answer(invite, status, "t", asks)
				f.next("ACK")
			}
			if tt.want == "" {
				if err := <-placed; !errors.Is(err, sdk.ErrAuthConfig) {
					t.Errorf("got %v, want the credentials refused", err)
				}
				return
			}
			invite := f.next("INVITE")
			if proof := invite.all("Authorization"); len(proof) != 1 || !strings.Contains(proof[0], tt.want) ||
				!strings.Contains(proof[0], `uri="`+strings.Fields(invite.first())[1]+`"`) {
				t.Errorf("got %q, want %s", proof, tt.want)
			}
			f.answer(invite, "200 OK", "t", f.described()...)
			ack := f.next("ACK")
			if ack.header("Authorization") != invite.header("Authorization") || ack.header("Proxy-Authorization") != invite.header("Proxy-Authorization") {
				t.Errorf("the ACK has not the proof:\n%s", ack.text)
			}
			f.answer(f.next("BYE"), "200 OK", "")
			if err := <-placed; err != nil {
				t.Error(err)
			}
		})
	}
}

// A challenge that comes once more, as its ACK was lost, is confirmed as the first
// was, whatever was sent since.
func TestChallengeAgain(t *testing.T) {
	f := newFar(t)
	p := f.phone(func(c *Config) { c.Password = "p" })
	placed := f.place(p, Call{ID: "c", To: "1"})
	first := f.next("INVITE")
	f.answer(first, "401 Unauthorized", "t", md5)
	f.next("ACK")
	second := f.next("INVITE")
	f.answer(first, "401 Unauthorized", "t", md5)
	if ack, ok := f.within(5*time.Second, "ACK"); ok { // the same is no news
		t.Errorf("got\n%s", ack.text)
	}
	f.answer(second, "486 Busy Here", "t")
	f.next("ACK")
	if err := <-placed; err != nil {
		t.Error(err)
	}
}

// A trunk that asks for a proof and then says nothing.
func TestSilentAfterChallenge(t *testing.T) {
	f := newFar(t)
	p := f.phone(func(c *Config) { c.Password, c.Patience = "p", 3*time.Second })
	placed := f.place(p, Call{ID: "c", To: "1"})
	f.answer(f.next("INVITE"), "401 Unauthorized", "t", md5)
	f.next("ACK")
	f.next("INVITE")
	select {
	case err := <-placed:
		if _, ok := errors.AsType[*sdk.AmbiguousError](err); !ok {
			t.Errorf("got %v, want it ambiguous", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("it waits for ever")
	}
}

// Where both sides have addresses of the newer kind.
func TestIPv6(t *testing.T) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv6loopback})
	if err != nil {
		t.Skip("not run: this system has no ::1")
	}
	t.Cleanup(func() { _ = conn.Close() })
	f := newFar(t)
	f.conn = conn
	p := f.phone(func(c *Config) { c.Listen = netip.IPv6Loopback() })
	invite := f.talk(p, Call{ID: "c", To: "1"})
	if !strings.HasPrefix(invite.header("Via"), "SIP/2.0/UDP [::1]:") || !strings.Contains(invite.body(), "c=IN IP6 ::1\r\n") ||
		!strings.Contains(invite.header("Contact"), "@[::1]:") {
		t.Errorf("got\n%s", invite.text)
	}
	f.answer(f.next("BYE"), "200 OK", "")
	if e := f.told(); e.Ended != Completed {
		t.Errorf("got %+v, want the end", e)
	}
}

// A name that has addresses of both kinds: it is called at that of ours.
func TestAddress(t *testing.T) {
	p := &Phone{Config: Config{Listen: netip.MustParseAddr("192.0.2.1")}, gate: newGate(), route: sip.Uri{Host: "localhost", Port: 5060}}
	if at, err := p.address(t.Context()); err != nil || at != "127.0.0.1:5060" {
		t.Errorf("got %s, %v", at, err)
	}
	p.Listen = netip.MustParseAddr("2001:db8::1")
	if at, err := p.address(t.Context()); err == nil && at != "[::1]:5060" {
		t.Errorf("got %s", at)
	}
}

// A proof that fits into no datagram: nobody would ever be called.
func TestTooBig(t *testing.T) {
	f := newFar(t)
	p := f.phone(func(c *Config) { c.Password = "p" })
	placed := f.place(p, Call{ID: "c", To: "1"})
	f.answer(f.next("INVITE"), "401 Unauthorized", "t", `WWW-Authenticate: Digest realm="gw.test", nonce="`+strings.Repeat("n", 800)+`"`)
	if r, ok := errors.AsType[*sdk.RejectedError](<-placed); !ok || r.Code != "too_big" {
		t.Errorf("got %v, want it rejected", r)
	}
}

// Who knows the Call-ID alone cannot end a call, nor press keys; nor does the end of
// a call that is not answered yet do harm. Who knows all may come from elsewhere.
func TestStrangers(t *testing.T) {
	f := newFar(t)
	p := f.phone(nil)
	placed := f.place(p, Call{ID: "c", To: "1", Digits: 1, Wait: time.Minute})
	invite := f.next("INVITE")
	f.ask(f.conn, invite, "BYE", 1, "t", "")
	f.next("SIP/2.0 481")
	f.answer(invite, "200 OK", "t", f.described()...)
	f.next("ACK")
	if err := <-placed; err != nil {
		t.Fatal(err)
	}
	f.told()
	key := []string{"Content-Type: application/dtmf-relay", "", "Signal=9"}
	f.ask(f.conn, invite, "BYE", 2, "other", "")
	f.next("SIP/2.0 481")
	f.ask(f.conn, invite, "INFO", 3, "t", "other", key...)
	f.next("SIP/2.0 481")
	f.ask(f.conn, invite, "INVITE", 4, "other", "", f.described()...)
	f.next("SIP/2.0 481")
	f.ask(f.conn, invite, "CANCEL", 5, "other", "")
	f.next("SIP/2.0 481")
	f.ask(f.conn, invite, "UPDATE", 0, "t", "") // the first may have any number
	f.next("SIP/2.0 200")
	f.ask(f.conn, invite, "UPDATE", 10, "t", "")
	f.next("SIP/2.0 200")
	f.ask(f.conn, invite, "INFO", 9, "t", "", key...) // an old one, once more
	f.next("SIP/2.0 500")
	elsewhere := listenUDP(t)
	f.ask(elsewhere, invite, "BYE", 11, "t", "")
	if e := f.told(); e.Ended != Completed {
		t.Errorf("got %+v, want the end", e)
	}
}

// Strangers are not answered at all, and whatever the server asks is.
func TestGate(t *testing.T) {
	g := newGate()
	g.add(netip.MustParseAddr("192.0.2.1"))
	g.welcome("192.0.2.2:5060")
	g.expect("mine")
	g.expect("other")
	g.forget("other")
	for from, want := range map[string]bool{"192.0.2.1:9": true, "192.0.2.2:5060": true, "[::ffff:192.0.2.2]:5060": true, "192.0.2.3:5060": false} {
		a := net.UDPAddrFromAddrPort(mustAddrPort(from))
		for message, ours := range map[string]bool{"OPTIONS x SIP/2.0\r\nCall-ID: other\r\n\r\n": false,
			"BYE x SIP/2.0\r\ncall-id : mine\r\n\r\n": true, "BYE x SIP/2.0\r\ni:mine\r\n\r\n": true, "": false} {
			got, err := g.filter(readFrom(a), []byte(message))
			if err != nil || (len(got) > 0) != ((want || ours) && message != "") {
				t.Errorf("%s, %q: %q, %v", from, message, got, err)
			}
		}
	}
}

func mustAddrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func readFrom(a net.Addr) sip.TransportReadProps {
	return sip.TransportReadProps{Transport: "UDP", RemoteAddr: a}
}
