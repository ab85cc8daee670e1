package main

import (
	"bufio"
	"encoding/json"
	"net"
	"os/exec"
	"strings"
	"testing"

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
