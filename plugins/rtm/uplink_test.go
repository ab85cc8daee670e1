package main

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/openccsp/gateway/sdk"
)

// next reads packets until one of a type comes. Messages before it are kept for
// message.
func (c *client) next(kind byte) packets.Packet {
	c.t.Helper()
	for {
		pk, err := c.read()
		if err != nil {
			c.t.Fatalf("packet %d: %v", kind, err)
		}
		if pk.FixedHeader.Type == packets.Publish && pk.FixedHeader.Qos > 0 {
			c.ack(pk.PacketID)
		}
		if pk.FixedHeader.Type == kind {
			return pk
		}
		if pk.FixedHeader.Type == packets.Publish {
			c.passed = append(c.passed, pk)
		}
	}
}

func TestPublish(t *testing.T) {
	versions(t, func(t *testing.T, version byte) {
		r := newRig(t, nil)
		c := dial(t, r.listen(), version)
		token, _, err := r.signer.issue("alice", identity{Profile: profile{Name: "Ada"}})
		if err != nil {
			t.Fatal(err)
		}
		c.connect(login{"webshop/alice", token, "webshop/alice/d1", false})
		c.subscribe("webshop/alice", 1, 1)
		c.publish("webshop/alice/mo", `{"tid":"c1","message":"hello"}`, 7)
		if pk := c.next(packets.Puback); pk.PacketID != 7 || pk.ReasonCode != 0 {
			t.Errorf("PUBACK of %d with %#x", pk.PacketID, pk.ReasonCode)
		}
		if n := len(r.host.taken()); n != 1 {
			t.Errorf("%d events when the acknowledgement came, want 1: it says that they are durable", n)
		}
		if d := c.message(); d.PayloadType != "ack" || d.TID != "c1" {
			t.Errorf("answer %+v", d)
		}
		c.publish("webshop/alice/mo", `{"tid":"c2","message":""}`, 8)
		if pk := c.next(packets.Publish); !strings.Contains(string(pk.Payload), `"code":"invalid"`) ||
			!strings.Contains(string(pk.Payload), `"payload_type":"refused"`) || !strings.Contains(string(pk.Payload), `"tid":"c2"`) {
			t.Errorf("refusal %s", pk.Payload)
		}
		c.publish("webshop/alice/presence", "online", 9)
		c.publish("webshop/alice/deliveryupdate", `{"tid":"c.1.1","status":2}`, 10)
		for c.next(packets.Puback).PacketID != 10 {
		}
		customer := sdk.Customer{Address: "alice", Name: "Ada"}
		want := []sdk.Event{
			{Type: sdk.CustomerMessage, ID: "alice/c1", MessageID: "c1", Text: "hello", Customer: customer, Payload: []byte(`{"tid":"c1","message":"hello"}`)},
			{Type: sdk.MessageDelivered, ID: "message_delivered/c.1.1", MessageID: "c.1.1", Customer: sdk.Customer{Address: "alice"}},
		}
		if diff := cmp.Diff(want, r.host.taken()); diff != "" {
			t.Error(diff)
		}
	})
}

// What the gateway cannot take now is not acknowledged.
func TestPublishNotNow(t *testing.T) {
	versions(t, func(t *testing.T, version byte) {
		r := newRig(t, nil)
		address := r.listen()
		connected := func() *client {
			c := dial(t, address, version)
			c.connect(as(r.user("alice")))
			c.subscribe("webshop/alice", 1, 1)
			c.publish("webshop/alice/mo", `{"tid":"c1","message":"hello"}`, 7)
			return c
		}
		r.host.failNext(1)
		c := connected()
		if version == 5 {
			if pk := c.next(packets.Puback); pk.ReasonCode != packets.ErrImplementationSpecificError.Code {
				t.Errorf("PUBACK with %#x, want a failure", pk.ReasonCode)
			}
		} else {
			c.ended()
		}
		connected().next(packets.Puback)
		if n := len(r.host.taken()); n != 1 {
			t.Errorf("%d events, want 1", n)
		}
	})
}

// Many clients publish at QoS 2, because it sounds best. 3.1.1 has no way to
// refuse it.
func TestPublishExactlyOnce(t *testing.T) {
	versions(t, func(t *testing.T, version byte) {
		r := newRig(t, nil)
		address := r.listen()
		connected := func() *client {
			c := dial(t, address, version)
			c.connect(as(r.user("alice")))
			c.subscribe("webshop/alice", 2, 1)
			pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: 2}, ProtocolVersion: version,
				PacketID: 7, TopicName: "webshop/alice/mo", Payload: []byte(`{"tid":"c1","message":"hello"}`)}
			c.send(pk.PublishEncode)
			return c
		}
		r.host.failNext(1)
		connected().ended() // not now
		c := connected()
		if pk := c.next(packets.Pubrec); pk.PacketID != 7 || pk.ReasonCode != 0 {
			t.Errorf("PUBREC of %d with %#x", pk.PacketID, pk.ReasonCode)
		}
		if n := len(r.host.taken()); n != 1 {
			t.Errorf("%d events, want 1", n)
		}
		rel := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pubrel, Qos: 1}, ProtocolVersion: version, PacketID: 7}
		c.send(rel.PubrelEncode)
		if pk := c.next(packets.Pubcomp); pk.PacketID != 7 || pk.ReasonCode != 0 {
			t.Errorf("PUBCOMP of %d with %#x", pk.PacketID, pk.ReasonCode)
		}
		r.send("alice", text(1)) // at QoS 1, as it was published
		if pk := c.next(packets.Publish); pk.FixedHeader.Qos != 1 {
			t.Errorf("a message of QoS %d", pk.FixedHeader.Qos)
		}
	})
}

func TestWillOnPresenceOnly(t *testing.T) {
	versions(t, func(t *testing.T, version byte) {
		r := newRig(t, nil)
		address := r.listen()
		for topic, admitted := range map[string]bool{"webshop/alice/presence": true, "webshop/bob/presence": false, "webshop/alice": false} {
			c := dial(t, address, version)
			pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Connect}, ProtocolVersion: version}
			pk.Connect = packets.ConnectParams{ProtocolName: []byte("MQTT"), Keepalive: 60, ClientIdentifier: "webshop/alice/" + topic[8:9],
				UsernameFlag: true, Username: []byte("webshop/alice"), PasswordFlag: true, Password: []byte(r.user("alice").AccessToken),
				WillFlag: true, WillRetain: true, WillQos: 1, WillTopic: topic, WillPayload: []byte("offline")}
			c.send(pk.ConnectEncode)
			ack, err := c.read()
			if got := err == nil && ack.FixedHeader.Type == packets.Connack && ack.ReasonCode == 0; got != admitted {
				t.Errorf("a will on %s: %v %#x, want admitted %v", topic, err, ack.ReasonCode, admitted)
			}
		}
	})
}

// The vectors of two other brokers, as bytes, with our names in them.
func TestPacketVectors(t *testing.T) {
	r := newRig(t, nil)
	address := r.listen()
	bob := r.user("bob")
	// as it stands, the vector is that of a user unknown here
	theirs, _ := hex.DecodeString("103f00044d51545404ec003c00077765622d626f62001772746d2f617070312f752f626f622f70726573656e636500076f66666c696e650003626f620003707732")
	if got := exchange(t, address, theirs, 1); got != "20020005" {
		t.Errorf("CONNECT of a stranger: %s, want 20020005", got)
	}
	s := func(texts ...string) (b []byte) {
		for _, t := range texts {
			b = append(binary.BigEndian.AppendUint16(b, uint16(len(t))), t...)
		}
		return b
	}
	packet := func(kind byte, parts ...[]byte) []byte {
		body := bytes.Join(parts, nil)
		return append(binary.AppendUvarint([]byte{kind}, uint64(len(body))), body...)
	}
	id, user, message := "webshop/bob/web", "webshop/bob", []byte(`{"tid":"c1","message":"x"}`)
	v3 := bytes.Join([][]byte{
		packet(0x10, []byte{0, 4, 'M', 'Q', 'T', 'T', 4, 0xec, 0, 60}, s(id, "webshop/bob/presence", "offline", user, bob.AccessToken)),
		packet(0x82, []byte{0, 10}, s("webshop/bob"), []byte{1}),
		packet(0x32, s("webshop/bob/mo"), []byte{0, 7}, message),
	}, nil)
	if got := exchange(t, address, v3, 3); got != "200200009003000a0140020007" {
		t.Errorf("3.1.1: %s", got)
	}
	v5 := bytes.Join([][]byte{
		packet(0x10, []byte{0, 4, 'M', 'Q', 'T', 'T', 5, 0xc0, 0, 60, 5, 0x11, 0, 0, 0x0e, 0x10}, s(id, user, bob.AccessToken)),
		packet(0x82, []byte{0, 10, 0}, s("webshop/bob"), []byte{1}),
		packet(0x32, s("webshop/bob/mo"), []byte{0, 7, 0}, message),
	}, nil)
	got := exchange(t, address, v5, 3)
	// The CONNACK says what this broker has not: sessions, retained messages,
	// wildcards, shared subscriptions. SUBACK and PUBACK are those of the vectors.
	if !strings.HasPrefix(got, "20") || !strings.Contains(got, "9004000a0001") || !strings.Contains(got, "400200") && !strings.Contains(got, "4004000700") {
		t.Errorf("5: %s", got)
	}
}

// exchange sends bytes and returns the first n packets of the answer, as hex, but
// for what is published to the client, which comes when it likes.
func exchange(t *testing.T, address string, b []byte, n int) (answer string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write(b); err != nil {
		t.Fatal(err)
	}
	conn.SetReadDeadline(time.Now().Add(time.Minute))
	for n > 0 {
		head := make([]byte, 2) // packets of less than 128 bytes, or published
		if _, err := io.ReadFull(conn, head); err != nil {
			t.Fatalf("after %s: %v", answer, err)
		}
		length := int(head[1])
		if length >= 128 {
			more := make([]byte, 1)
			if _, err := io.ReadFull(conn, more); err != nil {
				t.Fatal(err)
			}
			length += int(more[0])<<7 - 128
		}
		body := make([]byte, length)
		if _, err := io.ReadFull(conn, body); err != nil {
			t.Fatal(err)
		}
		if head[0]>>4 != 3 { // PUBLISH
			answer += hex.EncodeToString(head) + hex.EncodeToString(body)
			n--
		}
	}
	return answer
}

func TestManyClientsGetOneEach(t *testing.T) {
	const n = 300
	r := newRig(t, nil)
	address := r.listen()
	clients := make([]*client, n)
	for i := range clients {
		user := fmt.Sprint("u", i)
		clients[i] = dial(t, address, 4)
		if code := clients[i].connect(as(r.user(user))); code != 0 {
			t.Fatalf("CONNACK %d", code)
		}
		clients[i].subscribe("webshop/"+user, 1, 1)
	}
	for i := range clients {
		r.send(fmt.Sprint("u", i), sdk.Message{ID: fmt.Sprintf("c%d.1.1", i), Text: fmt.Sprint("for ", i)})
	}
	for i, c := range clients {
		if got := c.message().Message; got != fmt.Sprint("for ", i) {
			t.Errorf("client %d got %q", i, got)
		}
	}
}
