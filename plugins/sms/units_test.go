package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/plugins/sms/smpp"
	"github.com/openccsp/gateway/sdk"
)

func TestAddresses(t *testing.T) {
	k := kinds{long: smpp.Address{TON: 1, NPI: 1}, short: smpp.Address{TON: 3}, name: smpp.Address{TON: 5}}
	for _, test := range []struct {
		address string
		want    smpp.Address
	}{
		{"+41 79 123-45.67", smpp.Address{TON: 1, NPI: 1, Addr: "41791234567"}},
		{"4179000001", smpp.Address{TON: 1, NPI: 1, Addr: "4179000001"}},
		{"12345", smpp.Address{TON: 3, Addr: "12345"}},
		{"+12345", smpp.Address{TON: 1, NPI: 1, Addr: "12345"}},
		{"Shop 24", smpp.Address{TON: 5, Addr: "Shop 24"}},
	} {
		got, err := k.address(test.address)
		if err != nil || got != test.want {
			t.Errorf("%s: %+v %v, want %+v", test.address, got, err, test.want)
		}
	}
	for _, bad := range []string{"", "+", "1234567890123456", "a name too long", "Käse", "+41x"} {
		if got, err := k.address(bad); err == nil && bad != "+41x" {
			t.Errorf("%q became %+v", bad, got)
		}
	}
	for _, test := range []struct {
		a    smpp.Address
		want string
	}{
		{smpp.Address{TON: 1, Addr: "41791234567"}, "+41791234567"},
		{smpp.Address{TON: 0, Addr: "41791234567"}, "+41791234567"},
		{smpp.Address{TON: 0, Addr: "0791234567"}, "0791234567"},
		{smpp.Address{TON: 2, Addr: "0791234567"}, "0791234567"},
		{smpp.Address{TON: 3, Addr: "12345"}, "12345"},
		{smpp.Address{TON: 5, Addr: "Bank"}, "Bank"},
	} {
		if got := customer(test.a); got != test.want {
			t.Errorf("%+v: %s, want %s", test.a, got, test.want)
		}
	}
}

func TestErrorPerStatus(t *testing.T) {
	const gone, auth = "recipient gone", "credentials refused"
	for status, want := range map[smpp.Status]string{
		smpp.Throttled: "throttled 2s", smpp.QueueFull: "throttled 2s",
		smpp.SystemError: "retry", smpp.TemporaryError: "retry", smpp.DeliveryFailure: "retry",
		smpp.SubmitFailed: "retry", smpp.UnknownError: "retry",
		smpp.InvalidDest: gone,
		smpp.BindFailed:  auth, smpp.InvalidPassword: auth, smpp.InvalidSystemID: auth, smpp.InvalidBindState: "retry", smpp.AlreadyBound: auth,
		0x01: "rejected 0x01", 0x0A: "rejected 0x0A", 0x15: "rejected 0x15", 0x43: "rejected 0x43", 0x48: "rejected 0x48",
		0x49: "rejected 0x49", 0x50: "rejected 0x50", 0x51: "rejected 0x51", 0x53: "rejected 0x53", 0x61: "rejected 0x61",
		0x62: "rejected 0x62", 0x65: "rejected 0x65", 0x66: "rejected 0x66", 0xC0: "rejected 0xC0", 0xC4: "rejected 0xC4",
		0x03: "rejected 0x03", 0x400: "rejected 0x400",
	} {
		err := sendError(&smpp.StatusError{Command: smpp.SubmitSM, Status: status}, 1, 2*time.Second)
		got := plugintest.Verdict(err)
		if errors.Is(err, sdk.ErrRecipientGone) {
			got = gone
		}
		if got != want {
			t.Errorf("%v: %s, want %s", status, got, want)
		}
	}
	if got := plugintest.Verdict(sendError(&smpp.StatusError{Status: smpp.SubmitFailed}, patience, 0)); got != "rejected 0x45" {
		t.Errorf("the last attempt: %s", got)
	}
	if got := plugintest.Verdict(sendError(&smpp.StatusError{Status: smpp.InvalidBindState}, 2, 0)); got != auth {
		t.Errorf("still not bound: %s", got)
	}
	if got := plugintest.Verdict(sendError(&smpp.UnansweredError{Err: errors.New("x")}, 1, 0)); got != "ambiguous" {
		t.Errorf("unanswered: %s", got)
	}
	if got := plugintest.Verdict(sendError(context.Canceled, 1, 0)); got != "retry" {
		t.Errorf("not sent: %s", got)
	}
}

func TestMessageIDs(t *testing.T) {
	for _, test := range []struct{ mode, answer, receipt string }{
		{idsAsIs, "0001001", "0001001"},
		{idsHex2Dec, "1001", "3E9"}, {idsHex2Dec, "1001", "000003e9"},
		{idsDec2Hex, "3E9", "1001"}, {idsDec2Hex, "0003e9", "0000001001"},
		{idsHex2Dec, "9f86d081-884c", "9F86D081-884C"},
		{idsAuto, "1001", "1001"}, {idsAuto, "1001", "0000001001"}, {idsAuto, "1001", "3E9"}, {idsAuto, "3E9", "1001"},
		{idsAuto, "ABC-1", "abc-1"}, {idsAuto, "0", "0000"},
		{idsAuto, "123456789012345678901", "6B14E9F812F366C35"},
	} {
		s, err := newIDs(test.mode)
		if err != nil {
			t.Fatal(err)
		}
		want := s.sent(test.answer)
		if got, certain := s.receipt(test.receipt); got != want || !certain {
			t.Errorf("%s: the receipt of %s is %s, the answer %s is %s", test.mode, test.receipt, got, test.answer, want)
		}
	}
	s, err := newIDs(idsAuto)
	if err != nil {
		t.Fatal(err)
	}
	s.sent("1001")
	s.receipt("3e9") // it learns
	if got, certain := s.receipt("3ea"); got != "1002" || certain || s.way() != idsHex2Dec {
		t.Errorf("what it learned: %s %t %s", got, certain, s.way())
	}
}

// A number that is an id of ours when it is read in another base is so by chance:
// what was learned counts, until it finds nothing any more.
func TestLearnedWayStays(t *testing.T) {
	s, err := newIDs(idsAuto)
	if err != nil {
		t.Fatal(err)
	}
	s.sent("1001")
	s.receipt("1001")
	s.sent("1043") // 413 is it in hex, and was sent by an earlier process
	if got, certain := s.receipt("413"); got != "413" || certain || s.way() != idsAsIs {
		t.Errorf("the receipt of 413 is of %s (certain: %t), by %s", got, certain, s.way())
	}
	for range relearn {
		s.receipt("413")
	}
	if got, certain := s.receipt("413"); got != "1043" || !certain || s.way() != idsHex2Dec {
		t.Errorf("when nothing else is found any more 413 is %s (certain: %t), by %s", got, certain, s.way())
	}
}

func TestPace(t *testing.T) {
	now := time.Unix(1000, 0)
	p := newPacer(100, func() time.Time { return now })
	take := func() error { return p.wait(t.Context()) }
	if err := take(); err != nil {
		t.Fatal(err)
	}
	if pause := p.throttled(); pause != time.Second || p.current != 50 {
		t.Errorf("pause %v, %g a second", pause, p.current)
	}
	if pause := p.throttled(); pause != time.Second || p.current != 50 { // of what was in flight
		t.Errorf("again: pause %v, %g a second", pause, p.current)
	}
	if got := plugintest.Verdict(take()); got != "throttled 1s" {
		t.Errorf("in the pause: %s", got)
	}
	now = now.Add(time.Second)
	if pause := p.throttled(); pause != 2*time.Second || p.current != 25 {
		t.Errorf("still: pause %v, %g a second", pause, p.current)
	}
	for n := range 20 {
		now = now.Add(2500 * time.Millisecond)
		p.taken()
		if want := min(25+5*float64(n+1), 100); n > 0 && p.current != want && p.current != want-5 {
			t.Errorf("after %d: %g a second", n, p.current)
		}
	}
	if p.current != 100 {
		t.Errorf("in the end: %g a second", p.current)
	}
	slow := newPacer(0.5, func() time.Time { return now })
	if slow.throttled(); slow.current > 0.5 {
		t.Errorf("one in two seconds, and a complaint: %g a second", slow.current)
	}
	free := newPacer(0, func() time.Time { return now })
	for range 40 {
		free.taken()
	}
	if free.throttled(); free.current != 20 {
		t.Errorf("without a limit: %g a second", free.current)
	}
	for range 100 {
		now = now.Add(2 * time.Second)
		free.taken()
	}
	if free.current != 0 {
		t.Errorf("without a limit, later: %g a second", free.current)
	}
}

func TestRebindWaits(t *testing.T) {
	var r rebind
	lost := errors.New("connection lost")
	for n := range 20 {
		if d := r.wait(lost, 0); d < time.Second || d > 90*time.Second || n > 8 && d < 30*time.Second {
			t.Errorf("failure %d: %v", n, d)
		}
	}
	if d := r.wait(lost, time.Hour); d > 2*time.Second {
		t.Errorf("after an hour: %v", d)
	}
	r = rebind{}
	for range 20 {
		if d := r.wait(&smpp.StatusError{Status: smpp.InvalidPassword}, 0); d < time.Minute || d > 7*time.Minute {
			t.Errorf("a wrong password: %v", d)
		}
	}
}

// What comes again although it was answered is a new message, unless the answer was lost.
func TestRepeats(t *testing.T) {
	now := time.Unix(1000, 0)
	r, err := newRepeats(func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	d := delivery{message: smpp.Message{Source: smpp.Address{Addr: "1"}, Octets: []byte("ok")}}
	first := r.look(d)
	r.note(first, true, true)
	if again := r.look(d); again.id == first.id {
		t.Error("two messages with the same words are one")
	}
	r.ended() // right after the answer
	if again := r.look(d); again.id != first.id || !again.durable {
		t.Errorf("after a lost answer: %+v", again)
	}
	r.note(first, false, false)
	if again := r.look(d); again.id != first.id || again.durable {
		t.Errorf("after a refusal: %+v", again)
	}
	now = now.Add(time.Hour)
	if again := r.look(d); again.id == first.id {
		t.Error("an hour later it is still the same message")
	}
	r.note(first, true, true)
	now = now.Add(time.Minute)
	r.ended()
	if again := r.look(d); again.id == first.id {
		t.Error("what was answered a minute before the end is known")
	}
}

// What two segments have of one letter is one letter.
func TestLettersAcrossSegments(t *testing.T) {
	for name, test := range map[string]struct {
		standard smpp.Alphabet
		coding   uint8
		parts    []string
		want     string
	}{
		"ESC":             {smpp.GSM7, 0, []string{"a\x1b", "eb"}, "a€b"},
		"ESC, packed":     {smpp.GSM7Packed, 0, []string{string(smpp.Pack([]byte("a\x1b"), 1)), string(smpp.Pack([]byte("eb"), 1))}, "a€b"},
		"surrogates":      {smpp.GSM7, 8, []string{"\xd8\x3d", "\xdc\xe6"}, "📦"},
		"half of UCS-2":   {smpp.GSM7, 8, []string{"\x00a\x00", "b"}, "ab"},
		"nothing follows": {smpp.GSM7, 0, []string{"a\x1b"}, "a[part 2 of 2 is missing]"},
	} {
		j := joined{total: 2}
		for i, octets := range test.parts {
			j.parts = append(j.parts, part{Index: uint8(i + 1), Coding: test.coding, Header: 6, Octets: []byte(octets)})
		}
		if got := j.text(test.standard); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// A receipt of no message of ours does not wait once the way of ids is known.
func TestUnknownReceiptWaitsNoLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := newIDs(idsAuto)
		if err != nil {
			t.Fatal(err)
		}
		p := &smppProvider{cfg: &smppConfig{}, host: &stateHost{state: map[string][]byte{}}, ids: s, sending: 1, changed: make(chan struct{})}
		began, found := time.Now(), make(chan string)
		go func() { found <- p.idOf(t.Context(), "413") }()
		synctest.Wait()
		s.sent("1043")
		s.sent("1001")
		s.receipt("1001") // another lane learns
		p.update(func() { p.sending = 2 })
		if got, took := <-found, time.Since(began); got != "413" || took != 0 {
			t.Errorf("it is %s, after %v", got, took)
		}
	})
}
