package smpp_test

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/plugins/sms/smpp"
)

const gsmAlphabet = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
	"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà\f^{}\\[~]|€"

// send returns what NewText makes of a text, as short messages.
func send(t *testing.T, text string, a smpp.Alphabet, how smpp.Concat) []*smpp.Short {
	t.Helper()
	tx, err := smpp.NewText(text, a, how)
	if err != nil {
		t.Fatal(err)
	}
	var ms []*smpp.Short
	for n := range tx.Segments() {
		m := &smpp.Short{}
		tx.Put(m, n, 0x12A7)
		ms = append(ms, m)
	}
	return ms
}

// read is the text of short messages, joined in their order.
func read(t *testing.T, ms []*smpp.Short, standard smpp.Alphabet) string {
	t.Helper()
	var s strings.Builder
	for i, m := range ms {
		in, _ := smpp.PDU{ID: smpp.DeliverSM, Body: m}.Incoming()
		if len(ms) > 1 && (int(in.Segment.Total) != len(ms) || int(in.Segment.Index) != i+1) {
			t.Errorf("segment %+v, want %d of %d", in.Segment, i+1, len(ms))
		}
		s.WriteString(smpp.AlphabetOf(in.Coding, standard).Decode(in.Octets, in.Header))
	}
	return s.String()
}

func TestGSMVectors(t *testing.T) {
	for _, v := range []struct{ text, unpacked, packed string }{
		{"hello", "68656c6c6f", "e8329bfd06"},
		{"Grüße €", "47727e1e65201b65", "47b9df53066dca"},
		{"[a]{b}", "1b3c611b3e1b28621b29", "1b5e78e3dba0c49b14"},
	} {
		for a, want := range map[smpp.Alphabet]string{smpp.GSM7: v.unpacked, smpp.GSM7Packed: v.packed} {
			ms := send(t, v.text, a, smpp.UDH8)
			if got := hex.EncodeToString(ms[0].Message); got != want || ms[0].DataCoding != 0 {
				t.Errorf("%q in %d: %s, want %s", v.text, a, got, want)
			}
			if got := read(t, ms, a); got != v.text {
				t.Errorf("%q in %d came back as %q", v.text, a, got)
			}
		}
	}
}

// Whatever the alphabet and the way of long texts, what was written is what is read.
func TestThereAndBack(t *testing.T) {
	texts := []string{"", gsmAlphabet, strings.Repeat(gsmAlphabet, 4), strings.Repeat("€", 100), "a" + strings.Repeat("[", 152),
		strings.Repeat("Grüße 👋 ", 40), "x" + strings.Repeat("👋", 100), strings.Repeat("客户", 300), "`", "seven77", strings.Repeat("a", 15)}
	for _, a := range []smpp.Alphabet{smpp.GSM7, smpp.GSM7Packed, smpp.Latin1, smpp.ASCII} {
		for _, how := range []smpp.Concat{smpp.UDH8, smpp.UDH16, smpp.SAR, smpp.Payload} {
			for _, text := range texts {
				ms := send(t, text, a, how)
				if got := read(t, ms, a); got != text {
					t.Errorf("alphabet %d, way %d: %q came back as %q", a, how, text, got)
				}
				for _, m := range ms {
					if room := len(m.Message); how != smpp.Payload && (room > 160 || m.DataCoding == smpp.CodingUCS2 && room > 140) {
						t.Errorf("alphabet %d, way %d: %d octets of %q", a, how, room, text)
					}
				}
			}
		}
	}
}

func TestSegments(t *testing.T) {
	for _, test := range []struct {
		text string
		how  smpp.Concat
		want []int // octets of short_message
	}{
		{strings.Repeat("a", 160), smpp.UDH8, []int{160}},
		{strings.Repeat("a", 161), smpp.UDH8, []int{159, 14}},
		{strings.Repeat("a", 306), smpp.UDH8, []int{159, 159}},
		{strings.Repeat("a", 305), smpp.UDH16, []int{159, 159, 8}},
		{strings.Repeat("a", 161), smpp.SAR, []int{152, 9}},
		{strings.Repeat("a", 152) + "€" + strings.Repeat("a", 10), smpp.UDH8, []int{158, 18}}, // ESC stays with what it escapes
		{strings.Repeat("ж", 70), smpp.UDH8, []int{140}},
		{strings.Repeat("ж", 71), smpp.UDH8, []int{140, 14}},
		{strings.Repeat("ж", 67), smpp.UDH16, []int{134}},
		{strings.Repeat("ж", 71), smpp.UDH16, []int{139, 17}},
		{strings.Repeat("ж", 66) + "👋" + strings.Repeat("ж", 10), smpp.UDH8, []int{138, 30}}, // and so do two surrogates
		{strings.Repeat("a", 161), smpp.Payload, []int{0}},
	} {
		var got []int
		for _, m := range send(t, test.text, smpp.GSM7, test.how) {
			got = append(got, len(m.Message))
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%d letters by %d: %s", utf8.RuneCountInString(test.text), test.how, diff)
		}
	}
	if _, err := smpp.NewText(strings.Repeat("a", 256*153), smpp.GSM7, smpp.UDH8); err == nil {
		t.Error("more than 255 segments were made")
	}
	if _, err := smpp.NewText(strings.Repeat("ж", 1<<15), smpp.GSM7, smpp.Payload); err == nil {
		t.Error("more than 65535 octets of payload were made")
	}
}

func TestDecodeText(t *testing.T) {
	for _, test := range []struct {
		coding uint8
		hex    string
		want   string
	}{
		{0, "1b41", "A"},  // an unknown escape is the letter itself
		{0, "1b1b", " "},  // of a table that is not there
		{0, "411b", "A"},  // ESC and nothing
		{0, "41ff", "A�"}, // not seven bits
		{1, "405b5d7b7d5f24", "@[]{}_$"},
		{1, "c4", "�"},
		{1, "1b3c6d791b3e0011", "[my]@_"}, // GSM 03.38 that says it is ASCII
		{3, "e7", "ç"},
		{8, "00e7d83d", "ç�"}, // half a pair of surrogates
		{8, "00e700", "ç�"},   // half a unit
		{0x18, "00e7", "ç"},
		{0x11, "41", "A"},
		{0xF0, "41", "A"},
		{0xC8, "41", "A"},
		{0xE0, "0041", "A"},
		{0x48, "0041", "A"}, // to be deleted when it was read
		{0x51, "41", "A"},
		{4, "41", ""}, {0xF4, "41", ""}, {0x20, "41", ""}, {0x60, "41", ""}, {0x54, "41", ""}, {0x80, "41", ""},
	} {
		b, err := hex.DecodeString(test.hex)
		if err != nil {
			t.Fatal(err)
		}
		if got := smpp.AlphabetOf(test.coding, smpp.GSM7).Decode(b, 0); got != test.want {
			t.Errorf("%#x %s: %q, want %q", test.coding, test.hex, got, test.want)
		}
	}
}

func TestHeaders(t *testing.T) {
	for _, test := range []struct {
		hex  string
		want smpp.Segment
		text string
	}{
		{"050003a70202" + "41", smpp.Segment{Ref: 0xA7, Total: 2, Index: 2}, "A"},
		{"06080412a70201" + "41", smpp.Segment{Ref: 0x12A7, Wide: true, Total: 2, Index: 1}, "A"},
		{"0b05040b8423f0" + "0003a70202" + "41", smpp.Segment{Ref: 0xA7, Total: 2, Index: 2}, "A"}, // ports before it
		{"050003a70203" + "41", smpp.Segment{}, "A"},                                               // 3 of 2
		{"050003a70200" + "41", smpp.Segment{}, "A"},
		{"050003a70101" + "41", smpp.Segment{}, "A"}, // 1 of 1 is whole
		{"0500", smpp.Segment{}, "\x05@"},            // longer than what there is
		{"0200" + "05" + "41", smpp.Segment{}, "A"},
		{"", smpp.Segment{}, ""},
	} {
		b, err := hex.DecodeString(test.hex)
		if err != nil {
			t.Fatal(err)
		}
		m, ok := smpp.PDU{Body: &smpp.Short{ESMClass: smpp.ESMHeader, Message: b}}.Incoming()
		text := smpp.GSM7.Decode(m.Octets, m.Header)
		if test.hex == "0500" {
			test.text = smpp.GSM7.Decode(b, 0)
		}
		if !ok || m.Segment != test.want || text != test.text {
			t.Errorf("%s: %+v %q, want %+v %q", test.hex, m.Segment, text, test.want, test.text)
		}
	}
}

func TestReceipts(t *testing.T) {
	done := time.Date(2026, 11, 22, 4, 31, 0, 0, time.UTC)
	id, state := smpp.StringTLV(smpp.TagReceiptedMessageID, "77"), smpp.OctetTLV(smpp.TagMessageState, 5)
	for _, test := range []struct {
		text  string
		class uint8
		tlvs  smpp.TLVs
		want  smpp.Receipt
	}{
		{receiptText, 4, nil, smpp.Receipt{ID: "1001", State: smpp.Delivered, Done: done}},
		{strings.ToUpper(receiptText), 4, nil, smpp.Receipt{ID: "1001", State: smpp.Delivered, Done: done}},
		{"stat:UNDELIV err:027 done date:261122043130 id:0aF9", 4, nil,
			smpp.Receipt{ID: "0aF9", State: smpp.Undeliverable, Code: "027", Done: done.Add(30 * time.Second)}},
		{"id:1 stat:EXPIRED text:id:2 stat:DELIVRD", 4, nil, smpp.Receipt{ID: "1", State: smpp.Expired}},
		{"id:9f86d081-884c-7d65-9a2f-eaa0c55ad015 stat:REJECTD", 4, nil,
			smpp.Receipt{ID: "9f86d081-884c-7d65-9a2f-eaa0c55ad015", State: smpp.Rejected}},
		{"id:1 stat:ENROUTE", 0x20, nil, smpp.Receipt{ID: "1", State: smpp.Enroute}},
		{"id:1 stat:ACCEPTD", 4, nil, smpp.Receipt{ID: "1", State: smpp.Accepted}},
		{"id:1 stat:DELIVERED done date:nonsense", 4, nil, smpp.Receipt{ID: "1", State: smpp.Delivered}},
		{"id:1 stat:FAILED", 4, nil, smpp.Receipt{ID: "1", State: smpp.Undeliverable}},
		{"id:1 stat:WHATEVER", 4, nil, smpp.Receipt{ID: "1"}},
		{"", 4, smpp.TLVs{id, state, {smpp.TagNetworkErrorCode, []byte{3, 0, 27}}}, smpp.Receipt{ID: "77", State: smpp.Undeliverable, Code: "3:27"}},
		{receiptText, 4, smpp.TLVs{id, state}, smpp.Receipt{ID: "77", State: smpp.Undeliverable, Done: done}},
		{"Hello", 0, smpp.TLVs{id, state}, smpp.Receipt{ID: "77", State: smpp.Undeliverable}},
		{"", 0x20, nil, smpp.Receipt{State: smpp.Enroute}},
	} {
		m := smpp.Message{ESMClass: test.class, TLVs: test.tlvs, Octets: []byte(test.text)}
		if !m.IsReceipt() {
			t.Errorf("%q is taken for a customer's words", test.text)
		}
		got := m.Receipt(smpp.GSM7, time.UTC)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%q: %s", test.text, diff)
		}
		if final := got.State.Final(); final != (got.State > 1 && got.State != smpp.Accepted) {
			t.Errorf("%v is final: %t", got.State, final)
		}
	}
	if (smpp.Message{TLVs: smpp.TLVs{id}}).IsReceipt() {
		t.Error("a customer's words with an id are taken for a receipt")
	}
}

// The words of a receipt are ASCII, whatever its alphabet is said to be, but for centers
// that write them as they say.
func TestReceiptAlphabets(t *testing.T) {
	const text = "id:a_1@[b] stat:DELIVRD err:000 text:"
	for _, test := range []struct {
		standard smpp.Alphabet
		coding   uint8
		octets   string
	}{
		{smpp.GSM7, 0, text + "\x04\x05"}, {smpp.GSM7Packed, 0, text}, {smpp.GSM7, 4, text}, {smpp.GSM7, 1, text}, {smpp.GSM7, 0xF5, text},
		{smpp.GSM7, 0, "id:a\x111\x00\x1b<b\x1b> stat:DELIVRD"},
		{smpp.GSM7Packed, 0, string(smpp.Pack([]byte("id:a\x111\x00\x1b<b\x1b> stat:DELIVRD"), 0))},
		{smpp.GSM7, 8, "\x00" + strings.Join(strings.Split(text, ""), "\x00")},
	} {
		m := smpp.Message{ESMClass: smpp.ESMReceipt, Coding: test.coding, Octets: []byte(test.octets)}
		if got := m.Receipt(test.standard, time.UTC); got.ID != "a_1@[b]" || got.State != smpp.Delivered {
			t.Errorf("%q in %d of %d: %+v", test.octets, test.coding, test.standard, got)
		}
	}
}

func TestRelativeTime(t *testing.T) {
	if got := fmt.Sprint(smpp.RelativeTime(26*time.Hour+3*time.Minute+4*time.Second), " ", len(smpp.RelativeTime(time.Minute))); got != "000001020304000R 16" {
		t.Error(got)
	}
}
