package main

import (
	"cmp"
	"context"
	"time"

	"github.com/openccsp/gateway/plugins/sms/smpp"
	"github.com/openccsp/gateway/sdk"
)

// plausible is how far the time in a receipt may be from now.
const plausible = 7 * 24 * time.Hour

// receipt tells the gateway what became of a message of ours. A receipt of which nobody
// knows the message has been dealt with: it would not become known by coming again.
func (in *inbox) receipt(ctx context.Context, m smpp.Message) error {
	alphabet := smpp.AlphabetOf(m.Coding, in.p.cfg.alphabet)
	r := m.Receipt(alphabet.Decode(m.Octets, m.Header), cmp.Or(in.p.cfg.zone, time.UTC))
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
	if rejected, ok := asRejected(err); ok {
		in.p.host.Log().Info("a receipt of a message that is not known here", "detail", rejected.Detail)
		return nil
	}
	return err
}
