package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// built is where the programs are that TestMain has built, as make build lays
// them out.
var built string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "demo-test-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	built = filepath.Join(dir, "examples")
	for out, packages := range map[string][]string{
		filepath.Join(dir, "gateway"):       {"../.."},
		filepath.Join(dir, "plugins") + "/": {"../../plugins/bot", "../../plugins/enghouse", "../../plugins/imichat", "../../plugins/rtm"},
		built + "/":                         {"../bot-sim", "../enghouse-sim", "../imichat-sim", "../webchat"},
	} {
		if text, err := exec.Command("go", append([]string{"build", "-o", out}, packages...)...).CombinedOutput(); err != nil {
			panic("go build: " + err.Error() + "\n" + string(text))
		}
	}
	return m.Run()
}

// The whole demo, as make demo plays it.
func TestDemo(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	t.Setenv("TMPDIR", t.TempDir())
	var out bytes.Buffer
	if err := run(ctx, &out, built, false); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if !strings.Contains(out.String(), "all 18 steps came out as they should") {
		t.Errorf("the last line is missing:\n%s", out.String())
	}
	if left, _ := os.ReadDir(os.TempDir()); len(left) > 0 {
		t.Errorf("%d entries are left in the temporary folder, the first is %s", len(left), left[0])
	}
}

// A demo that is told to stop stops the programs and removes its folder.
func TestDemoInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	t.Setenv("TMPDIR", t.TempDir())
	w := writerFunc(func(b []byte) {
		if bytes.Contains(b, []byte("registered as")) {
			cancel()
		}
	})
	err := run(ctx, w, built, false)
	if err == nil || !strings.Contains(err.Error(), "step ") || !strings.Contains(err.Error(), context.Canceled.Error()) {
		t.Errorf("err = %v, want a step, and that it was cancelled", err)
	}
	if left, _ := os.ReadDir(os.TempDir()); len(left) > 0 {
		t.Errorf("%d entries are left in the temporary folder, the first is %s", len(left), left[0])
	}
}

type writerFunc func([]byte)

func (f writerFunc) Write(b []byte) (int, error) { f(b); return len(b), nil }

// A client that others wrote, through the whole gateway: it gets what the agent
// writes, and nothing on another user's topic.
func TestMosquittoSub(t *testing.T) {
	sub, err := exec.LookPath("mosquitto_sub") //nolint:misspell // the program's name
	if err != nil {
		t.Skip("not run: mosquitto_sub is not installed (Debian: mosquitto-clients)") //nolint:misspell // the program's name
	}
	ctx := t.Context()
	s, err := newStage(t.TempDir(), built)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	}()
	if err := s.start(ctx); err != nil {
		t.Fatal(err)
	}
	c, other := newCustomer(s.hook(), "http://"+s.page), newCustomer(s.hook(), "http://"+s.page)
	for _, c := range []*customer{c, other} {
		if err := c.register(ctx, "Ada"); err != nil {
			t.Fatal(err)
		}
	}
	host, port, err := net.SplitHostPort(c.me.Broker.TCP)
	if err != nil {
		t.Fatal(err)
	}
	listen := func(topic string) *exec.Cmd {
		return exec.CommandContext(ctx, sub, "-h", host, "-p", port, "-u", c.me.Broker.Username, "-P", c.me.AccessToken,
			"-i", c.me.Broker.ClientID, "-q", "1", "-t", topic, "-W", "60")
	}
	p := &play{stage: s, out: writerFunc(func([]byte) {}), began: time.Now(), customer: c}
	said := make(chan error, 1)
	go func() { said <- p.openChat(ctx, "Hello?", "Grüezi 👋") }()
	if d := firstMessage(t, listen(c.me.Broker.Topic)); d.Message != "Grüezi 👋" || d.Author != "agent" {
		t.Errorf("got %+v; want the agent's Grüezi", d)
	}
	if err := <-said; err != nil {
		t.Error(err)
	}
	out, _ := listen(other.me.Broker.Topic).CombinedOutput() // its status says nothing
	if !strings.Contains(strings.ToLower(string(out)), "denied") {
		t.Errorf("another user's topic: %q, want a denied subscription", out)
	}
}

// firstMessage returns the first that sub prints, behind receipts and who has joined,
// and ends it.
func firstMessage(t *testing.T, sub *exec.Cmd) (d downlink) {
	t.Helper()
	out, err := sub.StdoutPipe()
	if err == nil {
		err = sub.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); d.Message == "" && lines.Scan(); {
		if err := json.Unmarshal(lines.Bytes(), &d); err != nil {
			t.Errorf("%q: %v", lines.Text(), err)
		}
	}
	_ = sub.Process.Kill()
	_ = sub.Wait()
	return d
}

// A gateway that does not start is told with the end of its log.
func TestDemoWithoutPrograms(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	err := run(t.Context(), &bytes.Buffer{}, t.TempDir(), false)
	if err == nil || !strings.Contains(err.Error(), "start the desk: ") {
		t.Errorf("err = %v, want that the desk cannot be started", err)
	}
}

func TestInOrder(t *testing.T) {
	for _, test := range []struct {
		name           string
		texts          []string
		order, repeats int
	}{
		{"none", []string{"hello"}, 0, 0},
		{"all", []string{"a 1 of 3", "hello", "a 2 of 3", "a 3 of 3"}, 3, 0},
		{"a repeat", []string{"a 1 of 3", "a 2 of 3", "a 1 of 3", "a 3 of 3"}, 3, 1},
		{"a gap", []string{"a 1 of 3", "a 3 of 3"}, 1, 0},
		{"out of order", []string{"a 2 of 3", "a 1 of 3", "a 3 of 3"}, 1, 0},
	} {
		if order, repeats := inOrder(test.texts, "a"); order != test.order || repeats != test.repeats {
			t.Errorf("%s: %d in order and %d repeats, want %d and %d", test.name, order, repeats, test.order, test.repeats)
		}
	}
}

func TestLongText(t *testing.T) {
	text := longText(3000)
	if n := utf8.RuneCountInString(text); n != 3000 || !utf8.ValidString(text) {
		t.Errorf("%d characters, want 3000 valid ones", n)
	}
	if unitsOf(text) <= 3000 {
		t.Errorf("%d UTF-16 units, want some pairs", unitsOf(text))
	}
}
