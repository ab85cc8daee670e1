package main

import (
	"bufio"
	"context"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestPage(t *testing.T) {
	h, err := newPage("https://gw.example.com:8443/", "webshop")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		method, path string
		status       int
		contains     string
	}{
		{"GET", "/", 200, `<script src="https://gw.example.com:8443/widget.js?channel=webshop" data-channel="webshop"`},
		{"GET", "/page.css", 200, ":root"},
		{"GET", "/main.go", 404, ""},
		{"GET", "/../main.go", 307, ""},
		{"POST", "/page.css", 405, ""},
	}
	for _, tt := range tests {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(tt.method, tt.path, nil))
		body := w.Body.String()
		if w.Code != tt.status || !strings.Contains(body, tt.contains) {
			t.Errorf("%s %s = %d %.60q, want %d with %q", tt.method, tt.path, w.Code, body, tt.status, tt.contains)
		}
		csp := w.Header().Get("Content-Security-Policy")
		if !strings.Contains(csp, "script-src https://gw.example.com:8443; style-src 'self'; img-src 'self'; connect-src https://gw.example.com:8443 wss://gw.example.com:8443;") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy %q", tt.path, csp)
		}
	}
}

// The page works under its own policy.
func TestPageNeedsNoUnsafeCode(t *testing.T) {
	inline := regexp.MustCompile(`(?i)<script>|<style|\son[a-z]+=|style=|javascript:`)
	b, err := fs.ReadFile(files, "page/index.html")
	if err != nil {
		t.Fatal(err)
	}
	if found := inline.Find(b); found != nil {
		t.Errorf("the page contains %q", found)
	}
}

func TestBadFlags(t *testing.T) {
	for _, tt := range []struct{ gateway, channel, want string }{
		{"gw.example.com", "webshop", `-gateway "gw.example.com": want a URL such as "http://127.0.0.1:8080"`},
		{"ftp://gw", "webshop", `-gateway "ftp://gw": want a URL such as "http://127.0.0.1:8080"`},
		{"http://gw/path", "webshop", `-gateway "http://gw/path": want a URL such as "http://127.0.0.1:8080"`},
		{"http://gw;default-src", "webshop", `-gateway "http://gw;default-src": want a URL such as "http://127.0.0.1:8080"`},
		{"http://gw", "../x", `-channel "../x": want the name of a channel`},
	} {
		if _, err := newPage(tt.gateway, tt.channel); err == nil || err.Error() != tt.want {
			t.Errorf("newPage(%q, %q) = %v\nwant %s", tt.gateway, tt.channel, err, tt.want)
		}
	}
}

func TestRunServesUntilContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- run(ctx, []string{"-listen", "127.0.0.1:0"}, w, os.Stderr) }()
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	address := strings.TrimSpace(strings.TrimPrefix(line, "listening on "))
	resp, err := http.Get(address + "/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("status %d", resp.StatusCode)
	}
	if err := run(t.Context(), []string{"-listen", strings.TrimPrefix(address, "http://")}, io.Discard, io.Discard); err == nil || !strings.HasPrefix(err.Error(), "-listen: ") {
		t.Errorf("busy port: %v, want an error that names -listen", err)
	}
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("run = %v", err)
		}
	case <-time.After(time.Minute):
		t.Error("run did not end")
	}
}
