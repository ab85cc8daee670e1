package smpp

import "fmt"

// Text is a text as it goes over the wire: one short message, or several segments.
type Text struct {
	Coding uint8 // data_coding
	parts  [][]byte
	how    Concat
	packed bool
	long   bool // it does not fit into one short message
}

// The room in short messages, in septets and in octets.
const (
	roomSeptets, roomOctets = 160, 140

	maxPayload  = 0xFFFF
	maxSegments = 255
)

// NewText writes text in the SMSC's alphabet, or in UCS-2 if that lacks a letter,
// and cuts it if it is longer than one short message. It cuts between letters:
// neither ESC and what it escapes nor two surrogates come apart.
func NewText(text string, standard Alphabet, how Concat) (Text, error) {
	t := Text{Coding: CodingDefault, how: how, packed: standard == GSM7Packed}
	single, part := roomSeptets, how.septets()
	letters, ok := standard.letters(text)
	if !ok {
		t.Coding, t.packed, letters = CodingUCS2, false, ucs2(text)
		single, part = roomOctets, how.octets()
	}
	t.parts = cut(letters, single)
	if t.long = len(t.parts) > 1; t.long {
		t.parts = cut(letters, part)
	}
	if how == Payload {
		if n := len(t.parts[0]); n > maxPayload {
			return Text{}, fmt.Errorf("%d octets are too many for one message_payload", n)
		}
	}
	if len(t.parts) > maxSegments {
		return Text{}, fmt.Errorf("%d segments are too many", len(t.parts))
	}
	return t, nil
}

// septets is the room for the text of a segment of seven bits.
func (c Concat) septets() int {
	switch c {
	case UDH8:
		return 153
	case UDH16, SAR: // the SMSC may make either header of sar
		return 152
	}
	return maxPayload * 2 // whatever its letters need: the octets are counted
}

// octets is the same of UCS-2.
func (c Concat) octets() int {
	switch c {
	case UDH8:
		return 134
	case UDH16, SAR:
		return 132
	}
	return maxPayload * 2
}

// cut puts letters into parts of at most room; there is always one.
func cut(letters []letter, room int) [][]byte {
	parts, used := [][]byte{nil}, 0
	for _, l := range letters {
		if used+l.cost > room {
			parts, used = append(parts, nil), 0
		}
		last := len(parts) - 1
		parts[last] = append(parts[last], l.octets...)
		used += l.cost
	}
	return parts
}

// Segments is how many short messages it makes.
func (t Text) Segments() int { return len(t.parts) }

// Put puts segment n, from 0, into m; ref is the same in all of one text.
func (t Text) Put(m *Short, n int, ref uint16) {
	m.DataCoding = t.Coding
	b := t.parts[n]
	if len(t.parts) == 1 {
		if t.packed {
			b = Pack(b, 0)
		}
		if t.how == Payload && t.long {
			m.TLVs = append(m.TLVs, TLV{TagMessagePayload, b})
			return
		}
		m.Message = b
		return
	}
	seg := Segment{Ref: ref, Wide: t.how == UDH16, Total: uint8(len(t.parts)), Index: uint8(n + 1)}
	if t.how == SAR {
		if t.packed {
			b = Pack(b, 0)
		}
		m.Message, m.TLVs = b, append(m.TLVs, seg.tlvs()...)
		return
	}
	header := seg.header()
	if t.packed {
		b = Pack(b, fillBits(len(header)))
	}
	m.ESMClass |= ESMHeader
	m.Message = append(header, b...)
}
