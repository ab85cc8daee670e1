package phone

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"

	"github.com/openccsp/gateway/sdk"
)

const (
	patience = 15 * time.Second // how long a call may stay without any answer by default
	parting  = 2 * time.Second  // how long we wait for the end of a call when we are in a hurry
)

// invitation is a call until it is answered.
type invitation struct {
	*call
	req    *sip.Request
	tx     sip.ClientTransaction
	shown  proofs
	rings  bool             // the other side works on it: it may be cancelled
	early  []byte           // what it said of the media meanwhile
	gaveUp string           // why, "": we have not
	late   <-chan time.Time // then we do not wait for its end any more
}

// invite sends the INVITE and waits for an answer. reason is how the call ended
// without one; err, why it was not placed, or that nobody knows.
func (c *call) invite(to string) (reason string, err error) {
	i := &invitation{call: c, req: c.p.request(sip.INVITE, c.p.target(to)), shown: proofs{}}
	id := sip.CallIDHeader(c.ID)
	i.req.AppendHeader(&id)
	i.req.AppendHeader(sip.HeaderClone(&c.p.contact))
	i.req.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	i.req.AppendHeader(sip.NewHeader("Allow", allowed))
	i.req.SetBody(c.media.offer())
	ctx, cancel := context.WithTimeout(c.ctx, askTimeout)
	defer cancel()
	if err := c.p.aim(ctx, i.req); err != nil {
		return Failed, sdk.Retry(fmt.Errorf("invite: %w", err), 0)
	}
	if err := i.send(); err != nil {
		return Failed, err
	}
	return i.wait()
}

// send sends the INVITE, once more after a challenge. After an error it has not left.
func (i *invitation) send() (err error) {
	ctx, cancel := context.WithTimeout(i.ctx, askTimeout)
	defer cancel()
	i.rings = false
	i.tx, err = i.p.client.TransactionRequest(ctx, i.req, renewed)
	switch {
	case errors.Is(err, sip.ErrUDPMTUCongestion):
		return sdk.Rejected("too_big", "the INVITE does not fit into a datagram; use the transport tcp or tls")
	case err != nil:
		return sdk.Retry(fmt.Errorf("invite: %w", err), 0)
	}
	return nil
}

// wait waits until the call is answered or has ended. Also one that we gave up may
// still be answered: then it is ended as any other, so that nobody talks to nobody.
func (i *invitation) wait() (reason string, err error) {
	silence, ring := time.NewTimer(i.p.Patience), time.NewTimer(i.p.Ring)
	defer silence.Stop()
	defer ring.Stop()
	hurry := i.ctx.Done()
	for {
		select {
		case r := <-i.tx.Responses():
			if r.StatusCode > 100 {
				silence.Stop()
			}
			i.p.alive(r)
			if done, reason, err := i.heard(r); done {
				return reason, err
			}
			if !r.IsProvisional() { // the INVITE went once more, with a proof
				silence.Reset(i.p.Patience)
			}
		case <-i.tx.Done():
			return i.lost(i.tx.Err())
		case <-silence.C:
			if i.rings { // it has the call; it only does not say how far it is
				i.settle(nil)
				continue
			}
			i.settle(sdk.Ambiguous(errors.New("the trunk did not answer the call")))
			i.giveUp(Failed, sip.Timer_B)
		case <-ring.C:
			i.giveUp(NoAnswer, sip.Timer_B)
		case <-hurry:
			hurry = nil
			i.giveUp(Canceled, parting)
		case <-i.late:
			i.tx.Terminate()
			return i.lost(errors.New("the trunk did not end the call"))
		}
	}
}

// lost is what becomes of a call whose end nobody told.
func (i *invitation) lost(err error) (string, error) {
	if i.gaveUp != "" && i.rings {
		return i.gaveUp, nil
	}
	return Failed, sdk.Ambiguous(fmt.Errorf("nobody knows what became of the call: %w", err))
}

// giveUp cancels the call, at once if the other side works on it, else when it does.
func (i *invitation) giveUp(why string, wait time.Duration) {
	first := i.gaveUp == ""
	if first || why == Canceled {
		i.late = time.After(wait)
	}
	if first {
		i.gaveUp = why
	}
	if first && i.rings {
		i.cancel()
	}
}

// cancel tells the other side. What becomes of the INVITE comes as its answer.
func (i *invitation) cancel() {
	req := sip.NewRequest(sip.CANCEL, i.req.Recipient)
	req.SetTransport(i.req.Transport())
	req.Laddr = i.req.Laddr
	req.SetDestination(i.req.Destination())
	for _, name := range []string{"Via", "Route", "From", "To", "Call-ID", "CSeq"} {
		sip.CopyHeaders(name, i.req, req)
	}
	req.CSeq().MethodName = sip.CANCEL
	i.p.tasks.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(i.ctx), askTimeout)
		defer cancel()
		if _, err := i.p.client.Do(ctx, req, sipgo.ClientRequestBuild); err != nil {
			i.p.Log.Debug("a CANCEL was not confirmed", "call", i.ID, "err", err)
		}
	})
}

// heard takes in one answer to the INVITE. done: nothing more will come of it.
func (i *invitation) heard(r *sip.Response) (done bool, reason string, err error) {
	switch {
	case r.IsProvisional():
		i.provisional(r)
		return false, "", nil
	case r.IsSuccess():
		reason = i.answered(r)
		return true, reason, nil
	case i.gaveUp != "":
		return true, i.gaveUp, nil
	case challenged(r) && i.p.Password != "":
		i.req = i.req.Clone() // the other one is still needed, if this answer comes again
		if err = i.p.prove(i.req, r, i.shown); err == nil {
			err = i.send()
		}
		return err != nil, Failed, err
	}
	if err = refused(r); err != nil {
		return true, Failed, err
	}
	return true, ended(r.StatusCode), nil
}

func (i *invitation) provisional(r *sip.Response) {
	first := !i.rings
	i.rings = true
	if len(r.Body()) > 0 {
		i.early = r.Body()
	}
	switch {
	case i.gaveUp != "" && first:
		i.cancel()
	case i.gaveUp == "" && r.StatusCode > 100:
		i.settle(nil)
	}
}

// answered makes the call one that both sides know, and ends it at once if we gave it
// up, or if it cannot be heard.
func (i *invitation) answered(r *sip.Response) (reason string) {
	d := newDialog(i.p, i.req, r)
	i.mu.Lock()
	i.dialog = d
	i.mu.Unlock()
	i.tx.OnRetransmission(func(again *sip.Response) { i.again(d, again) })
	if err := d.ack(); err != nil {
		i.p.Log.Warn("an answer was not confirmed", "call", i.ID, "err", err)
	}
	if i.gaveUp != "" {
		i.bye()
		return i.gaveUp
	}
	body := r.Body()
	if len(body) == 0 {
		body = i.early
	}
	to, err := readAnswer(body)
	if err != nil {
		i.p.Log.Warn("the call is hung up", "call", i.ID, "err", err)
		i.bye()
		return Failed
	}
	i.audio.connect(to)
	return ""
}

// again is a 2xx that comes after the first: the same once more, as our ACK was lost,
// or of a second telephone that was answered. With that we do not talk.
func (i *invitation) again(d *dialog, r *sip.Response) {
	if !r.IsSuccess() || r.To() == nil {
		return
	}
	if tag(r.To().Params) == tag(d.remote.Params) {
		if err := d.ack(); err != nil {
			i.p.Log.Debug("an answer was not confirmed", "call", i.ID, "err", err)
		}
		return
	}
	fork := newDialog(i.p, i.req, r)
	if err := errors.Join(fork.ack(), fork.bye()); err != nil {
		i.p.Log.Warn("a second answer was not ended", "call", i.ID, "err", err)
	}
}
