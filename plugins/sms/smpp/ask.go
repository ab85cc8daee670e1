package smpp

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Ask sends a request and waits for its answer: until ctx ends, the response timer,
// or the session. It waits for a place in the window first, and while the connection is
// in doubt.
//
// An error is a [StatusError] if the other side refused, an [UnansweredError] if
// nobody knows, and any other if nothing went out. A response that is malformed but
// reports success is no error; its body is nil.
func (s *Session) Ask(ctx context.Context, id ID, body Body) (PDU, error) {
	select {
	case s.window <- struct{}{}:
		defer func() { <-s.window }()
	case <-ctx.Done():
		return PDU{}, ctx.Err()
	case <-s.done:
		return PDU{}, s.cause()
	}
	if err := s.trust(ctx); err != nil {
		return PDU{}, err
	}
	began := time.Now()
	p, err := s.ask(ctx, id, body)
	if _, ok := errors.AsType[*UnansweredError](err); ok {
		s.doubt(began)
	}
	return p, err
}

// ask is Ask without the window.
func (s *Session) ask(ctx context.Context, id ID, body Body) (PDU, error) {
	if err := ctx.Err(); err != nil {
		return PDU{}, err
	}
	seq, answers := s.register(id)
	defer s.forget(seq)
	b, err := PDU{ID: id, Seq: seq, Body: body}.Append(nil)
	if err != nil {
		return PDU{}, err
	}
	select {
	case s.out <- frame{b, nil}:
	case <-ctx.Done():
		return PDU{}, ctx.Err()
	case <-s.done:
		return PDU{}, s.cause()
	}
	timer := time.NewTimer(s.o.Response)
	defer timer.Stop()
	select {
	case a := <-answers:
		return a.judge(id)
	case <-timer.C:
		err = fmt.Errorf("none within %v", s.o.Response)
	case <-ctx.Done():
		err = ctx.Err()
	case <-s.done:
		err = s.cause()
	}
	select {
	case a := <-answers: // both at once
		return a.judge(id)
	default:
		return PDU{}, &UnansweredError{err}
	}
}

// judge makes an error of an answer that is one.
func (a answer) judge(id ID) (PDU, error) {
	switch {
	case a.pdu.Status != OK:
		e := &StatusError{Command: id, Status: a.pdu.Status}
		if t, ok := a.pdu.Body.(*Taken); ok {
			e.Text = t.TLVs.Text(TagStatusInfoText)
		}
		return a.pdu, e
	case a.pdu.ID == GenericNack:
		return a.pdu, &StatusError{Command: id, Status: UnknownError}
	}
	return a.pdu, nil
}

// register gives a request its number.
func (s *Session) register(id ID) (uint32, chan answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		s.seq = s.seq%maxSeq + 1
		if _, taken := s.pending[s.seq]; !taken {
			break
		}
	}
	w := waiting{id, make(chan answer, 1)}
	s.pending[s.seq] = w
	return s.seq, w.answer
}

func (s *Session) forget(seq uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pending, seq)
}

// Bind binds as id says, and returns what the other side calls itself.
func (s *Session) Bind(ctx context.Context, id ID, b Bind) (BindResp, error) {
	p, err := s.ask(ctx, id, &b)
	if err != nil {
		return BindResp{}, err
	}
	if r, ok := p.Body.(*BindResp); ok {
		return *r, nil
	}
	return BindResp{}, nil
}

// Unbind says goodbye, waits for the answer, and ends the session.
func (s *Session) Unbind(ctx context.Context) error {
	_, err := s.ask(ctx, Unbind, nil)
	s.Close()
	return err
}

// misses is how many enquire_links in a row may have no answer.
const misses = 2

// enquire asks whether the other side is still there when it has been silent.
func (s *Session) enquire() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	missed, last := 0, int64(0) // and what was heard last before one
	timer := time.NewTimer(s.o.Enquire)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-s.wake:
		case <-s.done:
			return
		}
		heard := s.heard.Load()
		if heard != last {
			missed, last = 0, heard
		}
		silent := time.Since(time.Unix(0, heard))
		if silent < s.o.Enquire && s.doubted.Load() == nil {
			timer.Reset(s.o.Enquire - silent)
			continue
		}
		if _, err := s.ask(ctx, EnquireLink, nil); err == nil || isStatus(err) {
			missed = 0
		} else if missed++; missed == misses {
			s.end(ErrSilent)
			return
		}
		wait := s.o.Enquire - time.Since(time.Unix(0, s.heard.Load()))
		if s.doubted.Load() != nil {
			wait = 0
		}
		timer.Reset(max(wait, time.Millisecond))
	}
}

// isStatus says that there was an answer, if not a friendly one.
func isStatus(err error) bool {
	_, ok := errors.AsType[*StatusError](err)
	return ok
}
