package main

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/openccsp/gateway/plugins/sms/smpp"
	"github.com/openccsp/gateway/sdk"
)

// progress is what the SMSC has taken of a text in segments. A message is never in
// two calls at a time, so it needs no lock.
type progress struct {
	ref uint16
	ids []string // of the segments that it took, in their order
}

// randomRef is where references begin, so that those of two processes differ.
func randomRef() uint16 { return uint16(rand.Uint32()) }

// Send implements sdk.Channel. A text in segments goes one after the other; if one is
// not taken, the next attempt begins with it, as long as this process lives.
func (p *smppProvider) Send(ctx context.Context, to sdk.Customer, m sdk.Message) (sdk.Receipt, error) {
	dest, err := p.cfg.kinds.address(to.Address)
	if err != nil {
		return sdk.Receipt{}, sdk.Rejected("address", err.Error())
	}
	text, err := smpp.NewText(textOf(m), p.cfg.alphabet, p.cfg.concat)
	if err != nil {
		return sdk.Receipt{}, sdk.Rejected("too_long", err.Error())
	}
	s, release, err := p.acquire(ctx)
	if err != nil {
		return sdk.Receipt{}, err
	}
	defer release()
	done, known := p.progress.Get(m.ID)
	if !known {
		done = &progress{ref: p.ref()}
	}
	for n := len(done.ids); n < text.Segments(); n++ {
		id, err := p.submit(ctx, s, p.short(dest, text, n, done.ref), m.Attempt)
		if err != nil {
			return sdk.Receipt{}, err
		}
		done.ids = append(done.ids, id)
		if m.ID != "" && text.Segments() > 1 {
			p.progress.Add(m.ID, done)
		}
	}
	p.progress.Remove(m.ID)
	return receiptOf(done.ids), nil
}

// textOf is the text of m with the addresses of what else it has.
func textOf(m sdk.Message) string {
	lines := []string{m.Text}
	for _, a := range m.Attachments {
		lines = append(lines, a.Caption, a.URL)
	}
	lines = append(lines, m.URLPush)
	var there []string
	for _, l := range lines {
		if l != "" {
			there = append(there, l)
		}
	}
	return strings.Join(there, "\n")
}

// receiptOf is what the SMSC said of all segments. Without an id no receipt finds its
// message.
func receiptOf(ids []string) sdk.Receipt {
	if slices.Contains(ids, "") {
		return sdk.Receipt{}
	}
	r := sdk.Receipt{MessageID: ids[len(ids)-1]}
	if len(ids) > 1 {
		r.PartIDs = ids
	}
	return r
}

// short makes segment n of a text.
func (p *smppProvider) short(dest smpp.Address, text smpp.Text, n int, ref uint16) *smpp.Short {
	m := &smpp.Short{ServiceType: p.cfg.ServiceType, Source: p.cfg.source, Dest: dest,
		Validity: p.cfg.validity, RegisteredDelivery: p.cfg.receipts}
	text.Put(m, n, ref)
	return m
}

// submit has the SMSC take one short message, and returns its id as receipts will have
// it.
func (p *smppProvider) submit(ctx context.Context, s *smpp.Session, m *smpp.Short, attempt int) (string, error) {
	if err := p.pace.wait(ctx); err != nil {
		return "", err
	}
	answer, err := s.Ask(ctx, smpp.SubmitSM, m)
	if isThrottle(err) {
		return "", sendError(err, attempt, p.pace.throttled())
	}
	if err != nil {
		return "", sendError(err, attempt, 0)
	}
	p.pace.taken()
	taken, ok := answer.Body.(*smpp.Taken)
	if !ok || taken.MessageID == "" {
		p.host.Log().Warn("the SMSC took a message and named no id; there will be no receipt of it")
		return "", nil
	}
	return p.ids.sent(taken.MessageID), nil
}
