package smpp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// fields reads a body, or writes it: one description of a layout serves both. The
// first mistake sticks.
type fields struct {
	reading bool
	buf     []byte // what is left to read, or what has been written
	err     error
}

func (f *fields) fail(format string, args ...any) {
	if f.err == nil {
		f.err = &MalformedError{InvalidLength, fmt.Sprintf(format, args...)}
	}
}

// take returns the next n octets, nil if there are not so many.
func (f *fields) take(n int, what string) []byte {
	if f.err != nil {
		return nil
	}
	if len(f.buf) < n {
		f.fail("it ends in %s", what)
		return nil
	}
	b := f.buf[:n:n]
	f.buf = f.buf[n:]
	return b
}

func (f *fields) octet(v *uint8, what string) {
	if !f.reading {
		f.buf = append(f.buf, *v)
		return
	}
	if b := f.take(1, what); b != nil {
		*v = b[0]
	}
}

func (f *fields) u32(v *uint32, what string) {
	if !f.reading {
		f.buf = binary.BigEndian.AppendUint32(f.buf, *v)
		return
	}
	if b := f.take(4, what); b != nil {
		*v = binary.BigEndian.Uint32(b)
	}
}

// text is a string that ends in NUL, of at most size octets with it.
func (f *fields) text(v *string, size int, what string) {
	if !f.reading {
		if len(*v) >= size || strings.IndexByte(*v, 0) >= 0 {
			f.fail("%s is longer than %d octets, or holds a NUL", what, size-1)
			return
		}
		f.buf = append(append(f.buf, *v...), 0)
		return
	}
	if f.err != nil {
		return
	}
	end := bytes.IndexByte(f.buf[:min(size, len(f.buf))], 0)
	if end < 0 {
		f.fail("%s has no end within %d octets", what, size)
		return
	}
	*v = string(f.buf[:end])
	f.buf = f.buf[end+1:]
}

// timestamp is empty or 16 octets and NUL.
func (f *fields) timestamp(v *string, what string) {
	f.text(v, 17, what)
	if n := len(*v); f.err == nil && n != 0 && n != 16 {
		f.fail("%s has %d octets, want none or 16", what, n)
	}
}

// short is sm_length and short_message.
func (f *fields) short(v *[]byte) {
	n := uint8(len(*v))
	if len(*v) > MaxShort {
		f.fail("short_message has more than %d octets", MaxShort)
		return
	}
	f.octet(&n, "sm_length")
	if !f.reading {
		f.buf = append(f.buf, *v...)
		return
	}
	if n > MaxShort {
		f.fail("sm_length is more than %d", MaxShort)
	}
	if b := f.take(int(n), "short_message"); len(b) > 0 {
		*v = slices.Clone(b)
	}
}

// MaxShort is the longest short_message in octets.
const MaxShort = 254

// address is type of number, numbering plan, and an address of at most size octets.
func (f *fields) address(v *Address, size int, what string) {
	f.octet(&v.TON, what)
	f.octet(&v.NPI, what)
	f.text(&v.Addr, size, what)
}

// tlvs are all optional parameters, to the end. Some centers write a NUL too many, or
// fill up with them.
func (f *fields) tlvs(v *TLVs) {
	if !f.reading {
		for _, t := range *v {
			if len(t.Value) > 0xFFFF {
				f.fail("parameter %#04x has more than 65535 octets", t.Tag)
				return
			}
			f.buf = binary.BigEndian.AppendUint16(f.buf, uint16(t.Tag))
			f.buf = binary.BigEndian.AppendUint16(f.buf, uint16(len(t.Value)))
			f.buf = append(f.buf, t.Value...)
		}
		return
	}
	for f.err == nil && len(f.buf) > 0 {
		if len(f.buf) < 4 && len(bytes.Trim(f.buf, "\x00")) == 0 {
			f.buf = nil
			return
		}
		head := f.take(4, "the head of an optional parameter")
		if head == nil {
			return
		}
		tag := Tag(binary.BigEndian.Uint16(head))
		value := f.take(int(binary.BigEndian.Uint16(head[2:])), "an optional parameter")
		if f.err == nil {
			*v = append(*v, TLV{tag, slices.Clone(value)})
		}
	}
}
