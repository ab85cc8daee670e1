package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/openccsp/gateway/sdk"
)

var untimed = cmpopts.IgnoreFields(notice{}, "ID", "CreatedOn", "AppID", "UserID")

// notices reads n notices, and passes over all else.
func (c *client) notices(n int) (list []notice) {
	c.t.Helper()
	for len(list) < n {
		var got notice
		if err := json.Unmarshal(c.next(packets.Publish).Payload, &got); err != nil {
			c.t.Fatal(err)
		}
		if got.PayloadType == "receipt" || got.PayloadType == "event" {
			list = append(list, got)
		}
	}
	return list
}

// say has the gateway tell alice, in words such as "read c1" and "agent_left Anna".
func (r *rig) say(words ...string) {
	r.t.Helper()
	alice := sdk.Customer{Address: "alice"}
	for _, w := range words {
		var what, of string
		fmt.Sscan(w, &what, &of)
		var err error
		if what == "delivered" || what == "read" {
			err = r.ReceiptToCustomer(r.t.Context(), alice, of, what)
		} else {
			err = r.EventToCustomer(r.t.Context(), alice, what, map[string]string{"name": of})
		}
		if err != nil {
			r.t.Fatal(err)
		}
	}
}

// idle says whether the one client of a user has all there is.
func (r *rig) idle(user string) bool {
	b := r.link.(*broker)
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.live[user]) != 1 {
		return false
	}
	s := b.live[user][0]
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.busy
}

func receiptOf(status string, tids ...string) notice {
	return notice{PayloadType: "receipt", Status: status, TIDs: tids}
}

func eventOf(name, agent string) notice {
	return notice{PayloadType: "event", Event: name, Params: map[string]string{"name": agent}}
}

// TestNotices: a client learns at once what becomes of the customer's messages and
// who is there, and a client that comes back how things stand.
func TestNotices(t *testing.T) {
	versions(t, func(t *testing.T, version byte) {
		r := newRig(t, nil)
		address := r.listen()
		c := dial(t, address, version)
		c.connect(as(r.user("alice")))
		c.subscribe("webshop/alice", 1, 1)
		until(t, "all that was before is told", func() bool { return r.idle("alice") })
		r.say("delivered c1", "read c1", "agent_joined Anna")
		want := []notice{receiptOf("delivered", "c1"), receiptOf("read", "c1"), eventOf("agent_joined", "Anna")}
		got := c.notices(3)
		if diff := cmp.Diff(want, got, untimed); diff != "" {
			t.Error(diff)
		}
		joined := got[2]
		if joined.AppID != "webshop" || joined.UserID != "alice" || joined.ID == "" || joined.CreatedOn == "" {
			t.Errorf("event %+v", joined)
		}
		c.conn.Close()
		until(t, "nobody is there", func() bool { return r.devices("alice") == 0 })

		r.say("delivered c1", "delivered c2", "delivered c3", "read c3", "agent_joined Anna", "agent_joined Bea", "agent_left Bea")
		want = []notice{receiptOf("delivered", "c2"), receiptOf("read", "c1", "c3"), eventOf("agent_joined", "Anna"), eventOf("agent_left", "Bea")}
		c = dial(t, address, version)
		c.connect(as(r.user("alice")))
		c.subscribe("webshop/alice", 1, 1)
		got = c.notices(4)
		if diff := cmp.Diff(want, got, untimed); diff != "" {
			t.Error(diff)
		}
		if got[2].ID != joined.ID {
			t.Errorf("Anna joined as %s and as %s: a client would show it twice", joined.ID, got[2].ID)
		}
		state := into[struct{ State []notice }](t, r.call("GET", "/messages", "", "accesstoken: "+r.user("alice").AccessToken)).State
		if diff := cmp.Diff(want, state, untimed); diff != "" {
			t.Errorf("over REST: %s", diff)
		}
		state = into[struct{ State []notice }](t, r.call("GET", "/messages", "", "accesstoken: "+r.user("bob").AccessToken)).State
		if len(state) != 0 {
			t.Errorf("another user gets %v", state)
		}
	})
}

func TestNoticesRefused(t *testing.T) {
	r := newRig(t, nil)
	var rejected *sdk.RejectedError
	for name, err := range map[string]error{
		"status":  r.ReceiptToCustomer(t.Context(), sdk.Customer{Address: "alice"}, "c1", "failed"),
		"message": r.ReceiptToCustomer(t.Context(), sdk.Customer{Address: "alice"}, "", "read"),
		"address": r.EventToCustomer(t.Context(), sdk.Customer{Address: "a/#"}, "agent_joined", nil),
	} {
		if !errors.As(err, &rejected) || rejected.Code != name {
			t.Errorf("%v, want a rejection because of the %s", err, name)
		}
	}
}

// TestStandingIsBounded: of each customer only the last are kept, and not for ever.
func TestStandingIsBounded(t *testing.T) {
	now := time.Unix(0, 0)
	s := newStanding(func() time.Time { return now })
	for n := range 2 * standingReceipts {
		s.receipt("alice", fmt.Sprint("c", n), "delivered")
		s.event("alice", "agent_joined", map[string]string{"name": fmt.Sprint("agent ", n)})
		s.event("alice", fmt.Sprint("other ", n), nil)
	}
	of := s.of("alice")
	if len(of.Receipts) != standingReceipts || len(of.Events) != standingAgents {
		t.Errorf("%d receipts and %d events", len(of.Receipts), len(of.Events))
	}
	if last := of.Receipts[standingReceipts-1].TID; last != "c63" {
		t.Errorf("the last receipt is that of %s, want c63", last)
	}
	for n := range maxStanding {
		s.receipt(fmt.Sprint("u", n), "c1", "read")
	}
	if of := s.of("alice"); len(of.Receipts) != 0 || s.users.Len() != maxStanding {
		t.Errorf("%d customers, and %v of the longest unused", s.users.Len(), of)
	}
	now = now.Add(undeliveredFor + time.Second)
	if of := s.of("u9999"); len(of.Receipts) != 0 {
		t.Errorf("after more than a day there is %v", of)
	}
}

// TestSameAgentAnotherDay: that an agent left may have been lost; who joins a day later
// has joined anew.
func TestSameAgentAnotherDay(t *testing.T) {
	now := time.Unix(0, 0)
	s := newStanding(func() time.Time { return now })
	anna := map[string]string{"name": "Anna"}
	first := s.event("alice", "agent_joined", anna)
	if again := s.event("alice", "agent_joined", anna); again.ID != first.ID {
		t.Errorf("said again it is %s, want %s", again.ID, first.ID)
	}
	now = now.Add(undeliveredFor + time.Second)
	if next := s.event("alice", "agent_joined", anna); next.ID == first.ID || !next.At.Equal(now) || len(s.of("alice").Events) != 1 {
		t.Errorf("a day later it is %+v, as before", next)
	}
}

// TestStandingOutlivesListening: the next version of the plugin knows it, too; after
// a crash nobody believes what is stale.
func TestStandingOutlivesListening(t *testing.T) {
	first := newRig(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	first.say("read c1", "agent_joined Anna")
	if err := first.Listen(ctx, first.host.emit); err != nil {
		t.Fatal(err)
	}
	for i, want := range []stand{first.standing.of("alice"), {}} {
		next := newRig(t, nil)
		next.host.dir = first.host.dir
		if err := next.standing.load(next.standingFile()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, next.standing.of("alice"), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("process %d: %s", i+2, diff)
		}
	}
}
