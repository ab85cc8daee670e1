package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/openccsp/gateway/sdk"
)

// isHere says whether a user counts as there.
func (p *presence) isHere(user string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, known := p.here[user]
	return known
}

// presence reads the next word on a presence topic, with "retained " before it if it was.
func (c *client) presence() string {
	c.t.Helper()
	for {
		pk, held, err := c.passing()
		if err != nil {
			c.t.Fatalf("presence: %v", err)
		}
		if pk.FixedHeader.Type == packets.Publish && pk.FixedHeader.Qos > 0 && !held {
			c.ack(pk.PacketID)
		}
		if pk.FixedHeader.Type != packets.Publish || !strings.HasSuffix(pk.TopicName, "/presence") {
			continue
		}
		if pk.FixedHeader.Retain {
			return "retained " + string(pk.Payload)
		}
		return string(pk.Payload)
	}
}

func TestPresence(t *testing.T) {
	r := newRig(t, func(s *Settings) { s.Presence = true })
	r.presence.grace = 50 * time.Millisecond
	address := r.listen()
	first, second := dial(t, address, 5), dial(t, address, 5)
	alice := r.user("alice")
	first.connect(as(alice))
	first.subscribe("webshop/alice", 1, 1)
	second.connect(login{"webshop/alice", alice.AccessToken, "webshop/alice/d2", false})
	second.subscribe("webshop/alice", 1, 1)
	states := func() (list []string) {
		for _, e := range r.host.taken() {
			list = append(list, e.Customer.Address+" "+e.EventName+" "+e.Params["state"])
		}
		return list
	}
	until(t, "online", func() bool { return len(states()) == 1 })
	first.conn.Close()
	until(t, "one device is left", func() bool { return r.devices("alice") == 1 })
	second.conn.Close()
	until(t, "offline", func() bool { return len(states()) == 2 })
	if diff := cmp.Diff([]string{"alice presence online", "alice presence offline"}, states()); diff != "" {
		t.Error(diff)
	}
}

func TestPresenceForgivesFlaps(t *testing.T) {
	var got []string
	done := make(chan struct{}, 9)
	p := newPresence(func(_ context.Context, events ...sdk.Event) error {
		got = append(got, events[0].Params["state"])
		done <- struct{}{}
		return nil
	}, time.Now)
	p.grace = time.Hour
	p.set("alice", true)
	<-done
	p.set("alice", false)
	p.set("alice", true) // within the grace
	p.set("bob", false)  // who was never there
	p.close()
	p.set("carol", true) // too late
	if fmt.Sprint(got) != "[online]" {
		t.Errorf("reported %v, want online once", got)
	}
}

// TestPresenceIsReportedInOrder: a customer who leaves and comes back while the
// gateway is slow is there in the end.
func TestPresenceIsReportedInOrder(t *testing.T) {
	var mu sync.Mutex
	var got []string
	began, goOn := make(chan struct{}, 9), make(chan struct{})
	p := newPresence(func(_ context.Context, events ...sdk.Event) error {
		began <- struct{}{}
		<-goOn
		mu.Lock()
		defer mu.Unlock()
		got = append(got, events[0].Params["state"])
		return nil
	}, time.Now)
	p.grace = 0
	p.set("alice", true)
	<-began
	p.set("alice", false)
	until(t, "she is gone", func() bool { return !p.isHere("alice") })
	p.set("alice", true)
	close(goOn)
	until(t, "all is told", func() bool { mu.Lock(); defer mu.Unlock(); return len(got) == 3 })
	p.close()
	if fmt.Sprint(got) != "[online offline online]" {
		t.Errorf("reported %v", got)
	}
}

// TestPresenceTopic: a user's own presence topic has a retained word, and a new one
// when it changes: not when a client takes the place of another, or comes back soon.
func TestPresenceTopic(t *testing.T) {
	versions(t, func(t *testing.T, version byte) {
		r := newRig(t, nil)
		r.presence.grace = time.Hour
		address := r.listen()
		alice := r.user("alice")
		device := func(name string) *client {
			c := dial(t, address, version)
			if code := c.connect(login{"webshop/alice", alice.AccessToken, "webshop/alice/" + name, false}); code != 0 {
				t.Fatalf("CONNACK %d", code)
			}
			return c
		}
		watch := device("watch")
		if code := watch.subscribe("webshop/alice/presence", 1, 1); code != 1 {
			t.Fatalf("SUBACK %#x", code)
		}
		next := func(want string) {
			t.Helper()
			if got := watch.presence(); got != want {
				t.Fatalf("presence %q, want %q", got, want)
			}
		}
		next("retained offline")
		phone := device("phone")
		phone.subscribe("webshop/alice", 1, 1)
		next("online")
		taker := device("phone") // takes its place
		taker.subscribe("webshop/alice", 1, 1)
		phone.ended()
		taker.conn.Close()
		until(t, "nobody is there", func() bool { return r.devices("alice") == 0 })
		taker = device("phone") // comes back
		taker.subscribe("webshop/alice", 1, 1)
		watch.publish("webshop/alice/presence", "offline", 9) // the broker knows better
		watch.subscribe("webshop/alice/presence", 0, 2)       // and says it again
		next("retained online")

		if code := watch.subscribe("webshop/bob/presence", 1, 3); code < 0x80 {
			t.Errorf("another user's presence: SUBACK %#x", code)
		}
		r.presence.mu.Lock()
		r.presence.grace = time.Millisecond
		r.presence.mu.Unlock()
		taker.conn.Close()
		next("offline")
		watch.conn.Close()
		until(t, "nobody watches", func() bool {
			r.presence.mu.Lock()
			defer r.presence.mu.Unlock()
			return len(r.presence.watchers) == 0
		})
	})
}

// How a client of version 5 wants what is retained.
func TestPresenceRetainHandling(t *testing.T) {
	r := newRig(t, nil)
	c := dial(t, r.listen(), 5)
	c.connect(as(r.user("alice")))
	subscribe := func(sub packets.Subscription) {
		sub.Filter = "webshop/alice/presence"
		pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Subscribe, Qos: 1}, ProtocolVersion: 5, PacketID: 1,
			Filters: packets.Subscriptions{sub}}
		c.send(pk.SubscribeEncode)
		c.next(packets.Suback)
	}
	const retainedIfNew = 1
	subscribe(packets.Subscription{RetainHandling: retainedIfNew})
	if got := c.presence(); got != "retained offline" {
		t.Errorf("a new subscription gets %q", got)
	}
	subscribe(packets.Subscription{RetainHandling: retainedIfNew})
	subscribe(packets.Subscription{RetainHandling: retainedNever, RetainAsPublished: true})
	c.subscribe("webshop/alice", 1, 2)
	if got := c.presence(); got != "retained online" {
		t.Errorf("the next word is %q, want the change, retained as it was published", got)
	}
}

// A client that gave up its subscription hears no more, and stays.
func TestPresenceUnsubscribe(t *testing.T) {
	r := newRig(t, nil)
	c := dial(t, r.listen(), 4)
	c.connect(as(r.user("alice")))
	c.subscribe("webshop/alice/presence", 1, 1)
	c.presence()
	pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Unsubscribe, Qos: 1}, ProtocolVersion: 4, PacketID: 2,
		Filters: packets.Subscriptions{{Filter: "webshop/alice/presence"}}}
	c.send(pk.UnsubscribeEncode)
	c.next(packets.Unsuback)
	c.subscribe("webshop/alice", 1, 3)
	r.send("alice", text(1))
	if pk := c.next(packets.Publish); pk.TopicName != "webshop/alice" {
		t.Errorf("got %s on %s", pk.Payload, pk.TopicName)
	}
}
