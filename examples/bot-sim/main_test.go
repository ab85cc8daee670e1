package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRun: it serves until it is stopped, also while somebody waits for an
// answer.
func TestRun(t *testing.T) {
	script := filepath.Join(t.TempDir(), "talk.txt")
	if err := os.WriteFile(script, []byte("* => Hi {name}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"-listen", "127.0.0.1:0", "-secret", "sixteen-bytes-long", "-script", script, "-v"}, in, io.Discard)
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	base, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if !ok {
		t.Fatalf("first line %q", line)
	}
	post := func(path, body string) (string, error) {
		res, err := http.Post(base+path, "application/json", strings.NewReader(body))
		if err != nil {
			return "", err
		}
		defer func() { _ = res.Body.Close() }()
		b, err := io.ReadAll(res.Body)
		return string(b), err
	}
	message := `{"sender":"s","message":"x","metadata":{"customer":{"name":"Ada"}}}`
	if got, err := post("/webhooks/rest/webhook", message); err != nil || got != `[{"recipient_id":"s","text":"Hi Ada"}]` {
		t.Errorf("answer %q, %v", got, err)
	}
	if _, err := post("/sim/faults", `{"kind":"hang"}`); err != nil {
		t.Fatal(err)
	}
	hung := make(chan error, 1)
	go func() {
		_, err := post("/webhooks/rest/webhook", message)
		hung <- err
	}()
	stop()
	if err := <-done; err != nil {
		t.Errorf("run: %v", err)
	}
	if err := <-hung; err == nil {
		t.Error("a bot that hangs has answered")
	}
}

func TestBadArguments(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "talk.txt")
	if err := os.WriteFile(bad, []byte("hello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"-bad"}, {"-listen", "nowhere:x:y"}, {"-script", "missing.txt"}, {"-script", bad}, {"-secret", "whsec_?"}} {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("run(%q): no error", args)
		}
	}
}
