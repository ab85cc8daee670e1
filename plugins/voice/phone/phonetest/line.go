// Package phonetest is the far side of telephone calls in tests: sipp, a program
// that others wrote (https://sipp.sourceforge.net), and a socket for the audio.
package phonetest

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Line is a telephone line on which sipp plays one scenario, once.
type Line struct {
	Addr string       // of sipp
	Sink *net.UDPConn // where the audio of a call comes to

	t     testing.TB
	ended chan error
	said  *bytes.Buffer
}

// Start starts sipp with a scenario, a file in which it replaces words, as
// strings.NewReplacer has them. Without sipp the test is skipped.
func Start(t testing.TB, scenario string, replace ...string) *Line {
	t.Helper()
	return StartOn(t, "u1", 1, scenario, replace...)
}

// StartOn is Start for so many calls over another of sipp's transports, such as t1 for
// TCP.
func StartOn(t testing.TB, transport string, calls int, scenario string, replace ...string) *Line {
	t.Helper()
	sipp, err := exec.LookPath("sipp")
	if err != nil {
		t.Skip("not run: sipp is not installed (Debian: sip-tester)")
	}
	l := &Line{t: t, ended: make(chan error, 1), said: &bytes.Buffer{}}
	if l.Sink, err = net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Sink.Close() })
	xml, err := os.ReadFile(scenario)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "scenario.xml")
	if err := os.WriteFile(file, []byte(strings.NewReplacer(replace...).Replace(string(xml))), 0o600); err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	l.Addr = net.JoinHostPort("127.0.0.1", port)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, sipp, "-sf", file, "-i", "127.0.0.1", "-p", port, "-t", transport, "-m", strconv.Itoa(calls), "-nostdin", "-buff_size", "1048576", "-timeout", "60",
		"-timeout_error", "-trace_err", "-key", "audio", strconv.Itoa(l.Sink.LocalAddr().(*net.UDPAddr).Port))
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = l.said, l.said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.ended <- cmd.Wait()
	}()
	t.Cleanup(func() { stop(); <-done })
	return l
}

// freePort returns a port that nobody has now, neither of UDP nor of TCP.
func freePort(t testing.TB) string {
	t.Helper()
	for range 100 {
		stream, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := strconv.Itoa(stream.Addr().(*net.TCPAddr).Port)
		datagrams, err := net.ListenPacket("udp", stream.Addr().String())
		_ = stream.Close()
		if err == nil {
			_ = datagrams.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return ""
}

// Content wants sipp to have seen its scenario to the end.
func (l *Line) Content() {
	l.t.Helper()
	select {
	case err := <-l.ended:
		if err != nil {
			l.t.Errorf("sipp: %v\n%s", err, l.said)
		}
	case <-time.After(time.Minute):
		l.t.Error("sipp does not end")
	}
}
