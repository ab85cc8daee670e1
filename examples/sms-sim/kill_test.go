package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/openccsp/gateway/examples/internal/rig"
	"github.com/openccsp/gateway/examples/sms-sim/sim"
	"github.com/openccsp/gateway/plugins/sms/smpp"
)

const killHCL = `listen      = %q
data_dir    = "data"
rules_dir   = "rules.d"
plugin_dirs = []
admin { listen = %q }
channel "sms" "mobile" {
  settings {
    provider = "smpp"
    smpp     = { host = "127.0.0.1", port = %d, system_id = "shop", source = "+41790000099" }
  }
}
service "shop" { channels = ["mobile"] }
`

const killRules = `rules:
  - name: answer
    on: customer_message
    do: [{ send: "You wrote: {{ event.text ?? '' }}" }]
`

// killer kills the gateway, or the plugin, when the center sees what it waits for.
type killer struct {
	mu  sync.Mutex
	pid int
	is  func(in bool, p smpp.PDU) bool // nil: nothing
}

// see is called for each PDU, before it goes on.
func (k *killer) see(in bool, p smpp.PDU) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.is != nil && k.is(in, p) {
		k.is = nil
		_ = syscall.Kill(k.pid, syscall.SIGKILL)
	}
}

func (k *killer) arm(pid int, is func(in bool, p smpp.PDU) bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pid, k.is = pid, is
}

// TestKilled kills the real gateway, and the plugin alone, in the middle of long texts in
// both directions: each arrives, whole, and once.
func TestKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the gateway")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var k killer
	center := sim.New(sim.Options{Wire: k.see})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- center.Serve(served, l) }()
	defer func() { stop(); <-done }()
	h := home(t, l.Addr().(*net.TCPAddr).Port)
	start := func() *rig.Process {
		p, err := h.Start(ctx, nil, nil)
		if err != nil {
			t.Fatalf("%v\n%s", err, h.LogTail())
		}
		return p
	}
	gateway := start()
	defer func() { gateway.Kill() }()

	for n, test := range []struct {
		plugin bool // it alone is killed
		is     func(in bool, p smpp.PDU) bool
	}{
		{false, answerTo(1)}, {false, answerTo(3)}, {true, answerTo(2)},
		{false, segmentOf(1)}, {false, segmentOf(3)}, {true, segmentOf(2)},
	} {
		text := fmt.Sprintf("%d: %s", n, strings.Repeat("Wo ist mein Paket?", 20))
		pid := gateway.PID
		if test.plugin {
			r, err := h.Plugin(ctx, "org.openccsp.sms")
			if err != nil {
				t.Fatal(err)
			}
			if pid = r.Files[0].PID; pid == 0 {
				t.Fatalf("the plugin does not run: %+v", r.Files)
			}
		}
		k.arm(pid, test.is)
		wrote := make(chan error, 1)
		go func() { wrote <- center.Deliver(ctx, sim.Post{From: "41791234567", To: "41790000099", Text: text}) }()
		if !test.plugin {
			<-gateway.Done()
			gateway = start()
		}
		if err := <-wrote; err != nil {
			t.Fatalf("%s: %v\n%s", text[:2], err, h.LogTail())
		}
		answered := func() bool {
			return slices.ContainsFunc(center.Messages(), func(m sim.Message) bool { return m.Text == "You wrote: "+text })
		}
		if err := center.Until(ctx, answered); err != nil {
			t.Fatalf("%s: %v: %+v\n%s", text[:2], err, center.Messages(), h.LogTail())
		}
	}
	if _, err := gateway.Terminate(time.Minute); err != nil {
		t.Error(err)
	}
	if got := center.Messages(); len(got) != 6 {
		t.Errorf("%d messages for 6: %+v", len(got), got)
	}
	for _, b := range center.Breaches() {
		t.Errorf("the contract was broken: %s", b)
	}
}

// home builds the gateway and the plugin.
func home(t *testing.T, port int) *rig.Home {
	t.Helper()
	h, err := rig.Build(t.Context(), t.TempDir(), "../..", "plugins/sms")
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(os.WriteFile(h.Path("gateway.hcl"), fmt.Appendf(nil, killHCL, h.Listen, h.Admin, port), 0o600),
		os.WriteFile(h.Path("rules.d", "answer.yaml"), []byte(killRules), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// answerTo is the gateway's answer to the customer's segment n.
func answerTo(n int) func(bool, smpp.PDU) bool {
	return func(in bool, p smpp.PDU) bool {
		if in || p.ID != smpp.DeliverSM.Response() {
			return false
		}
		n--
		return n == 0
	}
}

// segmentOf is segment n of what the gateway sends; it has no answer yet.
func segmentOf(n uint8) func(bool, smpp.PDU) bool {
	return func(in bool, p smpp.PDU) bool {
		m, _ := p.Incoming()
		return !in && p.ID == smpp.SubmitSM && m.Segment.Index == n
	}
}
