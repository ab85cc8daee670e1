package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

// debianBroker is an external broker, that of Debian, with a password for the gateway and for
// each customer, and topics for each.
type debianBroker struct {
	t         *testing.T
	dir       string
	port, web string
	cmd       *exec.Cmd
}

const mosquittoConf = `persistence true
persistence_location %[1]s/
allow_anonymous false
password_file %[1]s/passwords
acl_file %[1]s/acl
listener %[2]s 127.0.0.1
listener %[3]s 127.0.0.1
protocol websockets
`

// mosquittoACL is that of the README.
const mosquittoACL = `user gateway
topic readwrite webshop/#

pattern read %u
pattern read %u/presence
pattern write %u/mo
pattern write %u/form
pattern write %u/deliveryupdate
pattern write %u/typing
pattern write %u/presence
`

func newDebianBroker(t *testing.T, users map[string]string) *debianBroker {
	t.Helper()
	for _, name := range []string{"mosquitto", "mosquitto_passwd", "mosquitto_sub", "mosquitto_pub"} { //nolint:misspell // the program's name
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("not run: %s is not installed (Debian: mosquitto, mosquitto-clients)", name) //nolint:misspell // the program's name
		}
	}
	m := &debianBroker{t: t, dir: t.TempDir()}
	for _, port := range []*string{&m.port, &m.web} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_, *port, _ = net.SplitHostPort(l.Addr().String())
		l.Close()
	}
	m.write("m.conf", fmt.Sprintf(mosquittoConf, m.dir, m.port, m.web))
	m.write("acl", mosquittoACL)
	m.write("passwords", "")
	for user, password := range users {
		if out, err := exec.Command("mosquitto_passwd", "-b", filepath.Join(m.dir, "passwords"), user, password).CombinedOutput(); err != nil { //nolint:misspell // the program's name
			t.Fatalf("%v %s", err, out)
		}
	}
	t.Cleanup(m.stop)
	return m
}

func (m *debianBroker) write(name, text string) {
	m.t.Helper()
	if err := os.WriteFile(filepath.Join(m.dir, name), []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

func (m *debianBroker) start() {
	m.t.Helper()
	m.cmd = exec.Command("mosquitto", "-c", filepath.Join(m.dir, "m.conf")) //nolint:misspell // the program's name
	m.cmd.Args = append(m.cmd.Args, "-v")
	if os.Geteuid() == 0 { // it would become another user, who may not read its files
		m.write("m.conf", "user root\n"+fmt.Sprintf(mosquittoConf, m.dir, m.port, m.web))
	}
	if err := m.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	until(m.t, "the broker listens", func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+m.port)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

func (m *debianBroker) stop() {
	if m.cmd == nil {
		return
	}
	m.cmd.Process.Signal(os.Interrupt)
	m.cmd.Wait()
	m.cmd = nil
}

// as is a client of a customer, or nil if only its arguments are wanted.
func (m *debianBroker) as(program string, u registered, more ...string) *exec.Cmd {
	args := append([]string{"-h", "127.0.0.1", "-p", m.port, "-u", "webshop/" + u.UserID, "-P", u.AccessToken,
		"-i", "webshop/" + u.UserID + "/" + program, "-q", "1"}, more...)
	return exec.CommandContext(m.t.Context(), program, args...)
}

func TestMosquittoBroker(t *testing.T) {
	tokens := newRig(t, nil)
	alice, eve := tokens.user("alice"), tokens.user("eve")
	m := newDebianBroker(t, map[string]string{"gateway": "gateway's password", "webshop/alice": alice.AccessToken, "webshop/eve": eve.AccessToken})
	r := newRig(t, func(s *Settings) {
		s.MQTTListen, s.BrokerURL, s.BrokerUser, s.BrokerPassword = "", "mqtt://127.0.0.1:"+m.port, "gateway", "gateway's password"
		s.Presence = true
	})
	r.listen()
	to := sdk.Customer{Address: "alice"}
	var retry *sdk.RetryError
	if _, err := r.Send(t.Context(), to, text(1)); !errors.As(err, &retry) {
		t.Fatalf("Send without a broker = %v, want a retry", err)
	}
	m.start()
	connected := func() {
		t.Helper()
		until(t, "the driver is connected", func() bool { return r.link.(*external).client.IsConnectionOpen() })
	}
	connected()

	sub := m.as("mosquitto_sub", alice, "-t", "webshop/alice", "-C", "3", "-W", "60") //nolint:misspell // the program's name
	out, err := sub.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := sub.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	next := func() (d downlink) {
		t.Helper()
		if !lines.Scan() || json.Unmarshal(lines.Bytes(), &d) != nil {
			t.Fatalf("line %q", lines.Text())
		}
		return d
	}
	publish := func(u registered, topic, payload string) {
		t.Helper()
		if out, err := m.as("mosquitto_pub", u, "-t", topic, "-m", payload).CombinedOutput(); err != nil { //nolint:misspell // the program's name
			t.Fatalf("%v %s", err, out)
		}
	}
	texts := func() (list []string) { // each once, as the gateway does: the broker may repeat the last one when it starts
		known := map[string]bool{}
		for _, e := range r.host.taken() {
			if e.Type == sdk.CustomerMessage && !known[e.ID] {
				known[e.ID] = e.ID != ""
				list = append(list, e.Customer.Address+": "+e.Text)
			}
		}
		return list
	}
	publish(alice, "webshop/alice/mo", `{"tid":"c1","message":"hello"}`)
	if d := next(); d.PayloadType != "ack" || d.TID != "c1" {
		t.Errorf("answer %+v", d)
	}
	if _, err := r.Send(t.Context(), to, text(2)); err != nil {
		t.Fatal(err)
	}
	if d := next(); d.TID != "c.1.2" {
		t.Errorf("got %+v", d)
	}
	publish(eve, "webshop/alice/mo", `{"tid":"c2","message":"forged"}`) // acknowledged and dropped, as 3.1.1 has no refusal
	publish(alice, "webshop/alice/presence", "online")
	until(t, "presence", func() bool { return r.host.taken()[len(r.host.taken())-1].EventName == "presence" })

	r.host.failNext(2) // the gateway has to be asked again
	publish(alice, "webshop/alice/mo", `{"tid":"c3","message":"again"}`)
	if d := next(); d.TID != "c3" {
		t.Errorf("answer %+v", d)
	}
	if err := sub.Wait(); err != nil {
		t.Errorf("the client ended with %v", err)
	}
	if got := strings.Join(texts(), "; "); got != "alice: hello; alice: again" {
		t.Errorf("messages %q", got)
	}

	m.stop()
	until(t, "the driver knows that it is gone", func() bool { return !r.link.(*external).client.IsConnectionOpen() })
	m.start()
	publish(alice, "webshop/alice/mo", `{"tid":"c4","message":"while away"}`) // the broker keeps it
	connected()
	until(t, "what was kept", func() bool { return len(texts()) == 3 })

	// What is retained does no harm when the driver subscribes again.
	if out, err := m.as("mosquitto_pub", alice, "-r", "-t", "webshop/alice/mo", "-m", `{"tid":"c5","message":"retained"}`).CombinedOutput(); err != nil { //nolint:misspell // the program's name
		t.Fatalf("%v %s", err, out)
	}
	until(t, "what is retained, when it is published", func() bool { return len(texts()) == 4 })
	m.stop()
	until(t, "the driver knows that it is gone", func() bool { return !r.link.(*external).client.IsConnectionOpen() })
	m.start()
	connected()
	publish(alice, "webshop/alice/mo", `{"tid":"c6","message":"after that"}`)
	until(t, "what is published later", func() bool { return len(texts()) >= 5 })
	if got := texts(); got[4] != "alice: after that" {
		t.Errorf("messages %q", got)
	}

	// Ticks and agents, and presence as the user reads it.
	sub = m.as("mosquitto_sub", alice, "-t", "webshop/alice", "-t", "webshop/alice/presence", "-C", "3", "-W", "60", "-F", "%q %p") //nolint:misspell // the program's name
	if out, err = sub.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	publishPresence := m.as("mosquitto_pub", alice, "-r", "-t", "webshop/alice/presence", "-m", "online") //nolint:misspell // the program's name
	if out, err := publishPresence.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	if err := sub.Start(); err != nil {
		t.Fatal(err)
	}
	lines = bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "1 online" {
		t.Errorf("presence %q", lines.Text())
	}
	r.say("read c1", "agent_joined Anna")
	for _, want := range []string{`1 {"payload_type":"receipt"`, `1 {"payload_type":"event"`} {
		if !lines.Scan() || !strings.HasPrefix(lines.Text(), want) {
			t.Errorf("notice %q, want %s", lines.Text(), want)
		}
	}
	if err := sub.Wait(); err != nil {
		t.Errorf("the client ended with %v", err)
	}

	node := plugintest.Node(t, "../..", "testdata/mqttjs.cjs", "ws://127.0.0.1:"+m.web, "5", "webshop/eve", eve.AccessToken, "webshop/eve/node", "webshop/eve")
	if out, err = node.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	lines = bufio.NewScanner(out)
	lines.Scan()
	until(t, "the message over WebSocket", func() bool { return len(texts()) == 6 })
	if _, err := r.Send(t.Context(), sdk.Customer{Address: "eve"}, sdk.Message{ID: "c.9", Text: "bye"}); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
		t.Log(lines.Text())
	}
	if err := node.Wait(); err != nil {
		t.Errorf("MQTT.js ended with %v", err)
	}
}
