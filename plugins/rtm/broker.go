package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/openccsp/gateway/sdk"
)

const (
	maxConnections = 10_000   // clients of one instance, connected or connecting
	maxMQTTPacket  = 16 << 10 // bytes from a client: CONNECT with its token, SUBSCRIBE
	maxReplays     = 16       // sessions that read their backlog at the same time
)

var errClosed = errors.New("channel is closed")

// broker is the embedded MQTT broker. The library speaks the protocol; who may
// connect, what a client gets and in which order is decided here. So the
// library keeps no sessions, subscriptions' backlogs or in-flight messages:
// its own lose messages when packet ids of both sides meet.
type broker struct {
	c       *channel
	srv     *mqtt.Server
	replays chan struct{}
	wg      sync.WaitGroup // connections

	patience time.Duration // with a client that does not read

	mu     sync.Mutex
	closed bool
	tcp    net.Listener // from bind until listen ends, nil else
	conns  map[*conn]struct{}
	crowds map[netip.Prefix]int // connections by network
	recent recent

	sessions map[string][]*session // by user, those that count, oldest first
	live     map[string][]*session // by user, those that have subscribed
}

func newBroker(c *channel) (*broker, error) {
	b := &broker{
		c:        c,
		replays:  make(chan struct{}, maxReplays),
		patience: writeTimeout,
		conns:    map[*conn]struct{}{},
		crowds:   map[netip.Prefix]int{},
		sessions: map[string][]*session{},
		live:     map[string][]*session{},
		recent:   newRecent(c.host.Now),
	}
	limits := mqtt.NewDefaultServerCapabilities()
	limits.MaximumSessionExpiryInterval = 0
	limits.MaximumClientWritesPending = 1 // we write packets ourselves
	limits.MaximumPacketSize = maxMQTTPacket
	limits.ReceiveMaximum = 16
	limits.MaximumInflight = 16
	limits.TopicAliasMaximum = 0
	limits.SharedSubAvailable = 0
	limits.WildcardSubAvailable = 0
	limits.MinimumProtocolVersion = 4
	b.srv = mqtt.New(&mqtt.Options{
		Capabilities:           limits,
		Logger:                 slog.New(slog.DiscardHandler), // it logs packets, and they carry tokens
		SysTopicResendInterval: math.MaxInt32,
	})
	if err := b.srv.AddHook(&guard{b: b}, nil); err != nil {
		return nil, fmt.Errorf("embedded broker: %w", err)
	}
	return b, nil
}

// bind implements link.
func (b *broker) bind(ctx context.Context) error {
	if b.c.cfg.MQTTListen == "" {
		return nil
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", b.c.cfg.MQTTListen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("mqtt_listen %q: another program has this address; stop it or choose another", b.c.cfg.MQTTListen)
	}
	if err != nil {
		return fmt.Errorf("mqtt_listen: %w", err)
	}
	b.setTCP(l)
	b.c.host.Log().Info("mqtt broker listens", "address", l.Addr().String())
	return nil
}

// listen implements link.
func (b *broker) listen(ctx context.Context) error {
	defer b.disconnect(packets.ErrServerShuttingDown)
	l := b.bound()
	if l == nil {
		<-ctx.Done()
		return nil
	}
	defer b.setTCP(nil)
	return b.accept(ctx, l)
}

func (b *broker) accept(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(ctx, func() { l.Close() }) //nolint:errcheck // nothing to be done about it
	defer stop()
	defer l.Close() //nolint:errcheck // nothing to be done about it
	var clients sync.WaitGroup
	defer clients.Wait()
	defer cancel() // ends the clients
	for {
		raw, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil {
				raw.Close() //nolint:errcheck // nothing to be done about it
			}
			return nil
		}
		if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ECONNABORTED) {
			b.c.host.Log().Warn("mqtt connection not accepted", "err", err)
			pause(ctx, 100*time.Millisecond)
			continue
		}
		if err != nil {
			return fmt.Errorf("mqtt_listen: accept: %w", err)
		}
		clients.Go(func() { b.serve(ctx, raw, raw.RemoteAddr().String()) })
	}
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// serveSocket implements link.
func (b *broker) serveSocket(ctx context.Context, raw net.Conn, from string) error {
	b.serve(ctx, raw, from)
	return nil
}

// serve speaks MQTT with one client until it leaves or ctx ends.
func (b *broker) serve(ctx context.Context, raw net.Conn, from string) {
	c := &conn{Conn: raw, from: network(from), patience: b.patience}
	defer c.Close() //nolint:errcheck // the client may have closed it
	if !b.admit(c) {
		return
	}
	defer b.dismiss(c)
	stop := context.AfterFunc(ctx, func() { b.end(c, packets.ErrServerShuttingDown) })
	defer stop()
	defer func() {
		if p := recover(); p != nil {
			b.c.host.Log().Error("mqtt library panicked on a client's packet", "panic", fmt.Sprint(p))
		}
	}()
	if err := c.SetReadDeadline(time.Now().Add(connectTimeout)); err != nil {
		return
	}
	err := b.srv.EstablishConnection("rtm", c)
	b.c.host.Log().Debug("mqtt client left", "reason", reason(err))
}

// reason is err without the client's words.
func reason(err error) string {
	var code packets.Code
	switch {
	case err == nil:
		return "disconnected"
	case errors.As(err, &code):
		return code.Reason
	}
	return "connection ended"
}

// end disconnects one client and says why, if its protocol can.
func (b *broker) end(c *conn, code packets.Code) {
	s := c.session.Load()
	if s != nil && s.cl.Properties.ProtocolVersion == 5 {
		_ = b.srv.DisconnectClient(s.cl, code) // it returns the code we gave
	}
	_ = c.Close()
}

// disconnect ends all clients; they may come back.
func (b *broker) disconnect(code packets.Code) {
	b.mu.Lock()
	conns := make([]*conn, 0, len(b.conns))
	for c := range b.conns {
		conns = append(conns, c)
	}
	b.mu.Unlock()
	var all sync.WaitGroup
	for _, c := range conns { // at once, because a slow client takes up to writeTimeout
		all.Go(func() { b.end(c, code) })
	}
	all.Wait()
}

// close implements link.
func (b *broker) close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.disconnect(packets.ErrServerShuttingDown)
	b.wg.Wait()
}

// deliver implements link. It does not wait for clients.
func (b *broker) deliver(_ context.Context, user string, p packet) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return sdk.Retry(errClosed, 0)
	}
	if p.id != "" {
		b.recent.add(user, p)
	}
	for _, s := range b.live[user] {
		s.enqueue(p)
	}
	return nil
}

// forget implements link.
func (b *broker) forget(user string, ids []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.recent.remove(user, ids)
}

// justSent returns what was sent to user in the last moments.
func (b *broker) justSent(user string) []packet {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.recent.of(user)
}

func (b *broker) setTCP(l net.Listener) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tcp = l
}

func (b *broker) bound() net.Listener {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tcp
}

// address implements link.
func (b *broker) address() map[string]string {
	b.mu.Lock()
	defer b.mu.Unlock()
	info := map[string]string{"path": "/hooks/" + b.c.host.Instance() + "/mqtt"}
	if hook := b.c.host.PublicURL(); hook != "" {
		info["url"] = "ws" + strings.TrimPrefix(hook, "http") + "/mqtt"
	}
	if b.tcp != nil {
		info["tcp"] = b.tcp.Addr().String()
	}
	return info
}
