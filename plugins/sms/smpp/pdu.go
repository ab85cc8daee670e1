// Package smpp speaks SMPP 3.4, the protocol of SMS centers: its PDUs, a session
// for either side, and how texts travel in short messages.
//
// [Decode] and [PDU.Append] are the codec, [Session] is a connection with requests
// and responses both ways, [Text] makes segments of a text, [Message] reads one.
package smpp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"reflect"
)

// ID is a command id.
type ID uint32

// The commands. A response has the id of its request with the highest bit set.
const (
	BindReceiver      ID = 0x1
	BindTransmitter   ID = 0x2
	QuerySM           ID = 0x3
	SubmitSM          ID = 0x4
	DeliverSM         ID = 0x5
	Unbind            ID = 0x6
	ReplaceSM         ID = 0x7
	CancelSM          ID = 0x8
	BindTransceiver   ID = 0x9
	Outbind           ID = 0xB
	EnquireLink       ID = 0x15
	SubmitMulti       ID = 0x21
	AlertNotification ID = 0x102
	DataSM            ID = 0x103
	GenericNack       ID = 0x80000000

	response ID = 0x80000000
)

// Response returns the id of the response to id.
func (id ID) Response() ID { return id | response }

// IsResponse says whether id is one of a response.
func (id ID) IsResponse() bool { return id&response != 0 }

const (
	headerLen = 16
	maxSeq    = 0x7FFFFFFF

	// MaxPDU bounds a PDU: the longest message_payload and all the rest.
	MaxPDU = 68 << 10
)

// PDU is one unit of the protocol. Body is nil for commands without one, and may
// be nil in a response that reports an error.
type PDU struct {
	ID     ID
	Status Status
	Seq    uint32
	Body   Body
}

// Body is what follows the header; the types of bodies.go implement it.
type Body interface {
	layout(f *fields)
}

// ErrLength is a length that no PDU can have: what follows cannot be read.
var ErrLength = errors.New("command_length is out of bounds")

// MalformedError is a PDU that has its length and is not as it should be. The
// PDU that comes with it has its header only.
type MalformedError struct {
	Status Status // what to answer
	Reason string
}

// Error says what is wrong.
func (e *MalformedError) Error() string { return "malformed PDU: " + e.Reason }

// Append appends the bytes of p to b.
func (p PDU) Append(b []byte) ([]byte, error) {
	if p.Seq == 0 && p.ID != GenericNack || p.Seq > maxSeq {
		return b, fmt.Errorf("sequence_number %d is out of bounds", p.Seq)
	}
	if err := p.checkBody(); err != nil {
		return b, err
	}
	start := len(b)
	b = append(b, make([]byte, 4)...)
	b = binary.BigEndian.AppendUint32(b, uint32(p.ID))
	b = binary.BigEndian.AppendUint32(b, uint32(p.Status))
	b = binary.BigEndian.AppendUint32(b, p.Seq)
	if p.Body != nil {
		f := fields{buf: b}
		if p.Body.layout(&f); f.err != nil {
			return b[:start], f.err
		}
		b = f.buf
	}
	if len(b)-start > MaxPDU {
		return b[:start], ErrLength
	}
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start))
	return b, nil
}

// checkBody finds a body that does not belong to the command.
func (p PDU) checkBody() error {
	want, known := bodyOf(p.ID)
	switch {
	case !known:
		return fmt.Errorf("command %#x is unknown", uint32(p.ID))
	case p.Body == nil && (want == nil || p.ID.IsResponse() && p.Status != OK):
		return nil
	case p.Body == nil || want == nil || reflect.TypeOf(p.Body) != reflect.TypeOf(want):
		return fmt.Errorf("command %#x with a body of type %T", uint32(p.ID), p.Body)
	}
	return nil
}

// Decode reads one whole PDU. It keeps nothing of b. The error is [ErrLength] or a
// [MalformedError].
func Decode(b []byte) (PDU, error) {
	if len(b) < headerLen || len(b) > MaxPDU || int64(binary.BigEndian.Uint32(b)) != int64(len(b)) {
		return PDU{}, ErrLength
	}
	p := PDU{
		ID:     ID(binary.BigEndian.Uint32(b[4:])),
		Status: Status(binary.BigEndian.Uint32(b[8:])),
		Seq:    binary.BigEndian.Uint32(b[12:]),
	}
	body, known := bodyOf(p.ID)
	if !known {
		return p, &MalformedError{InvalidCommand, fmt.Sprintf("command %#x is unknown", uint32(p.ID))}
	}
	if p.Seq > maxSeq || p.Seq == 0 && p.ID != GenericNack {
		return p, &MalformedError{SystemError, "sequence_number is out of bounds"}
	}
	rest := b[headerLen:]
	if body == nil || len(rest) == 0 && p.ID.IsResponse() && p.Status != OK {
		if len(rest) > 0 {
			return p, &MalformedError{InvalidLength, "a body where none belongs"}
		}
		return p, nil
	}
	f := fields{reading: true, buf: rest}
	body.layout(&f)
	if f.err == nil && len(f.buf) > 0 {
		f.fail("%d octets after its end", len(f.buf))
	}
	if f.err != nil {
		return p, f.err
	}
	p.Body = body
	return p, nil
}

// Read reads the bytes of one PDU, of at most limit, into buf or a larger one.
func Read(r io.Reader, buf []byte, limit int) ([]byte, error) {
	if cap(buf) < headerLen {
		buf = make([]byte, 512)
	}
	buf = buf[:headerLen]
	if _, err := io.ReadFull(r, buf); err != nil {
		return nil, err
	}
	n := int64(binary.BigEndian.Uint32(buf))
	if n < headerLen || n > int64(limit) {
		return buf, ErrLength
	}
	if int64(cap(buf)) < n {
		buf = append(make([]byte, 0, n), buf...)
	}
	buf = buf[:n]
	if _, err := io.ReadFull(r, buf[headerLen:]); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return buf, nil
}
