package main

import (
	"errors"
	"log/slog"
	"net"
	"testing"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/openccsp/gateway/sdk"
)

// anybody lets everybody do everything.
type anybody struct{ mqtt.HookBase }

func (*anybody) ID() string                                              { return "anybody" }
func (*anybody) Provides(b byte) bool                                    { return b == mqtt.OnConnectAuthenticate || b == mqtt.OnACLCheck }
func (*anybody) OnConnectAuthenticate(*mqtt.Client, packets.Packet) bool { return true }
func (*anybody) OnACLCheck(*mqtt.Client, string, bool) bool              { return true }

func TestExternalBroker(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, func(s *Settings) {
		s.MQTTListen, s.BrokerURL, s.BrokerClientURL = "", "mqtt://"+l.Addr().String(), "wss://broker.example.com/mqtt"
		s.BrokerUser, s.BrokerPassword = "gateway", "secret of the broker"
	})
	r.listen()
	alice := sdk.Customer{Address: "alice"}
	var retry *sdk.RetryError
	if _, err := r.Send(t.Context(), alice, text(1)); !errors.As(err, &retry) {
		t.Errorf("Send before the broker answers = %v, want a retry", err)
	}

	srv := mqtt.New(&mqtt.Options{Logger: slog.New(slog.DiscardHandler)})
	for _, err := range []error{srv.AddHook(new(anybody), nil), srv.AddListener(listeners.NewNet("t", l)), srv.Serve()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { srv.Close() })
	c := dial(t, l.Addr().String(), 4)
	c.connect(as(r.user("alice")))
	c.subscribe("webshop/alice", 1, 1)
	until(t, "the driver is connected", func() bool {
		_, err := r.Send(t.Context(), alice, text(1))
		return err == nil
	})
	if d := c.message(); d.TID != "c.1.1" {
		t.Errorf("got %+v", d)
	}
	if err := r.TypingToCustomer(t.Context(), alice, false); err != nil {
		t.Fatal(err)
	}
	d := c.message()
	for d.TID == "c.1.1" { // an attempt whose answer came too late did arrive
		d = c.message()
	}
	if d.PayloadType != "typingStop" {
		t.Errorf("got %+v", d)
	}
	reg := r.register()
	if reg.Broker["url"] != "wss://broker.example.com/mqtt" || reg.Broker["tcp"] != "" {
		t.Errorf("clients are told %v", reg.Broker)
	}
}
