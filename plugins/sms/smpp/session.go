package smpp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Why a session ended.
var (
	ErrUnbound = errors.New("the other side unbound")
	ErrSilent  = errors.New("the other side does not answer enquire_link")
	ErrEnded   = errors.New("the session has ended")
)

// UnansweredError is a request that went out, or may have, and has no answer: it
// may have had its effect.
type UnansweredError struct{ Err error }

// Error says why there is no answer.
func (e *UnansweredError) Error() string { return "no answer: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *UnansweredError) Unwrap() error { return e.Err }

// Options are how a session behaves; the zero values stand for the defaults.
type Options struct {
	Window   int           // our requests that may wait for an answer; 10
	Response time.Duration // how long one waits, and how long a write may take; 10 s
	Enquire  time.Duration // of silence, after which the other side is asked; 30 s
	MaxPDU   int           // octets; [MaxPDU]
	Log      *slog.Logger

	// Handle gets the requests of the other side, one after the other; it answers
	// with [Session.Respond], later and from anywhere. While it does not return
	// nothing is read. enquire_link and unbind are answered without it.
	Handle func(p PDU)
}

func (o Options) complete() Options {
	if o.Window <= 0 {
		o.Window = 10
	}
	if o.Response <= 0 {
		o.Response = 10 * time.Second
	}
	if o.Enquire <= 0 {
		o.Enquire = 30 * time.Second
	}
	if o.MaxPDU <= 0 || o.MaxPDU > MaxPDU {
		o.MaxPDU = MaxPDU
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Session is one connection, of either side. Its methods are safe for concurrent
// use. Nothing happens until [Session.Run].
type Session struct {
	o      Options
	conn   net.Conn
	out    chan frame    // to the writer; not buffered: what it has taken may be on its way
	window chan struct{} // has a token for every request that waits
	heard  atomic.Int64  // when the last PDU came, in ns
	wake   chan struct{} // has a token when enquire is to ask now
	done   chan struct{}

	doubted atomic.Pointer[doubt] // nil: not
	strange uint64                // PDUs that should not have come

	mu      sync.Mutex
	err     error // why it ended, once done is closed
	seq     uint32
	pending map[uint32]waiting
}

// frame is a PDU on its way out; the last one ends the session with its err.
type frame struct {
	bytes []byte
	err   error
}

// waiting is a request that waits for its answer.
type waiting struct {
	id     ID
	answer chan answer // buffered
}

// answer is a response; a malformed one has its header, and err.
type answer struct {
	pdu PDU
	err error
}

// New makes a session of a connection.
func New(conn net.Conn, o Options) *Session {
	o = o.complete()
	s := &Session{o: o, conn: conn, out: make(chan frame), window: make(chan struct{}, o.Window),
		wake: make(chan struct{}, 1), done: make(chan struct{}), pending: map[uint32]waiting{}}
	s.heard.Store(time.Now().UnixNano())
	return s
}

// Done is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { return s.done }

// Run reads and writes until the session ends, and returns why. When ctx ends the
// connection is closed as it is; [Session.Unbind] says goodbye first.
func (s *Session) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { s.end(ctx.Err()) })
	defer stop()
	var others sync.WaitGroup
	others.Go(s.write)
	others.Go(s.enquire)
	s.end(s.read())
	others.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// end ends the session, once.
func (s *Session) end(err error) {
	if err == nil {
		err = ErrEnded
	}
	s.mu.Lock()
	first := s.err == nil
	if first {
		s.err = err
		close(s.done)
	}
	s.mu.Unlock()
	if first {
		_ = s.conn.Close() // without the lock: TLS says goodbye, which takes its time
	}
}

// Close ends the session as it is.
func (s *Session) Close() { s.end(ErrEnded) }

// cause is why the session ended.
func (s *Session) cause() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *Session) read() error {
	r := bufio.NewReaderSize(s.conn, 16<<10)
	var buf []byte
	for {
		b, err := Read(r, buf, s.o.MaxPDU)
		switch {
		case errors.Is(err, ErrLength):
			s.send(PDU{ID: GenericNack, Status: InvalidCmdLength}, err) // what follows cannot be told apart
			<-s.done
			return err
		case errors.Is(err, io.EOF):
			return fmt.Errorf("the other side closed the connection: %w", err)
		case err != nil:
			return err
		}
		buf = b
		s.hear()
		p, err := Decode(b)
		s.dispatch(p, err)
	}
}

// write writes what the others want written, many PDUs at once when there are many.
func (s *Session) write() {
	w := bufio.NewWriterSize(s.conn, 16<<10)
	for {
		select {
		case f := <-s.out:
			if err := s.writeAll(w, f); err != nil {
				s.end(err)
				return
			}
		case <-s.done:
			return
		}
	}
}

// writeAll writes f and what else waits, and returns why the session is over.
func (s *Session) writeAll(w *bufio.Writer, f frame) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(s.o.Response)); err != nil {
		return err
	}
	for {
		if _, err := w.Write(f.bytes); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		if f.err != nil {
			_ = w.Flush()
			return f.err
		}
		select {
		case f = <-s.out:
			continue
		default:
		}
		if err := w.Flush(); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		return nil
	}
}

// send writes p unless the session ends before; last ends it afterwards.
func (s *Session) send(p PDU, last error) {
	b, err := p.Append(nil)
	if err != nil {
		s.o.Log.Error("a PDU cannot be written", "err", err)
		return
	}
	select {
	case s.out <- frame{b, last}:
	case <-s.done:
	}
}

// Respond answers a request of the other side. It returns an error if the answer
// certainly did not go out.
func (s *Session) Respond(to PDU, status Status, body Body) error {
	if status != OK {
		body = nil
	}
	b, err := PDU{ID: to.ID.Response(), Status: status, Seq: to.Seq, Body: body}.Append(nil)
	if err != nil {
		return err
	}
	select {
	case s.out <- frame{b, nil}:
		return nil
	case <-s.done:
		return ErrEnded
	}
}
