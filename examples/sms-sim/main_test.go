package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/examples/sms-sim/sim"
	"github.com/openccsp/gateway/plugins/sms/smpp"
)

// start runs the program and returns its addresses.
func start(t *testing.T, args ...string) (smsc, control string) {
	t.Helper()
	out, in := io.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, append(args, "-listen", "127.0.0.1:0", "-control", "127.0.0.1:0"), in, in)
		_ = in.Close()
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("it ended with %v", err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	smsc, control, _ = strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "listening on "), ", control on ")
	return smsc, control
}

// esme binds, and returns what comes and a session.
func esme(t *testing.T, addr string, id smpp.ID, b smpp.Bind) (*smpp.Session, chan smpp.PDU, error) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	came := make(chan smpp.PDU, 100)
	var s *smpp.Session
	s = smpp.New(conn, smpp.Options{Handle: func(p smpp.PDU) {
		_ = s.Respond(p, smpp.OK, &smpp.Taken{})
		came <- p
	}})
	ended := make(chan struct{})
	go func() { defer close(ended); _ = s.Run(context.Background()) }()
	t.Cleanup(func() { s.Close(); <-ended })
	b.Version = smpp.Version
	_, err = s.Bind(t.Context(), id, b)
	return s, came, err
}

func call(t *testing.T, method, url, body string, answer any) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if answer != nil {
		if err := json.NewDecoder(resp.Body).Decode(answer); err != nil {
			t.Fatal(err)
		}
	}
	return resp.StatusCode
}

func TestProgram(t *testing.T) {
	addr, control := start(t, "-system-id", "shop", "-password", "secret")
	for _, wrong := range []struct {
		b    smpp.Bind
		want string
	}{
		{smpp.Bind{SystemID: "other", Password: "secret"}, "RINVSYSID"},
		{smpp.Bind{SystemID: "shop", Password: "guess"}, "RINVPASWD"},
	} {
		if _, _, err := esme(t, addr, smpp.BindTransceiver, wrong.b); err == nil || !strings.Contains(err.Error(), wrong.want) {
			t.Errorf("%+v: %v, want %s", wrong.b, err, wrong.want)
		}
	}
	good := smpp.Bind{SystemID: "shop", Password: "secret"}
	s, came, err := esme(t, addr, smpp.BindTransceiver, good)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := esme(t, addr, smpp.BindTransceiver, good); err == nil || !strings.Contains(err.Error(), "RALYBND") {
		t.Errorf("a second bind: %v", err)
	}

	if code := call(t, "POST", control+"/deliver", `{"from":"41791234567","to":"12345","text":"hi"}`, nil); code != 200 {
		t.Errorf("deliver: %d", code)
	}
	if m, _ := (<-came).Incoming(); string(m.Octets) != "hi" || m.Source.Addr != "41791234567" {
		t.Errorf("came %+v", m)
	}
	message := func(text string) *smpp.Short {
		return &smpp.Short{Source: smpp.Address{Addr: "12345"}, Dest: smpp.Address{TON: 1, NPI: 1, Addr: "41791234567"},
			RegisteredDelivery: 1, Message: []byte(text)}
	}
	call(t, "POST", control+"/faults", `{"status":88}`, nil)
	if _, err := s.Ask(t.Context(), smpp.SubmitSM, message("hello")); err == nil || !strings.Contains(err.Error(), "RTHROTTLED") {
		t.Errorf("the fault: %v", err)
	}
	if _, err := s.Ask(t.Context(), smpp.SubmitSM, message("hello")); err != nil {
		t.Error(err)
	}
	if m, _ := (<-came).Incoming(); !m.IsReceipt() {
		t.Errorf("came %+v", m)
	}
	var sent []sim.Message
	call(t, "GET", control+"/messages", "", &sent)
	if len(sent) != 1 || sent[0].Text != "hello" {
		t.Errorf("messages %+v", sent)
	}
	for want, m := range map[string]*smpp.Short{
		"RINVDSTADR":   {Source: smpp.Address{Addr: "12345"}, Message: []byte("x")},
		"RINVSRCADR":   {Dest: smpp.Address{Addr: "12345"}, Message: []byte("x")},
		"RINVMSGLEN":   message(strings.Repeat("x", 161)),
		"RINVESMCLASS": {Source: smpp.Address{Addr: "1"}, Dest: smpp.Address{Addr: "1"}, Message: []byte("x"), ESMClass: 4},
	} {
		if _, err := s.Ask(t.Context(), smpp.SubmitSM, m); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", m, err, want)
		}
	}
	var state struct {
		Bound    int
		Breaches []string
	}
	call(t, "GET", control+"/state", "", &state)
	if state.Bound != 1 || len(state.Breaches) != 1 { // the one that was too long
		t.Errorf("state %+v", state)
	}
	if code := call(t, "POST", control+"/faults", `{"stat":88}`, nil); code != 400 {
		t.Errorf("a fault that there is not: %d", code)
	}
	call(t, "POST", control+"/cut", "", nil)
	select {
	case <-s.Done():
	case <-time.After(time.Minute):
		t.Error("the connection was not cut")
	}
}

func TestBadFlags(t *testing.T) {
	if err := run(t.Context(), []string{"-tps", "many"}, io.Discard, io.Discard); err == nil {
		t.Error("no error")
	}
}
