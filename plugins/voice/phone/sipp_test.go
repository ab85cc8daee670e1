package phone

import (
	"bytes"
	"errors"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/openccsp/gateway/plugins/voice/phone/phonetest"
	"github.com/openccsp/gateway/sdk"
)

const packet = Rate / 50 // samples of 20 ms

// line is a telephone line, and what happens to the calls over it.
type line struct {
	*phonetest.Line
	t      *testing.T
	addr   string
	events chan Event
}

// newLine starts sipp with a scenario of testdata, in which it replaces words.
func newLine(t *testing.T, scenario string, replace ...string) *line {
	t.Helper()
	l := phonetest.Start(t, filepath.Join("testdata", scenario+".xml"), replace...)
	return &line{Line: l, t: t, addr: l.Addr, events: make(chan Event, 16)}
}

// phone returns one that calls over the line; change may change its settings.
func (l *line) phone(change func(*Config)) *Phone {
	l.t.Helper()
	c := Config{
		Server: l.addr, Transport: "udp", Domain: "gw.test", User: "100", Listen: netip.MustParseAddr("127.0.0.1"),
		Ring: 30 * time.Second, Most: 30 * time.Second, Tell: func(e Event) { l.events <- e }, Log: slog.New(slog.NewTextHandler(l.t.Output(), nil)),
	}
	if change != nil {
		change(&c)
	}
	p, err := New(c)
	if err != nil {
		l.t.Fatal(err)
	}
	return p
}

func (l *line) next() Event {
	l.t.Helper()
	select {
	case e := <-l.events:
		return e
	case <-time.After(time.Minute):
		l.t.Fatal("no event came")
		return Event{}
	}
}

// heard reads n packets of audio and returns what they say.
func (l *line) heard(n int) (samples []int16) {
	l.t.Helper()
	var of [256]int16
	for s := math.MinInt16; s <= math.MaxInt16; s++ {
		of[aLaw(int16(s))] = int16(s)
	}
	_ = l.Sink.SetReadDeadline(time.Now().Add(time.Minute))
	buf := make([]byte, 1500)
	var last rtp.Packet
	for i := range n {
		size, _, err := l.Sink.ReadFromUDP(buf)
		if err != nil {
			l.t.Fatal(err)
		}
		var p rtp.Packet
		if err := p.Unmarshal(buf[:size]); err != nil {
			l.t.Fatal(err)
		}
		if p.PayloadType != typePCMA || len(p.Payload) != packet ||
			i > 0 && (p.SequenceNumber != last.SequenceNumber+1 || p.Timestamp != last.Timestamp+packet || p.SSRC != last.SSRC) {
			l.t.Fatalf("packet %d: %v after %v", i, &p, &last)
		}
		last = rtp.Packet{Header: p.Header}
		for _, b := range p.Payload {
			samples = append(samples, of[b])
		}
	}
	return samples
}

func tone(t *testing.T) []int16 {
	t.Helper()
	samples, err := ReadWAV(bytes.NewReader(wav(8000, 1, 16, 1, 440)))
	if err != nil {
		t.Fatal(err)
	}
	return samples
}

// A call that is answered: the tone arrives as it is, keys are told, and we hang up.
func TestAnswered(t *testing.T) {
	l := newLine(t, "answer")
	p := l.phone(nil)
	defer p.Close()
	call := Call{ID: "call-1", To: "+41791234567", Samples: tone(t), Digits: 2, Wait: time.Minute}
	if err := p.Place(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	if e := l.next(); !e.Answered || e.ID != "call-1" || e.To != "+41791234567" {
		t.Errorf("got %+v, want it answered", e)
	}
	samples := l.heard(25 + 50) // half a second of silence, and the tone
	if p := pitch(samples[25*packet:]); p < 430 || p > 450 {
		t.Errorf("the tone has %.0f Hz, want 440", p)
	}
	press(t, l, p, "7", "#")
	if e := l.next(); e.Digits != "7" {
		t.Errorf("got %+v, want the key 7", e)
	}
	if e := l.next(); e.Ended != Completed || e.Duration < time.Second {
		t.Errorf("got %+v, want the end", e)
	}
	l.Content()
}

// press sends keys from where the call's audio comes to.
func press(t *testing.T, l *line, p *Phone, pressed ...string) {
	t.Helper()
	p.mu.Lock()
	port := p.calls["call-1"].audio.port()
	p.mu.Unlock()
	for i, key := range pressed {
		for n := range 3 { // as telephones do
			packet := rtp.Packet{Payload: []byte{byte(strings.Index(keys, key)), 0x80, 0, 160}, Header: rtp.Header{
				Version: 2, PayloadType: 96, SequenceNumber: uint16(10*i + n), Timestamp: uint32(1000 * (i + 1)),
			}}
			b, err := packet.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := l.Sink.WriteToUDP(b, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(port)}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestBusy(t *testing.T) {
	l := newLine(t, "busy")
	p := l.phone(nil)
	defer p.Close()
	if err := p.Place(t.Context(), Call{ID: "c", To: "1"}); err != nil {
		t.Fatal(err)
	}
	if e := l.next(); e.Ended != Busy {
		t.Errorf("got %+v, want busy", e)
	}
	l.Content()
}

func TestRefused(t *testing.T) {
	tests := []struct {
		status string
		ended  string // "": it was not placed
		check  func(error) bool
	}{
		{"480", NoAnswer, nil}, {"408", NoAnswer, nil}, {"603", Rejected, nil}, {"600", Busy, nil},
		{"404", "", func(err error) bool { return errors.Is(err, sdk.ErrRecipientGone) }},
		{"604", "", func(err error) bool { return errors.Is(err, sdk.ErrRecipientGone) }},
		{"403", "", func(err error) bool { return errors.Is(err, sdk.ErrAuthConfig) }},
		{"503", "", func(err error) bool {
			r, ok := errors.AsType[*sdk.RetryError](err)
			return ok && r.After == 7*time.Second
		}},
		{"488", "", func(err error) bool {
			r, ok := errors.AsType[*sdk.RejectedError](err)
			return ok && r.Code == "sip_488"
		}},
	}
	for _, tt := range tests {
		t.Run(tt.status, func(t *testing.T) {
			l := newLine(t, "status", "[status]", tt.status)
			p := l.phone(nil)
			defer p.Close()
			err := p.Place(t.Context(), Call{ID: "c", To: "1"})
			switch {
			case tt.ended == "":
				if err == nil || !tt.check(err) {
					t.Errorf("got %v", err)
				}
			case err != nil:
				t.Errorf("got %v, want it placed", err)
			default:
				if e := l.next(); e.Ended != tt.ended {
					t.Errorf("got %+v, want %s", e, tt.ended)
				}
			}
			l.Content()
		})
	}
}

// Nobody answers: we give up, and the other side knows.
func TestCancel(t *testing.T) {
	l := newLine(t, "cancel")
	p := l.phone(func(c *Config) { c.Ring = 500 * time.Millisecond })
	defer p.Close()
	if err := p.Place(t.Context(), Call{ID: "c", To: "1"}); err != nil {
		t.Fatal(err)
	}
	if e := l.next(); e.Ended != NoAnswer {
		t.Errorf("got %+v, want no answer", e)
	}
	l.Content()
}

// The other side hangs up while we talk.
func TestHungUp(t *testing.T) {
	l := newLine(t, "bye")
	p := l.phone(nil)
	defer p.Close()
	if err := p.Place(t.Context(), Call{ID: "c", To: "1", Samples: make([]int16, 20*Rate)}); err != nil {
		t.Fatal(err)
	}
	if e := l.next(); !e.Answered {
		t.Errorf("got %+v, want it answered", e)
	}
	if e := l.next(); e.Ended != Completed || e.Duration > 15*time.Second {
		t.Errorf("got %+v, want the end", e)
	}
	l.Content()
}

// A trunk that wants a proof, also of the end of the call.
func TestDigest(t *testing.T) {
	for _, password := range []string{"p", "wrong"} {
		t.Run(password, func(t *testing.T) {
			l := newLine(t, "digest")
			p := l.phone(func(c *Config) { c.AuthUser, c.Password = "u", password })
			defer p.Close()
			err := p.Place(t.Context(), Call{ID: "c", To: "1", Samples: make([]int16, Rate/10)})
			if password == "wrong" {
				if !errors.Is(err, sdk.ErrAuthConfig) {
					t.Errorf("got %v, want the credentials refused", err)
				}
				l.Content()
				return
			}
			if err != nil {
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

// A registration, and its end. Before it there are no calls.
func TestRegister(t *testing.T) {
	l := newLine(t, "register")
	p := l.phone(func(c *Config) { c.Register, c.AuthUser, c.Password = true, "u", "p" })
	registered(t, p)
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	l.Content()
}

// A trunk that says nothing: before a call nobody knows, and it is tried again; a
// call whose INVITE has no answer is not.
func TestSilence(t *testing.T) {
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	l := &line{t: t, addr: silent.LocalAddr().String(), events: make(chan Event, 16)}
	p := l.phone(func(c *Config) { c.Ping, c.Patience = true, time.Second })
	defer p.Close()
	err = p.Place(t.Context(), Call{ID: "c", To: "1"})
	if _, ok := errors.AsType[*sdk.RetryError](err); !ok {
		t.Errorf("no sign of life: %v, want a retry", err)
	}
	p.Ping = false
	err = p.Place(t.Context(), Call{ID: "c", To: "1"})
	if _, ok := errors.AsType[*sdk.AmbiguousError](err); !ok {
		t.Errorf("no answer to the INVITE: %v, want it ambiguous", err)
	}
}

// Closing hangs up.
func TestClose(t *testing.T) {
	l := newLine(t, "answer")
	p := l.phone(nil)
	if err := p.Place(t.Context(), Call{ID: "c", To: "1", Samples: make([]int16, 20*Rate)}); err != nil {
		t.Fatal(err)
	}
	if e := l.next(); !e.Answered {
		t.Errorf("got %+v, want it answered", e)
	}
	var closing sync.WaitGroup
	closing.Go(func() { _ = p.Close() })
	if e := l.next(); e.Ended != Canceled {
		t.Errorf("got %+v, want it canceled", e)
	}
	closing.Wait()
	l.Content()
	if err := p.Place(t.Context(), Call{ID: "d", To: "1"}); err == nil {
		t.Error("a closed telephone places calls")
	}
}

func TestNumber(t *testing.T) {
	for address, ok := range map[string]bool{
		"+41791234567": true, "100": true, "*21#": true, "alice.b-c_d": true, "": false, "a b": false, "a@b": false,
		"1;user=phone": false, "1\r\nX: y": false, "é": false, strings.Repeat("1", 65): false,
	} {
		if _, err := number(address); (err == nil) != ok {
			t.Errorf("%q: %v", address, err)
		}
	}
}
