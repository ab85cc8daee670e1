package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mochi-mqtt/server/v2/packets"
)

func TestReceiptsAreLimitedByUser(t *testing.T) {
	r := newRig(t, func(s *Settings) { s.ReceiptsPerMinute = 100 })
	r.host.setNow(time.Now()) // and no time passes
	alice, bob := r.user("alice").AccessToken, r.user("bob").AccessToken
	half := `{"tids":["` + strings.Repeat(`c.1.1","`, 59) + `c.1.1"],"status":3}`
	var got []int
	for _, token := range []string{alice, alice, bob} {
		got = append(got, r.call("POST", "/deliveryupdate", half, "accesstoken: "+token).Status)
	}
	if diff := cmp.Diff([]int{200, 429, 200}, got); diff != "" {
		t.Error(diff)
	}
}

// Over MQTT the limits are the same ones.
func TestReceiptsAreLimitedOverMQTT(t *testing.T) {
	r := newRig(t, func(s *Settings) { s.ReceiptsPerMinute = 100 })
	r.host.setNow(time.Now())
	c := dial(t, r.listen(), 5)
	c.connect(as(r.user("alice")))
	c.subscribe("webshop/alice", 1, 1)
	for n := range 101 {
		c.publish("webshop/alice/deliveryupdate", fmt.Sprintf(`{"tid":"c.1.%d","status":2}`, n), uint16(n+1))
	}
	if pk := c.next(packets.Publish); !strings.Contains(string(pk.Payload), `"code":"rate_limited"`) {
		t.Errorf("answer %s", pk.Payload)
	}
	if n := len(r.host.taken()); n != 100 {
		t.Errorf("%d events, want 100", n)
	}
}

func TestReadsAreLimitedByUser(t *testing.T) {
	r := newRig(t, func(s *Settings) { s.ReadsPerMinute = 2 })
	r.host.setNow(time.Now())
	auth := "accesstoken: " + r.user("alice").AccessToken
	var got []int
	for _, path := range []string{"/messages", "/messages", "/messages", "/media?upload=x"} {
		got = append(got, r.call("GET", path, "", auth).Status)
	}
	if diff := cmp.Diff([]int{200, 200, 429, 429}, got); diff != "" {
		t.Error(diff)
	}
	c := dial(t, r.listen(), 5) // a subscription reads, too
	c.connect(as(r.user("alice")))
	c.sendSubscribe("webshop/alice", 1, 1)
	if code := c.ended(); code != packets.ErrQuotaExceeded.Code {
		t.Errorf("DISCONNECT %#x, want %#x", code, packets.ErrQuotaExceeded.Code)
	}
}

// One household cannot use up the connections of all. Those of this machine, a
// proxy's, are not counted.
func TestConnectionsAreLimitedByAddress(t *testing.T) {
	r := newRig(t, func(s *Settings) { s.ConnectionsPerAddress = 2 })
	connect := func(from string) (int, *client) {
		here, there := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			r.link.serveSocket(context.Background(), there, from)
		}()
		t.Cleanup(func() {
			here.Close()
			<-done
		})
		c := newClient(t, here, 4)
		l := as(r.user("alice"))
		l.id += from + randomID("")
		return c.connect(l), c
	}
	var first *client
	for i, tt := range []struct {
		from string
		want int
	}{
		{"2001:db8:0:7::1", 0}, {"2001:db8:0:7:ffff::2", 0}, {"2001:db8:0:7::3", -1}, {"2001:db8:0:8::1", 0},
		{"192.0.2.1", 0}, {"::ffff:192.0.2.1", 0}, {"192.0.2.1:4711", -1}, {"192.0.2.2", 0},
		{"127.0.0.1", 0}, {"127.0.0.1", 0}, {"127.0.0.1", 0}, {"::1", 0}, {"::1", 0}, {"::1", 0}, {"", 0}, {"", 0}, {"", 0},
	} {
		got, c := connect(tt.from)
		if got != tt.want {
			t.Errorf("%d from %q: CONNACK %d, want %d", i, tt.from, got, tt.want)
		}
		if i == 0 {
			first = c
		}
	}
	first.conn.Close()
	until(t, "its place is free", func() bool { got, _ := connect("2001:db8:0:7::4"); return got == 0 })
}

func TestNetwork(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.7": "192.0.2.7/32", "192.0.2.7:99": "192.0.2.7/32", "::ffff:192.0.2.7": "192.0.2.7/32",
		"[2001:db8::7]:99": "2001:db8::/64", "fe80::1%eth0": "fe80::/64", "::1": "::1/128",
	} {
		if got := network(address); got != netip.MustParsePrefix(want) {
			t.Errorf("network(%q) = %s, want %s", address, got, want)
		}
	}
	for _, address := range []string{"", "@", "pipe", "300.1.1.1"} {
		if got := network(address); got.IsValid() {
			t.Errorf("network(%q) = %s, want none", address, got)
		}
	}
}

// The log hears of a flood, and is none.
func TestRefusalsAreCounted(t *testing.T) {
	var b bytes.Buffer
	now := time.Unix(0, 0)
	log := slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey {
			return slog.Attr{}
		}
		return a
	}}))
	r := newRefusals(log, func() time.Time { return now })
	l, err := r.newLimiter("messages_per_minute", 1, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for range 4 {
		l.allow("alice")
	}
	r.count("reads_per_minute")
	now = now.Add(tellRefusal)
	l.allow("alice")
	want := "limit=messages_per_minute refused=1\nlimit=reads_per_minute refused=1\nlimit=messages_per_minute refused=3\n"
	if b.String() != want {
		t.Errorf("logged\n%swant\n%s", b.String(), want)
	}
}
