package main

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// dialogue is what a client of alice's sends: it connects, subscribes, publishes,
// pings and leaves.
func dialogue(t testing.TB, token string, version byte) []byte {
	t.Helper()
	var b bytes.Buffer
	connect := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Connect}, ProtocolVersion: version}
	connect.Connect = packets.ConnectParams{ProtocolName: []byte("MQTT"), Keepalive: 60, ClientIdentifier: "webshop/alice/d1",
		UsernameFlag: true, Username: []byte("webshop/alice"), PasswordFlag: true, Password: []byte(token)}
	subscribe := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Subscribe, Qos: 1}, ProtocolVersion: version,
		PacketID: 1, Filters: packets.Subscriptions{{Filter: "webshop/alice", Qos: 1}}}
	publish := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: 1}, ProtocolVersion: version,
		PacketID: 2, TopicName: "webshop/alice/mo", Payload: []byte(`{"tid":"c1","message":"hello"}`)}
	ping := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pingreq}, ProtocolVersion: version}
	leave := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Disconnect}, ProtocolVersion: version}
	for _, encode := range []func(*bytes.Buffer) error{connect.ConnectEncode, subscribe.SubscribeEncode, publish.PublishEncode, ping.PingreqEncode, leave.DisconnectEncode} {
		if err := encode(&b); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// tape is the connection of a client that says something and hangs up.
type tape struct {
	net.Conn // unused methods
	*bytes.Reader
}

func (t tape) Read(b []byte) (int, error)     { return t.Reader.Read(b) }
func (tape) Write(b []byte) (int, error)      { return len(b), nil }
func (tape) Close() error                     { return nil }
func (tape) SetDeadline(time.Time) error      { return nil }
func (tape) SetReadDeadline(time.Time) error  { return nil }
func (tape) SetWriteDeadline(time.Time) error { return nil }

// say sends bytes, and returns when the broker is done with them.
func say(c *channel, b []byte) {
	c.link.serveSocket(context.Background(), tape{Reader: bytes.NewReader(b)}, "")
}

// foreign returns an event of anybody but alice, if there is one.
func (h *fakeHost) foreign() string {
	for _, e := range h.taken() {
		if e.Customer.Address != "alice" {
			return e.Customer.Address
		}
	}
	return ""
}

// Ten thousand broken dialogues: no event of anybody else, and the next client is
// served.
func TestBrokenPackets(t *testing.T) {
	r := newRig(t, nil)
	address := r.listen()
	token := r.user("alice").AccessToken
	whole := [][]byte{dialogue(t, token, 4), dialogue(t, token, 5)}
	rng := rand.New(rand.NewPCG(3, 4))
	for range 10_000 {
		b := []byte(mutate(rng, string(whole[rng.IntN(2)])))
		say(r.channel, b)
	}
	if who := r.host.foreign(); who != "" {
		t.Errorf("an event of %q", who)
	}
	c := dial(t, address, 5)
	if code := c.connect(as(r.user("alice"))); code != 0 {
		t.Errorf("CONNACK %d after all that", code)
	}
	if len(r.host.taken()) == 0 {
		t.Error("not one of them was understood; the mutations are too strong")
	}
}

// FuzzPacket puts bytes into the midst of a dialogue. The library's panics end one
// connection, see serve.
func FuzzPacket(f *testing.F) {
	f.Add(byte(4), 0, []byte{})
	f.Add(byte(5), 40, []byte{0x30, 0})
	f.Add(byte(5), 3, []byte("\xff\xff\xff\x7f"))
	h := newFakeHost()
	c, err := new(secrets).open(f.Context(), Settings{AppID: "webshop", Secret: testSecret, MessagesPerMinute: 1 << 30, ReceiptsPerMinute: 1 << 30, ReadsPerMinute: 1 << 30}, h)
	if err != nil {
		f.Fatal(err)
	}
	emit := emitter(h.emit)
	c.emitter.Store(&emit)
	token, _, err := c.signer.issue("alice", identity{})
	if err != nil {
		f.Fatal(err)
	}
	whole := [][]byte{dialogue(f, token, 4), dialogue(f, token, 5)}
	f.Fuzz(func(t *testing.T, version byte, at int, more []byte) {
		b := whole[version%2]
		if at < 0 {
			at = -(at + 1)
		}
		at %= len(b)
		say(c, append(b[:at:at], append(bytes.Clone(more), b[at:]...)...))
		if who := h.foreign(); who != "" {
			t.Errorf("an event of %q", who)
		}
	})
}
