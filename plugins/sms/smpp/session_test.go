package smpp_test

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openccsp/gateway/plugins/sms/smpp"
)

// pair is a session and the bare connection of its other side.
type pair struct {
	*smpp.Session
	t    *testing.T
	far  net.Conn
	done chan error
}

func newPair(t *testing.T, o smpp.Options) *pair {
	t.Helper()
	near, far := net.Pipe()
	p := &pair{Session: smpp.New(near, o), t: t, far: far, done: make(chan error, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); p.done <- p.Run(ctx) }()
	t.Cleanup(func() { cancel(); _ = far.Close(); <-ended })
	return p
}

// reads returns the next PDU that the session wrote.
func (p *pair) reads() smpp.PDU {
	p.t.Helper()
	_ = p.far.SetReadDeadline(time.Now().Add(time.Minute))
	b, err := smpp.Read(p.far, nil, smpp.MaxPDU)
	if err != nil {
		p.t.Fatal(err)
	}
	pdu, err := smpp.Decode(b)
	if err != nil {
		p.t.Fatal(err)
	}
	return pdu
}

// writes writes to the session.
func (p *pair) writes(pdu smpp.PDU) {
	p.t.Helper()
	b, err := pdu.Append(nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.far.Write(b); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pair) ended(want error) {
	p.t.Helper()
	select {
	case err := <-p.done:
		if !errors.Is(err, want) {
			p.t.Errorf("the session ended with %v, want %v", err, want)
		}
	case <-time.After(time.Minute):
		p.t.Fatal("the session does not end")
	}
}

// asking has the session ask; the result comes over the channel.
func (p *pair) asking(ctx context.Context) chan error {
	result := make(chan error, 1)
	go func() {
		_, err := p.Ask(ctx, smpp.SubmitSM, &smpp.Short{Message: []byte("x")})
		result <- err
	}()
	return result
}

func verdict(err error) string {
	if e, ok := errors.AsType[*smpp.StatusError](err); ok {
		return e.Status.String()
	}
	if _, ok := errors.AsType[*smpp.UnansweredError](err); ok {
		return "unanswered"
	}
	if err != nil {
		return "not sent"
	}
	return "ok"
}

// Answers in any order find their requests.
func TestAnswersInDisorder(t *testing.T) {
	p := newPair(t, smpp.Options{Window: 20})
	var asks sync.WaitGroup
	for range 20 {
		asks.Go(func() {
			answer, err := p.Ask(t.Context(), smpp.SubmitSM, &smpp.Short{Message: []byte("x")})
			if err != nil || answer.Body.(*smpp.Taken).MessageID != hex.EncodeToString(binary.BigEndian.AppendUint32(nil, answer.Seq)) {
				t.Errorf("answer %+v %v", answer, err)
			}
		})
	}
	var seen []uint32
	for range 20 {
		seen = append(seen, p.reads().Seq)
	}
	for _, seq := range slices.Backward(seen) {
		p.writes(smpp.PDU{ID: smpp.SubmitSM.Response(), Seq: seq,
			Body: &smpp.Taken{MessageID: hex.EncodeToString(binary.BigEndian.AppendUint32(nil, seq))}})
	}
	asks.Wait()
}

func TestWindow(t *testing.T) {
	p := newPair(t, smpp.Options{Window: 1})
	first := p.asking(t.Context())
	seq := p.reads().Seq
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if got := verdict(<-p.asking(ctx)); got != "not sent" {
		t.Errorf("beyond the window: %s", got)
	}
	p.writes(smpp.PDU{ID: smpp.SubmitSM.Response(), Status: smpp.Throttled, Seq: seq})
	if got := verdict(<-first); got != "0x58 RTHROTTLED" {
		t.Errorf("first: %s", got)
	}
	second := p.asking(t.Context())
	p.writes(smpp.PDU{ID: smpp.SubmitSM.Response(), Seq: p.reads().Seq, Body: &smpp.Taken{MessageID: "1"}})
	if got := verdict(<-second); got != "ok" {
		t.Errorf("second: %s", got)
	}
}

func TestAnswers(t *testing.T) {
	for _, test := range []struct {
		name, want string
		answer     func(p *pair, seq uint32)
	}{
		{"generic_nack", "0x03 RINVCMDID", func(p *pair, seq uint32) {
			p.writes(smpp.PDU{ID: smpp.GenericNack, Status: smpp.InvalidCommand, Seq: seq})
		}},
		{"generic_nack without a status", "0xFF RUNKNOWNERR", func(p *pair, seq uint32) { p.writes(smpp.PDU{ID: smpp.GenericNack, Seq: seq}) }},
		{"of another command", "unanswered", func(p *pair, seq uint32) {
			p.writes(smpp.PDU{ID: smpp.DataSM.Response(), Seq: seq, Body: &smpp.Taken{MessageID: "1"}})
		}},
		{"of another request", "unanswered", func(p *pair, seq uint32) {
			p.writes(smpp.PDU{ID: smpp.SubmitSM.Response(), Seq: seq + 7, Body: &smpp.Taken{MessageID: "1"}})
		}},
		{"success that cannot be read", "ok", func(p *pair, seq uint32) {
			b := binary.BigEndian.AppendUint32([]byte{0, 0, 0, 16, 0x80, 0, 0, 4, 0, 0, 0, 0}, seq)
			_, _ = p.far.Write(b)
		}},
		{"none", "unanswered", func(*pair, uint32) {}},
		{"the end", "unanswered", func(p *pair, _ uint32) { _ = p.far.Close() }},
		{"half an answer and the end", "unanswered", func(p *pair, _ uint32) {
			_, _ = p.far.Write([]byte{0, 0, 0, 16, 0x80, 0})
			_ = p.far.Close()
		}},
	} {
		p := newPair(t, smpp.Options{Response: 100 * time.Millisecond})
		result := p.asking(t.Context())
		test.answer(p, p.reads().Seq)
		if got := verdict(<-result); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

func TestCallerGivesUp(t *testing.T) {
	p := newPair(t, smpp.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	result := p.asking(ctx)
	p.reads()
	cancel()
	if got := verdict(<-result); got != "unanswered" {
		t.Errorf("after it went out: %s", got)
	}
	if got := verdict(<-p.asking(ctx)); got != "not sent" {
		t.Errorf("before: %s", got)
	}
}

func TestOtherSideAsks(t *testing.T) {
	taken := make(chan smpp.PDU, 1)
	p := newPair(t, smpp.Options{Handle: func(pdu smpp.PDU) { taken <- pdu }})
	p.writes(smpp.PDU{ID: smpp.EnquireLink, Seq: 8})
	if got := p.reads(); got.ID != smpp.EnquireLink.Response() || got.Seq != 8 {
		t.Errorf("enquire_link: %+v", got)
	}
	p.writes(smpp.PDU{ID: smpp.DeliverSM, Seq: 9, Body: &smpp.Short{Message: []byte("hi")}})
	go func() { _ = p.Respond(<-taken, smpp.OK, &smpp.Taken{}) }()
	if got := p.reads(); got.ID != smpp.DeliverSM.Response() || got.Seq != 9 || got.Status != smpp.OK || got.Body == nil {
		t.Errorf("deliver_sm: %+v", got)
	}
	for _, bad := range []struct {
		hex    string
		id     smpp.ID
		status smpp.Status
	}{
		{"0000001000000abc0000000000000007", smpp.GenericNack, smpp.InvalidCommand},
		{"00000012000000050000000000000007" + "ffff", smpp.DeliverSM.Response(), smpp.InvalidLength},
	} {
		b, err := hex.DecodeString(bad.hex)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.far.Write(b); err != nil {
			t.Fatal(err)
		}
		if got := p.reads(); got.ID != bad.id || got.Status != bad.status || got.Seq != 7 {
			t.Errorf("%s: %+v", bad.hex, got)
		}
	}
	p.writes(smpp.PDU{ID: smpp.Unbind, Seq: 10})
	if got := p.reads(); got.ID != smpp.Unbind.Response() {
		t.Errorf("unbind: %+v", got)
	}
	p.ended(smpp.ErrUnbound)
	if err := p.Respond(smpp.PDU{ID: smpp.DeliverSM, Seq: 9}, smpp.OK, &smpp.Taken{}); err == nil {
		t.Error("an answer went out after the end")
	}
}

func TestBadLengthEndsIt(t *testing.T) {
	for _, length := range []uint32{0, 15, smpp.MaxPDU + 1, 0xFFFFFFFF} {
		p := newPair(t, smpp.Options{})
		go func() {
			_, _ = p.far.Write(binary.BigEndian.AppendUint32(nil, length))
			_, _ = p.far.Write(make([]byte, 12))
		}()
		if got := p.reads(); got.ID != smpp.GenericNack || got.Status != smpp.InvalidCmdLength {
			t.Errorf("length %d: %+v", length, got)
		}
		p.ended(smpp.ErrLength)
	}
}

func TestUnbindOfOurs(t *testing.T) {
	p := newPair(t, smpp.Options{})
	go func() { p.writes(smpp.PDU{ID: smpp.Unbind.Response(), Seq: p.reads().Seq}) }()
	if err := p.Unbind(t.Context()); err != nil {
		t.Error(err)
	}
	p.ended(smpp.ErrEnded)
}

// Who is silent is asked twice.
func TestHalfOpen(t *testing.T) {
	p := newPair(t, smpp.Options{Enquire: 20 * time.Millisecond, Response: 20 * time.Millisecond})
	for range 2 {
		if got := p.reads(); got.ID != smpp.EnquireLink {
			t.Errorf("%+v", got)
		}
	}
	p.ended(smpp.ErrSilent)
}

// What goes out on a connection that may be dead has no answer either: after one such
// request the others wait until the other side is heard.
func TestDoubt(t *testing.T) {
	for _, alive := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			p := newPair(t, smpp.Options{Response: 10 * time.Second, Enquire: 30 * time.Second})
			first := p.asking(t.Context())
			p.reads()
			if got := verdict(<-first); got != "unanswered" {
				t.Fatalf("the first: %s", got)
			}
			second := p.asking(t.Context())
			probe := p.reads()
			if probe.ID != smpp.EnquireLink {
				t.Fatalf("%#x went out", uint32(probe.ID))
			}
			if !alive {
				if again := p.reads(); again.ID != smpp.EnquireLink {
					t.Errorf("%#x went out", uint32(again.ID))
				}
				if got := verdict(<-second); got != "not sent" {
					t.Errorf("the second: %s", got)
				}
				p.ended(smpp.ErrSilent)
				return
			}
			p.writes(smpp.PDU{ID: smpp.EnquireLink.Response(), Seq: probe.Seq})
			q := p.reads()
			p.writes(smpp.PDU{ID: smpp.SubmitSM.Response(), Seq: q.Seq, Body: &smpp.Taken{MessageID: "1"}})
			if got := verdict(<-second); got != "ok" {
				t.Errorf("the second: %s", got)
			}
		})
	}
}

// Two in a row: what was heard in between starts the count again.
func TestMissesInARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, smpp.Options{Enquire: 30 * time.Second, Response: 10 * time.Second})
		p.reads()
		p.writes(smpp.PDU{ID: smpp.EnquireLink, Seq: 1})
		for i, want := range []smpp.ID{smpp.EnquireLink.Response(), smpp.EnquireLink, smpp.EnquireLink} {
			if got := p.reads(); got.ID != want {
				t.Errorf("PDU %d: %+v, want %#x", i, got, uint32(want))
			}
		}
		p.ended(smpp.ErrSilent)
	})
}

// A request whose number cannot be has an answer all the same.
func TestImpossibleNumber(t *testing.T) {
	for _, number := range []string{"00000000", "80000000"} {
		p := newPair(t, smpp.Options{})
		b, err := hex.DecodeString("000000100000001500000000" + number)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.far.Write(b); err != nil {
			t.Fatal(err)
		}
		p.writes(smpp.PDU{ID: smpp.EnquireLink, Seq: 7})
		if got := p.reads(); got.ID != smpp.GenericNack || got.Status != smpp.SystemError || got.Seq != 0 {
			t.Errorf("number %s: %+v", number, got)
		}
	}
}

// Who floods us with what we did not ask for fills no log, and is served nevertheless.
func TestFlood(t *testing.T) {
	var lines atomic.Int64
	log := slog.New(slog.NewTextHandler(writer(func(b []byte) (int, error) { lines.Add(1); return len(b), nil }), nil))
	p := newPair(t, smpp.Options{Log: log})
	const many = 10_000
	for n := range uint32(many) {
		p.writes(smpp.PDU{ID: smpp.SubmitSM.Response(), Seq: n + 1, Status: smpp.SystemError})
	}
	p.writes(smpp.PDU{ID: smpp.EnquireLink, Seq: 7})
	if got := p.reads(); got.ID != smpp.EnquireLink.Response() {
		t.Errorf("answer %+v", got)
	}
	if n := lines.Load(); n == 0 || n > 20 {
		t.Errorf("%d lines", n)
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }

func TestEnquireIsAnswered(t *testing.T) {
	p := newPair(t, smpp.Options{Enquire: 5 * time.Millisecond, Response: time.Minute})
	for range 5 {
		p.writes(smpp.PDU{ID: smpp.EnquireLink.Response(), Seq: p.reads().Seq})
	}
}

// Who writes an octet now and then is silent, too.
func TestSlowPeer(t *testing.T) {
	p := newPair(t, smpp.Options{Enquire: 30 * time.Millisecond, Response: 30 * time.Millisecond})
	go func() { _, _ = io.Copy(io.Discard, p.far) }()
	go func() {
		for _, b := range []byte{0, 0, 0, 16, 0, 0, 0, 0x15, 0, 0} {
			if _, err := p.far.Write([]byte{b}); err != nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	p.ended(smpp.ErrSilent)
}

// Who reads nothing does not hold a request for ever, and a request that was not
// written was not sent.
func TestPeerThatDoesNotRead(t *testing.T) {
	p := newPair(t, smpp.Options{Response: 50 * time.Millisecond})
	first, second := p.asking(t.Context()), p.asking(t.Context())
	for _, got := range []string{verdict(<-first), verdict(<-second)} {
		if got != "unanswered" && got != "not sent" {
			t.Error(got)
		}
	}
	select {
	case <-p.Done():
	case <-time.After(time.Minute):
		t.Fatal("the session does not end")
	}
}
