package smpp

// Message is a short message from outside, read: its text's octets without header,
// and which segment they are.
type Message struct {
	Source, Dest Address
	ESMClass     uint8
	Coding       uint8
	Segment      Segment // the zero value: it is whole
	Header       int     // octets of the user data header that were before the text
	Octets       []byte
	TLVs         TLVs
}

// Incoming reads the body of deliver_sm or data_sm, false if p is neither.
func (p PDU) Incoming() (Message, bool) {
	var m Message
	switch b := p.Body.(type) {
	case *Short:
		m = Message{Source: b.Source, Dest: b.Dest, ESMClass: b.ESMClass, Coding: b.DataCoding, Octets: b.Message, TLVs: b.TLVs}
	case *Data:
		m = Message{Source: b.Source, Dest: b.Dest, ESMClass: b.ESMClass, Coding: b.DataCoding, TLVs: b.TLVs}
	default:
		return Message{}, false
	}
	if len(m.Octets) == 0 {
		m.Octets, _ = m.TLVs.Get(TagMessagePayload)
	}
	if m.ESMClass&ESMHeader != 0 {
		m.Segment, m.Header, m.Octets = cutHeader(m.Octets)
	}
	if m.Segment == (Segment{}) {
		m.Segment = sarOf(m.TLVs)
	}
	return m, true
}

// IsReceipt says whether it reports what became of a message we sent. Some centers
// mark a receipt by its parameters alone.
func (m Message) IsReceipt() bool {
	if m.ESMClass&ESMTypeMask == ESMReceipt || m.ESMClass&ESMTypeMask == ESMIntermediate {
		return true
	}
	_, id := m.TLVs.Get(TagReceiptedMessageID)
	_, state := m.TLVs.Get(TagMessageState)
	return id && state
}
