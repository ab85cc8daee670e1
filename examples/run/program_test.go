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

func testChild(t *testing.T, name, kind string) program {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return program{name: name, argv: []string{self}, env: []string{"CHILD=" + kind, "GORACE=atexit_sleep_ms=0"}, ready: "ready"}
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
	if err := runAll(ctx, w, "open the page\n", []program{testChild(t, "one", "serves"), testChild(t, "two", "serves")}); err != nil {
		t.Fatal(err)
	}
	want := "one      | ready\ntwo      | ready\nopen the page\ntwo      | stopped\none      | stopped\n"
	if w.String() != want {
		t.Errorf("got\n%swant\n%s", w.String(), want)
	}
}

func TestRunAllFails(t *testing.T) {
	var out bytes.Buffer
	err := runAll(t.Context(), &out, "open the page\n", []program{testChild(t, "one", "serves"), testChild(t, "two", "fails")})
	if err == nil || err.Error() != "two: exit status 3" {
		t.Errorf("err = %v", err)
	}
	want := "one      | ready\ntwo      | port is in use\none      | stopped\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}

	err = runAll(t.Context(), &out, "", []program{{name: "gone", argv: []string{"/does/not/exist"}}})
	if err == nil || !strings.HasPrefix(err.Error(), "gone: ") {
		t.Errorf("err = %v", err)
	}
}
