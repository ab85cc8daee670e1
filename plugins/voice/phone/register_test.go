package phone

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/openccsp/gateway/sdk"
)

// registered waits until the telephone is registered, or says why not.
func registered(t *testing.T, p *Phone) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		p.mu.Lock()
		ok := p.state.registered
		p.mu.Unlock()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not registered: %s", p.Trouble())
		}
	}
}

// A registrar that wants longer registrations gets them, and one that lists all
// telephones of the user says of ours how long it lasts.
func TestRegistrar(t *testing.T) {
	f := newFar(t)
	p := f.phone(func(c *Config) { c.Register, c.Password = true, "p" })
	first := f.next("REGISTER")
	if first.first() != "REGISTER sip:gw.test SIP/2.0" || first.header("To") != "<sip:100@gw.test>" || first.header("Expires") != "300" {
		t.Errorf("got\n%s", first.text)
	}
	f.answer(first, "423 Interval Too Brief", "t", "Min-Expires: 600")
	second := f.next("REGISTER")
	if second.header("Expires") != "600" || second.header("Call-ID") != first.header("Call-ID") || len(second.all("Contact")) != 1 {
		t.Errorf("got\n%s", second.text)
	}
	f.answer(second, "200 OK", "t", "Contact: "+second.header("Contact")+";expires=600")
	registered(t, p)
	done := make(chan struct{})
	go func() { defer close(done); _ = p.Close() }()
	last := f.next("REGISTER")
	if last.header("Expires") != "0" {
		t.Errorf("got\n%s", last.text)
	}
	f.answer(last, "200 OK", "t")
	<-done
}

// A registrar that finds each time too short is not asked without end.
func TestAlwaysTooBrief(t *testing.T) {
	f := newFar(t)
	p := f.phone(func(c *Config) { c.Register, c.Password = true, "p" })
	for range 2 {
		f.answer(f.next("REGISTER"), "423 Interval Too Brief", "t", "Min-Expires: 999999")
	}
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(p.Trouble(), "423"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the telephone says %q", p.Trouble())
		}
	}
}

// A server whose name has got another address meanwhile is still heard.
func TestServerMoves(t *testing.T) {
	elsewhere, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2)})
	if err != nil {
		t.Skip("not run: this system has no 127.0.0.2")
	}
	defer func() { _ = elsewhere.Close() }()
	f := newFar(t)
	p := f.phone(func(c *Config) { c.Register, c.Password = true, "p" })
	first := f.next("REGISTER")
	f.conn, elsewhere = elsewhere, f.conn
	f.answer(first, "200 OK", "t")
	f.conn, elsewhere = elsewhere, f.conn
	registered(t, p)
	done := make(chan struct{})
	go func() { defer close(done); _ = p.Close() }()
	f.answer(f.next("REGISTER"), "200 OK", "t")
	<-done
}

// A registrar that is gone for a while, which the registration does not know yet: no
// call is placed that nobody would answer.
func TestRegistrarGone(t *testing.T) {
	f := newFar(t)
	p := f.phone(func(c *Config) { c.Register, c.Password, c.Ping, c.Patience = true, "p", true, time.Second })
	f.answer(f.next("REGISTER"), "200 OK", "t")
	registered(t, p)
	p.mu.Lock()
	p.state.seen = time.Now().Add(-believed)
	p.mu.Unlock()
	err := p.Place(t.Context(), Call{ID: "c", To: "1"})
	if _, ok := errors.AsType[*sdk.RetryError](err); !ok || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("got %v, want a retry", err)
	}
}

func TestGranted(t *testing.T) {
	f := newFar(t)
	p := f.phone(nil)
	ours := p.contact.Address.String()
	for lines, want := range map[string]time.Duration{
		"Contact: <sip:100@192.0.2.5:5060>;expires=9, \"a, b\" <" + ours + ">;q=0.5;Expires=40":           40 * time.Second,
		"Contact: <sip:100@192.0.2.5:5060>;expires=9\r\nContact: <" + ours + ">;expires=50\r\nExpires: 7": 50 * time.Second,
		"Contact: <sip:100@192.0.2.5:5060>;expires=9\r\nExpires: 70":                                      70 * time.Second,
		"Contact: <" + ours + ">\r\nExpires: 60":                                                          60 * time.Second,
		"Contact: <" + ours + ">;expires=soon":                                                            99 * time.Second,
		"X: y":                                                                                            99 * time.Second,
	} {
		res := parsed(t, "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKx\r\nCSeq: 1 REGISTER\r\n"+lines+"\r\nContent-Length: 0\r\n\r\n")
		if got := p.granted(res, 99*time.Second); got != want {
			t.Errorf("%s: %v, want %v", strings.ReplaceAll(lines, "\r\n", " | "), got, want)
		}
	}
}

func parsed(t *testing.T, text string) *sip.Response {
	t.Helper()
	m, err := sip.ParseMessage([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m.(*sip.Response)
}
