package sim

import (
	"strings"

	"github.com/openccsp/gateway/plugins/sms/smpp"
)

// judge says with what status a strict center refuses a message, OK if it takes it.
func (l *link) judge(m *smpp.Short) smpp.Status {
	l.smsc.mu.Lock()
	bound := l.bound
	l.smsc.mu.Unlock()
	if bound != smpp.BindTransmitter && bound != smpp.BindTransceiver {
		return smpp.InvalidBindState
	}
	if !number(m.Dest) || m.Dest.TON == smpp.TONAlphanumeric {
		return smpp.InvalidDest
	}
	if !number(m.Source) {
		return smpp.InvalidSource
	}
	if status := l.judgeText(m); status != smpp.OK {
		return status
	}
	if m.ESMClass&^(smpp.ESMHeader|3) != 0 {
		return 0x43 // ESME_RINVESMCLASS
	}
	if m.Validity != "" && !strings.HasSuffix(m.Validity, "R") && !strings.ContainsAny(m.Validity[15:], "+-") {
		return 0x62 // ESME_RINVEXPIRY
	}
	return smpp.OK
}

// judgeText looks at lengths: what a handset's network cannot carry is refused.
func (l *link) judgeText(m *smpp.Short) smpp.Status {
	payload, has := m.TLVs.Get(smpp.TagMessagePayload)
	if has && len(m.Message) > 0 {
		l.smsc.breach("both short_message and message_payload")
		return 0xC4 // ESME_RINVOPTPARAMVAL
	}
	in, _ := smpp.PDU{Body: m}.Incoming()
	room := 140 - in.Header
	switch smpp.AlphabetOf(m.DataCoding, l.smsc.o.Alphabet) {
	case smpp.GSM7, smpp.Latin1, smpp.ASCII:
		room = (140 - in.Header) * 8 / 7
	case smpp.UCS2:
		if len(in.Octets)%2 != 0 {
			l.smsc.breach("half a unit of UCS-2")
		}
	case smpp.Unreadable:
		return smpp.InvalidLength
	}
	if !has && len(in.Octets) > room {
		l.smsc.breach("%d octets where a handset has room for %d", len(in.Octets), room)
		return smpp.InvalidLength
	}
	if len(payload) == 0 && len(m.Message) == 0 {
		l.smsc.breach("a message without a text")
	}
	return smpp.OK
}

// number says whether an address is as its kind has it.
func number(a smpp.Address) bool {
	if a.TON == smpp.TONAlphanumeric {
		return a.Addr != "" && len(a.Addr) <= 11
	}
	return a.Addr != "" && strings.Trim(a.Addr, "0123456789") == ""
}
