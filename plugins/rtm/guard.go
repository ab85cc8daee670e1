package main

import (
	"context"
	"errors"
	"slices"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

const (
	maxClientID = 4096             // bytes; some clients put their token into it
	uplinkLimit = 10 * time.Second // for the gateway to take what a client published
)

var errWill = errors.New("a will is not allowed")

// guard decides for the MQTT library who may connect and subscribe to what,
// and tells sessions what happens. The library calls it from the goroutine of
// the client.
type guard struct {
	mqtt.HookBase
	b *broker
}

// ID implements mqtt.Hook.
func (*guard) ID() string { return "rtm" }

// Provides implements mqtt.Hook.
func (*guard) Provides(b byte) bool {
	switch b {
	case mqtt.OnPacketRead, mqtt.OnConnect, mqtt.OnConnectAuthenticate, mqtt.OnSessionEstablished,
		mqtt.OnACLCheck, mqtt.OnSubscribe, mqtt.OnPublish, mqtt.OnPacketProcessed:
		return true
	}
	return false
}

func sessionOf(cl *mqtt.Client) *session {
	if c, ok := cl.Net.Conn.(*conn); ok {
		return c.session.Load()
	}
	return nil
}

// OnPacketRead makes every session a clean one, and takes acknowledgements. A
// will on the user's own presence topic is dropped: the broker knows itself who
// is there.
func (*guard) OnPacketRead(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	switch pk.FixedHeader.Type {
	case packets.Connect:
		pk.Connect.Clean = true
		if pk.Connect.WillFlag && pk.Connect.WillTopic == string(pk.Connect.Username)+"/"+presenceTopic {
			pk.Connect.WillFlag = false
		}
		pk.Connect.WillRetain = false // the library would refuse it with a code that 3.1.1 does not have
	case packets.Puback:
		if s := sessionOf(cl); s != nil {
			s.acknowledged(pk.PacketID)
		}
	}
	return pk, nil
}

// OnConnect refuses other wills: the library would publish them to any topic.
func (g *guard) OnConnect(cl *mqtt.Client, pk packets.Packet) error {
	if !pk.Connect.WillFlag {
		return nil
	}
	code := packets.ErrNotAuthorized
	if cl.Properties.ProtocolVersion < 5 {
		code = packets.Err3NotAuthorized
	}
	if err := g.b.srv.SendConnack(cl, code, false, nil); err != nil {
		return err
	}
	return errWill
}

// OnConnectAuthenticate admits a client with an access token of its user. One
// with the client id of another connection of that user takes its place.
func (g *guard) OnConnectAuthenticate(cl *mqtt.Client, pk packets.Packet) bool {
	c, ok := cl.Net.Conn.(*conn)
	if !ok {
		return false
	}
	token, err := g.b.c.mayConnect(string(pk.Connect.Username), string(pk.Connect.Password), cl.ID)
	if err != nil {
		return false
	}
	if old, ok := g.b.srv.Clients.Get(cl.ID); ok {
		if s := sessionOf(old); s != nil {
			s.conn.makeWay()
		}
	}
	c.session.Store(newSession(g.b, cl, c, token))
	return true
}

// OnSessionEstablished ends the session with its token, and another one if there
// are too many.
func (g *guard) OnSessionEstablished(cl *mqtt.Client, _ packets.Packet) {
	s := sessionOf(cl)
	if s == nil {
		return
	}
	left := s.expires.Sub(g.b.c.host.Now())
	s.setExpiry(time.AfterFunc(left, func() { g.b.end(s.conn, packets.ErrNotAuthorized) }))
	if surplus := g.b.enter(s); surplus != nil {
		surplus.conn.makeWay()
		g.b.end(surplus.conn, packets.ErrQuotaExceeded)
	}
}

// OnACLCheck allows reading one's own topic and presence, and writing on those
// below it that are for that.
func (g *guard) OnACLCheck(cl *mqtt.Client, topic string, write bool) bool {
	s := sessionOf(cl)
	switch {
	case s == nil:
		return false
	case write:
		return g.b.c.mayPublish(topic, s.user)
	}
	return g.b.c.mayRead(topic, s.user)
}

// OnSubscribe grants QoS 1 at most: clients tell messages that come again by
// their tid.
func (*guard) OnSubscribe(_ *mqtt.Client, pk packets.Packet) packets.Packet {
	for i := range pk.Filters {
		pk.Filters[i].Qos = min(pk.Filters[i].Qos, 1)
	}
	return pk
}

// OnPublish takes what a client publishes, and hands it to nobody. The library
// acknowledges it when it is durable. If it cannot be now, a client of version 5
// is told so; others are disconnected, to try again.
func (g *guard) OnPublish(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	s := sessionOf(cl)
	if s == nil {
		return pk, packets.ErrRejectPacket
	}
	kind, _ := g.b.c.below(pk.TopicName, s.user)
	if kind == presenceTopic {
		return pk, packets.CodeSuccessIgnore
	}
	ctx, cancel := context.WithTimeout(context.Background(), uplinkLimit)
	defer cancel()
	answer, err := g.b.c.uplink(ctx, s.user, s.known, kind, pk.Payload)
	switch {
	case err == nil && answer.body != nil:
		s.enqueue(answer)
		return pk, packets.CodeSuccessIgnore
	case err == nil:
		return pk, packets.CodeSuccessIgnore
	case cl.Properties.ProtocolVersion == 5 && pk.FixedHeader.Qos == 1: // the library has no refusal of QoS 2
		return pk, packets.ErrImplementationSpecificError
	}
	g.b.end(s.conn, packets.ErrServerBusy)
	return pk, packets.ErrRejectPacket
}

// OnPacketProcessed starts and stops what a client has subscribed to, after the
// SUBACK or UNSUBACK.
func (g *guard) OnPacketProcessed(cl *mqtt.Client, pk packets.Packet, err error) {
	s := sessionOf(cl)
	if s == nil || err != nil {
		return
	}
	if t := pk.FixedHeader.Type; t != packets.Subscribe && t != packets.Unsubscribe {
		return
	}
	own := g.b.c.topic(s.user)
	if sub, subscribed := cl.State.Subscriptions.Get(own); !subscribed {
		s.stop()
	} else if !s.start(sub) {
		g.b.end(s.conn, packets.ErrQuotaExceeded)
	}
	if sub, subscribed := cl.State.Subscriptions.Get(own + "/" + presenceTopic); !subscribed {
		s.unwatch()
	} else if has(pk.Filters, sub.Filter) {
		s.watch(sub)
	}
}

// has says whether a SUBSCRIBE names topic.
func has(subs packets.Subscriptions, topic string) bool {
	return slices.ContainsFunc(subs, func(s packets.Subscription) bool { return s.Filter == topic })
}
