package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/openccsp/gateway/plugins/voice/phone"
	"github.com/openccsp/gateway/plugins/voice/phone/phonetest"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/sdktest"
)

// viaSIP are settings that call over a line.
func viaSIP(server string) settings {
	return settings{Provider: providerSIP, SIP: &SIPSettings{Server: server, User: "100", NoPing: true, Rate: 100}}
}

func scenario(name string) string { return filepath.Join("phone/testdata", name+".xml") }

// beep is a WAV file of a second.
func beep() []byte {
	var b bytes.Buffer
	b.WriteString("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00")
	for _, v := range []any{uint32(8000), uint32(16000), uint16(2), uint16(16)} {
		_ = binary.Write(&b, binary.LittleEndian, v)
	}
	b.WriteString("data")
	_ = binary.Write(&b, binary.LittleEndian, uint32(16000))
	for i := range 8000 {
		_ = binary.Write(&b, binary.LittleEndian, int16(20000*math.Sin(2*math.Pi*440*float64(i)/8000)))
	}
	return b.Bytes()
}

// A recording is played, a key is told, and the call ends: as events of the
// message, each once.
func TestSIPCall(t *testing.T) {
	line := phonetest.Start(t, scenario("answer"))
	g := sdktest.Start(t, plugin(), "phone", "voice", viaSIP(line.Addr))
	file := g.AddMedia("order.wav", "audio/wav", beep())
	m := sdk.Message{ID: "0f.9a.7", Attachments: []sdk.Attachment{file}, Extras: map[string]string{"digits": "1"}}
	receipt, err := g.Call(t.Context(), sdk.Customer{Address: "+41791234567"}, m)
	if err != nil || receipt.MessageID != m.ID {
		t.Fatalf("call: %+v, %v", receipt, err)
	}
	if e := g.NextEvent(); e.Type != sdk.CallAnswered || e.CallID != m.ID && e.Ref != m.ID || e.ID != m.ID+".answered" {
		t.Errorf("got %+v, want it answered", e)
	}
	pressKey(t, line, 3)
	if e := g.NextEvent(); e.Type != sdk.CallDigits || e.Digits != "3" {
		t.Errorf("got %+v, want the key 3", e)
	}
	if e := g.NextEvent(); e.Type != sdk.CallEnded || e.Reason != "completed" || e.Duration == nil || e.ID != m.ID+".ended" {
		t.Errorf("got %+v, want the end", e)
	}
	line.Content()
}

// pressKey waits for audio and sends a telephone event to where it comes from.
func pressKey(t *testing.T, line *phonetest.Line, event byte) {
	t.Helper()
	_ = line.Sink.SetReadDeadline(time.Now().Add(time.Minute))
	_, from, err := line.Sink.ReadFromUDP(make([]byte, 1500))
	if err != nil {
		t.Fatal(err)
	}
	p := rtp.Packet{Payload: []byte{event, 0x80, 0, 160}, Header: rtp.Header{Version: 2, PayloadType: 96, Timestamp: 1}}
	b, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := line.Sink.WriteToUDP(b, from); err != nil {
		t.Fatal(err)
	}
}

// A text is said by espeak-ng, to somebody who is busy.
func TestSIPSays(t *testing.T) {
	line := phonetest.Start(t, scenario("busy"))
	g := sdktest.Start(t, plugin(), "phone", "voice", viaSIP(line.Addr))
	_, err := g.Call(t.Context(), sdk.Customer{Address: "100", Locale: "de-CH"}, sdk.Message{ID: "m", Text: "Ihre Bestellung ist da."})
	if _, missing := exec.LookPath("espeak-ng"); missing != nil {
		if r, ok := errors.AsType[*sdk.RejectedError](err); !ok || r.Code != "no_speech" {
			t.Errorf("without espeak-ng: %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if e := g.NextEvent(); e.Type != sdk.CallEnded || e.Reason != "busy" {
		t.Errorf("got %+v, want busy", e)
	}
	line.Content()
}

// An instance that ends hangs up, and the end of the call is still told.
func TestSIPDrain(t *testing.T) {
	line := phonetest.Start(t, scenario("answer"))
	g := sdktest.Start(t, plugin(), "phone", "voice", viaSIP(line.Addr))
	file := g.AddMedia("order.wav", "audio/wav", beep())
	m := sdk.Message{ID: "m", Attachments: []sdk.Attachment{file, file, file, file, file, file, file, file}}
	if _, err := g.Call(t.Context(), sdk.Customer{Address: "100"}, m); err != nil {
		t.Fatal(err)
	}
	if e := g.NextEvent(); e.Type != sdk.CallAnswered {
		t.Errorf("got %+v, want it answered", e)
	}
	g.Drain(t.Context(), time.Minute)
	select {
	case e := <-g.Events():
		if e.Type != sdk.CallEnded || e.Reason != "canceled" {
			t.Errorf("got %+v, want it canceled", e)
		}
	default:
		t.Error("the drain ended before the end of the call was told")
	}
	if kept := g.State(stateCalls); kept != nil {
		t.Errorf("%s are still noted", kept)
	}
	line.Content()
}

// An instance that the registrar refuses says so, and places no call.
func TestSIPNotRegistered(t *testing.T) {
	registrar, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { _ = registrar.Close(); <-done })
	go func() {
		defer close(done)
		refuse(registrar)
	}()
	s := viaSIP(registrar.LocalAddr().String())
	s.Password, s.SIP.Register = "wrong", true
	g := sdktest.Start(t, plugin(), "phone", "voice", s)
	for deadline := time.Now().Add(time.Minute); !strings.Contains(g.Trouble(t.Context()), "403"); {
		if time.Now().After(deadline) {
			t.Fatalf("the instance says %q", g.Trouble(t.Context()))
		}
	}
	m := sdk.Message{ID: "m", Attachments: []sdk.Attachment{g.AddMedia("b.wav", "audio/wav", beep())}}
	if _, err := g.Call(t.Context(), sdk.Customer{Address: "100"}, m); !errors.Is(err, sdk.ErrAuthConfig) {
		t.Errorf("a call: %v", err)
	}
}

// refuse answers each request 403 until conn is closed.
func refuse(conn net.PacketConn) {
	for buf := make([]byte, 4096); ; {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		answer := "SIP/2.0 403 Forbidden\r\n"
		for line := range strings.Lines(string(buf[:n])) {
			name, _, _ := strings.Cut(line, ":")
			switch name {
			case "Via", "From", "Call-ID", "CSeq":
				answer += line
			case "To":
				answer += strings.TrimSpace(line) + ";tag=1\r\n"
			}
		}
		_, _ = conn.WriteTo([]byte(answer+"Content-Length: 0\r\n\r\n"), from)
	}
}

// What is wrong with a call is said before anything rings.
func TestSIPRefusesCalls(t *testing.T) {
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	g := sdktest.Start(t, plugin(), "phone", "voice", viaSIP(silent.LocalAddr().String()))
	text := g.AddMedia("order.txt", "text/plain", []byte("hello"))
	for name, tt := range map[string]struct {
		to   string
		m    sdk.Message
		code string
	}{
		"nothing":       {"100", sdk.Message{}, "empty"},
		"too long":      {"100", sdk.Message{Text: strings.Repeat("x", maxSaid+1)}, "too_long"},
		"no recording":  {"100", sdk.Message{Attachments: []sdk.Attachment{text}}, "recording"},
		"resent":        {"100", sdk.Message{Text: "x", Resent: true}, "ambiguous"},
		"bad digits":    {"100", sdk.Message{Text: "x", Extras: map[string]string{"digits": "many"}}, "digits"},
		"bad number":    {"a b@evil", sdk.Message{Attachments: []sdk.Attachment{g.AddMedia("b.wav", "audio/wav", beep())}}, "number"},
		"ten choices":   {"100", sdk.Message{Text: "x", QuickReplies: make([]sdk.QuickReply, 10)}, "too_many_choices"},
		"header in to":  {"1\r\nX: y", sdk.Message{Attachments: []sdk.Attachment{g.AddMedia("b.wav", "audio/wav", beep())}}, "number"},
		"a code":        {"*21#", sdk.Message{Attachments: []sdk.Attachment{g.AddMedia("b.wav", "audio/wav", beep())}}, "not_allowed"},
		"another's URI": {"1@10.0.0.1", sdk.Message{Attachments: []sdk.Attachment{g.AddMedia("b.wav", "audio/wav", beep())}}, "number"},
	} {
		tt.m.ID = "m"
		_, err := g.Call(t.Context(), sdk.Customer{Address: tt.to}, tt.m)
		if r, ok := errors.AsType[*sdk.RejectedError](err); !ok || r.Code != tt.code {
			t.Errorf("%s: %v, want %s", name, err, tt.code)
		}
	}
	if _, err := g.Send(t.Context(), sdk.Customer{Address: "100"}, sdk.Message{ID: "m", Text: "x"}); !errors.Is(err, sdk.ErrUnsupported) {
		t.Errorf("a message: %v", err)
	}
}

func TestSIPSettings(t *testing.T) {
	good := SIPSettings{Server: "sip.example.com", User: "100", Listen: "127.0.0.1"}
	for want, change := range map[string]func(*SIPSettings){
		"server":         func(s *SIPSettings) { s.Server = "a b" },
		"user":           func(s *SIPSettings) { s.User = "a@b" },
		"transport":      func(s *SIPSettings) { s.Transport = "smoke" },
		"register":       func(s *SIPSettings) { s.Register = true },
		"listen":         func(s *SIPSettings) { s.Listen = "localhost" },
		"listen ":        func(s *SIPSettings) { s.Listen = "0.0.0.0:5060" },
		"public_address": func(s *SIPSettings) { s.PublicAddress = "gw.example.com" },
		"audio_ports":    func(s *SIPSettings) { s.AudioPorts = "2000-1000" },
		"ring_for":       func(s *SIPSettings) { s.RingFor = "1h" },
		"max_duration":   func(s *SIPSettings) { s.MaxDuration = "x" },
		"digits_for":     func(s *SIPSettings) { s.DigitsFor = "0s" },
		"language":       func(s *SIPSettings) { s.Language = "-v x" },
		"digits ":        func(s *SIPSettings) { s.Digits = 33 },
		"repeat":         func(s *SIPSettings) { s.Repeat = 11 },
		"choice_text":    func(s *SIPSettings) { s.ChoiceText = "press" },
		"rate":           func(s *SIPSettings) { s.Rate = -1 },
		"domain":         func(s *SIPSettings) { s.Domain = "a;b" },
		"allow":          func(s *SIPSettings) { s.Allow = allow{"+41 79"} },
		"auth_user":      func(s *SIPSettings) { s.AuthUser = "a\"b" },
	} {
		s := good
		change(&s)
		if _, err := s.check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	c, err := good.check()
	if err != nil || c.Server != "sip.example.com:5060" || c.Domain != "sip.example.com" {
		t.Errorf("got %+v, %v", c, err)
	}
}

func TestSIPConformance(t *testing.T) {
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	sdktest.Run(t, sdktest.Config{Plugin: plugin(), Driver: "voice", Settings: viaSIP(silent.LocalAddr().String()),
		BadSettings: []any{settings{Provider: providerSIP}, viaSIP("")}})
}

// What the gateway could not take is told again, and what it never will is not.
func TestSIPTellsAgain(t *testing.T) {
	p, err := openSIP(SIPSettings{Server: "127.0.0.1:9", User: "100"}, &keptState{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.CloseInstance(t.Context()) }()
	p.told <- phone.Event{ID: "refused", Answered: true}
	p.told <- phone.Event{ID: "m", Ended: phone.Busy}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got []string
	err = p.Listen(ctx, func(_ context.Context, events ...sdk.Event) error {
		got = append(got, events[0].ID)
		switch len(got) {
		case 1:
			return sdk.Rejected("x", "it names nobody")
		case 2:
			return errors.New("the disk is full")
		}
		cancel()
		return nil
	})
	if want := []string{"refused.answered", "m.ended", "m.ended"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

// A call that died with its process has an end: the next process tells it. One that
// this process has placed has its own.
func TestSIPBuries(t *testing.T) {
	h := &keptState{}
	before, err := openSIP(SIPSettings{Server: "127.0.0.1:9", User: "100"}, h)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = before.CloseInstance(t.Context()) }()
	for _, id := range []string{"ended", "died"} {
		if err := before.begins(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	before.over(t.Context(), "ended")

	p, err := openSIP(SIPSettings{Server: "127.0.0.1:9", User: "100"}, h)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.CloseInstance(t.Context()) }()
	if err := p.begins(t.Context(), "talks"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err = p.Listen(ctx, func(_ context.Context, events ...sdk.Event) error {
		defer cancel()
		if e := events[0]; len(events) != 1 || e.ID != "died.ended" || e.CallID != "died" || e.Type != sdk.CallEnded || e.Reason != "failed" || e.Duration != nil {
			t.Errorf("told of %+v", events)
		}
		return nil
	})
	if err != nil || string(h.kept) != `["talks"]` {
		t.Errorf("%v; still noted: %s", err, h.kept)
	}
}

// keptState is a gateway that keeps one value.
type keptState struct {
	stateHost
	kept []byte
}

func (h *keptState) State(context.Context, string) ([]byte, error) { return h.kept, nil }
func (h *keptState) SetState(_ context.Context, _ string, old, next []byte) error {
	if !bytes.Equal(old, h.kept) {
		return sdk.ErrConflict
	}
	h.kept = next
	return nil
}

// Settings that are saved again have the same port: the old instance has it until it
// ends, and the new one takes it then.
func TestSIPPort(t *testing.T) {
	probe, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := SIPSettings{Server: "127.0.0.1:9", User: "100", Listen: probe.LocalAddr().String()}
	_ = probe.Close()
	before, err := openSIP(s, &keptState{})
	if err != nil {
		t.Fatal(err)
	}
	after, err := openSIP(s, &keptState{})
	if err != nil {
		t.Fatal(err)
	}
	var again *sdk.RetryError
	if err := after.Listen(t.Context(), nil); !errors.As(err, &again) {
		t.Errorf("while the port is taken: %v, want a retry", err)
	}
	if err := before.CloseInstance(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := after.telephone(); err != nil {
		t.Errorf("the port is free: %v", err)
	}
	if err := after.CloseInstance(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := before.telephone(); err == nil {
		t.Error("what is closed opens again")
	}
}
