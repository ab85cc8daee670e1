package main

import (
	"fmt"
	"testing"

	"github.com/mochi-mqtt/server/v2/packets"
)

// TestReplayBesideStuckClients: clients that acknowledge nothing keep nobody else
// from what waits for them.
func TestReplayBesideStuckClients(t *testing.T) {
	r := newRig(t, nil)
	address := r.listen()
	for n := range maxReplays {
		name := fmt.Sprint("stuck", n)
		for i := range maxWindow + 1 {
			r.send(name, text(i))
		}
		c := dial(t, address, 4)
		c.connect(as(r.user(name)))
		c.subscribe("webshop/"+name, 1, 1)
		for got := 0; got < maxWindow; {
			pk, err := c.read()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if pk.FixedHeader.Type == packets.Publish {
				got++
			}
		}
	}
	r.send("alice", text(1))
	alice := dial(t, address, 4)
	alice.connect(as(r.user("alice")))
	alice.subscribe("webshop/alice", 1, 1)
	if got := alice.message().Message; got != "message 1" {
		t.Errorf("got %q, want message 1", got)
	}
}
