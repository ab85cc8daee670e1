package main

import (
	"bufio"
	"encoding/json"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/sdk"
)

// A client that others wrote: the wire is not only what our own library thinks
// it is.
func TestMosquittoSub(t *testing.T) {
	sub, err := exec.LookPath("mosquitto_sub") //nolint:misspell // the program's name
	if err != nil {
		t.Skip("not run: mosquitto_sub is not installed (Debian: mosquitto-clients)") //nolint:misspell // the program's name
	}
	for _, version := range []string{"mqttv311", "mqttv5"} {
		t.Run(version, func(t *testing.T) {
			r := newRig(t, nil)
			r.presence.grace = 50 * time.Millisecond
			host, port, err := net.SplitHostPort(r.listen())
			if err != nil {
				t.Fatal(err)
			}
			alice := r.register()
			command := func(topic string, more ...string) *exec.Cmd {
				args := append([]string{"-h", host, "-p", port, "-V", version, "-u", alice.Broker["username"],
					"-P", alice.AccessToken, "-i", alice.Broker["clientId"], "-q", "1", "-t", topic, "-W", "60"}, more...)
				return exec.CommandContext(t.Context(), sub, args...)
			}
			r.send(alice.UserID, text(1)) // before anybody is there

			cmd := command(alice.Broker["topic"], "-C", "2")
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(out)
			for n, want := range []string{"message 1", "agent: Grüezi 👋"} {
				if n == 1 {
					r.send(alice.UserID, sdk.Message{ID: "c.1.2", Text: want})
				}
				var d downlink
				if !lines.Scan() || json.Unmarshal(lines.Bytes(), &d) != nil || d.Message != want {
					t.Fatalf("line %q, want message %q", lines.Text(), want)
				}
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("the client ended with %v", err)
			}

			for _, qos := range []string{"0", "1", "2"} {
				cmd := exec.CommandContext(t.Context(), "mosquitto_pub", "-h", host, "-p", port, "-V", version, "-u", alice.Broker["username"], //nolint:misspell // the program's name
					"-P", alice.AccessToken, "-i", alice.Broker["username"]+"/pub", "-q", qos, "-t", alice.Broker["topic"]+"/mo", "-m", `{"message":"at `+qos+`"}`)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("at QoS %s: %v %s", qos, err, out)
				}
			}
			until(t, "all that was published", func() bool { return len(r.host.taken()) == 3 })

			// Presence: retained, of a user who is away, comes, and goes.
			watch := exec.CommandContext(t.Context(), sub, "-h", host, "-p", port, "-V", version, "-u", alice.Broker["username"],
				"-P", alice.AccessToken, "-i", alice.Broker["username"]+"/watch", "-q", "1", "-t", alice.Broker["topic"]+"/presence",
				"-F", "%r %p", "-C", "3", "-W", "60")
			if out, err = watch.StdoutPipe(); err != nil {
				t.Fatal(err)
			}
			until(t, "nobody is there", func() bool { return r.devices(alice.UserID) == 0 && !r.presence.isHere(alice.UserID) })
			if err := watch.Start(); err != nil {
				t.Fatal(err)
			}
			lines = bufio.NewScanner(out)
			var c *client
			for n, want := range []string{"1 offline", "0 online", "0 offline"} {
				switch n {
				case 1:
					c = dial(t, net.JoinHostPort(host, port), 4)
					c.connect(as(registered{UserID: alice.UserID, AccessToken: alice.AccessToken}))
					c.subscribe(alice.Broker["topic"], 1, 1)
				case 2:
					c.conn.Close()
				}
				if !lines.Scan() || lines.Text() != want {
					t.Fatalf("presence %q, want %q", lines.Text(), want)
				}
			}
			if err := watch.Wait(); err != nil {
				t.Errorf("the watcher ended with %v", err)
			}

			outErr, err := command("webshop/somebody-else").CombinedOutput() // its status says nothing
			if !strings.Contains(strings.ToLower(string(outErr)), "denied") {
				t.Errorf("another user's topic: %v %s, want a denied subscription", err, outErr)
			}
			alice.AccessToken += "x"
			if outErr, err = command(alice.Broker["topic"]).CombinedOutput(); err == nil {
				t.Errorf("wrong token: %s", outErr)
			}
		})
	}
}
