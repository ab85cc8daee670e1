package main

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/openccsp/gateway/plugins/sms/smpp"
	"github.com/openccsp/gateway/sdk"
)

// plausible is how far the time in a receipt may be from now.
const plausible = 7 * 24 * time.Hour

var errUnderway = errors.New("it is of a text that is not all sent yet")

// receipt tells the gateway what became of a message of ours. A receipt of which nobody
// knows the message has been dealt with: it would not become known by coming again.
func (in *inbox) receipt(ctx context.Context, m smpp.Message) error {
	r := m.Receipt(in.p.cfg.alphabet, cmp.Or(in.p.cfg.zone, time.UTC))
	if r.State == 0 {
		in.p.host.Log().Warn("a receipt names no state that is known")
	}
	if !r.State.Final() {
		return nil // something else follows
	}
	if r.ID == "" {
		in.p.host.Log().Warn("a receipt names no message", "state", r.State.String())
		return nil
	}
	id := in.p.idOf(ctx, r.ID)
	e := sdk.Event{Type: sdk.MessageDelivered, Ref: id, MessageID: id}
	if r.State != smpp.Delivered {
		e.Type, e.Reason, e.Code = sdk.MessageFailed, "the SMSC reports "+r.State.String(), cmp.Or(r.Code, r.State.String())
	}
	if in.p.cfg.zone != nil && in.p.host.Now().Sub(r.Done).Abs() < plausible {
		e.At = r.Done
	}
	err := in.emit(ctx, e)
	rejected, unknown := asRejected(err)
	switch {
	case unknown && in.p.underway.hopes(id):
		return errUnderway
	case unknown:
		in.p.host.Log().Info("a receipt of a message that is not known here", "detail", rejected.Detail)
		return nil
	}
	return err
}
