package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
)

// TestMain is the children too: CHILD says which.
func TestMain(m *testing.M) {
	switch os.Getenv("CHILD") {
	case "":
		os.Exit(m.Run())
	case "fails":
		fmt.Fprintln(os.Stderr, "port is in use")
		os.Exit(3)
	case "serves":
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM)
		fmt.Println("ready")
		<-stop
		fmt.Println("stopped")
	}
}

func always(argv ...string) func(map[string]string) []string {
	return func(map[string]string) []string { return argv }
}

// same is a text that depends on nothing.
func same(text string) func(map[string]string) string {
	return func(map[string]string) string { return text }
}

func testChild(t *testing.T, name, kind string) program {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return program{name: name, argv: always(self), env: []string{"CHILD=" + kind, "GORACE=atexit_sleep_ms=0"}, ready: "ready"}
}

// cancelWriter ends ctx when the text comes by.
type cancelWriter struct {
	bytes.Buffer
	text   string
	cancel context.CancelFunc
}

func (w *cancelWriter) Write(b []byte) (int, error) {
	if strings.Contains(string(b), w.text) {
		w.cancel()
	}
	return w.Buffer.Write(b)
}

func TestRunAll(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w := &cancelWriter{text: "open the page", cancel: cancel}
	if err := runAll(ctx, w, []program{testChild(t, "one", "serves"), testChild(t, "two", "serves")}, same("open the page\n")); err != nil {
		t.Fatal(err)
	}
	want := "one      | ready\ntwo      | ready\nopen the page\ntwo      | stopped\none      | stopped\n"
	if w.String() != want {
		t.Errorf("got\n%swant\n%s", w.String(), want)
	}
}

func TestRunAllFails(t *testing.T) {
	var out bytes.Buffer
	two := testChild(t, "two", "fails")
	two.early = "use another"
	err := runAll(t.Context(), &out, []program{testChild(t, "one", "serves"), two}, same("open the page\n"))
	if err == nil || err.Error() != "two: exit status 3; use another" {
		t.Errorf("err = %v", err)
	}
	want := "one      | ready\ntwo      | port is in use\none      | stopped\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}

	err = runAll(t.Context(), &out, []program{{name: "gone", argv: always("/does/not/exist")}}, same(""))
	if err == nil || !strings.HasPrefix(err.Error(), "gone: ") {
		t.Errorf("err = %v", err)
	}
}

func TestWelcome(t *testing.T) {
	const ready = "gateway ready: hooks at http://127.0.0.1:9080/hooks/, admin at http://127.0.0.1:9081/, data in my data"
	got := welcome(ready, "127.0.0.1:8082", "127.0.0.1:8083")
	for _, want := range []string{"http://127.0.0.1:9081/ ", "http://127.0.0.1:8083/ ", "its token is in my data/admin.token\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	page := programs("gateway.hcl", "127.0.0.1:8082", "127.0.0.1:8083")[2]
	argv := page.argv(map[string]string{"gateway": ready})
	if n := len(argv); argv[n-2] != "-gateway" || argv[n-1] != "http://127.0.0.1:9080" {
		t.Errorf("the page is started with %q, want the gateway's address last", argv)
	}
}
