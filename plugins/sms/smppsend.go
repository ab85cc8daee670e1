package main

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/openccsp/gateway/plugins/sms/smpp"
	"github.com/openccsp/gateway/sdk"
)

// randomRef is where references begin, so that those of two processes differ.
func randomRef() uint16 { return uint16(rand.Uint32()) }

// Send implements sdk.Channel.
func (p *smppProvider) Send(ctx context.Context, to sdk.Customer, m sdk.Message) (sdk.Receipt, error) {
	dest, err := p.cfg.kinds.address(to.Address)
	if err != nil {
		return sdk.Receipt{}, sdk.Rejected("address", err.Error())
	}
	words := textOf(m)
	text, err := smpp.NewText(words, p.cfg.alphabet, p.cfg.concat)
	if err != nil {
		return sdk.Receipt{}, sdk.Rejected("too_long", err.Error())
	}
	s, release, err := p.acquire(ctx)
	if err != nil {
		return sdk.Receipt{}, err
	}
	defer release()
	if text.Segments() > 1 {
		return p.segments(ctx, s, dest, text, m, p.cfg.sum(words))
	}
	id, err := p.submit(ctx, s, p.short(dest, text, 0, 0), m.Attempt)
	if err != nil {
		return sdk.Receipt{}, err
	}
	return receiptOf([]string{id}), nil
}

// segments sends a text in segments, one after the other. If one is not taken, the next
// attempt begins with it.
func (p *smppProvider) segments(ctx context.Context, s *smpp.Session, dest smpp.Address, text smpp.Text, m sdk.Message, sum uint64) (sdk.Receipt, error) {
	got := p.underway.begin(ctx, m.ID, sum, p.ref)
	for n := len(got.IDs); n < text.Segments(); n++ {
		id, err := p.submit(ctx, s, p.short(dest, text, n, got.Ref), m.Attempt)
		if err != nil {
			return sdk.Receipt{}, err
		}
		if n+1 == text.Segments() {
			p.underway.done(m.ID)
			return receiptOf(append(got.IDs, id)), nil
		}
		got = p.underway.taken(ctx, got, id)
	}
	return receiptOf(got.IDs), nil
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
	switch {
	case isThrottle(err):
		return "", sendError(err, attempt, p.pace.throttled())
	case isUnbound(err):
		p.host.Log().Warn("the SMSC says that we are not bound; the connection is made anew")
		s.Close()
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
