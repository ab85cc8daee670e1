package smpp_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/plugins/sms/smpp"
)

const receiptText = "id:1001 sub:001 dlvrd:001 submit date:2611220430 done date:2611220431 stat:DELIVRD err:000 text:Hello"

// vectors are PDUs that other implementations write and read so.
func vectors() []struct {
	name, hex string
	pdu       smpp.PDU
} {
	source := smpp.Address{NPI: 1, Addr: "12345"}
	dest := smpp.Address{TON: 1, NPI: 1, Addr: "4479460000"}
	return []struct {
		name, hex string
		pdu       smpp.PDU
	}{
		{"bind", "0000002200000009000000000000000165736d653100736563726574000034000000",
			smpp.PDU{ID: smpp.BindTransceiver, Seq: 1, Body: &smpp.Bind{SystemID: "esme1", Password: "secret", Version: smpp.Version}}},
		{"bind_resp", "000000198000000900000000000000014e4f4445534d534300",
			smpp.PDU{ID: smpp.BindTransceiver.Response(), Seq: 1, Body: &smpp.BindResp{SystemID: "NODESMSC"}}},
		{"submit", "00000035000000040000000000000002000001313233343500010134343739343630303030000000000000010000000548656c6c6f",
			smpp.PDU{ID: smpp.SubmitSM, Seq: 2, Body: &smpp.Short{Source: source, Dest: dest, RegisteredDelivery: 1, Message: []byte("Hello")}}},
		{"submit UCS-2", "0000003e000000040000000000000003000001313233343500010134343739343630303030000000000000010008000e0047007200fc00df0065002020ac",
			smpp.PDU{ID: smpp.SubmitSM, Seq: 3, Body: &smpp.Short{Source: source, Dest: dest, RegisteredDelivery: 1, DataCoding: 8,
				Message: []byte("\x00G\x00r\x00\xfc\x00\xdf\x00e\x00 \x20\xac")}}},
		{"segment", "000000400000000400000000000000050000013132333435000101343437393436303030300040000000000100000010050003a7020242424242424242424242",
			smpp.PDU{ID: smpp.SubmitSM, Seq: 5, Body: &smpp.Short{Source: source, Dest: dest, ESMClass: smpp.ESMHeader, RegisteredDelivery: 1,
				Message: []byte("\x05\x00\x03\xa7\x02\x02BBBBBBBBBB")}}},
		{"submit_resp", "000000158000000400000000000000023130303100",
			smpp.PDU{ID: smpp.SubmitSM.Response(), Seq: 2, Body: &smpp.Taken{MessageID: "1001"}}},
		{"throttled", "00000010800000040000005800000004",
			smpp.PDU{ID: smpp.SubmitSM.Response(), Status: smpp.Throttled, Seq: 4}},
		{"enquire_link", "00000010000000150000000000000008", smpp.PDU{ID: smpp.EnquireLink, Seq: 8}},
		{"unbind", "00000010000000060000000000000063", smpp.PDU{ID: smpp.Unbind, Seq: 0x63}},
		{"receipt", "000000a3000000050000000000000001000000343437393436303030300000003132333435000400000000000001006569643a31303031207375623a30303120646c7672643a303031207375626d697420646174653a3236313132323034333020646f6e6520646174653a3236313132323034333120737461743a44454c49565244206572723a30303020746578743a48656c6c6f001e000531303031000427000102",
			smpp.PDU{ID: smpp.DeliverSM, Seq: 1, Body: &smpp.Short{
				Source: smpp.Address{Addr: "4479460000"}, Dest: smpp.Address{Addr: "12345"}, ESMClass: smpp.ESMReceipt,
				DataCoding: smpp.CodingASCII, Message: []byte(receiptText),
				TLVs: smpp.TLVs{smpp.StringTLV(smpp.TagReceiptedMessageID, "1001"), smpp.OctetTLV(smpp.TagMessageState, 2)}}}},
	}
}

func TestVectors(t *testing.T) {
	for _, v := range vectors() {
		t.Run(v.name, func(t *testing.T) {
			wire, err := hex.DecodeString(v.hex)
			if err != nil {
				t.Fatal(err)
			}
			got, err := smpp.Decode(wire)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(v.pdu, got); diff != "" {
				t.Error(diff)
			}
			b, err := v.pdu.Append(nil)
			if err != nil || hex.EncodeToString(b) != v.hex {
				t.Errorf("Append = %x, %v", b, err)
			}
		})
	}
}

// others are the PDUs of which there is no vector.
func others() []smpp.PDU {
	a, b := smpp.Address{TON: 1, NPI: 1, Addr: "41790000001"}, smpp.Address{TON: 5, Addr: "Shop"}
	body := smpp.Short{ServiceType: "CMT", Source: a, ProtocolID: 1, Priority: 2, Schedule: "261122043000000+", Validity: smpp.RelativeTime(90000e9),
		ReplaceIfPresent: 1, DefaultMsgID: 3, Message: []byte("hi")}
	return []smpp.PDU{
		{ID: smpp.Outbind, Seq: 7, Body: &smpp.OutbindBody{SystemID: "smsc", Password: "x"}},
		{ID: smpp.QuerySM, Seq: 7, Body: &smpp.Query{MessageID: "1", Source: a}},
		{ID: smpp.QuerySM.Response(), Seq: 7, Body: &smpp.QueryResp{MessageID: "1", FinalDate: "261122043000000+", State: 2, ErrorCode: 3}},
		{ID: smpp.CancelSM, Seq: 7, Body: &smpp.Cancel{ServiceType: "CMT", MessageID: "1", Source: a, Dest: b}},
		{ID: smpp.CancelSM.Response(), Seq: 7},
		{ID: smpp.ReplaceSM, Seq: 7, Body: &smpp.Replace{MessageID: "1", Source: a, Validity: body.Validity, RegisteredDelivery: 1, DefaultMsgID: 2, Message: []byte("new")}},
		{ID: smpp.ReplaceSM.Response(), Seq: 7},
		{ID: smpp.SubmitMulti, Seq: 7, Body: &smpp.Multi{Short: body, Dests: []smpp.MultiDest{{Address: b}, {List: "friends"}}}},
		{ID: smpp.SubmitMulti.Response(), Seq: 7, Body: &smpp.MultiResp{MessageID: "1", Failed: []smpp.MultiFailed{{a, smpp.InvalidDest}}}},
		{ID: smpp.DataSM, Seq: 7, Body: &smpp.Data{Source: a, Dest: b, DataCoding: 8, TLVs: smpp.TLVs{{smpp.TagMessagePayload, []byte{0, 'x'}}}}},
		{ID: smpp.DataSM.Response(), Seq: 7, Body: &smpp.Taken{MessageID: "9", TLVs: smpp.TLVs{smpp.Uint16TLV(smpp.TagUserMessageReference, 7)}}},
		{ID: smpp.AlertNotification, Seq: 7, Body: &smpp.Alert{Source: a, ESME: b}},
		{ID: smpp.DeliverSM.Response(), Seq: 7, Body: &smpp.Taken{}},
		{ID: smpp.BindReceiver, Seq: 7, Body: &smpp.Bind{SystemID: "a", Range: smpp.Address{Addr: "^41"}}},
		{ID: smpp.BindTransmitter.Response(), Status: smpp.InvalidPassword, Seq: 7},
		{ID: smpp.EnquireLink.Response(), Seq: 7},
		{ID: smpp.Unbind.Response(), Seq: 0x7FFFFFFF},
		{ID: smpp.GenericNack, Status: smpp.InvalidCommand},
	}
}

func TestRoundTrip(t *testing.T) {
	for _, p := range others() {
		b, err := p.Append([]byte("before"))
		if err != nil {
			t.Errorf("%#x: %v", uint32(p.ID), err)
			continue
		}
		got, err := smpp.Decode(b[len("before"):])
		if err != nil {
			t.Errorf("%#x: %v", uint32(p.ID), err)
		}
		if diff := cmp.Diff(p, got); diff != "" {
			t.Errorf("%#x: %s", uint32(p.ID), diff)
		}
	}
}

func TestMalformed(t *testing.T) {
	for _, test := range []struct{ name, hex, want string }{
		{"nothing", "", "command_length is out of bounds"},
		{"a length that lies", "00000011000000150000000000000008", "command_length is out of bounds"},
		{"unknown command", "0000001000000abc0000000000000008", "malformed PDU: command 0xabc is unknown"},
		{"sequence 0", "00000010000000150000000000000000", "malformed PDU: sequence_number is out of bounds"},
		{"a body of enquire_link", "0000001100000015000000000000000800", "malformed PDU: a body where none belongs"},
		{"no end of message_id", "00000012800000040000000000000002" + "3130", "malformed PDU: message_id has no end within 65 octets"},
		{"success without a body", "00000010800000040000000000000002", "malformed PDU: message_id has no end within 65 octets"},
		{"a parameter that is too long", "00000016800000040000000000000002" + "00" + "001e000531", "malformed PDU: it ends in an optional parameter"},
		{"half a parameter", "00000013800000040000000000000002" + "00" + "001e", "malformed PDU: it ends in the head of an optional parameter"},
	} {
		b, err := hex.DecodeString(test.hex)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := smpp.Decode(b); err == nil || err.Error() != test.want {
			t.Errorf("%s: %v, want %s", test.name, err, test.want)
		}
	}
}

// A NUL too many loses no id.
func TestFilledUp(t *testing.T) {
	b, err := hex.DecodeString("00000017800000040000000000000002" + "3130303100" + "0000")
	if err != nil {
		t.Fatal(err)
	}
	p, err := smpp.Decode(b)
	if taken, ok := p.Body.(*smpp.Taken); err != nil || !ok || taken.MessageID != "1001" {
		t.Errorf("%+v, %v", p, err)
	}
}

// What cannot be said is not written.
func TestUnwritable(t *testing.T) {
	for _, p := range []smpp.PDU{
		{ID: smpp.EnquireLink},
		{ID: 0xABC, Seq: 1},
		{ID: smpp.SubmitSM, Seq: 1},
		{ID: smpp.EnquireLink, Seq: 1, Body: &smpp.Taken{}},
		{ID: smpp.SubmitSM, Seq: 1, Body: &smpp.Taken{}},
		{ID: smpp.SubmitSM, Seq: 1, Body: &smpp.Short{ServiceType: "toolong"}},
		{ID: smpp.SubmitSM, Seq: 1, Body: &smpp.Short{Validity: "soon"}},
		{ID: smpp.SubmitSM, Seq: 1, Body: &smpp.Short{Message: make([]byte, 255)}},
		{ID: smpp.SubmitSM, Seq: 1, Body: &smpp.Short{Source: smpp.Address{Addr: "a\x00b"}}},
		{ID: smpp.SubmitSM, Seq: 1, Body: &smpp.Short{TLVs: smpp.TLVs{{smpp.TagMessagePayload, make([]byte, 1<<16)}}}},
	} {
		if b, err := p.Append(nil); err == nil || len(b) > 0 {
			t.Errorf("%+v became %x", p, b)
		}
	}
}

func TestStatusNames(t *testing.T) {
	if got := smpp.Throttled.String() + smpp.Status(0x400).String(); got != "0x58 RTHROTTLED0x400" {
		t.Error(got)
	}
	e := &smpp.StatusError{Command: smpp.SubmitSM, Status: smpp.InvalidDest, Text: "no such number"}
	if !strings.HasSuffix(e.Error(), "0x4 refused: 0x0B RINVDSTADR (no such number)") {
		t.Error(e)
	}
}
