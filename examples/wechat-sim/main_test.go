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

// TestRun: what is typed comes to the hook, until the program is stopped.
func TestRun(t *testing.T) {
	got := make(chan string, 1)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, "success")
		got <- string(body)
	}))
	defer hook.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, in := io.Pipe()
	typing, typed := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := run(ctx, []string{"-listen", "127.0.0.1:0", "-hook", hook.URL}, typing, in, io.Discard)
		_ = typing.Close()
		done <- err
	}()
	lines := bufio.NewReader(out)
	if line, err := lines.ReadString('\n'); err != nil || !strings.HasPrefix(line, "listening on http://127.0.0.1:") {
		t.Fatalf("first line %q, %v", line, err)
	}
	go func() { _, _ = io.Copy(io.Discard, lines) }()
	if _, err := io.WriteString(typed, "hello\n"); err != nil {
		t.Fatal(err)
	}
	if body := <-got; !strings.Contains(body, "<Content><![CDATA[hello]]></Content>") {
		t.Errorf("the hook got %s", body)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := run(t.Context(), []string{"-aes-key", "short"}, strings.NewReader(""), io.Discard, io.Discard); err == nil {
		t.Error("a short key is taken")
	}
}

// TestIdsAreNew: to a gateway that goes on, what is written after a restart is no repetition.
func TestIdsAreNew(t *testing.T) {
	ids := make(chan string, 2)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		ids <- string(regexp.MustCompile(`MsgId[^0-9]*([0-9]+)`).Find(b))
	}))
	defer hook.Close()
	write := func() string {
		ctx, stop := context.WithCancel(t.Context())
		out, in := io.Pipe()
		args, done := []string{"-listen", "127.0.0.1:0", "-hook", hook.URL}, make(chan error, 1)
		go func() { done <- run(ctx, args, strings.NewReader(""), in, io.Discard) }()
		lines := bufio.NewReader(out)
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = io.Copy(io.Discard, lines) }() // what goes over the wire
		base := strings.TrimPrefix(strings.TrimSpace(line), "listening on ")
		res, err := http.Post(base+"/sim/say", "application/json", strings.NewReader(`{"from":"oUser1","text":"hello"}`))
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
