package smpp

import "strings"

// The default alphabet of GSM 03.38 and its extension table.
const (
	gsmBasic = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
		"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	gsmExtended = "\x0a\f\x14^\x28{\x29}\x2f\\\x3c[\x3d~\x3e]\x40|\x65€" // septet, letter, and so on

	gsmESC = 0x1B
	gsmCR  = 0x0D
)

// gsmTable is the alphabet in both directions.
type gsmTable struct {
	letters  [128]rune
	extended map[byte]rune
	septets  map[rune][]byte // with ESC where it needs one
}

// newGSM makes the table.
func newGSM() *gsmTable {
	t := &gsmTable{extended: map[byte]rune{}, septets: map[rune][]byte{}}
	for i, r := range []rune(gsmBasic) {
		t.letters[i] = r
		if i != gsmESC {
			t.septets[r] = []byte{byte(i)}
		}
	}
	pairs := []rune(gsmExtended)
	for i := 0; i < len(pairs); i += 2 {
		t.extended[byte(pairs[i])] = pairs[i+1]
		t.septets[pairs[i+1]] = []byte{gsmESC, byte(pairs[i])}
	}
	return t
}

// gsm is read-only.
var gsm = newGSM()

// decodeGSM reads septets, one an octet.
func decodeGSM(b []byte) string {
	var s strings.Builder
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch {
		case c > 0x7F:
			s.WriteRune('\uFFFD')
		case c != gsmESC:
			s.WriteRune(gsm.letters[c])
		case i+1 == len(b): // nothing follows: nothing is shown
		default:
			i++
			s.WriteRune(gsm.escaped(b[i]))
		}
	}
	return s.String()
}

// escaped is the letter that ESC and c stand for: without one, c's own.
func (t *gsmTable) escaped(c byte) rune {
	if r, ok := t.extended[c]; ok {
		return r
	}
	switch {
	case c > 0x7F:
		return '\uFFFD'
	case c == gsmESC:
		return ' ' // reserved for another table: a space, as the standard says
	}
	return t.letters[c]
}

// Pack puts septets, one an octet, into 7 bits each, after fill bits of zero. Seven
// bits left over would read as @: a CR fills them.
func Pack(septets []byte, fill int) []byte {
	if (fill+7*len(septets))%8 == 1 {
		septets = append(septets[:len(septets):len(septets)], gsmCR)
	}
	out := make([]byte, (fill+7*len(septets)+7)/8)
	for i, c := range septets {
		at := fill + 7*i
		wide := uint16(c&0x7F) << (at % 8)
		out[at/8] |= byte(wide)
		if wide > 0xFF {
			out[at/8+1] |= byte(wide >> 8)
		}
	}
	return out
}

// Unpack undoes [Pack].
func Unpack(b []byte, fill int) []byte {
	n := (8*len(b) - fill) / 7
	if n <= 0 {
		return nil
	}
	out := make([]byte, n)
	for i := range out {
		at := fill + 7*i
		wide := uint16(b[at/8])
		if at/8+1 < len(b) {
			wide |= uint16(b[at/8+1]) << 8
		}
		out[i] = byte(wide>>(at%8)) & 0x7F
	}
	if (8*len(b)-fill)%7 == 0 && out[n-1] == gsmCR {
		out = out[:n-1]
	}
	return out
}
