package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// TestRun: it serves until it is stopped.
func TestRun(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- run(ctx, []string{"-listen", "127.0.0.1:0", "-v"}, in, io.Discard) }()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	base, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if !ok {
		t.Fatalf("first line %q", line)
	}
	res, err := http.Get(base + "/sim/messages")
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil || string(b) != `{"actions":[],"messages":[]}` {
		t.Errorf("%s, %v", b, err)
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("run: %v", err)
	}
}

func TestBadArguments(t *testing.T) {
	for _, args := range [][]string{{"-bad"}, {"-listen", "nowhere:x:y"}} {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("run(%q): no error", args)
		}
	}
}

// TestIdsAreNew: to a gateway that goes on, what is written after a restart is no repetition.
func TestIdsAreNew(t *testing.T) {
	ids := make(chan string, 2)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		ids <- string(regexp.MustCompile(`"mid":"(m_[0-9]+)"`).Find(b))
	}))
	defer hook.Close()
	write := func() string {
		ctx, stop := context.WithCancel(t.Context())
		out, in := io.Pipe()
		args, done := []string{"-listen", "127.0.0.1:0", "-hook", hook.URL}, make(chan error, 1)
		go func() { done <- run(ctx, args, in, io.Discard) }()
		lines := bufio.NewReader(out)
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = io.Copy(io.Discard, lines) }() // what goes over the wire
		base := strings.TrimPrefix(strings.TrimSpace(line), "listening on ")
		res, err := http.Post(base+"/sim/say", "application/json", strings.NewReader(`{"psid":"2002","text":"Hello"}`))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		stop()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
		return <-ids
	}
	if one, two := write(), write(); one == "" || one == two {
		t.Errorf("ids %q and %q, want two", one, two)
	}
}
