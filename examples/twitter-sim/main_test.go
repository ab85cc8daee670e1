package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestRun: it sends what the customer writes to the hook, and ends when it is told.
func TestRun(t *testing.T) {
	bodies := make(chan string, 4)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		bodies <- r.Header.Get("X-Twitter-Webhooks-Signature") + " " + string(b)
	}))
	defer hook.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- run(ctx, []string{"-listen", "127.0.0.1:0", "-hook", hook.URL, "-v"}, in, io.Discard) }()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	base := strings.TrimPrefix(strings.TrimSpace(line), "listening on ")
	res, err := http.Post(base+"/sim/write", "application/json", strings.NewReader(`{"text":"Hello"}`))
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("%v %v", res, err)
	}
	_ = res.Body.Close()
	if got := <-bodies; !strings.HasPrefix(got, "sha256=") || !strings.Contains(got, `"text":"Hello"`) {
		t.Errorf("webhook %s", got)
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("run: %v", err)
	}
}

func TestBadArguments(t *testing.T) {
	for _, args := range [][]string{{"-bad"}, {"-listen", "nowhere:x:y"}, {"-window", "many"}} {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("run(%q): no error", args)
		}
	}
}
