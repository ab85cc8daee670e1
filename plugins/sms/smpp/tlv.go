package smpp

import (
	"bytes"
	"encoding/binary"
)

// Tag names an optional parameter.
type Tag uint16

// The optional parameters that we know.
const (
	TagDestAddrSubunit      Tag = 0x0005
	TagSourceAddrSubunit    Tag = 0x000D
	TagStatusInfoText       Tag = 0x001D
	TagReceiptedMessageID   Tag = 0x001E
	TagUserMessageReference Tag = 0x0204
	TagSourcePort           Tag = 0x020A
	TagDestinationPort      Tag = 0x020B
	TagSarMsgRefNum         Tag = 0x020C
	TagSarTotalSegments     Tag = 0x020E
	TagSarSegmentSeqnum     Tag = 0x020F
	TagInterfaceVersion     Tag = 0x0210
	TagNetworkErrorCode     Tag = 0x0423
	TagMessagePayload       Tag = 0x0424
	TagDeliveryFailure      Tag = 0x0425
	TagMessageState         Tag = 0x0427
	TagAlertOnDelivery      Tag = 0x130C
	TagSessionInfo          Tag = 0x1383
)

// TLV is one optional parameter.
type TLV struct {
	Tag   Tag
	Value []byte
}

// TLVs are the optional parameters of a PDU, in their order.
type TLVs []TLV

// Get returns the value of the first parameter with this tag, and whether there
// is one.
func (ts TLVs) Get(tag Tag) ([]byte, bool) {
	for _, t := range ts {
		if t.Tag == tag {
			return t.Value, true
		}
	}
	return nil, false
}

// Text returns a parameter that is a string, with or without NUL at its end.
func (ts TLVs) Text(tag Tag) string {
	v, _ := ts.Get(tag)
	v, _, _ = bytes.Cut(v, []byte{0})
	return string(v)
}

// Octet returns a parameter of one octet.
func (ts TLVs) Octet(tag Tag) (byte, bool) {
	v, ok := ts.Get(tag)
	if !ok || len(v) != 1 {
		return 0, false
	}
	return v[0], true
}

// Uint16 returns a parameter of two octets.
func (ts TLVs) Uint16(tag Tag) (uint16, bool) {
	v, ok := ts.Get(tag)
	if !ok || len(v) != 2 {
		return 0, false
	}
	return binary.BigEndian.Uint16(v), true
}

// StringTLV makes a parameter that is a string with NUL at its end.
func StringTLV(tag Tag, v string) TLV { return TLV{tag, append([]byte(v), 0)} }

// OctetTLV makes a parameter of one octet.
func OctetTLV(tag Tag, v byte) TLV { return TLV{tag, []byte{v}} }

// Uint16TLV makes a parameter of two octets.
func Uint16TLV(tag Tag, v uint16) TLV { return TLV{tag, binary.BigEndian.AppendUint16(nil, v)} }
