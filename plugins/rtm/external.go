package main

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	mqttclient "github.com/eclipse/paho.mqtt.golang"

	"github.com/openccsp/gateway/sdk"
)

const (
	externalPatience = 10 * time.Second // for the broker to answer at first
	externalLanes    = 16               // customers whose messages are taken at once
	laneLength       = 64               // messages
)

var errNotConnected = errors.New("not connected to the external broker")

// external is a client of a broker that somebody else runs: it publishes to
// customers and takes what they publish. That broker checks tokens and topics,
// and keeps customers' messages while the gateway is away; clients fetch what
// they missed with GET /messages.
type external struct {
	c      *channel
	client mqttclient.Client
	seed   maphash.Seed
	lanes  [externalLanes]chan mqttclient.Message

	up   chan struct{}                 // has an element after each connection
	done atomic.Pointer[chan struct{}] // closed when listen ends; nil before
}

func newExternal(c *channel) *external {
	e := &external{c: c, seed: maphash.MakeSeed(), up: make(chan struct{}, 1)}
	for i := range e.lanes {
		e.lanes[i] = make(chan mqttclient.Message, laneLength)
	}
	o := mqttclient.NewClientOptions().
		AddBroker(c.cfg.BrokerURL).
		SetClientID("openccsp-" + c.cfg.AppID + "-" + c.host.Instance()). // the same again, so that the broker knows what we missed
		SetUsername(c.cfg.BrokerUser).
		SetPassword(c.cfg.BrokerPassword).
		SetCleanSession(false).
		SetStore(outbox{mqttclient.NewMemoryStore()}).
		SetOrderMatters(true).
		SetAutoAckDisabled(true).
		SetConnectRetry(true).
		SetConnectRetryInterval(2 * time.Second).
		SetMaxReconnectInterval(30 * time.Second).
		SetConnectTimeout(10 * time.Second).
		SetWriteTimeout(10 * time.Second).
		SetKeepAlive(30 * time.Second).
		SetDefaultPublishHandler(func(_ mqttclient.Client, m mqttclient.Message) { e.took(m) }).
		SetOnConnectHandler(e.connected)
	o.OnConnectionLost = func(_ mqttclient.Client, err error) {
		c.host.Log().Warn("external broker lost, will reconnect", "err", err)
	}
	e.client = mqttclient.NewClient(o)
	return e
}

// connected subscribes to what customers publish.
func (e *external) connected(client mqttclient.Client) {
	t := client.Subscribe(e.c.cfg.AppID+"/+/+", 1, nil)
	if !t.WaitTimeout(externalPatience) || t.Error() != nil {
		e.c.host.Log().Warn("external broker does not let the gateway subscribe; customers cannot publish", "err", t.Error())
	}
	e.c.host.Log().Info("connected to the external broker")
	select {
	case e.up <- struct{}{}:
	default:
	}
}

// took puts a message into its user's lane. After listen has ended it is left
// to the broker, which has no acknowledgement of it.
func (e *external) took(m mqttclient.Message) {
	done := e.done.Load()
	if done == nil {
		return
	}
	lane := e.lanes[maphash.String(e.seed, userOf(m.Topic()))%externalLanes]
	select {
	case lane <- m:
	case <-*done:
	}
}

func userOf(topic string) string {
	_, rest, _ := strings.Cut(topic, "/")
	user, _, _ := strings.Cut(rest, "/")
	return user
}

// listen implements link.
func (e *external) listen(ctx context.Context) error {
	done := make(chan struct{})
	e.done.Store(&done)
	var lanes sync.WaitGroup
	defer lanes.Wait()
	defer close(done)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if e.client.IsConnected() {
		e.client.Disconnect(250) // so that what was left to the broker comes again
	}
	e.empty()
	for _, lane := range e.lanes {
		lanes.Go(func() { e.work(ctx, lane) })
	}
	e.client.Connect() // keeps trying until close
	select {
	case <-e.up:
	case <-ctx.Done():
		return nil
	case <-time.After(externalPatience):
		return fmt.Errorf("broker_url: %w: no answer yet", errNotConnected)
	}
	<-ctx.Done()
	return nil
}

// empty forgets what an earlier listen has not taken: it comes again.
func (e *external) empty() {
	for _, lane := range e.lanes {
		for len(lane) > 0 {
			<-lane
		}
	}
}

// work takes the messages of a lane, in order, each until the gateway has it.
func (e *external) work(ctx context.Context, lane chan mqttclient.Message) {
	for {
		select {
		case m := <-lane:
			for !e.take(ctx, m) {
				pause(ctx, time.Second)
				if ctx.Err() != nil {
					return
				}
			}
			m.Ack()
		case <-ctx.Done():
			return
		}
	}
}

// take says whether the gateway has m now, or never will.
func (e *external) take(ctx context.Context, m mqttclient.Message) bool {
	user := userOf(m.Topic())
	if !idPattern.MatchString(user) {
		return true
	}
	kind, _ := e.c.below(m.Topic(), user)
	if kind == presenceTopic {
		e.c.isHere(user, string(m.Payload()) == "online")
		return true
	}
	if m.Retained() { // it came when it was published
		return true
	}
	answer, err := e.c.uplink(ctx, user, identity{}, kind, m.Payload())
	if err != nil {
		if ctx.Err() == nil {
			e.c.host.Log().Warn("what a customer published is not taken yet", "err", err)
		}
		return false
	}
	if answer.body != nil {
		e.client.Publish(e.c.topic(user), 1, false, answer.body) // to wait here could be to wait for ourselves
	}
	return true
}

// deliver implements link. It returns when the broker has the packet.
func (e *external) deliver(ctx context.Context, user string, p packet) error {
	if !e.client.IsConnectionOpen() {
		return sdk.Retry(errNotConnected, time.Second)
	}
	qos := byte(1)
	if p.id == "" && !p.sure {
		qos = 0
	}
	t := e.client.Publish(e.c.topic(user), qos, false, p.body)
	select {
	case <-t.Done():
	case <-ctx.Done():
		return sdk.Ambiguous(fmt.Errorf("external broker: publish: %w", ctx.Err()))
	}
	if err := t.Error(); err != nil {
		return sdk.Ambiguous(fmt.Errorf("external broker: publish: %w", err))
	}
	return nil
}

// forget implements link.
func (*external) forget(string, []string) {}

// bind implements link: clients connect elsewhere.
func (*external) bind(context.Context) error { return nil }

// serveSocket implements link.
func (*external) serveSocket(_ context.Context, conn net.Conn, _ string) error { return conn.Close() }

// address implements link.
func (e *external) address() map[string]string {
	if e.c.cfg.BrokerClientURL == "" {
		return map[string]string{}
	}
	return map[string]string{"url": e.c.cfg.BrokerClientURL}
}

// close implements link.
func (e *external) close() { e.client.Disconnect(250) }
