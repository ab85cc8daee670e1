package smpp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Alphabet is how octets become letters.
type Alphabet int

// The alphabets. Unreadable is what nobody here reads, such as binary data.
const (
	GSM7       Alphabet = iota // one septet an octet
	GSM7Packed                 // septets of 7 bits
	Latin1
	ASCII
	UCS2 // big-endian, with surrogates
	Unreadable
)

// ParseAlphabet returns the alphabet of that name: gsm7, gsm7-packed, latin1, ascii.
func ParseAlphabet(name string) (Alphabet, error) {
	switch name {
	case "gsm7":
		return GSM7, nil
	case "gsm7-packed":
		return GSM7Packed, nil
	case "latin1":
		return Latin1, nil
	case "ascii":
		return ASCII, nil
	}
	return 0, fmt.Errorf("%q is no alphabet; want gsm7, gsm7-packed, latin1 or ascii", name)
}

// The values of data_coding.
const (
	CodingDefault = 0x00 // whatever the SMSC means by it
	CodingASCII   = 0x01
	CodingBinary  = 0x04
	CodingLatin1  = 0x03
	CodingUCS2    = 0x08
)

// AlphabetOf returns what data_coding says; standard is the SMSC's own alphabet.
func AlphabetOf(coding uint8, standard Alphabet) Alphabet {
	switch {
	case coding == CodingDefault:
		return standard
	case coding == CodingASCII:
		return ASCII
	case coding == CodingLatin1:
		return Latin1
	case coding == CodingUCS2:
		return UCS2
	case coding < 0x10:
		return Unreadable
	case coding < 0x80, coding >= 0xF0: // message classes and automatic deletion, as GSM 03.38 has them
		return classAlphabet(coding, standard)
	case coding >= 0xC0 && coding < 0xE0: // message waiting
		return standard
	case coding >= 0xE0 && coding < 0xF0:
		return UCS2
	}
	return Unreadable
}

func classAlphabet(coding uint8, standard Alphabet) Alphabet {
	bits := coding >> 2 & 3
	if coding >= 0xF0 {
		bits &= 1
	} else if coding&0x20 != 0 { // compressed
		return Unreadable
	}
	switch bits {
	case 0:
		return standard
	case 2:
		return UCS2
	}
	return Unreadable
}

// Decode reads b, which followed a header of so many octets. What cannot be read
// becomes U+FFFD.
func (a Alphabet) Decode(b []byte, header int) string {
	switch a {
	case GSM7:
		return decodeGSM(b)
	case GSM7Packed:
		return GSM7.Decode(a.Unpacked(b, header), 0)
	case Latin1, ASCII:
		if a == ASCII && bytes.ContainsFunc(b, notASCII) {
			return decodeGSM(b)
		}
		var s strings.Builder
		for _, c := range b {
			if a == ASCII && c > 0x7F {
				s.WriteRune(utf8.RuneError)
				continue
			}
			s.WriteRune(rune(c))
		}
		return s.String()
	case UCS2:
		return decodeUCS2(b)
	}
	return ""
}

// Unpacked returns b, which followed a header of so many octets, with one letter an
// octet where a packs them: [GSM7] reads it.
func (a Alphabet) Unpacked(b []byte, header int) []byte {
	if a != GSM7Packed {
		return b
	}
	return Unpack(b, fillBits(header))
}

// notASCII says that a text is no ASCII: no text has control characters, but many a
// sender says ASCII and means GSM 03.38, in which they are letters.
func notASCII(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' }

// fillBits is how many bits after a header make its septets whole.
func fillBits(header int) int { return (7 - 8*header%7) % 7 }

func decodeUCS2(b []byte) string {
	units := make([]uint16, 0, len(b)/2)
	for ; len(b) > 1; b = b[2:] {
		units = append(units, binary.BigEndian.Uint16(b))
	}
	s := string(utf16.Decode(units))
	if len(b) > 0 {
		s += "\uFFFD"
	}
	return s
}

// letter is one code point as it is sent: its octets, and how many septets, or
// octets of UCS-2, a handset's short message has less room for.
type letter struct {
	octets []byte
	cost   int
}

// letters writes text in a, false if it cannot. The cost is that of GSM 03.38, in
// which a short message of seven bits ends, whatever the SMSC is sent.
func (a Alphabet) letters(text string) ([]letter, bool) {
	out := make([]letter, 0, len(text))
	for _, r := range text {
		septets, ok := gsm.septets[r]
		if !ok {
			return nil, false
		}
		octets := septets
		switch {
		case a == ASCII && (r > 0x7F || notASCII(r)), a == Latin1 && r > 0xFF:
			return nil, false
		case a == ASCII, a == Latin1:
			octets = []byte{byte(r)}
		}
		out = append(out, letter{octets, len(septets)})
	}
	return out, true
}

// ucs2 writes text in UTF-16, big-endian.
func ucs2(text string) []letter {
	out := make([]letter, 0, len(text))
	for _, r := range text {
		var octets []byte
		for _, u := range utf16.AppendRune(nil, r) {
			octets = binary.BigEndian.AppendUint16(octets, u)
		}
		out = append(out, letter{octets, len(octets)})
	}
	return out
}
