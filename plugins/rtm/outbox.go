package main

import (
	mqttclient "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
)

// outbox is where the client of an external broker keeps what is not acknowledged.
// The library's own would hand out the very message that is being written, and
// the library changes it when it sends it again.
type outbox struct{ *mqttclient.MemoryStore }

// Put implements mqttclient.Store.
func (o outbox) Put(key string, p packets.ControlPacket) { o.MemoryStore.Put(key, unshared(p)) }

// Get implements mqttclient.Store.
func (o outbox) Get(key string) packets.ControlPacket { return unshared(o.MemoryStore.Get(key)) }

func unshared(p packets.ControlPacket) packets.ControlPacket {
	if message, ok := p.(*packets.PublishPacket); ok {
		its := *message
		return &its
	}
	return p
}
