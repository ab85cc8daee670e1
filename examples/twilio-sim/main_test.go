package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestRun: it serves until it is stopped, also while somebody waits for an answer.
func TestRun(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- run(ctx, []string{"-listen", "127.0.0.1:0"}, in, io.Discard) }()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	base, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if !ok {
		t.Fatalf("first line %q", line)
	}
	res, err := http.Post(base+"/sim/faults", "application/json", strings.NewReader(`{"kind":"hang"}`))
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", res, err)
	}
	_ = res.Body.Close()
	hung := make(chan error, 1)
	go func() {
		res, err := http.Post(base+"/2010-04-01/Accounts/AC1/Messages.json", "application/x-www-form-urlencoded", strings.NewReader("To=x"))
		if err == nil {
			_ = res.Body.Close()
		}
		hung <- err
	}()
	stop()
	if err := <-done; err != nil {
		t.Errorf("run: %v", err)
	}
	if err := <-hung; err == nil {
		t.Error("an account that hangs has answered")
	}
}

func TestBadArguments(t *testing.T) {
	for _, args := range [][]string{{"-bad"}, {"-listen", "nowhere:x:y"}} {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("run(%q): no error", args)
		}
	}
}
