package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/examples/sms-sim/sim"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/plugins/sms/smpp"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/sdktest"
)

const source = "41790000099"

// center is an SMSC that runs until the test ends.
type center struct {
	*sim.SMSC
	t    *testing.T
	port int
	stop func()
}

func newCenter(t *testing.T, o sim.Options) *center {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &center{SMSC: sim.New(o), t: t, port: l.Addr().(*net.TCPAddr).Port}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Serve(ctx, l) }()
	c.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the SMSC ended with %v", err)
		}
		for _, b := range c.Breaches() {
			t.Errorf("the contract was broken: %s", b)
		}
	})
	t.Cleanup(c.stop)
	return c
}

// settings are those of an instance at the center.
func (c *center) settings(change func(*SMPPSettings)) settings {
	s := SMPPSettings{Host: "127.0.0.1", Port: c.port, SystemID: "shop", Source: "+" + source}
	if change != nil {
		change(&s)
	}
	return settings{Provider: "smpp", Password: "secret", SMPP: &s}
}

// start opens an instance and waits until it is bound.
func (c *center) start(change func(*SMPPSettings)) *sdktest.Gateway {
	c.t.Helper()
	g := sdktest.Start(c.t, plugin(), "mobile", "sms", c.settings(change))
	c.until("it is bound", func() bool { return c.Bound() > 0 })
	return g
}

// restart starts another process with what the first one left in the gateway.
func (c *center) restart(first *sdktest.Gateway) *sdktest.Gateway {
	c.t.Helper()
	first.Stop()
	c.until("it is gone", func() bool { return c.Bound() == 0 })
	second := sdktest.Start(c.t, plugin(), "mobile", "sms", c.settings(func(s *SMPPSettings) { s.Timezone = "Europe/Zurich" }))
	c.until("it is bound", func() bool { return c.Bound() > 0 })
	for _, name := range []string{"segments", "underway"} {
		for i := range shelfCount {
			key := fmt.Sprintf("%s/%d", name, i)
			second.SetState(key, first.State(key))
		}
	}
	binds := c.Counts().Binds
	if err := second.Reconfigure(c.t.Context(), c.settings(nil)); err != nil { // it reads that
		c.t.Fatal(err)
	}
	c.until("it is bound again", func() bool { return c.Bound() > 0 && c.Counts().Binds > binds })
	return second
}

func (c *center) until(what string, ok func() bool) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	if err := c.Until(ctx, ok); err != nil {
		c.t.Fatalf("not in time: %s", what)
	}
}

func (c *center) write(p sim.Post) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	if p.From == "" {
		p.From = "41791234567"
	}
	p.To = source
	if err := c.Deliver(ctx, p); err != nil {
		c.t.Fatalf("the customer's message: %v", err)
	}
}

var ada = sdk.Customer{Address: "+41791234567"}

func message(id, text string) sdk.Message {
	return sdk.Message{ID: id, Text: text, Attempt: 1, Part: 1, Parts: 1, Author: sdk.AuthorAgent}
}

func TestConversation(t *testing.T) {
	for name, change := range map[string]func(*SMPPSettings){
		"transceiver": nil,
		"separate":    func(s *SMPPSettings) { s.Bind = "separate" },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCenter(t, sim.Options{SystemID: "shop", Password: "secret"})
			g := c.start(change)
			c.write(sim.Post{Text: "Grüezi, wo ist [mein] Päckli? 📦"})
			e := g.NextEvent()
			if e.Type != sdk.CustomerMessage || e.Text != "Grüezi, wo ist [mein] Päckli? 📦" || e.Customer.Address != ada.Address || e.ID == "" {
				t.Errorf("event %+v", e)
			}
			r, err := g.Send(t.Context(), ada, message("m1", "Auf dem Weg: {Zürich} €"))
			if err != nil || r.MessageID == "" {
				t.Fatalf("receipt %+v %v", r, err)
			}
			want := []sim.Message{{ID: r.MessageID, From: source, To: "41791234567", Text: "Auf dem Weg: {Zürich} €", Segments: 1}}
			if diff := cmp.Diff(want, c.Messages()); diff != "" {
				t.Error(diff)
			}
			if e := g.NextEvent(); e.Type != sdk.MessageDelivered || e.Ref != r.MessageID || e.MessageID != r.MessageID {
				t.Errorf("receipt %+v", e)
			}
			g.Stop()
			c.until("it has unbound", func() bool { return c.Bound() == 0 })
		})
	}
}

// A long text is one message here, in all ways and alphabets.
func TestLongText(t *testing.T) {
	text := strings.Repeat("Guten Tag [Ada] €. ", 30)
	unicode := strings.Repeat("早上好 👋 ", 40)
	for _, way := range []string{"udh8", "udh16", "sar", "payload"} {
		for alphabet, number := range map[string]smpp.Alphabet{"gsm7": smpp.GSM7, "gsm7-packed": smpp.GSM7Packed, "latin1": smpp.Latin1} {
			if way == "payload" && alphabet == "gsm7-packed" {
				continue
			}
			t.Run(way+" "+alphabet, func(t *testing.T) {
				c := newCenter(t, sim.Options{Alphabet: number})
				g := c.start(func(s *SMPPSettings) { s.Concatenation, s.Alphabet = way, alphabet })
				for i, text := range []string{text, unicode} {
					r, err := g.Send(t.Context(), ada, message("m"+text[:1], text))
					if err != nil {
						t.Fatal(err)
					}
					m := c.Messages()[i]
					if m.Text != text || m.Segments > 1 && len(r.PartIDs) != m.Segments {
						t.Errorf("%d segments, receipt %+v, text %q", m.Segments, r, m.Text)
					}
					for range max(1, len(r.PartIDs)) {
						if e := g.NextEvent(); e.Type != sdk.MessageDelivered {
							t.Errorf("event %+v", e)
						}
					}
				}
			})
		}
	}
}

// A customer's long text is one event, whatever the order of its segments.
func TestLongTextIn(t *testing.T) {
	text := strings.Repeat("Wo ist [mein] Päckli 📦? ", 20)
	for _, way := range []smpp.Concat{smpp.UDH8, smpp.UDH16, smpp.SAR, smpp.Payload} {
		for _, disorder := range []bool{false, true} {
			c := newCenter(t, sim.Options{})
			g := c.start(nil)
			c.write(sim.Post{Text: text, Concat: way, Disorder: disorder, Twice: way != smpp.Payload})
			if e := g.NextEvent(); e.Text != text {
				t.Errorf("way %d, disorder %t: %q", way, disorder, e.Text)
			}
			g.Stop()
			c.stop()
		}
	}
}

// What has been acknowledged is durable: another process has the segments, and tells the
// text once.
func TestSegmentsOutliveTheProcess(t *testing.T) {
	c := newCenter(t, sim.Options{})
	first := c.start(nil)
	text := strings.Repeat("x", 400)
	c.write(sim.Post{Text: text, Lose: 3})
	second := c.restart(first)
	select {
	case e := <-first.Events():
		t.Errorf("told before it was whole: %+v", e)
	default:
	}
	second.Advance(6 * time.Minute)
	if e := second.NextEvent(); e.Text != strings.Repeat("x", 306)+"[part 3 of 3 is missing]" {
		t.Errorf("told %q", e.Text)
	}
}

// A message that the gateway does not take is not acknowledged; it comes again.
func TestNotAcknowledgedBeforeDurable(t *testing.T) {
	c := newCenter(t, sim.Options{})
	g := c.start(func(s *SMPPSettings) { s.Deliver = "300ms" })
	g.RefuseEvents(1_000_000)
	done := make(chan struct{})
	go func() { defer close(done); c.write(sim.Post{Text: "hello"}) }()
	c.until("it was asked to come again", func() bool { return c.Counts().Again > 0 })
	if n := c.Counts().Delivered; n != 0 {
		t.Errorf("%d acknowledged", n)
	}
	g.RefuseEvents(0)
	<-done
	if e := g.NextEvent(); e.Text != "hello" {
		t.Errorf("event %+v", e)
	}
}

// A message without letters is one nevertheless.
func TestEmptyMessage(t *testing.T) {
	c := newCenter(t, sim.Options{})
	g := c.start(nil)
	c.write(sim.Post{})
	if e := g.NextEvent(); e.Text != emptyText || e.Customer.Address != ada.Address {
		t.Errorf("event %+v", e)
	}
}

// Ids of receipts in another base find their messages, also before the answer.
func TestReceiptIDs(t *testing.T) {
	for name, o := range map[string]sim.Options{
		"as they are": {}, "hex": {HexIDs: true}, "texts": {NoTLVs: true, HexIDs: true}, "early": {Early: true}, "early hex": {Early: true, HexIDs: true},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCenter(t, o)
			g := c.start(nil)
			for range 3 {
				receipt := make(chan sdk.Event, 1)
				go func() { receipt <- g.NextEvent() }()
				r, err := g.Send(t.Context(), ada, message("m", "hello"))
				if err != nil {
					t.Fatal(err)
				}
				e := <-receipt
				if e.Ref != r.MessageID {
					t.Errorf("receipt of %q, message %q", e.Ref, r.MessageID)
				}
			}
		})
	}
}

func TestSendErrors(t *testing.T) {
	for _, test := range []struct {
		fault sim.Fault
		want  string
	}{
		{sim.Fault{Status: smpp.SystemError}, "retry"},
		{sim.Fault{Status: smpp.TemporaryError}, "retry"},
		{sim.Fault{Status: smpp.InvalidDest}, sdk.ErrRecipientGone.Error()},
		{sim.Fault{Status: smpp.InvalidSource}, "rejected 0x0A"},
		{sim.Fault{Hang: true}, "ambiguous"},
		{sim.Fault{Cut: true}, "ambiguous"},
	} {
		c := newCenter(t, sim.Options{})
		g := c.start(func(s *SMPPSettings) { s.Response = "200ms" })
		c.Inject(test.fault)
		_, err := g.Send(t.Context(), ada, message("m", "hello"))
		got := plugintest.Verdict(err)
		if errors.Is(err, sdk.ErrRecipientGone) {
			got = sdk.ErrRecipientGone.Error()
		}
		if got != test.want {
			t.Errorf("%+v: %s, want %s", test.fault, got, test.want)
		}
		g.Stop()
		c.stop()
	}
}

// When a segment is refused the next attempt goes on with it.
func TestMissingSegmentsOnly(t *testing.T) {
	c := newCenter(t, sim.Options{NoReceipts: true})
	g := c.start(nil)
	c.Inject(sim.Fault{Status: smpp.SystemError, Skip: 2})
	text := strings.Repeat("a", 600)
	if _, err := g.Send(t.Context(), ada, message("m", text)); plugintest.Verdict(err) != "retry" {
		t.Fatalf("the third segment: %v", err)
	}
	r, err := g.Send(t.Context(), ada, message("m", text))
	if err != nil || len(r.PartIDs) != 4 {
		t.Fatalf("receipt %+v %v", r, err)
	}
	if n := c.Counts().Submitted; n != 4 || c.Messages()[0].Text != text {
		t.Errorf("%d segments were taken, and %d letters arrived", n, len(c.Messages()[0].Text))
	}
}

// Another process goes on with the segment that was not taken, under the same reference.
func TestMissingSegmentsOnlyAfterARestart(t *testing.T) {
	c := newCenter(t, sim.Options{NoReceipts: true})
	first := c.start(nil)
	c.Inject(sim.Fault{Status: smpp.SystemError, Skip: 2})
	text := strings.Repeat("a", 600)
	if _, err := first.Send(t.Context(), ada, message("m", text)); plugintest.Verdict(err) != "retry" {
		t.Fatalf("the third segment: %v", err)
	}
	r, err := c.restart(first).Send(t.Context(), ada, message("m", text))
	if err != nil || len(r.PartIDs) != 4 {
		t.Fatalf("receipt %+v %v", r, err)
	}
	if n, got := c.Counts().Submitted, c.Messages(); n != 4 || len(got) != 1 || got[0].Text != text {
		t.Errorf("%d segments were taken, messages %+v", n, got)
	}
}

// A link in a text is another one at the next attempt: it goes whole, and its segments
// do not meet those that went before.
func TestOtherTextOfTheSameMessage(t *testing.T) {
	c := newCenter(t, sim.Options{NoReceipts: true})
	g := c.start(nil)
	m := message("m", strings.Repeat("a", 300))
	m.Attachments = []sdk.Attachment{{URL: "https://gw.example.com/media/first"}}
	c.Inject(sim.Fault{Status: smpp.SystemError, Skip: 1})
	if _, err := g.Send(t.Context(), ada, m); plugintest.Verdict(err) != "retry" {
		t.Fatalf("the second segment: %v", err)
	}
	m.Attachments[0].URL = "https://gw.example.com/media/other"
	r, err := g.Send(t.Context(), ada, m)
	if err != nil || len(r.PartIDs) != 3 {
		t.Fatalf("receipt %+v %v", r, err)
	}
	if got := c.Messages(); len(got) != 1 || got[0].Text != textOf(m) {
		t.Errorf("messages %+v", got)
	}
}

func TestThrottling(t *testing.T) {
	c := newCenter(t, sim.Options{NoReceipts: true})
	g := c.start(func(s *SMPPSettings) { s.TPS = 1000 })
	c.Inject(sim.Fault{Status: smpp.Throttled})
	_, err := g.Send(t.Context(), ada, message("m", "hello"))
	if got := plugintest.Verdict(err); got != "throttled 1s" {
		t.Errorf("throttled: %s", got)
	}
	_, err = g.Send(t.Context(), ada, message("m", "hello"))
	if got := plugintest.Verdict(err); !strings.HasPrefix(got, "throttled") {
		t.Errorf("while it pauses: %s", got)
	}
	if n := c.Counts().Submitted; n != 0 {
		t.Errorf("%d were sent", n)
	}
}

// After a lost connection it binds again.
func TestRebind(t *testing.T) {
	c := newCenter(t, sim.Options{})
	g := c.start(nil)
	c.Cut()
	c.until("it has bound again", func() bool { return c.Counts().Binds == 2 && c.Bound() == 1 })
	if _, err := g.Send(t.Context(), ada, message("m", "hello")); err != nil {
		t.Error(err)
	}
}

// A center that has forgotten that we are bound is told so again.
func TestForgottenBind(t *testing.T) {
	c := newCenter(t, sim.Options{})
	g := c.start(nil)
	c.Inject(sim.Fault{Status: smpp.InvalidBindState})
	if _, err := g.Send(t.Context(), ada, message("m", "hello")); plugintest.Verdict(err) != "retry" {
		t.Errorf("not bound: %v", err)
	}
	c.until("it has bound again", func() bool { return c.Counts().Binds == 2 && c.Bound() == 1 })
	if _, err := g.Send(t.Context(), ada, message("m", "hello")); err != nil {
		t.Error(err)
	}
}

// Who does not receive asks for no receipts.
func TestTransmitter(t *testing.T) {
	var registered atomic.Int64
	c := newCenter(t, sim.Options{NoReceipts: true, Wire: func(in bool, p smpp.PDU) {
		if m, ok := p.Body.(*smpp.Short); ok && !in {
			registered.Add(1 + int64(m.RegisteredDelivery))
		}
	}})
	g := c.start(func(s *SMPPSettings) { s.Bind = "transmitter" })
	if _, err := g.Send(t.Context(), ada, message("m", "hello")); err != nil {
		t.Error(err)
	}
	if caps := g.Capabilities(); registered.Load() != 1 || caps.Receipts || caps.ReceiptsByRef {
		t.Errorf("registered %d, capabilities %+v", registered.Load()-1, caps)
	}
}

func TestWrongPassword(t *testing.T) {
	c := newCenter(t, sim.Options{Password: "other"})
	g := sdktest.Start(t, plugin(), "mobile", "sms", c.settings(nil))
	c.until("it was refused", func() bool { return c.Counts().Refused > 0 })
	for deadline := time.Now().Add(time.Minute); !strings.Contains(g.Trouble(t.Context()), "RINVPASWD"); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("trouble %q", g.Trouble(t.Context()))
		}
	}
	if _, err := g.Send(t.Context(), ada, message("m", "hello")); plugintest.Verdict(err) != "retry" {
		t.Errorf("a message meanwhile: %v", err)
	}
	if n := c.Counts().Refused; n != 1 {
		t.Errorf("%d binds were tried", n)
	}
}

func TestNobodyThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	g := sdktest.Start(t, plugin(), "mobile", "sms", settings{Provider: "smpp",
		SMPP: &SMPPSettings{Host: "127.0.0.1", Port: port, SystemID: "shop", Source: "Shop"}})
	if _, err := g.Send(t.Context(), ada, message("m", "hello")); plugintest.Verdict(err) != "retry" {
		t.Errorf("%v, want a retry", err)
	}
	if _, err := g.Send(t.Context(), sdk.Customer{Address: "nobody at all"}, message("m", "hello")); plugintest.Verdict(err) != "rejected address" {
		t.Errorf("no number: %v", err)
	}
}
