package main

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"sync"
	"time"

	"github.com/openccsp/gateway/plugins/sms/smpp"
	"github.com/openccsp/gateway/sdk"
)

// The bounds of what has come and is not answered yet.
const (
	lanes      = 64
	laneLength = 16
	sweepEvery = time.Second
)

// inbox deals with the requests of the SMSC. What one customer wrote is dealt with in
// its order, what different ones wrote side by side; beyond the bounds the SMSC is
// asked to send again later.
type inbox struct {
	p     *smppProvider
	ctx   context.Context // of the connection
	emit  func(context.Context, ...sdk.Event) error
	seed  maphash.Seed
	lanes [lanes]chan delivery
	done  sync.WaitGroup
	open  sync.WaitGroup // requests that are not answered

	mu      sync.RWMutex
	stopped bool // nothing is taken any more
}

// delivery is one request, and on which session it came.
type delivery struct {
	session *smpp.Session
	pdu     smpp.PDU
	message smpp.Message
	by      time.Time // it must be answered: then the SMSC sends it again
}

// newInbox serves until ctx ends.
func newInbox(ctx context.Context, p *smppProvider, emit func(context.Context, ...sdk.Event) error) *inbox {
	in := &inbox{p: p, ctx: ctx, emit: emit, seed: maphash.MakeSeed()}
	for i := range in.lanes {
		in.lanes[i] = make(chan delivery, laneLength)
		in.done.Go(func() { in.serve(in.lanes[i]) })
	}
	in.done.Go(in.sweep)
	return in
}

// stop has everything new refused, and waits for what there is, until ctx ends.
func (in *inbox) stop(ctx context.Context) {
	in.mu.Lock()
	in.stopped = true
	in.mu.Unlock()
	idle := make(chan struct{})
	in.done.Go(func() { in.open.Wait(); close(idle) })
	select {
	case <-idle:
	case <-ctx.Done():
	}
}

func (in *inbox) wait() { in.done.Wait() }

// take is called by a session for each request, and does not block for long.
func (in *inbox) take(s *smpp.Session, pdu smpp.PDU) {
	m, ok := pdu.Incoming()
	if !ok || pdu.ID == smpp.SubmitSM {
		in.strange(s, pdu)
		return
	}
	key := m.Source.Addr
	if m.IsReceipt() { // it may have to wait for its message, the customer's words need not
		key += " receipt"
	}
	if !in.queue(in.lanes[maphash.String(in.seed, key)%lanes], delivery{s, pdu, m, time.Now().Add(in.p.cfg.deliver)}) {
		_ = s.Respond(pdu, smpp.TemporaryError, nil) // if it does not go out, it comes again anyway
	}
}

// queue says whether there was room.
func (in *inbox) queue(lane chan<- delivery, d delivery) bool {
	in.mu.RLock()
	defer in.mu.RUnlock()
	if in.stopped {
		return false
	}
	in.open.Add(1)
	select {
	case lane <- d:
		return true
	default:
		in.open.Done()
		return false
	}
}

// strange answers what an SMSC has no business to ask.
func (in *inbox) strange(s *smpp.Session, pdu smpp.PDU) {
	switch pdu.ID {
	case smpp.AlertNotification: // has no answer
	case smpp.Outbind: // has none either
	default:
		in.p.host.Log().Warn("an unexpected request", "command", fmt.Sprintf("%#x", uint32(pdu.ID)))
		_ = s.Respond(pdu, smpp.InvalidBindState, nil) // the same
	}
}

func (in *inbox) serve(lane <-chan delivery) {
	for {
		select {
		case d := <-lane:
			in.deliver(d)
			in.open.Done()
		case <-in.ctx.Done():
			in.forget(lane)
			return
		}
	}
}

// forget leaves out what nobody can answer any more.
func (in *inbox) forget(lane <-chan delivery) {
	for {
		select {
		case <-lane:
			in.open.Done()
		default:
			return
		}
	}
}

// deliver makes one request durable and answers it.
func (in *inbox) deliver(d delivery) {
	ctx, cancel := context.WithDeadline(in.ctx, d.by)
	defer cancel()
	var err error
	settled := unsettled
	again := in.p.repeats.look(d)
	switch {
	case again.durable: // only our answer was lost
	case d.message.IsReceipt():
		err = in.receipt(ctx, d.message)
	case d.message.Segment.Total > 1:
		settled, err = in.p.joiner.add(ctx, d.message, in.words)
	default:
		err = in.words(ctx, again.id, whole(d.message))
	}
	status := smpp.OK
	if rejected, ok := asRejected(err); ok {
		in.p.host.Log().Warn("a message is refused", "err", rejected)
		status, err = smpp.PermanentError, nil
	} else if err != nil {
		in.p.host.Log().Warn("a message could not be kept in time, the SMSC is asked to send it again", "err", err)
		status = smpp.TemporaryError
	}
	var body smpp.Body
	if status == smpp.OK {
		body = &smpp.Taken{}
	}
	err2 := d.session.Respond(d.pdu, status, body)
	in.p.repeats.note(again, err == nil, err2 == nil)
	if err == nil {
		settled(ctx)
	}
}

// whole is a message of one part.
func whole(m smpp.Message) joined {
	return joined{source: m.Source, dest: m.Dest, parts: []part{{Coding: m.Coding, Header: m.Header, Octets: m.Octets}}}
}

// words tells the gateway what a customer wrote; id is the same if it is told again.
func (in *inbox) words(ctx context.Context, id string, j joined) error {
	return in.emit(ctx, sdk.Event{
		Type: sdk.CustomerMessage, ID: id, MessageID: id,
		Customer: sdk.Customer{Address: customer(j.source)},
		Text:     cmp.Or(j.text(in.p.cfg.alphabet), emptyText),
		Payload:  j.payload(),
	})
}

// sweep gives up texts whose segments have not all come.
func (in *inbox) sweep() {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			ctx, cancel := context.WithTimeout(in.ctx, in.p.cfg.deliver)
			if err := in.p.joiner.expire(ctx, in.words); err != nil && in.ctx.Err() == nil {
				in.p.host.Log().Warn("a text that lacks segments could not be told", "err", err)
			}
			cancel()
		case <-in.ctx.Done():
			return
		}
	}
}
