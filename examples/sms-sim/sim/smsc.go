// Package sim is an SMS center that speaks SMPP 3.4 strictly: it refuses what a real
// one would refuse, counts what breaks the contract, sends receipts and customers'
// messages, and misbehaves when told to.
package sim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/openccsp/gateway/plugins/sms/smpp"
)

// Options are how the center is. The zero value takes everybody, sends a receipt for
// each message at once, and never throttles.
type Options struct {
	SystemID, Password string        // "": anybody's
	TPS                int           // messages a second of one connection; 0: any number
	Window             int           // messages of ours, and of theirs, without an answer; 0: 100
	Response           time.Duration // it waits so long for an answer; 0: 10 s
	Enquire            time.Duration // of silence; 0: 30 s
	Alphabet           smpp.Alphabet // of data_coding 0
	HexIDs             bool          // receipts have ids in hex, the answers in decimal
	NoTLVs             bool          // receipts are texts alone
	Early              bool          // a receipt goes out before the answer to its message
	NoReceipts         bool

	Wire    func(in bool, p smpp.PDU) // sees each PDU of messages; in: to the gateway
	Arrived func(m Message)           // a whole message is there
}

// Message is what somebody has sent to a handset, put together.
type Message struct {
	ID       string `json:"id"` // of its last segment
	From     string `json:"from"`
	To       string `json:"to"`
	Text     string `json:"text"`
	Segments int    `json:"segments"`
}

// maxKept is how many messages the center remembers.
const maxKept = 10_000

// SMSC is the center. Its methods are safe for concurrent use.
type SMSC struct {
	o Options

	mu       sync.Mutex
	links    []*link
	changed  chan struct{} // closed when links or messages change
	messages []Message
	parts    map[string][]*smpp.Message // segments that wait for the others
	ids      uint64
	refs     uint16
	faults   []Fault
	breaches []string
	counts   Counts
}

// Counts are what has happened so far.
type Counts struct {
	Binds     int `json:"binds"`
	Submitted int `json:"submitted"` // segments that were taken
	Throttled int `json:"throttled"`
	Refused   int `json:"refused"`
	Receipts  int `json:"receipts"`  // that the gateway took
	Delivered int `json:"delivered"` // segments from customers that the gateway took
	Again     int `json:"again"`     // deliveries that it asked to have again
}

// New makes a center.
func New(o Options) *SMSC {
	if o.Window == 0 {
		o.Window = 100
	}
	return &SMSC{o: o, ids: 1000, changed: make(chan struct{}), parts: map[string][]*smpp.Message{}}
}

// Serve takes connections until ctx ends.
func (s *SMSC) Serve(ctx context.Context, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	var links sync.WaitGroup
	defer links.Wait()
	for {
		conn, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("accept: %w", err)
		}
		links.Go(func() { s.serve(ctx, conn) })
	}
}

// update changes what mu guards and tells those who wait.
func (s *SMSC) update(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	close(s.changed)
	s.changed = make(chan struct{})
}

// Until waits until ok says so, which is asked whenever something has changed.
func (s *SMSC) Until(ctx context.Context, ok func() bool) error {
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if ok() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Messages returns what was sent to handsets.
func (s *SMSC) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

// Counts returns what has happened so far.
func (s *SMSC) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}

// Breaches returns what broke the contract; nothing may.
func (s *SMSC) Breaches() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.breaches)
}

// Bound returns how many connections are bound.
func (s *SMSC) Bound() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, l := range s.links {
		if l.bound != 0 {
			n++
		}
	}
	return n
}

func (s *SMSC) breach(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.breaches) < 100 {
		s.breaches = append(s.breaches, fmt.Sprintf(format, args...))
	}
}

// Fault is what the center does to the next messages.
type Fault struct {
	Status smpp.Status `json:"status"` // they are refused with it
	Hang   bool        `json:"hang"`   // they are taken, and never answered
	Cut    bool        `json:"cut"`    // they are taken, and the connection is cut
	Skip   int         `json:"skip"`   // so many are spared first
	Count  int         `json:"count"`  // how many; 0: one
}

// Inject adds a fault after those that are still to come.
func (s *SMSC) Inject(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.Count = max(f.Count, 1)
	s.faults = append(s.faults, f)
}

// fault takes the one for the next message.
func (s *SMSC) fault() (Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults) == 0 {
		return Fault{}, false
	}
	f := &s.faults[0]
	if f.Skip > 0 {
		f.Skip--
		return Fault{}, false
	}
	f.Count--
	taken := *f
	if f.Count == 0 {
		s.faults = s.faults[1:]
	}
	return taken, true
}

// Cut breaks all connections as they are.
func (s *SMSC) Cut() {
	s.mu.Lock()
	links := slices.Clone(s.links)
	s.mu.Unlock()
	for _, l := range links {
		l.session.Close()
	}
}

// receiver returns a connection that takes deliver_sm, waiting for one.
func (s *SMSC) receiver(ctx context.Context) (l *link, err error) {
	find := func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, l = range s.links {
			if l.bound == smpp.BindTransceiver || l.bound == smpp.BindReceiver {
				return true
			}
		}
		return false
	}
	if err := s.Until(ctx, find); err != nil {
		return nil, errors.Join(errors.New("nobody is bound who receives"), err)
	}
	return l, nil
}
