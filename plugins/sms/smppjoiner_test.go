package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/plugins/sms/smpp"
	"github.com/openccsp/gateway/sdk"
)

// stateHost keeps state in memory.
type stateHost struct {
	plugintest.Host
	state map[string][]byte
}

func (h *stateHost) State(_ context.Context, key string) ([]byte, error) { return h.state[key], nil }

func (h *stateHost) SetState(_ context.Context, key string, old, next []byte) error {
	if string(h.state[key]) != string(old) {
		return sdk.ErrConflict
	}
	h.state[key] = next
	return nil
}

// A text of which ever more comes has no more room than others.
func TestShelfIsBounded(t *testing.T) {
	h := &stateHost{state: map[string][]byte{}}
	j := newJoiner(h, 0)
	told := 0
	tell := func(context.Context, string, joined) error { told++; return nil }
	m := smpp.Message{Source: smpp.Address{Addr: "41791234567"}, Octets: make([]byte, 8<<10)}
	for i := range 200 {
		m.Segment = smpp.Segment{Ref: 7, Total: 255, Index: uint8(i + 1)}
		if _, err := j.add(t.Context(), m, tell); err != nil {
			t.Fatal(err)
		}
		for key, value := range h.state {
			if len(value) > maxShelfSize {
				t.Fatalf("%s has %d octets after %d segments", key, len(value), i+1)
			}
		}
	}
	if told == 0 {
		t.Error("nothing was told")
	}
}

// Two texts of as many segments as there can be, of one customer, one in between the
// other and from its end.
func TestInterleavedTexts(t *testing.T) {
	j := newJoiner(&stateHost{state: map[string][]byte{}}, 0)
	var told []string
	tell := func(_ context.Context, _ string, j joined) error {
		told = append(told, j.text(smpp.GSM7))
		return nil
	}
	const most = 255
	letter := func(n int) string { return strings.Repeat(string('a'+rune(n%26)), 153) }
	var forward strings.Builder
	for n := 1; n <= most; n++ {
		forward.WriteString(letter(n))
		for _, m := range []smpp.Message{
			{Segment: smpp.Segment{Ref: 7, Total: most, Index: uint8(n)}, Octets: []byte(letter(n))},
			{Segment: smpp.Segment{Ref: 7, Wide: true, Total: most, Index: uint8(most + 1 - n)}, Octets: []byte(strings.ToUpper(letter(most + 1 - n)))},
		} {
			m.Source.Addr = "41791234567"
			settled, err := j.add(t.Context(), m, tell)
			if err != nil {
				t.Fatal(err)
			}
			settled(t.Context())
		}
	}
	if len(told) != 2 || told[0] != forward.String() || told[1] != strings.ToUpper(forward.String()) {
		t.Errorf("told %d texts of %d letters", len(told), len(strings.Join(told, "")))
	}
}

// A text is forgotten after the answer to its last segment. If a process ends between,
// the next one tells it with the same id.
func TestTextIsKeptUntilItIsAnswered(t *testing.T) {
	h := &stateHost{state: map[string][]byte{}}
	var told []string
	tell := func(_ context.Context, id string, j joined) error {
		told = append(told, id+" "+j.text(smpp.GSM7))
		return nil
	}
	m := smpp.Message{Source: smpp.Address{Addr: "41791234567"}}
	add := func(j *joiner, index uint8) (settled func(context.Context)) {
		m.Segment, m.Octets = smpp.Segment{Ref: 7, Total: 2, Index: index}, []byte{'a' + index}
		settled, err := j.add(t.Context(), m, tell)
		if err != nil {
			t.Fatal(err)
		}
		return settled
	}
	first := newJoiner(h, 0)
	add(first, 1)
	add(first, 2) // and it is killed
	second := newJoiner(h, 0)
	if err := second.shelves.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	add(second, 2)(t.Context())
	if len(told) != 2 || told[0] != told[1] || !strings.HasSuffix(told[0], " bc") {
		t.Errorf("told %q", told)
	}
	for key, value := range h.state {
		if value != nil {
			t.Errorf("%s is still %s", key, value)
		}
	}
}

// A receipt of a segment comes again until its text is all sent: before, the gateway
// does not know the id.
func TestReceiptOfATextUnderway(t *testing.T) {
	h := &stateHost{state: map[string][]byte{}}
	known, err := newIDs(idsAsIs)
	if err != nil {
		t.Fatal(err)
	}
	p := &smppProvider{cfg: &smppConfig{}, host: h, ids: known, underway: newUnderway(h)}
	in := &inbox{p: p, emit: func(context.Context, ...sdk.Event) error {
		return sdk.Rejected("not_found", "no message with the id of this")
	}}
	receipt := func(id string) error {
		return in.receipt(t.Context(), smpp.Message{ESMClass: smpp.ESMReceipt, Octets: []byte("id:" + id + " stat:DELIVRD")})
	}
	got := p.underway.begin(t.Context(), "m", 1, p.ref)
	p.underway.taken(t.Context(), got, "1001")
	if err := receipt("1001"); !errors.Is(err, errUnderway) {
		t.Errorf("of the first segment: %v", err)
	}
	if err := receipt("1002"); err != nil {
		t.Errorf("of another message: %v", err)
	}
	h.Set(time.Now().Add(hopeFor + time.Second))
	if err := receipt("1001"); err != nil {
		t.Errorf("when there is little hope: %v", err)
	}
}

// What is on its way is bounded, and what nobody tries any more is forgotten.
func TestUnderwayIsBounded(t *testing.T) {
	h := &stateHost{state: map[string][]byte{}}
	u := newUnderway(h)
	shelf := u.shelves.of("0")
	var messages []string
	for n := 0; len(messages) < 2*maxOnShelf; n++ {
		if m := fmt.Sprint(n); u.shelves.of(m) == shelf {
			messages = append(messages, m)
		}
	}
	kept := func() int {
		again := newUnderway(h)
		if err := again.shelves.load(t.Context()); err != nil {
			t.Fatal(err)
		}
		return len(again.shelves.of("0").list)
	}
	for _, m := range messages {
		got := u.begin(t.Context(), m, 1, func() uint16 { return 1 })
		u.taken(t.Context(), got, "1001")
	}
	if n := kept(); n != maxOnShelf {
		t.Errorf("%d are kept, want %d", n, maxOnShelf)
	}
	h.Set(time.Now().Add(underwayFor + time.Hour))
	for _, m := range messages {
		u.begin(t.Context(), m, 1, func() uint16 { return 1 })
		u.done(m)
	}
	if n := kept(); n != 1 {
		t.Errorf("%d are kept two days later, want the last one", n)
	}
}
