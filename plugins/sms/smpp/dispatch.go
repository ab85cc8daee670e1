package smpp

import (
	"errors"
	"fmt"
)

// dispatch deals with one PDU; err says that it is malformed.
func (s *Session) dispatch(p PDU, err error) {
	if p.ID.IsResponse() {
		s.answered(p, err)
		return
	}
	if e, ok := errors.AsType[*MalformedError](err); ok {
		if s.worthALine() {
			s.o.Log.Warn("a request cannot be read", "command", fmt.Sprintf("%#x", uint32(p.ID)), "err", err, "count", s.strange)
		}
		s.refuse(p, e.Status)
		return
	}
	switch p.ID {
	case EnquireLink:
		s.send(PDU{ID: EnquireLink.Response(), Seq: p.Seq}, nil)
	case Unbind:
		s.send(PDU{ID: Unbind.Response(), Seq: p.Seq}, ErrUnbound)
	default:
		if s.o.Handle == nil {
			s.refuse(p, InvalidCommand)
			return
		}
		s.o.Handle(p)
	}
}

// worthALine counts what should not come; the first, the second, the fourth and so on
// are logged: it may be a flood. Only the reader uses it.
func (s *Session) worthALine() bool {
	s.strange++
	return s.strange&(s.strange-1) == 0
}

// refuse answers what is no good request: with its own response if it has one.
func (s *Session) refuse(p PDU, status Status) {
	reply := PDU{ID: p.ID.Response(), Status: status, Seq: p.Seq}
	if _, known := bodyOf(reply.ID); !known || status == InvalidCommand {
		reply.ID = GenericNack
	}
	if reply.Seq == 0 || reply.Seq > maxSeq {
		reply.ID, reply.Seq = GenericNack, 0
	}
	s.send(reply, nil)
}

// answered hands a response to who waits for it.
func (s *Session) answered(p PDU, err error) {
	s.mu.Lock()
	w, ok := s.pending[p.Seq]
	if ok && p.ID != GenericNack && p.ID != w.id.Response() {
		ok = false
	}
	if ok {
		delete(s.pending, p.Seq)
	}
	s.mu.Unlock()
	switch {
	case ok:
		w.answer <- answer{p, err}
	case s.worthALine():
		s.o.Log.Warn("a response to nothing that waits", "command", fmt.Sprintf("%#x", uint32(p.ID)), "status", p.Status.String(), "count", s.strange)
	}
}
