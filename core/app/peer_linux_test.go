package app

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOwnListener(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	own := newOwnListener(ln, slog.New(slog.NewTextHandler(&log, nil)))
	accepted := make(chan net.Conn)
	ended := make(chan error, 1)
	go func() {
		for {
			c, err := own.Accept()
			if err != nil {
				ended <- err
				return
			}
			accepted <- c
		}
	}()

	us, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer us.Close()
	theirs := <-accepted
	defer theirs.Close()
	if uid, pid, err := peerOf(theirs); err != nil || uid != os.Geteuid() || pid != os.Getpid() {
		t.Errorf("peerOf = %d, %d, %v; want %d, %d", uid, pid, err, os.Geteuid(), os.Getpid())
	}
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("err = %v, want net.ErrClosed", err)
	}
}

// TestOwnListenerRefuses pretends that the listener belongs to another user.
func TestOwnListenerRefuses(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may connect to everything")
	}
	path := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	own := newOwnListener(ln, slog.New(slog.NewTextHandler(&log, nil)))
	own.uid++
	ended := make(chan error, 1)
	go func() { _, err := own.Accept(); ended <- err }()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("read = %v, want io.EOF", err)
	}
	_ = ln.Close()
	<-ended
	if !strings.Contains(log.String(), "refused") {
		t.Errorf("log = %q", log.String())
	}
}

// TestOwnListenerRefusesPlugins: the user is right, but the process is confined.
func TestOwnListenerRefusesPlugins(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	own := newOwnListener(ln, slog.New(slog.DiscardHandler))
	asked := 0
	own.confined = func(pid int) bool { asked = pid; return true }
	ended := make(chan error, 1)
	go func() { _, err := own.Accept(); ended <- err }()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("read = %v, want io.EOF", err)
	}
	_ = ln.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) || asked != os.Getpid() {
		t.Errorf("err = %v after process %d, want net.ErrClosed after %d", err, asked, os.Getpid())
	}
}

// TestOwnListenerRefusesOthers is the same for root: a connection that is not
// a unix socket has no user.
func TestOwnListenerRefusesOthers(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	own := newOwnListener(ln, slog.New(slog.DiscardHandler))
	ended := make(chan error, 1)
	go func() { _, err := own.Accept(); ended <- err }()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("read = %v, want io.EOF", err)
	}
	_ = ln.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("err = %v, want net.ErrClosed", err)
	}
}
