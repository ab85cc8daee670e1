package sim

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/openccsp/gateway/plugins/sms/smpp"
)

// receipt is one that has to go out.
type receipt struct {
	message *smpp.Short
	text    smpp.Message
	id      string
}

// sendReceipts sends those that wait until the connection ends.
func (l *link) sendReceipts() {
	for {
		select {
		case r := <-l.queue:
			if err := l.sendReceipt(r); err != nil {
				return
			}
		case <-l.ctx.Done():
			return
		}
	}
}

// sendReceipt sends one until the gateway has taken it.
func (l *link) sendReceipt(r receipt) error {
	s, m := l.smsc, r.message
	id := r.id
	if n, err := strconv.ParseUint(id, 10, 64); err == nil && s.o.HexIDs {
		id = fmt.Sprintf("%08X", n)
	}
	now := time.Now().UTC().Format("0601021504")
	d := &smpp.Short{Source: m.Dest, Dest: m.Source, ESMClass: smpp.ESMReceipt, DataCoding: smpp.CodingASCII,
		Message: fmt.Appendf(nil, "id:%s sub:001 dlvrd:001 submit date:%s done date:%s stat:DELIVRD err:000 text:", id, now, now)}
	if !s.o.NoTLVs {
		d.TLVs = smpp.TLVs{smpp.StringTLV(smpp.TagReceiptedMessageID, id), smpp.OctetTLV(smpp.TagMessageState, uint8(smpp.Delivered))}
	}
	to := l
	s.mu.Lock()
	separate := l.bound == smpp.BindTransmitter
	s.mu.Unlock()
	if separate {
		var err error
		if to, err = s.receiver(l.ctx); err != nil {
			return err
		}
	}
	if err := to.deliver(l.ctx, d); err != nil {
		return err
	}
	s.update(func() { s.counts.Receipts++ })
	return nil
}

// again is how long the center waits before it sends something again.
const again = 100 * time.Millisecond

// deliver sends one deliver_sm until the gateway has taken it or refused it for good.
func (l *link) deliver(ctx context.Context, m *smpp.Short) error {
	for {
		p, err := l.session.Ask(ctx, smpp.DeliverSM, m)
		if w := l.smsc.o.Wire; w != nil {
			w(true, smpp.PDU{ID: smpp.DeliverSM, Seq: p.Seq, Body: m})
			w(false, p)
		}
		refused, ok := errors.AsType[*smpp.StatusError](err)
		if !ok {
			return err
		}
		if refused.Status != smpp.TemporaryError && refused.Status != smpp.SystemError {
			l.smsc.breach("a delivery was refused: %v", refused)
			return err
		}
		l.smsc.update(func() { l.smsc.counts.Again++ })
		select {
		case <-time.After(again):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Post is what a customer writes.
type Post struct {
	From string `json:"from"`
	To   string `json:"to"`
	Text string `json:"text"`

	Concat   smpp.Concat `json:"concat"`   // how a long text goes
	Disorder bool        `json:"disorder"` // its segments come last first
	Twice    bool        `json:"twice"`    // each comes twice
	Lose     int         `json:"lose"`     // this segment, from 1, never comes
}

// Deliver has a customer write; it returns when the gateway has all of it. What a
// broken connection left open is sent again on the next one.
func (s *SMSC) Deliver(ctx context.Context, post Post) error {
	text, err := smpp.NewText(post.Text, s.o.Alphabet, post.Concat)
	if err != nil {
		return err
	}
	var ref uint16
	s.update(func() { s.refs++; ref = s.refs })
	for i := range text.Segments() {
		n := i
		if post.Disorder {
			n = text.Segments() - 1 - i
		}
		if n+1 == post.Lose {
			continue
		}
		m := &smpp.Short{Source: smpp.Address{TON: smpp.TONInternational, NPI: smpp.NPIISDN, Addr: post.From},
			Dest: smpp.Address{TON: smpp.TONInternational, NPI: smpp.NPIISDN, Addr: post.To}}
		text.Put(m, n, ref)
		times := 1
		if post.Twice {
			times = 2
		}
		for range times {
			if err := s.deliver(ctx, m); err != nil {
				return err
			}
		}
	}
	return nil
}

// deliver sends m on whatever connection there is, again on the next one if that breaks.
func (s *SMSC) deliver(ctx context.Context, m *smpp.Short) error {
	for {
		l, err := s.receiver(ctx)
		if err != nil {
			return err
		}
		err = l.deliver(ctx, m)
		if err == nil {
			s.update(func() { s.counts.Delivered++ })
			return nil
		}
		if _, refused := errors.AsType[*smpp.StatusError](err); refused || ctx.Err() != nil {
			return err
		}
		select {
		case <-l.session.Done(): // its connection is gone, another will come
		case <-time.After(again):
		}
	}
}
