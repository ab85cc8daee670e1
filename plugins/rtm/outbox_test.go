package main

import (
	"testing"

	mqttclient "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
)

// TestOutbox: a message that is sent again after a reconnection is not the one that is
// being written.
func TestOutbox(t *testing.T) {
	o := outbox{mqttclient.NewMemoryStore()}
	o.Open()
	p := &packets.PublishPacket{TopicName: "webshop/alice", MessageID: 7, Payload: []byte("Hi")}
	o.Put("o.7", p)
	again, ok := o.Get("o.7").(*packets.PublishPacket)
	if !ok || again == p || again == o.Get("o.7") || again.MessageID != 7 || again.TopicName != p.TopicName || string(again.Payload) != "Hi" {
		t.Errorf("%+v", again)
	}
	if got := o.Get("o.8"); got != nil {
		t.Errorf("there is %v", got)
	}
}

// published is a message of a customer at another broker.
type published struct {
	mqttclient.Message
	retained bool
}

func (published) Topic() string    { return "webshop/alice/mo" }
func (published) Payload() []byte  { return []byte(`{"message":"Hi"}`) }
func (p published) Retained() bool { return p.retained }

// TestRetained: what is retained comes again whenever the driver subscribes, and was
// taken when it was published.
func TestRetained(t *testing.T) {
	r := newRig(t, nil)
	emit := emitter(r.host.emit)
	r.emitter.Store(&emit)
	e := newExternal(r.channel)
	for _, retained := range []bool{true, false} {
		if !e.take(t.Context(), published{retained: retained}) || (len(r.host.taken()) == 0) != retained {
			t.Errorf("retained %v: %d messages are taken", retained, len(r.host.taken()))
		}
	}
}
