package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/openccsp/gateway/examples/sms-sim/sim"
	"github.com/openccsp/gateway/plugins/sms/smpp"
)

// The customer's number and that of the shop.
const (
	smsCustomer = "41791234567"
	smsShop     = "41790000099"
)

// smsScene is SMPP against a center in this process.
func smsScene() scene {
	var center *sim.SMSC
	return scene{
		name: "sms",
		prepare: func(_ context.Context, s *stage) (string, error) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return "", err
			}
			center = sim.New(sim.Options{SystemID: "shop", Password: "secret", HexIDs: true, Wire: func(in bool, p smpp.PDU) {
				if in {
					s.out.in(pduLine(p))
				} else {
					s.out.out(pduLine(p))
				}
			}})
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() { done <- center.Serve(ctx, l) }()
			s.atEnd(func() error { cancel(); return <-done })
			return fmt.Sprintf(`channel "sms" "sms" {
  settings {
    provider = "smpp"
    password = "secret"
    smpp     = { host = "127.0.0.1", port = %d, system_id = "shop", source = "+%s" }
  }
}
`, l.Addr().(*net.TCPAddr).Port, smsShop), nil
		},
		play: func(ctx context.Context, s *stage) error { return playSMS(ctx, s, center) },
	}
}

func playSMS(ctx context.Context, s *stage, center *sim.SMSC) error {
	s.out.say("a customer's long text comes in two segments, the last one first")
	question := "Grüezi! Wo ist mein Päckli [Nr. 4711]? " + strings.Repeat("Es sollte doch schon da sein. ", 5)
	write := func(ctx context.Context, text string) error {
		return center.Deliver(ctx, sim.Post{From: smsCustomer, To: smsShop, Text: text, Disorder: true})
	}
	read := func(ctx context.Context, text string) error {
		return center.Until(ctx, func() bool {
			return slices.ContainsFunc(center.Messages(), func(m sim.Message) bool { return m.Text == text })
		})
	}
	a, err := s.talk(ctx, strings.TrimSpace(question), "Es liegt bei der Post {Zürich} 📦", write, read)
	if err != nil {
		return err
	}
	s.out.say("the center is busy: it throttles, and takes the answer a second later")
	center.Inject(sim.Fault{Status: smpp.Throttled})
	answer := "Und morgen ist es bei Ihnen. " + strings.Repeat("Wir bitten um Geduld. ", 7) + "Ade!"
	if err := a.Say(ctx, answer); err != nil {
		return err
	}
	if err := read(ctx, answer); err != nil {
		return fmt.Errorf("the customer reads the long answer: %w", err)
	}
	if err := center.Until(ctx, func() bool { return center.Counts().Receipts == center.Counts().Submitted }); err != nil {
		return fmt.Errorf("the gateway takes the receipts: %w", err)
	}
	s.out.say("%d segments went out, and as many receipts came, with ids in hex", center.Counts().Submitted)
	if b := center.Breaches(); len(b) > 0 {
		return errors.New("the contract was broken: " + strings.Join(b, "; "))
	}
	return a.Act(ctx, "close", nil)
}

// pduLine is a PDU as people read it.
func pduLine(p smpp.PDU) string {
	name := map[smpp.ID]string{smpp.SubmitSM: "submit_sm", smpp.DeliverSM: "deliver_sm",
		smpp.SubmitSM.Response(): "submit_sm_resp", smpp.DeliverSM.Response(): "deliver_sm_resp"}[p.ID]
	switch b := p.Body.(type) {
	case *smpp.Short:
		m, _ := p.Incoming()
		segment := ""
		if m.Segment.Total > 1 {
			segment = fmt.Sprintf(", %d of %d", m.Segment.Index, m.Segment.Total)
		}
		return fmt.Sprintf("%s from %s to %s, esm_class %#02x, data_coding %d%s: %s", name, m.Source.Addr, m.Dest.Addr, m.ESMClass, m.Coding,
			segment, smpp.AlphabetOf(m.Coding, smpp.GSM7).Decode(m.Octets, m.Header))
	case *smpp.Taken:
		return fmt.Sprintf("%s %v %s", name, p.Status, b.MessageID)
	}
	return fmt.Sprintf("%s %v", name, p.Status)
}
