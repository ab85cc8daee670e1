package smpp_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/plugins/sms/smpp"
)

// TestTshark: what we write, a dissector that others wrote reads as it was meant.
func TestTshark(t *testing.T) {
	for _, program := range []string{"text2pcap", "tshark"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("not run: %s is not installed (Debian: tshark)", program)
		}
	}
	var dump bytes.Buffer
	var want []string
	write := func(p smpp.PDU, fields string) {
		b, err := p.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		dump.WriteString("0000")
		for _, c := range b {
			fmt.Fprintf(&dump, " %02x", c)
		}
		dump.WriteString("\n")
		want = append(want, "|"+fields) // nothing is malformed
	}
	write(smpp.PDU{ID: smpp.BindTransceiver, Seq: 1, Body: &smpp.Bind{SystemID: "shop", Password: "secret", Version: smpp.Version}},
		"0x00000009|1|shop|secret||||||||")
	for n, how := range []smpp.Concat{smpp.UDH8, smpp.UDH16, smpp.SAR, smpp.Payload} {
		text := strings.Repeat("a", 100) + strings.Repeat("[", 40)
		for i, m := range send(t, text, smpp.GSM7, how) {
			m.Source, m.Dest = smpp.Address{TON: 5, Addr: "Shop"}, smpp.Address{TON: 1, NPI: 1, Addr: "41791234567"}
			m.RegisteredDelivery, m.Validity = 1, smpp.RelativeTime(86400e9)
			sar := "|"
			if how == smpp.SAR {
				sar = fmt.Sprintf("4775|%d", i+1)
			}
			seq := 10*n + i + 2
			write(smpp.PDU{ID: smpp.SubmitSM, Seq: uint32(seq), Body: m},
				fmt.Sprintf("0x00000004|%d|||Shop|41791234567|0x00|%d||%s|0x01", seq, len(m.Message), sar))
		}
	}
	write(smpp.PDU{ID: smpp.DeliverSM.Response(), Seq: 77, Body: &smpp.Taken{}}, "0x80000005|77||||||||||")
	write(smpp.PDU{ID: smpp.EnquireLink, Seq: 78}, "0x00000015|78||||||||||")
	write(smpp.PDU{ID: smpp.SubmitSM.Response(), Status: smpp.Throttled, Seq: 79}, "0x80000004|79||||||||||")
	write(smpp.PDU{ID: smpp.SubmitSM.Response(), Seq: 80, Body: &smpp.Taken{MessageID: "0aF9"}}, "0x80000004|80|||||||0aF9|||")

	dir := t.TempDir()
	text, pcap := filepath.Join(dir, "pdus.txt"), filepath.Join(dir, "pdus.pcap")
	if err := os.WriteFile(text, dump.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "text2pcap", "-q", "-T", "40000,2775", text, pcap).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	args := []string{"-r", pcap, "-d", "tcp.port==2775,smpp", "-T", "fields", "-E", "separator=|", "-e", "_ws.malformed"}
	for _, f := range []string{"command_id", "sequence_number", "system_id", "password", "source_addr", "destination_addr",
		"data_coding", "sm_length", "message_id", "sar_msg_ref_num", "sar_segment_seqnum", "regdel.receipt"} {
		args = append(args, "-e", "smpp."+f)
	}
	out, err := exec.CommandContext(t.Context(), "tshark", args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", out)
	if diff := cmp.Diff(want, strings.Split(strings.TrimSpace(string(out)), "\n")); diff != "" {
		t.Error(diff)
	}
}
