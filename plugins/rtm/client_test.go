package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// client is an MQTT client that does exactly what a test says.
type client struct {
	t       *testing.T
	conn    net.Conn
	r       *bufio.Reader
	version byte
	passed  []packets.Packet // messages that came before another packet that was awaited, acknowledged
}

func dial(t *testing.T, address string, version byte) *client {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return newClient(t, conn, version)
}

func newClient(t *testing.T, conn net.Conn, version byte) *client {
	t.Cleanup(func() { conn.Close() })
	return &client{t: t, conn: conn, r: bufio.NewReader(conn), version: version}
}

type login struct {
	user, password, id string
	will               bool
}

// as is the right login of u.
func as(u registered) login {
	return login{"webshop/" + u.UserID, u.AccessToken, "webshop/" + u.UserID + "/d1", false}
}

// connect returns the code of the CONNACK, or -1 if the connection ended.
func (c *client) connect(l login) int {
	c.t.Helper()
	pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Connect}, ProtocolVersion: c.version}
	pk.Connect = packets.ConnectParams{
		ProtocolName: []byte("MQTT"), Keepalive: 60, ClientIdentifier: l.id,
		UsernameFlag: true, Username: []byte(l.user), PasswordFlag: l.password != "", Password: []byte(l.password),
		WillFlag: l.will,
	}
	if l.will {
		pk.Connect.WillTopic, pk.Connect.WillPayload = "webshop/bob", []byte("forged")
	}
	if c.version == 5 {
		pk.Properties.SessionExpiryInterval, pk.Properties.SessionExpiryIntervalFlag = 3600, true
	}
	c.send(pk.ConnectEncode)
	ack, err := c.read()
	if err != nil {
		return -1
	}
	if ack.FixedHeader.Type != packets.Connack {
		c.t.Fatalf("packet type %d, want CONNACK", ack.FixedHeader.Type)
	}
	return int(ack.ReasonCode)
}

// subscribe returns the code of the SUBACK. Messages before it are passed over.
func (c *client) subscribe(topic string, qos byte, id uint16) byte {
	c.t.Helper()
	c.sendSubscribe(topic, qos, id)
	for {
		ack, err := c.read()
		if err != nil {
			c.t.Fatalf("SUBACK: %v", err)
		}
		if ack.FixedHeader.Type == packets.Suback {
			return ack.ReasonCodes[0]
		}
	}
}

func (c *client) sendSubscribe(topic string, qos byte, id uint16) {
	pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Subscribe, Qos: 1}, ProtocolVersion: c.version,
		PacketID: id, Filters: packets.Subscriptions{{Filter: topic, Qos: qos}}}
	c.send(pk.SubscribeEncode)
}

// publish sends a PUBLISH of QoS 1.
func (c *client) publish(topic, payload string, id uint16) {
	pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: 1}, ProtocolVersion: c.version,
		PacketID: id, TopicName: topic, Payload: []byte(payload)}
	c.send(pk.PublishEncode)
}

func (c *client) ack(id uint16) {
	pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Puback}, ProtocolVersion: c.version, PacketID: id}
	c.send(pk.PubackEncode)
}

func (c *client) send(encode func(*bytes.Buffer) error) {
	c.t.Helper()
	var b bytes.Buffer
	if err := encode(&b); err != nil {
		c.t.Fatal(err)
	}
	c.conn.SetWriteDeadline(time.Now().Add(time.Minute))
	if _, err := c.conn.Write(b.Bytes()); err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.ErrClosedPipe) {
		c.t.Logf("write: %v", err)
	}
}

// read returns the next packet; an error is the end of the connection.
func (c *client) read() (packets.Packet, error) {
	pk := packets.Packet{ProtocolVersion: c.version}
	c.conn.SetReadDeadline(time.Now().Add(time.Minute))
	b, err := c.r.ReadByte()
	if err != nil {
		return pk, err
	}
	if err := pk.FixedHeader.Decode(b); err != nil {
		return pk, err
	}
	if pk.FixedHeader.Remaining, _, err = packets.DecodeLength(c.r); err != nil {
		return pk, err
	}
	body := make([]byte, pk.FixedHeader.Remaining)
	if _, err := io.ReadFull(c.r, body); err != nil {
		return pk, err
	}
	switch pk.FixedHeader.Type {
	case packets.Connack:
		err = pk.ConnackDecode(body)
	case packets.Suback:
		err = pk.SubackDecode(body)
	case packets.Unsuback:
		err = pk.UnsubackDecode(body)
	case packets.Publish:
		err = pk.PublishDecode(body)
	case packets.Puback:
		err = pk.PubackDecode(body)
	case packets.Pubrec:
		err = pk.PubrecDecode(body)
	case packets.Pubcomp:
		err = pk.PubcompDecode(body)
	case packets.Disconnect:
		err = pk.DisconnectDecode(body)
	}
	return pk, err
}

// message reads the next message, and acknowledges it to the broker.
func (c *client) message() downlink {
	c.t.Helper()
	for {
		pk, held, err := c.passing()
		if err != nil {
			c.t.Fatalf("next message: %v", err)
		}
		if pk.FixedHeader.Type != packets.Publish {
			continue
		}
		var d downlink
		// Typing has other extras; the rest of it is read all the same.
		var te *json.UnmarshalTypeError
		if err := json.Unmarshal(pk.Payload, &d); err != nil && !errors.As(err, &te) {
			c.t.Fatalf("payload %q: %v", pk.Payload, err)
		}
		if pk.FixedHeader.Qos > 0 && !held {
			c.ack(pk.PacketID)
		}
		return d
	}
}

// passing returns the first message that was passed over, else the next packet.
func (c *client) passing() (pk packets.Packet, held bool, err error) {
	if len(c.passed) > 0 {
		pk, c.passed = c.passed[0], c.passed[1:]
		return pk, true, nil
	}
	pk, err = c.read()
	return pk, false, err
}

// texts reads n messages.
func (c *client) texts(n int) (list []string) {
	c.t.Helper()
	for range n {
		list = append(list, c.message().Message)
	}
	return list
}

// ended waits for the end of the connection, and returns the code of a
// DISCONNECT before it, if any.
func (c *client) ended() (code byte) {
	c.t.Helper()
	for {
		pk, err := c.read()
		if err != nil {
			var ne net.Error
			if errors.As(err, &ne) && ne.Timeout() {
				c.t.Fatal("the connection did not end")
			}
			return code
		}
		if pk.FixedHeader.Type == packets.Disconnect {
			code = pk.ReasonCode
		}
	}
}
