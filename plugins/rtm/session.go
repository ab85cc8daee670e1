package main

import (
	"context"
	"errors"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2/simplelru"
	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

const (
	maxQueue     = 256  // live packets that wait for a slow client; more are read from the gateway again
	maxWindow    = 64   // messages on their way to a client, not acknowledged
	maxPublished = 4096 // message ids a session remembers, to publish each once
)

// session is one connected client. From its subscription on, a goroutine
// publishes to it: first what the gateway keeps as undelivered, then what is
// sent, in order, each message once.
type session struct {
	b       *broker
	cl      *mqtt.Client
	conn    *conn
	user    string
	known   identity
	expires time.Time
	window  chan struct{}              // one element per unacknowledged message
	wake    chan struct{}              // the queue has changed
	done    *lru.LRU[string, struct{}] // published message ids; only the pump uses it
	last    string                     // the message published last; only the pump uses it
	watcher *watcher                   // nil if the client does not watch presence; only the client's goroutine uses it

	mu      sync.Mutex
	expiry  *time.Timer
	cancel  context.CancelFunc // ends the pump; nil if it does not run
	ended   chan struct{}      // closed by the pump
	queue   []packet
	busy    bool // the pump is publishing what it has, so typing would be late
	lagging bool // the queue was full: the gateway knows what is missing
	pid     uint16
	waiting map[uint16]struct{} // packet ids without acknowledgement
}

func newSession(b *broker, cl *mqtt.Client, c *conn, token claims) *session {
	window := maxWindow
	if n := int(cl.Properties.Props.ReceiveMaximum); n > 0 && n < window {
		window = n
	}
	done, _ := lru.NewLRU[string, struct{}](maxPublished, nil) // fails for sizes below 1 only
	return &session{
		b: b, cl: cl, conn: c, user: token.Subject, known: token.identity, expires: token.ExpiresAt.Time,
		window: make(chan struct{}, window), wake: make(chan struct{}, 1), done: done,
		waiting: map[uint16]struct{}{},
	}
}

func (s *session) setExpiry(t *time.Timer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expiry = t
}

// close ends the session when its connection has ended.
func (s *session) close() {
	s.stop()
	s.unwatch()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.expiry != nil {
		s.expiry.Stop()
	}
}

// start begins to publish, unless it has begun. It is false if the user's clients
// begin too often: each time the gateway reads what they missed.
func (s *session) start(sub packets.Subscription) bool {
	s.mu.Lock()
	if s.cancel != nil {
		s.mu.Unlock()
		return true
	}
	if !s.b.c.read.allow(s.user) {
		s.mu.Unlock()
		return false
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel, s.ended, s.busy = cancel, make(chan struct{}), true
	s.mu.Unlock()
	s.b.join(s)
	go s.pump(ctx, sub)
	return true
}

// stop ends publishing and waits for the end.
func (s *session) stop() {
	s.b.leave(s)
	s.mu.Lock()
	cancel, ended := s.cancel, s.ended
	s.mu.Unlock()
	if cancel == nil {
		return
	}
	cancel()
	<-ended
	s.mu.Lock()
	s.cancel, s.queue, s.lagging = nil, nil, false
	s.mu.Unlock()
}

// enqueue adds a packet without waiting. Typing is dropped rather than late.
func (s *session) enqueue(p packet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case p.id == "" && !p.sure && (s.busy || len(s.queue) > 0):
		return
	case len(s.queue) >= maxQueue || s.lagging:
		s.lagging = true
	default:
		s.queue = append(s.queue, p)
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// next waits for the next packet. After a gap it says errLagging once.
func (s *session) next(ctx context.Context) (packet, error) {
	for {
		s.mu.Lock()
		if len(s.queue) > 0 {
			p := s.queue[0]
			s.queue = s.queue[1:]
			s.busy = true
			s.mu.Unlock()
			return p, nil
		}
		if s.lagging {
			s.lagging = false
			s.mu.Unlock()
			return packet{}, errLagging
		}
		s.busy = false
		s.mu.Unlock()
		select {
		case <-s.wake:
		case <-ctx.Done():
			return packet{}, ctx.Err()
		}
	}
}

var errLagging = errors.New("messages are missing")

// pump publishes until ctx ends or the connection breaks.
func (s *session) pump(ctx context.Context, sub packets.Subscription) {
	defer close(s.ended)
	err := s.replay(ctx, sub)
	for err == nil {
		var p packet
		p, err = s.next(ctx)
		switch {
		case err == nil:
			err = s.publish(ctx, sub, p)
		case errors.Is(err, errLagging):
			err = s.replay(ctx, sub)
		}
	}
	if ctx.Err() == nil {
		s.cl.Stop(err) // the client comes back and gets the rest
	}
}

// publish writes one packet to the client, once per session.
func (s *session) publish(ctx context.Context, sub packets.Subscription, p packet) error {
	if p.id != "" && s.done.Contains(p.id) {
		return nil
	}
	out := packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Publish, Retain: p.retained},
		TopicName:   sub.Filter,
		Payload:     p.body,
	}
	if sub.Identifier > 0 {
		out.Properties.SubscriptionIdentifier = []int{sub.Identifier}
	}
	if (p.id != "" || p.sure) && sub.Qos > 0 {
		select {
		case s.window <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		out.FixedHeader.Qos, out.PacketID = 1, s.packetID()
	}
	err := s.cl.WritePacket(out)
	if errors.Is(err, packets.ErrPacketTooLarge) { // the client's own limit; GET /messages has it
		s.acknowledged(out.PacketID)
		s.b.c.host.Log().Warn("message is larger than its client takes", "message", p.id)
		err = nil
	}
	if err != nil {
		return err
	}
	if p.id != "" {
		s.done.Add(p.id, struct{}{})
		s.last = p.id
	}
	return nil
}

// packetID returns an id that no message on its way has.
func (s *session) packetID() uint16 {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		s.pid++
		if _, used := s.waiting[s.pid]; s.pid != 0 && !used {
			s.waiting[s.pid] = struct{}{}
			return s.pid
		}
	}
}

// acknowledged frees a message's place in the window.
func (s *session) acknowledged(id uint16) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.waiting[id]; !ok {
		return
	}
	delete(s.waiting, id)
	<-s.window
}
