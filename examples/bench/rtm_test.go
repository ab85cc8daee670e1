package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestRTMClient has the client meet a broker that says what one would.
func TestRTMClient(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	acks := make(chan []byte, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		r := bufio.NewReader(conn)
		for _, answer := range []string{"\x20\x02\x00\x00", "\x90\x03\x00\x01\x01"} {
			r.ReadByte()
			n, _ := r.ReadByte()
			r.Discard(int(n))
			io.WriteString(conn, answer)
		}
		io.WriteString(conn, "\x30\x05\x00\x01t{}") // typing
		for id, kind := range []string{"receipt", "message"} {
			conn.Write(framed(0x32, append(fields("t"), "\x00"+string(rune(8+id))+`{"payload_type":"`+kind+`"}`...)))
		}
		b := make([]byte, 8)
		io.ReadFull(r, b)
		acks <- b
	}()
	c, err := dialRTM(t.Context(), l.Addr().String(), "id", "user", "password", "t")
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-c.got:
	case <-time.After(time.Minute):
		t.Fatal("no message")
	}
	if got := string(<-acks); got != "\x40\x02\x00\x08\x40\x02\x00\x09" {
		t.Errorf("PUBACK % x", got)
	}
	if len(c.got) > 0 {
		t.Error("typing, or a receipt, counted as a message")
	}
}

func TestMany(t *testing.T) {
	var done atomic.Int64
	if err := many(t.Context(), 1000, func(int) error { done.Add(1); return nil }); err != nil || done.Load() != 1000 {
		t.Errorf("%v after %d of 1000", err, done.Load())
	}
	broken := errors.New("broken")
	if err := many(context.Background(), 1000, func(i int) error {
		if i == 7 {
			return broken
		}
		return nil
	}); !errors.Is(err, broken) {
		t.Errorf("many = %v, want the first error", err)
	}
}

func TestRTMTable(t *testing.T) {
	table := rtmTable(RTMRow{Clients: 10000, Connects: 2000, Seconds: 2.9, Answer: Delays{19, 53, 84}, Memory: sizes{"gateway": 4, "plugin": 41}})
	for _, want := range []string{"10000 RTM clients", "within 2.90 s", "19 / 53 / 84 ms", `"plugin":41`} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in %s", want, table)
		}
	}
}
