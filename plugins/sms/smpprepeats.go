package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/openccsp/gateway/plugins/sms/smpp"
)

// The bounds of what is remembered for repetitions.
const (
	maxRepeats    = 8192
	repeatsFor    = 10 * time.Minute
	answerMayFail = 5 * time.Second // before a connection broke
)

// repeats knows what the SMSC may send again because it does not have our answer. SMPP
// gives a message no id: a text that comes twice otherwise was written twice. It is
// safe for concurrent use.
type repeats struct {
	now func() time.Time

	mu   sync.Mutex
	seen *lru.Cache[[32]byte, seen]
	life int       // counts connections
	end  time.Time // of the one before
}

// seen is one message: its id for the gateway, and whether that has it.
type seen struct {
	key      [32]byte
	id       string
	durable  bool
	answered bool
	life     int
	at       time.Time
}

func newRepeats(now func() time.Time) (*repeats, error) {
	cache, err := lru.New[[32]byte, seen](maxRepeats)
	return &repeats{now: now, seen: cache}, err
}

// look returns what is known of a message: a new one gets a new id.
func (r *repeats) look(d delivery) seen {
	key := digest(d.message)
	r.mu.Lock()
	defer r.mu.Unlock()
	if s, ok := r.seen.Get(key); ok && r.unanswered(s) {
		return s
	}
	return seen{key: key, id: "smpp-" + rand.Text()}
}

// unanswered says whether the SMSC may not have our answer. The caller holds mu.
func (r *repeats) unanswered(s seen) bool {
	switch {
	case r.now().Sub(s.at) > repeatsFor:
		return false
	case !s.answered:
		return true
	}
	return s.life == r.life-1 && r.end.Sub(s.at) < answerMayFail
}

// note keeps what became of a message.
func (r *repeats) note(s seen, durable, answered bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.durable, s.answered, s.life, s.at = durable, durable && answered, r.life, r.now()
	r.seen.Add(s.key, s)
}

// ended notes that the connection broke.
func (r *repeats) ended() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.life++
	r.end = r.now()
}

// digest is the same for what is the same on the wire.
func digest(m smpp.Message) (d [32]byte) {
	h := sha256.New()
	field := func(b []byte) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	field([]byte(m.Source.Addr))
	field([]byte(m.Dest.Addr))
	field([]byte{m.ESMClass, m.Coding, m.Segment.Total, m.Segment.Index, byte(m.Segment.Ref >> 8), byte(m.Segment.Ref)})
	field(m.Octets)
	for _, t := range m.TLVs {
		field(binary.BigEndian.AppendUint16(nil, uint16(t.Tag)))
		field(t.Value)
	}
	h.Sum(d[:0])
	return d
}
