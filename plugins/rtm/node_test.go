package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

// MQTT.js in Node over WebSocket, both versions: it subscribes, publishes, is
// cut off, comes back, and has each message.
func TestMQTTJS(t *testing.T) {
	for _, version := range []int{4, 5} {
		t.Run(fmt.Sprint("level ", version), func(t *testing.T) {
			w := newWeb(t, nil)
			w.listen()
			alice := w.user("alice")
			run := func(password string) (*bufio.Scanner, func() error) {
				cmd := plugintest.Node(t, "../..", "testdata/mqttjs.cjs", strings.Replace(w.URL, "http", "ws", 1)+"/hooks/webshop/mqtt",
					fmt.Sprint(version), "webshop/alice", password, "webshop/alice/node", "webshop/alice")
				cmd.Stderr = os.Stderr
				out, err := cmd.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				return bufio.NewScanner(out), cmd.Wait
			}
			lines, wait := run(alice.AccessToken)
			want := func(wanted ...string) {
				t.Helper()
				left := map[string]bool{}
				for _, w := range wanted {
					left[w] = true
				}
				for len(left) > 0 && lines.Scan() { // the library does not say in which order
					if !left[lines.Text()] {
						t.Errorf("the client printed %q, want one of %v", lines.Text(), left)
					}
					delete(left, lines.Text())
				}
				if len(left) > 0 {
					t.Fatalf("the client did not print %v", left)
				}
			}
			want("ready", "ack c1")
			if e := w.host.taken(); len(e) != 1 || e[0].Text != "Grüezi from MQTT.js" {
				t.Errorf("events %+v", e)
			}
			w.send("alice", text(1))
			want("message message 1")
			w.host.receipts([]sdk.Event{{Type: sdk.MessageDelivered, MessageID: "c.1.1"}})
			w.outage(true)
			w.send("alice", text(2))
			w.outage(false)
			want("again", "message message 2")
			w.send("alice", sdk.Message{ID: "c.1.9", Text: "bye"})
			want("message bye")
			if err := wait(); err != nil {
				t.Errorf("the client ended with %v", err)
			}
			lines, _ = run(alice.AccessToken + "x")
			lines.Scan()
			if !strings.HasPrefix(lines.Text(), "error ") {
				t.Errorf("with a wrong token it printed %q, want an error", lines.Text())
			}
		})
	}
}
