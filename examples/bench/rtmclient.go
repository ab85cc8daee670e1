package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// rtmClient is a client of MQTT 3.1.1 that can do no more than the measurement
// needs: ten thousand of them fit beside what is measured.
type rtmClient struct {
	conn  net.Conn
	token string
	wrote time.Time
	got   chan time.Time // the one message
	ended chan error
}

// dialRTM connects and subscribes, and returns when the broker has said yes.
func dialRTM(ctx context.Context, address, id, user, password, topic string) (*rtmClient, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	c := &rtmClient{conn: conn, token: password, got: make(chan time.Time, 2), ended: make(chan error, 1)}
	// Protocol level 4; user name, password, clean session; keep alive 600 s.
	connect := append([]byte{0, 4, 'M', 'Q', 'T', 'T', 4, 0xc2, 2, 0x58}, fields(id, user, password)...)
	subscribe := append(append([]byte{0, 1}, fields(topic)...), 1)
	r := bufio.NewReaderSize(conn, 64)
	for _, step := range []struct {
		kind   byte
		packet []byte
		answer []byte
	}{{0x10, connect, []byte{0x20, 2, 0, 0}}, {0x82, subscribe, []byte{0x90, 3, 0, 1, 1}}} {
		if _, err := conn.Write(framed(step.kind, step.packet)); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		got := make([]byte, len(step.answer))
		if _, err := io.ReadFull(r, got); err != nil || !bytes.Equal(got, step.answer) {
			return nil, errors.Join(fmt.Errorf("the broker answered % x to packet %#x: %w", got, step.kind, err), conn.Close())
		}
	}
	go func() { c.ended <- c.read(r) }()
	return c, nil
}

func (c *rtmClient) close() {
	if c != nil {
		_ = c.conn.Close() // it may have ended
	}
}

// read takes messages and confirms them, until the connection ends.
func (c *rtmClient) read(r *bufio.Reader) error {
	for {
		kind, err := r.ReadByte()
		if err != nil {
			return err
		}
		size, err := binary.ReadUvarint(r) // as MQTT has it
		if err != nil {
			return err
		}
		if kind>>4 != 3 {
			if _, err := r.Discard(int(size)); err != nil {
				return err
			}
			continue
		}
		packet := make([]byte, size)
		if _, err := io.ReadFull(r, packet); err != nil {
			return err
		}
		if err := c.take(kind, packet); err != nil {
			return err
		}
	}
}

// take has a PUBLISH.
func (c *rtmClient) take(kind byte, packet []byte) error {
	if len(packet) < 2 {
		return io.ErrUnexpectedEOF
	}
	topic := int(binary.BigEndian.Uint16(packet))
	if kind&6 == 0 { // QoS 0: typing
		return nil
	}
	if len(packet) < topic+4 {
		return io.ErrUnexpectedEOF
	}
	if bytes.Contains(packet[topic+4:], []byte(`"payload_type":"message"`)) { // and no receipt or event
		select {
		case c.got <- time.Now():
		default:
			return errors.New("more than one message came")
		}
	}
	_, err := c.conn.Write(framed(0x40, packet[2+topic:4+topic]))
	return err
}

// fields returns strings as MQTT has them.
func fields(texts ...string) (b []byte) {
	for _, t := range texts {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(t))), t...)
	}
	return b
}

func framed(kind byte, packet []byte) []byte {
	return append(binary.AppendUvarint([]byte{kind}, uint64(len(packet))), packet...)
}

// call posts JSON as a customer of the channel does.
func call(ctx context.Context, url, body, token string, answer any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Accesstoken", token)
	}
	resp, err := outside.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	said, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("POST %s: %s: %.200s", url, resp.Status, said)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(said, answer)
}
