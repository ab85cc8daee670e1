package sim

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/openccsp/gateway/plugins/sms/smpp"
)

// link is one connection to the center.
type link struct {
	smsc     *SMSC
	ctx      context.Context
	session  *smpp.Session
	bound    smpp.ID // 0: not yet; guarded by the center's mutex
	receipts sync.WaitGroup
	queue    chan receipt

	second time.Time // in which count messages came; used by the reader alone
	count  int
}

// serve serves one connection until it ends.
func (s *SMSC) serve(ctx context.Context, conn net.Conn) {
	ctx, cancel := context.WithCancel(ctx)
	l := &link{smsc: s, ctx: ctx, queue: make(chan receipt, maxKept)}
	l.session = smpp.New(conn, smpp.Options{Window: s.o.Window, Response: s.o.Response, Enquire: s.o.Enquire, Handle: l.handle})
	s.update(func() { s.links = append(s.links, l) })
	for range max(1, s.o.Window/2) {
		l.receipts.Go(l.sendReceipts)
	}
	_ = l.session.Run(ctx) // whatever ended it: the gateway comes again
	cancel()
	l.receipts.Wait()
	s.update(func() { s.links = slices.DeleteFunc(s.links, func(o *link) bool { return o == l }) })
}

// handle answers one request of the gateway.
func (l *link) handle(p smpp.PDU) {
	switch p.ID {
	case smpp.BindReceiver, smpp.BindTransmitter, smpp.BindTransceiver:
		l.bind(p)
	case smpp.SubmitSM:
		l.submit(p)
	case smpp.QuerySM, smpp.CancelSM, smpp.ReplaceSM, smpp.SubmitMulti, smpp.DataSM:
		l.refuse(p, smpp.InvalidCommand)
	default:
		l.smsc.breach("a request %#x", uint32(p.ID))
		l.refuse(p, smpp.InvalidCommand)
	}
}

func (l *link) refuse(p smpp.PDU, status smpp.Status) {
	l.smsc.update(func() { l.smsc.counts.Refused++ })
	l.answer(p, status, nil)
}

func (l *link) answer(p smpp.PDU, status smpp.Status, body smpp.Body) {
	_ = l.session.Respond(p, status, body) // who is gone needs no answer
	if w := l.smsc.o.Wire; w != nil && p.ID == smpp.SubmitSM {
		w(true, smpp.PDU{ID: p.ID.Response(), Status: status, Seq: p.Seq, Body: body})
	}
}

func (l *link) bind(p smpp.PDU) {
	s, b := l.smsc, p.Body.(*smpp.Bind)
	status := smpp.OK
	s.update(func() {
		switch {
		case s.o.SystemID != "" && b.SystemID != s.o.SystemID:
			status = smpp.InvalidSystemID
		case s.o.Password != "" && b.Password != s.o.Password:
			status = smpp.InvalidPassword
		case b.Version != smpp.Version:
			status = smpp.BindFailed
		case l.bound != 0 || slices.ContainsFunc(s.links, func(o *link) bool { return o.bound == p.ID }):
			status = smpp.AlreadyBound
		default:
			l.bound = p.ID
			s.counts.Binds++
		}
	})
	if status != smpp.OK {
		l.refuse(p, status)
		return
	}
	l.answer(p, status, &smpp.BindResp{SystemID: "OPENSIM", TLVs: smpp.TLVs{smpp.OctetTLV(smpp.TagInterfaceVersion, smpp.Version)}})
}

// early is how much sooner than the answer an early receipt goes out.
const early = 20 * time.Millisecond

// submit takes one short message, or does what it was told to do instead.
func (l *link) submit(p smpp.PDU) {
	s, m := l.smsc, p.Body.(*smpp.Short)
	if s.o.Wire != nil {
		s.o.Wire(false, p)
	}
	if status := l.judge(m); status != smpp.OK {
		l.refuse(p, status)
		return
	}
	if l.tooFast() {
		s.update(func() { s.counts.Throttled++ })
		l.answer(p, smpp.Throttled, nil)
		return
	}
	f, faulty := s.fault()
	if faulty && f.Status != smpp.OK {
		l.refuse(p, f.Status)
		return
	}
	in, _ := p.Incoming()
	id := s.take(in)
	switch {
	case faulty && f.Cut:
		l.session.Close()
		return
	case faulty: // it hangs
		return
	}
	r := receipt{message: m, id: id, text: in}
	wanted := m.RegisteredDelivery&3 == 1 && !s.o.NoReceipts
	if wanted && s.o.Early {
		l.receipts.Go(func() { _ = l.sendReceipt(r) }) // it ends with the connection
		l.receipts.Go(func() {
			time.Sleep(early)
			l.answer(p, smpp.OK, &smpp.Taken{MessageID: id})
		})
		return
	}
	l.answer(p, smpp.OK, &smpp.Taken{MessageID: id})
	if wanted {
		select {
		case l.queue <- r:
		default:
			s.breach("more than %d receipts wait", maxKept)
		}
	}
}

func (l *link) tooFast() bool {
	now := time.Now()
	if now.Sub(l.second) >= time.Second {
		l.second, l.count = now, 0
	}
	l.count++
	return l.smsc.o.TPS > 0 && l.count > l.smsc.o.TPS
}

// take keeps a short message, puts it together with its other segments if it has some,
// and returns its id.
func (s *SMSC) take(in smpp.Message) (id string) {
	var whole *Message
	s.update(func() {
		s.ids++
		id = strconv.FormatUint(s.ids, 10)
		s.counts.Submitted++
		whole = s.join(id, in)
		if whole != nil {
			s.messages = append(s.messages, *whole)
			if len(s.messages) > maxKept {
				s.messages = slices.Delete(s.messages, 0, maxKept/2)
			}
		}
	})
	if whole != nil && s.o.Arrived != nil {
		s.o.Arrived(*whole)
	}
	return id
}

// join returns the message if it is whole. A segment that came again counts once, as on
// a handset. The caller holds mu.
func (s *SMSC) join(id string, in smpp.Message) *Message {
	all := []*smpp.Message{&in}
	if in.Segment.Total > 1 {
		key := fmt.Sprintf("%s>%s %d %d", in.Source.Addr, in.Dest.Addr, in.Segment.Ref, in.Segment.Total)
		before := slices.DeleteFunc(s.parts[key], func(p *smpp.Message) bool { return p.Segment.Index == in.Segment.Index })
		all = append(before, &in)
		s.parts[key] = all
		if len(all) < int(in.Segment.Total) {
			return nil
		}
		delete(s.parts, key)
		slices.SortFunc(all, func(a, b *smpp.Message) int { return int(a.Segment.Index) - int(b.Segment.Index) })
	}
	m := &Message{ID: id, From: in.Source.Addr, To: in.Dest.Addr, Segments: len(all)}
	for _, part := range all {
		m.Text += smpp.AlphabetOf(part.Coding, s.o.Alphabet).Decode(part.Octets, part.Header)
	}
	return m
}
