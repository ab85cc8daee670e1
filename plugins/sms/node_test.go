package main

import (
	"bufio"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/sdktest"
)

// nodeLine is what the SMSC in Node says.
type nodeLine struct {
	Port, Version, Coding, TON, NPI, Receipt, Taken, Status int
	Bind, From, To, Text, ID, UDH                           string
	Unbind                                                  bool
}

// nodeSMSC is an SMSC that somebody else wrote.
type nodeSMSC struct {
	t     *testing.T
	in    io.WriteCloser
	lines *bufio.Scanner
}

func (n *nodeSMSC) next() (l nodeLine) {
	n.t.Helper()
	if !n.lines.Scan() {
		n.t.Fatal("the SMSC has ended")
	}
	if err := json.Unmarshal(n.lines.Bytes(), &l); err != nil {
		n.t.Fatalf("%s: %v", n.lines.Text(), err)
	}
	return l
}

// write has a customer write.
func (n *nodeSMSC) write(text string) {
	n.t.Helper()
	b, err := json.Marshal(text)
	if err != nil {
		n.t.Fatal(err)
	}
	if _, err := n.in.Write(append(b, '\n')); err != nil {
		n.t.Fatal(err)
	}
}

func TestNodeSMPP(t *testing.T) {
	cmd := plugintest.Node(t, "../..", "testdata/smsc.cjs")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n := &nodeSMSC{t, in, bufio.NewScanner(out)}
	port := n.next().Port
	g := sdktest.Start(t, plugin(), "mobile", "sms", settings{Provider: "smpp", Password: "secret",
		SMPP: &SMPPSettings{Host: "127.0.0.1", Port: port, SystemID: "shop", Source: "+" + source}})
	if l := n.next(); l.Bind != "shop" || l.Version != 0x34 {
		t.Fatalf("bind %+v", l)
	}

	for _, test := range []struct {
		text   string
		coding int
		parts  []int // letters of each
	}{
		{"Grüße {€}", 0, []int{9}},
		{"早上好 👋", 8, []int{6}},
		{strings.Repeat("Long [text] ", 30), 0, nil},
		{strings.Repeat("早上好", 40), 8, []int{67, 53}},
	} {
		r, err := g.Send(t.Context(), ada, message(test.text[:3], test.text))
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		for i := range max(1, len(r.PartIDs)) {
			l := n.next()
			got.WriteString(l.Text)
			if l.Coding != test.coding || l.To != "41791234567" || l.TON != 1 || l.NPI != 1 || l.Receipt != 1 || l.From != source {
				t.Errorf("it read %+v", l)
			}
			if len(r.PartIDs) > 1 && (!strings.HasPrefix(l.UDH, "0003") || l.ID != r.PartIDs[i]) {
				t.Errorf("segment %d: %+v, parts %v", i+1, l, r.PartIDs)
			}
			if e := g.NextEvent(); e.Type != sdk.MessageDelivered || e.Ref != l.ID {
				t.Errorf("receipt %+v of %s", e, l.ID)
			}
		}
		if got.String() != test.text {
			t.Errorf("it read %q, want %q", got.String(), test.text)
		}
	}

	for _, text := range []string{strings.Repeat("Where is [my] parcel? ", 20), strings.Repeat("包裹在哪里？", 40)} {
		n.write(text)
		for last := 2; last > 1; {
			l := n.next()
			if l.Taken == 0 || l.Status != 0 {
				t.Fatalf("our answer: %+v", l)
			}
			last = l.Taken
		}
		if e := g.NextEvent(); e.Text != text || e.Customer.Address != ada.Address {
			t.Errorf("event %+v", e)
		}
	}

	if _, err := g.Send(t.Context(), ada, message("t", "throttle")); plugintest.Verdict(err) != "throttled 1s" {
		t.Errorf("throttled: %v", err)
	}
	g.Stop()
	if l := n.next(); !l.Unbind {
		t.Errorf("at the end: %+v", l)
	}
	_ = in.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("the SMSC ended with %v", err)
	}
}
