package smpp_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/openccsp/gateway/plugins/sms/smpp"
)

// valid are PDUs that are right, as seeds.
func valid(t testing.TB) (all [][]byte) {
	t.Helper()
	for _, v := range vectors() {
		b, err := hex.DecodeString(v.hex)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	for _, p := range others() {
		b, err := p.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

// checkPDU decodes b: it fails with an error of ours, or comes back as it was, and its
// text is a text.
func checkPDU(t *testing.T, b []byte) {
	p, err := smpp.Decode(b)
	if err != nil {
		if _, ok := errors.AsType[*smpp.MalformedError](err); !ok && !errors.Is(err, smpp.ErrLength) {
			t.Errorf("%x: %v", b, err)
		}
		return
	}
	again, err := p.Append(nil)
	if filled := len(b) - len(again); err == nil && filled > 0 && filled < 4 && len(bytes.Trim(b[len(again):], "\x00")) == 0 {
		b = slices.Concat(again[:4], b[4:len(again)])
	}
	if err != nil || !bytes.Equal(b, again) {
		t.Errorf("%x came back as %x, %v", b, again, err)
	}
	m, ok := p.Incoming()
	if !ok {
		return
	}
	for _, a := range []smpp.Alphabet{smpp.GSM7, smpp.GSM7Packed, smpp.Latin1, smpp.ASCII} {
		text := smpp.AlphabetOf(m.Coding, a).Decode(m.Octets, m.Header)
		if !utf8.ValidString(text) {
			t.Errorf("%x: %q", b, text)
		}
		m.Receipt(a, time.UTC)
	}
}

func FuzzDecode(f *testing.F) {
	for _, b := range valid(f) {
		f.Add(b)
	}
	f.Fuzz(checkPDU)
}

func FuzzText(f *testing.F) {
	for _, s := range []string{"", "hello", gsmAlphabet, "👋 客户", "[a]{b}€"} {
		f.Add(s, uint8(0), uint8(0))
	}
	f.Add("\r\r\r\r\r\r\r\r", uint8(smpp.GSM7Packed), uint8(smpp.UDH8))
	f.Fuzz(func(t *testing.T, text string, alphabet, how uint8) {
		a, way := smpp.Alphabet(alphabet%4), smpp.Concat(how%4)
		if _, err := smpp.NewText(text, a, way); err != nil {
			return // too long
		}
		want := string([]rune(text)) // what is no UTF-8 is U+FFFD
		got := read(t, send(t, text, a, way), a)
		if a == smpp.GSM7Packed { // a CR at the end may fill an octet
			want, got = strings.TrimRight(want, "\r"), strings.TrimRight(got, "\r")
		}
		if got != want {
			t.Errorf("%q came back as %q", want, got)
		}
	})
}

// TestMalformedPDUs: 10,000 PDUs with something wrong.
func TestMalformedPDUs(t *testing.T) {
	seeds := valid(t)
	r := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		checkPDU(t, Mutate(r, seeds[r.IntN(len(seeds))]))
	}
}

// Mutate returns b with something changed; often its length is right again.
func Mutate(r *rand.Rand, b []byte) []byte {
	b = bytes.Clone(b)
	for range 1 + r.IntN(4) {
		switch at := r.IntN(len(b) + 1); r.IntN(5) {
		case 0:
			b = b[:at]
		case 1:
			b = append(b[:at:at], append(make([]byte, r.IntN(300)), b[at:]...)...)
		default:
			if at < len(b) {
				b[at] = byte(r.Uint32())
			}
		}
	}
	if len(b) >= 4 && r.IntN(4) > 0 {
		b[0], b[1], b[2], b[3] = 0, byte(len(b)>>16), byte(len(b)>>8), byte(len(b))
	}
	return b
}
