package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	mqttclient "github.com/eclipse/paho.mqtt.golang"

	"github.com/openccsp/gateway/sdk"
)

var errNotConnected = errors.New("not connected to the external broker")

// external publishes to a broker that somebody else runs. That broker checks
// the clients' tokens; clients fetch what they missed with GET /messages.
type external struct {
	cfg    config
	host   sdk.Host
	client mqttclient.Client
}

func newExternal(cfg config, h sdk.Host) *external {
	o := mqttclient.NewClientOptions().
		AddBroker(cfg.BrokerURL).
		SetClientID(randomID("openccsp-")).
		SetUsername(cfg.BrokerUser).
		SetPassword(cfg.BrokerPassword).
		SetCleanSession(true).
		SetOrderMatters(true).
		SetConnectRetry(true).
		SetConnectRetryInterval(2 * time.Second).
		SetMaxReconnectInterval(30 * time.Second).
		SetConnectTimeout(10 * time.Second).
		SetWriteTimeout(10 * time.Second).
		SetKeepAlive(30 * time.Second)
	o.OnConnect = func(mqttclient.Client) { h.Log().Info("connected to the external broker") }
	o.OnConnectionLost = func(_ mqttclient.Client, err error) {
		h.Log().Warn("external broker lost, will reconnect", "err", err)
	}
	e := &external{cfg: cfg, host: h, client: mqttclient.NewClient(o)}
	e.client.Connect() // keeps trying until close
	return e
}

// deliver implements link. It returns when the broker has the packet.
func (e *external) deliver(ctx context.Context, user string, p packet) error {
	if !e.client.IsConnectionOpen() {
		return sdk.Retry(errNotConnected, time.Second)
	}
	qos := byte(1)
	if p.id == "" {
		qos = 0
	}
	t := e.client.Publish(e.cfg.AppID+"/"+user, qos, false, p.body)
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

// listen implements link.
func (*external) listen(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// serveSocket implements link.
func (*external) serveSocket(_ context.Context, conn net.Conn) error { return conn.Close() }

// address implements link.
func (e *external) address() map[string]string {
	if e.cfg.BrokerClientURL == "" {
		return map[string]string{}
	}
	return map[string]string{"url": e.cfg.BrokerClientURL}
}

// close implements link.
func (e *external) close() { e.client.Disconnect(250) }
