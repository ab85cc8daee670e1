// Package desktest holds what the simulators of all vendors promise: each runs
// these tests on its own.
package desktest

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// Run checks the agent's page. open has a customer open a chat with the desk.
func Run(t *testing.T, desk http.Handler, vendor string, open func(*testing.T)) {
	srv := httptest.NewServer(desk)
	defer srv.Close()
	t.Run("page", func(t *testing.T) { page(t, srv.URL, vendor) })
	t.Run("a foreign site cannot act", func(t *testing.T) { foreign(t, srv.URL) })
	t.Run("changes", func(t *testing.T) { changes(t, srv.URL, open) })
}

func page(t *testing.T, base, vendor string) {
	for path, want := range map[string]string{
		"/": vendor + " simulator", "/app.css": ":root", "/icon.svg": "<svg", "/app.js": "textContent",
		"/api.js": "fetch", "/list.js": "unread", "/talk.js": "showChat", "/lines.js": "textContent",
		"/compose.js": "canned", "/menus.js": "transfer", "/sim.js": "outage",
	} {
		res, err := http.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		csp, text := res.Header.Get("Content-Security-Policy"), string(body)
		if res.StatusCode != http.StatusOK || !strings.Contains(text, want) || !strings.HasPrefix(csp, "default-src 'none'") {
			t.Errorf("%s: %d, policy %q, holds %q: %v", path, res.StatusCode, csp, want, strings.Contains(text, want))
		}
		for _, bad := range []string{"innerHTML", "http://", "https://cdn", "insertAdjacentHTML", "onclick=", "style="} {
			if strings.Contains(text, bad) && path != "/icon.svg" {
				t.Errorf("%s holds %q", path, bad)
			}
		}
	}
}

func foreign(t *testing.T, base string) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/agent/chats/C1/close", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for site, want := range map[string]int{"cross-site": http.StatusForbidden, "same-origin": http.StatusNotFound} {
		r.Header.Set("Sec-Fetch-Site", site)
		if status, _ := Do(t, r); status != want {
			t.Errorf("%s: %d, want %d", site, status, want)
		}
	}
}

func changes(t *testing.T, base string, open func(*testing.T)) {
	res, err := http.Get(base + "/agent/changes")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	sc := bufio.NewScanner(res.Body)
	next := func() string {
		for sc.Scan() {
			if sc.Text() != "" && sc.Text() != "data: {}" {
				return sc.Text()
			}
		}
		return ""
	}
	if got := next(); got != "event: change" {
		t.Fatalf("first line %q", got)
	}
	open(t)
	if got := next(); got != "event: change" {
		t.Errorf("after a new chat: %q", got)
	}
}

// Do makes the request r and returns what it is answered.
func Do(t *testing.T, r *http.Request) (status int, body string) {
	t.Helper()
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// Program checks that run serves with the arguments good until it is stopped,
// and refuses bad.
func Program(t *testing.T, run func(ctx context.Context, args []string, stdout, stderr io.Writer) error, good []string, bad ...[]string) {
	t.Run("serves until stopped", func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		out, in := io.Pipe()
		done := make(chan error, 1)
		go func() { done <- run(ctx, append([]string{"-listen", "127.0.0.1:0"}, good...), in, io.Discard) }()
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		base, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
		if !ok {
			t.Fatalf("first line %q", line)
		}
		// A stream that is open must not hold the exit.
		res, err := http.Get(base + "/agent/changes")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		stop()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Run("closes its port and opens it again", func(t *testing.T) { closes(t, run, good) })
	for _, args := range append(bad, []string{"-canned", "missing.txt"}, []string{"-listen", "nowhere:x:y"}, []string{"-script", "missing.txt"}, []string{"-bad"}) {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("run(%q): no error", args)
		}
	}
}

// closes: in an outage of that kind nobody listens, and then somebody does.
func closes(t *testing.T, run func(ctx context.Context, args []string, stdout, stderr io.Writer) error, good []string) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- run(ctx, append([]string{"-listen", "127.0.0.1:0"}, good...), in, io.Discard) }()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	base := strings.TrimPrefix(strings.TrimSpace(line), "listening on ")
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/sim/outage", strings.NewReader(`{"how":"closed","seconds":1}`))
	if err != nil {
		t.Fatal(err)
	}
	if status, body := Do(t, r); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	up := func() bool {
		res, err := http.Get(base + "/sim/outage")
		if err == nil {
			_ = res.Body.Close()
		}
		return err == nil
	}
	within := func(what string, want bool) {
		for end := time.Now().Add(time.Minute); up() != want; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: not within a minute", what)
			}
		}
	}
	within("the port is closed", false)
	within("the port is open again", true)
	stop()
	if err := <-done; err != nil {
		t.Errorf("run: %v", err)
	}
}
