package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/openccsp/gateway/sdk"
)

func versions(t *testing.T, f func(t *testing.T, version byte)) {
	t.Run("v3.1.1", func(t *testing.T) { f(t, 4) })
	t.Run("v5", func(t *testing.T) { f(t, 5) })
}

// send is what the gateway does with a message: Send, then record it.
func (r *rig) send(user string, m sdk.Message) {
	r.t.Helper()
	rc, err := r.Send(r.t.Context(), sdk.Customer{Address: user}, m)
	if err != nil || rc.MessageID != m.ID {
		r.t.Fatalf("Send = %+v, %v", rc, err)
	}
	r.host.keep(user, m)
}

func TestConnect(t *testing.T) {
	r := newRig(t, nil)
	address := r.listen()
	alice, bob := r.user("alice"), r.user("bob")
	foreign := newSigner("webshop", "another secret entirely", time.Hour, time.Now)
	forged, _, err := foreign.issue("alice", identity{})
	if err != nil {
		t.Fatal(err)
	}
	otherApp, _, err := newSigner("otherapp", testSecret, time.Hour, time.Now).issue("alice", identity{})
	if err != nil {
		t.Fatal(err)
	}
	old, _, err := newSigner("webshop", testSecret, time.Hour,
		func() time.Time { return time.Now().Add(-2 * time.Hour) }).issue("alice", identity{})
	if err != nil {
		t.Fatal(err)
	}
	ok := as(alice)
	tests := []struct {
		name   string
		change func(*login)
		v4, v5 int
	}{
		{"right", func(*login) {}, 0, 0},
		{"no password", func(l *login) { l.password = "" }, 5, 0x86},
		{"another user's token", func(l *login) { l.password = bob.AccessToken }, 5, 0x86},
		{"forged token", func(l *login) { l.password = forged }, 5, 0x86},
		{"another app's token", func(l *login) { l.password = otherApp }, 5, 0x86},
		{"expired token", func(l *login) { l.password = old }, 5, 0x86},
		{"cut token", func(l *login) { l.password = l.password[:len(l.password)-1] }, 5, 0x86},
		{"another user's client id", func(l *login) { l.id = "webshop/bob/d1" }, 5, 0x86},
		{"client id is the user name", func(l *login) { l.id = "webshop/alice" }, 5, 0x86},
		{"client id of a user with a longer name", func(l *login) { l.id = "webshop/alice2/d1" }, 5, 0x86},
		{"empty client id", func(l *login) { l.id = "" }, 5, 0x86},
		{"user name without app", func(l *login) { l.user = "alice" }, 5, 0x86},
		{"will", func(l *login) { l.will = true }, 5, 0x87},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := ok
			tt.change(&l)
			if got := dial(t, address, 4).connect(l); got != tt.v4 {
				t.Errorf("v3.1.1: code %d, want %d", got, tt.v4)
			}
			if got := dial(t, address, 5).connect(l); got != tt.v5 {
				t.Errorf("v5: code %#x, want %#x", got, tt.v5)
			}
		})
	}
}

func TestSubscribeOwnTopicOnly(t *testing.T) {
	versions(t, func(t *testing.T, version byte) {
		r := newRig(t, nil)
		c := dial(t, r.listen(), version)
		if code := c.connect(as(r.user("alice"))); code != 0 {
			t.Fatalf("CONNACK %d", code)
		}
		refused := map[byte]byte{4: 0x80, 5: 0x87}[version]
		for i, topic := range []string{
			"webshop/bob", "webshop/+", "webshop/#", "#", "+/alice", "$SYS/#", "$SYS/broker/clients/total",
			"$share/g/webshop/alice", "webshop/alice/#", "webshop", "webshop/alice/", "otherapp/alice",
		} {
			if got := c.subscribe(topic, 1, uint16(i+1)); got != refused && (version == 4 || got < 0x80) {
				t.Errorf("SUBSCRIBE %s = %#x, want %#x", topic, got, refused)
			}
		}
		if got := c.subscribe("webshop/alice", 2, 99); got != 1 {
			t.Errorf("own topic = %#x, want QoS 1 granted", got)
		}
		r.send("bob", text(1))
		r.send("alice", text(2))
		if got := c.message().Message; got != "message 2" {
			t.Errorf("got %q, want the own message", got)
		}
	})
}

func TestPublishIsRefused(t *testing.T) {
	versions(t, func(t *testing.T, version byte) {
		r := newRig(t, nil)
		address := r.listen()
		bob := dial(t, address, version)
		bob.connect(as(r.user("bob")))
		bob.subscribe("webshop/bob", 1, 1)
		eve := dial(t, address, version)
		eve.connect(as(r.user("eve")))
		eve.publish("webshop/bob", `{"tid":"x","message":"forged"}`, 7)
		if version == 5 {
			if pk, err := eve.read(); err != nil || pk.ReasonCode != packets.ErrNotAuthorized.Code {
				t.Errorf("answer %v %#x, want PUBACK not authorized", err, pk.ReasonCode)
			}
		} else {
			eve.ended()
		}
		r.send("bob", text(1))
		if got := bob.message().Message; got != "message 1" {
			t.Errorf("bob got %q", got)
		}
	})
}

func TestDownlink(t *testing.T) {
	r := newRig(t, nil)
	c := dial(t, r.listen(), 5)
	c.connect(as(r.user("alice")))
	c.subscribe("webshop/alice", 1, 1)
	at := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	r.send("alice", sdk.Message{
		ID: "c.1.7", Text: "Grüezi 你好 👋🏽", Author: sdk.AuthorAgent, Agent: sdk.Agent{ID: "7", Name: "Bea"},
		Part: 2, Parts: 3, Resent: true, Late: true, At: at, URLPush: "https://example.com/x",
		Attachments:  []sdk.Attachment{{URL: "https://example.com/a.png", MIME: "image/png", Name: "a.png", Bytes: 12}},
		QuickReplies: []sdk.QuickReply{{Title: "Yes", Payload: "y"}},
	})
	want := downlink{
		TID: "c.1.7", PayloadType: "message", AppID: "webshop", UserID: "alice", Message: "Grüezi 你好 👋🏽",
		CreatedOn: "2026-03-01T10:00:00Z", Author: "agent", AgentName: "Bea", Part: 2, Parts: 3, Resent: true, Late: true,
		URLPush:      "https://example.com/x",
		Media:        []mediaItem{{URL: "https://example.com/a.png", MIME: "image/png", Name: "a.png", Bytes: 12}},
		QuickReplies: []quickReply{{"Yes", "y"}},
	}
	if diff := cmp.Diff(want, c.message()); diff != "" {
		t.Error(diff)
	}
}

func TestReplay(t *testing.T) {
	versions(t, func(t *testing.T, version byte) {
		r := newRig(t, nil)
		address := r.listen()
		alice := r.user("alice")
		var want []string
		for n := range 250 { // more than two pages, and more than the window
			r.send("alice", text(n))
			want = append(want, fmt.Sprint("message ", n))
		}
		c := dial(t, address, version)
		c.connect(as(alice))
		c.subscribe("webshop/alice", 1, 1)
		r.send("alice", text(250))
		if diff := cmp.Diff(append(want, "message 250"), c.texts(251)); diff != "" {
			t.Fatalf("first connection: %s", diff)
		}
		resp := r.call("POST", "/deliveryupdate", `{"tids":["c.1.0","c.1.1"],"status":2}`, "accesstoken: "+alice.AccessToken)
		r.host.receipts(resp.Events)
		c.conn.Close()

		again := dial(t, address, version)
		again.connect(as(alice))
		again.subscribe("webshop/alice", 1, 1)
		again.sendSubscribe("webshop/alice", 1, 2) // once more brings nothing twice
		r.send("alice", text(251))
		if diff := cmp.Diff(append(want[2:], "message 250", "message 251"), again.texts(250)); diff != "" {
			t.Errorf("second connection: %s", diff)
		}
	})
}

// A message that was sent just before the client came, and that the gateway
// does not list yet, is not lost and not out of order.
func TestReplaySentJustBefore(t *testing.T) {
	r := newRig(t, nil)
	address := r.listen()
	r.send("alice", text(1))
	r.host.hidden["c.1.2"] = true
	r.send("alice", text(2))
	c := dial(t, address, 4)
	c.connect(as(r.user("alice")))
	c.subscribe("webshop/alice", 1, 1)
	if diff := cmp.Diff([]string{"message 1", "message 2"}, c.texts(2)); diff != "" {
		t.Error(diff)
	}
	r.send("alice", text(3))
	r.send("alice", text(3)) // an attempt whose answer was lost
	r.send("alice", text(4))
	if diff := cmp.Diff([]string{"message 3", "message 4"}, c.texts(2)); diff != "" {
		t.Error(diff)
	}
}

// The library keeps packet ids of both sides in one map: a client's PUBLISH or
// SUBSCRIBE with the id of a message that waits for its PUBACK made that
// message vanish, or was refused.
func TestPacketIDsOfBothSidesMeet(t *testing.T) {
	versions(t, func(t *testing.T, version byte) {
		r := newRig(t, nil)
		address := r.listen()
		alice := r.user("alice")
		c := dial(t, address, version)
		c.connect(as(alice))
		c.subscribe("webshop/alice", 1, 10)
		r.send("alice", text(1))
		pk, err := c.read()
		if err != nil || pk.FixedHeader.Type != packets.Publish {
			t.Fatalf("read = %+v, %v", pk, err)
		}
		if got := c.subscribe("webshop/alice", 1, pk.PacketID); got != 1 {
			t.Errorf("SUBSCRIBE with the id of a message on its way = %#x, want 1", got)
		}
		c.publish("webshop/alice", "x", pk.PacketID)
		if version == 4 {
			c.ended()
		}
		c.conn.Close()

		again := dial(t, address, version)
		again.connect(as(alice))
		again.subscribe("webshop/alice", 1, 10)
		if got := again.message().TID; got != "c.1.1" {
			t.Errorf("after the reconnect: %q, want c.1.1", got)
		}
	})
}

// A client that takes few messages at a time gets all of them, in order, and
// costs a bounded queue.
func TestSlowClient(t *testing.T) {
	r := newRig(t, nil)
	c := dial(t, r.listen(), 5)
	c.connect(as(r.user("alice")))
	c.subscribe("webshop/alice", 1, 1)
	var want []string
	for n := range 3 * maxQueue {
		r.send("alice", text(n))
		want = append(want, fmt.Sprint("message ", n))
	}
	if diff := cmp.Diff(want, c.texts(len(want))); diff != "" {
		t.Error(diff)
	}
	r.host.mu.Lock()
	defer r.host.mu.Unlock()
	if r.host.reads < 2 {
		t.Errorf("the backlog was read %d times; the queue did not overflow", r.host.reads)
	}
}

func TestTyping(t *testing.T) {
	r := newRig(t, nil)
	c := dial(t, r.listen(), 4)
	c.connect(as(r.user("alice")))
	c.subscribe("webshop/alice", 1, 1)
	r.send("alice", text(1))
	c.message()
	s := func() bool { // typing is dropped while messages are on their way
		b := r.link.(*broker)
		b.mu.Lock()
		defer b.mu.Unlock()
		s := b.live["alice"][0]
		s.mu.Lock()
		defer s.mu.Unlock()
		return !s.busy
	}
	until(t, "the session rests", s)
	if err := r.TypingToCustomer(t.Context(), sdk.Customer{Address: "alice"}, true); err != nil {
		t.Fatal(err)
	}
	if d := c.message(); d.PayloadType != "typingStart" || d.TID != "" {
		t.Errorf("got %+v, want typingStart", d)
	}
}

func (r *rig) devices(user string) int {
	b := r.link.(*broker)
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.live[user])
}

func TestManyDevices(t *testing.T) {
	r := newRig(t, nil)
	address := r.listen()
	alice := r.user("alice")
	var clients []*client
	for n := range defaultPerUser {
		c := dial(t, address, 5)
		l := as(alice)
		l.id = fmt.Sprint("webshop/alice/d", n)
		c.connect(l)
		c.subscribe("webshop/alice", 1, 1)
		clients = append(clients, c)
		until(t, "the device is live", func() bool { return r.devices("alice") == n+1 })
	}
	r.send("alice", text(1))
	for n, c := range clients {
		if got := c.message().TID; got != "c.1.1" {
			t.Errorf("device %d got %q", n, got)
		}
	}
	one := dial(t, address, 5)
	l := as(alice)
	l.id = "webshop/alice/new"
	one.connect(l)
	one.subscribe("webshop/alice", 1, 1)
	if code := clients[0].ended(); code != packets.ErrQuotaExceeded.Code {
		t.Errorf("the oldest device ended with %#x, want quota exceeded", code)
	}
	// The same client id again takes the connection over.
	twin := dial(t, address, 5)
	twin.connect(l)
	if code := one.ended(); code != packets.ErrSessionTakenOver.Code {
		t.Errorf("the earlier connection ended with %#x, want taken over", code)
	}
}

// Connections count, whether they have subscribed or not; one that takes the place
// of another does not push out a third.
func TestDevicesThatDoNotSubscribe(t *testing.T) {
	r := newRig(t, func(s *Settings) { s.ConnectionsPerUser = 2 })
	address := r.listen()
	alice := r.user("alice")
	device := func(name string) *client {
		c := dial(t, address, 5)
		l := as(alice)
		l.id = "webshop/alice/" + name
		if code := c.connect(l); code != 0 {
			t.Fatalf("CONNACK %d", code)
		}
		return c
	}
	first, second := device("a"), device("b")
	again := device("b")
	if code := second.ended(); code != packets.ErrSessionTakenOver.Code {
		t.Errorf("the one with the same id ended with %#x", code)
	}
	first.subscribe("webshop/alice", 1, 1)
	third := device("c")
	if code := first.ended(); code != packets.ErrQuotaExceeded.Code {
		t.Errorf("the oldest ended with %#x, want quota exceeded", code)
	}
	for _, c := range []*client{again, third} {
		c.subscribe("webshop/alice", 1, 1)
	}
	again.conn.Close()
	third.conn.Close()
	until(t, "nothing is left", func() bool {
		b := r.link.(*broker)
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.sessions) == 0 && len(b.live) == 0 && len(b.conns) == 0 && len(b.crowds) == 0
	})
}

func TestTokenExpiryEndsConnection(t *testing.T) {
	r := newRig(t, nil)
	address := r.listen()
	now := time.Now().Truncate(time.Second)
	r.host.setNow(now)
	alice := r.user("alice")
	r.host.setNow(now.Add(r.cfg.tokenTTL - 50*time.Millisecond))
	c := dial(t, address, 5)
	if code := c.connect(as(alice)); code != 0 {
		t.Fatalf("CONNACK %#x", code)
	}
	if code := c.ended(); code != packets.ErrNotAuthorized.Code {
		t.Errorf("DISCONNECT %#x, want not authorized", code)
	}
}

func TestWebSocket(t *testing.T) {
	r := newRig(t, func(s *Settings) { s.MQTTListen = ""; s.Origins = []string{"http://127.0.0.1:8083"} })
	alice := r.user("alice")
	socket := func(t *testing.T, path, origin string) *client {
		here, there := net.Pipe()
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		req := &sdk.WebhookRequest{Method: "GET", Path: path, Header: http.Header{}, URL: "https://gw.example.com/hooks/webshop/mqtt"}
		if origin != "" {
			req.Header.Set("Origin", origin)
		}
		go func() { done <- r.ServeSocket(ctx, req, there) }()
		t.Cleanup(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("ServeSocket = %v", err)
			}
		})
		return newClient(t, here, 4)
	}
	tests := []struct {
		path, origin string
		want         int
	}{
		{"/mqtt", "", 0},
		{"/webshop/mqtt", "", 0},
		{"/mqtt", "https://gw.example.com", 0},
		{"/mqtt", "http://127.0.0.1:8083", 0},
		{"/mqtt", "http://127.0.0.1:9999", -1},
		{"/mqtt", "https://evil.example.com", -1},
		{"/mqtt", "null", -1},
		{"/other", "", -1},
	}
	for _, tt := range tests {
		t.Run(strings.ReplaceAll(tt.path+" from "+tt.origin, "/", "_"), func(t *testing.T) {
			c := socket(t, tt.path, tt.origin)
			if got := c.connect(as(alice)); got != tt.want {
				t.Fatalf("CONNACK %d, want %d", got, tt.want)
			}
			if tt.want != 0 {
				return
			}
			c.subscribe("webshop/alice", 1, 1)
			m := sdk.Message{ID: randomID(""), Text: "over the socket"}
			if _, err := r.Send(t.Context(), sdk.Customer{Address: "alice"}, m); err != nil {
				t.Fatal(err)
			}
			for c.message().TID != m.ID { // earlier ones are replayed
			}
		})
	}
}

// A device whose connection hangs does not keep itself from coming back.
func TestTakeoverOfHangingConnection(t *testing.T) {
	r := newRig(t, func(s *Settings) { s.MQTTListen = "" })
	r.link.(*broker).patience = time.Hour
	alice := r.user("alice")
	var all sync.WaitGroup
	t.Cleanup(all.Wait)
	socket := func() *client {
		here, there := net.Pipe() // nothing is buffered
		all.Go(func() { r.link.serveSocket(context.Background(), there, "") })
		return newClient(t, here, 5)
	}
	hanging := socket()
	hanging.connect(as(alice))
	hanging.sendSubscribe("webshop/alice", 1, 1)
	r.send("alice", text(1))
	again := socket()
	if code := again.connect(as(alice)); code != 0 {
		t.Fatalf("CONNACK %d", code)
	}
	again.subscribe("webshop/alice", 1, 1)
	if got := again.message().TID; got != "c.1.1" {
		t.Errorf("got %q", got)
	}
}

func TestDrain(t *testing.T) {
	r := newRig(t, nil)
	if err := r.Bind(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Listen(ctx, nil) }()
	address := r.link.address()["tcp"]
	c := dial(t, address, 5)
	c.connect(as(r.user("alice")))
	c.subscribe("webshop/alice", 1, 1)
	silent := dial(t, address, 5) // says nothing, not even CONNECT
	cancel()
	if code := c.ended(); code != packets.ErrServerShuttingDown.Code {
		t.Errorf("DISCONNECT %#x, want shutting down", code)
	}
	silent.ended()
	if err := <-done; err != nil {
		t.Errorf("Listen = %v", err)
	}
	if _, err := net.Dial("tcp", address); err == nil {
		t.Error("the port is still open")
	}
	if _, err := r.Send(t.Context(), sdk.Customer{Address: "alice"}, text(1)); err != nil {
		t.Errorf("Send while nobody listens = %v", err)
	}
}

func TestBusyPortNamesSetting(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r := newRig(t, func(s *Settings) { s.MQTTListen = l.Addr().String() })
	err = r.Bind(t.Context())
	want := fmt.Sprintf("mqtt_listen %q: another program has this address; stop it or choose another", l.Addr())
	if err == nil || err.Error() != want {
		t.Errorf("Bind = %v\nwant %s", err, want)
	}
}

func TestGarbagePackets(t *testing.T) {
	r := newRig(t, nil)
	address := r.listen()
	garbage := [][]byte{
		{0x00}, {0x10, 0xff, 0xff, 0xff, 0x7f}, {0x10, 0xff, 0xff, 0xff, 0xff, 0xff}, []byte("GET / HTTP/1.1\r\n\r\n"),
		{0x10, 0x00}, {0x82, 0x02, 0x00, 0x01}, {0xe0, 0x00}, {0x10, 0x0a, 0x00, 0x04, 'M', 'Q', 'T', 'T', 9, 0xff, 0, 0},
	}
	for _, g := range garbage {
		c := dial(t, address, 4)
		c.conn.Write(g)
		c.conn.(*net.TCPConn).CloseWrite()
		c.ended()
	}
	c := dial(t, address, 4)
	if code := c.connect(as(r.user("alice"))); code != 0 {
		t.Errorf("after garbage: CONNACK %d", code)
	}
}

func TestRecentIsBounded(t *testing.T) {
	now := time.Now()
	r := newRecent(func() time.Time { return now })
	big := make([]byte, 1<<20)
	for n := range 20 {
		r.add("alice", packet{id: fmt.Sprint(n), body: big})
	}
	if r.size > recentBytes || len(r.of("alice")) != recentBytes>>20 {
		t.Errorf("%d bytes in %d packets, want at most %d bytes", r.size, len(r.of("alice")), recentBytes)
	}
	r.remove("bob", []string{"19"})
	r.remove("alice", []string{"19"})
	ids := func() (ids []string) {
		for _, p := range r.of("alice") {
			ids = append(ids, p.id)
		}
		return ids
	}
	if got := ids(); slices.Contains(got, "19") || !slices.Contains(got, "18") {
		t.Errorf("after remove: %v", got)
	}
	now = now.Add(recentFor + time.Second)
	if got := ids(); len(got) != 0 {
		t.Errorf("old ones are returned: %v", got)
	}
	r.add("alice", packet{id: "new", body: []byte("x")})
	if diff := cmp.Diff([]string{"new"}, ids()); diff != "" || r.size != 1 || len(r.order) != 1 {
		t.Errorf("old ones are kept: %d bytes in %d packets %s", r.size, len(r.order), diff)
	}
	now = now.Add(recentFor + time.Second)
	if r.of("alice"); len(r.byUser) != 0 || r.size != 0 {
		t.Errorf("%d users and %d bytes are left", len(r.byUser), r.size)
	}
}
