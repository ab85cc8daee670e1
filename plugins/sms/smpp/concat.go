package smpp

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// Concat is how the segments of a long text say that they belong together.
type Concat int

// The ways.
const (
	UDH8    Concat = iota // in a user data header, with a reference of 8 bits
	UDH16                 // of 16 bits
	SAR                   // in optional parameters
	Payload               // not at all: the SMSC cuts message_payload itself
)

// ParseConcat returns the way of that name: udh8, udh16, sar, payload.
func ParseConcat(name string) (Concat, error) {
	ways := []string{"udh8", "udh16", "sar", "payload"}
	if i := slices.Index(ways, name); i >= 0 {
		return Concat(i), nil
	}
	return 0, fmt.Errorf("%q is no concatenation; want udh8, udh16, sar or payload", name)
}

// The bits of esm_class.
const (
	ESMTypeMask     = 0x3C
	ESMReceipt      = 0x04 // of the SMSC, final
	ESMDeliveryAck  = 0x08 // of the handset
	ESMUserAck      = 0x10
	ESMAbort        = 0x18
	ESMIntermediate = 0x20
	ESMHeader       = 0x40 // a user data header comes first
)

// Segment says which part of a long text one short message has.
type Segment struct {
	Ref   uint16
	Wide  bool // the reference has 16 bits
	Total uint8
	Index uint8 // from 1
}

// header returns the user data header.
func (s Segment) header() []byte {
	if s.Wide {
		return []byte{6, 8, 4, byte(s.Ref >> 8), byte(s.Ref), s.Total, s.Index}
	}
	return []byte{5, 0, 3, byte(s.Ref), s.Total, s.Index}
}

// tlvs returns the optional parameters.
func (s Segment) tlvs() TLVs {
	return TLVs{Uint16TLV(TagSarMsgRefNum, s.Ref), OctetTLV(TagSarTotalSegments, s.Total), OctetTLV(TagSarSegmentSeqnum, s.Index)}
}

// sensible says whether there can be such a segment.
func (s Segment) sensible() bool { return s.Total > 1 && s.Index > 0 && s.Index <= s.Total }

// cutHeader divides what a handset wrote into header and text, and reads the
// header. Elements that we do not know, such as ports, are skipped; an impossible
// header is no header.
func cutHeader(b []byte) (seg Segment, header int, text []byte) {
	if len(b) == 0 || int(b[0])+1 > len(b) {
		return Segment{}, 0, b
	}
	header = int(b[0]) + 1
	elements, text := b[1:header], b[header:]
	for len(elements) >= 2 {
		kind, n := elements[0], int(elements[1])
		if len(elements) < 2+n {
			break
		}
		value := elements[2 : 2+n]
		switch {
		case kind == 0 && n == 3:
			seg = Segment{Ref: uint16(value[0]), Total: value[1], Index: value[2]}
		case kind == 8 && n == 4:
			seg = Segment{Ref: binary.BigEndian.Uint16(value), Wide: true, Total: value[2], Index: value[3]}
		}
		elements = elements[2+n:]
	}
	if !seg.sensible() {
		seg = Segment{}
	}
	return seg, header, text
}

// sarOf reads the optional parameters.
func sarOf(ts TLVs) Segment {
	ref, ok := ts.Uint16(TagSarMsgRefNum)
	total, okTotal := ts.Octet(TagSarTotalSegments)
	index, okIndex := ts.Octet(TagSarSegmentSeqnum)
	seg := Segment{Ref: ref, Wide: true, Total: total, Index: index}
	if !ok || !okTotal || !okIndex || !seg.sensible() {
		return Segment{}
	}
	return seg
}
