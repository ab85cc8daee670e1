package httpd_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/httpd"
)

const acme = "org.example.acme"

var digest = strings.Repeat("0a", 32)

var line = httpd.PluginLine{At: when, Level: "INFO", Text: "connected\x1b[31m", Generation: 2, PID: 7}

func (g *gateway) Plugins() httpd.PluginList {
	if g.panics {
		return httpd.PluginList{} // nothing lies there
	}
	return httpd.PluginList{
		Trust: "pinned", Alarms: []httpd.PluginAlarm{{Path: "/p", Message: "permission denied", Since: when}},
		Items: []httpd.Plugin{{
			ID: acme, Version: "1.0.0", SDK: "openccsp-go 1.0.0", Path: "/p/acme", Digest: digest, File: "refused", FileReason: "not approved",
			Warnings: []string{"group-writable"}, Claim: &httpd.PluginClaim{ID: acme, Version: "1.0.0"}, Drivers: []string{"sms"},
			Clashes: []string{"mms"}, Handover: "exclusive", State: "running", Since: when, Problem: "exit 1", Generation: 2, PID: 7,
			Memory: 5, Restarts: 1, Crashes: 2, Rejected: "no", RejectedAt: when, Quarantine: when, Operator: true, Probation: when,
			Instances: []httpd.PluginInstance{{Name: "webshop", Driver: "sms", State: "open", OK: true}},
		}, {Path: "/p/new", File: "settling"}},
	}
}

func (g *gateway) Plugin(id string) (httpd.PluginDetail, error) {
	if id != acme {
		return httpd.PluginDetail{}, core.Errorf(core.NotFound, "no plugin %q", id)
	}
	if g.panics {
		return httpd.PluginDetail{Files: []httpd.Plugin{{}}}, nil
	}
	return httpd.PluginDetail{
		Files: g.Plugins().Items, Log: []string{"hello"}, Sandbox: []httpd.Restricted{{Name: "no_new_privs", On: true}, {Name: "memory", Detail: "no cgroup"}},
		Swaps: []httpd.PluginSwap{{At: when, From: "1", To: "2", FromDigest: digest, ToDigest: digest, Exclusive: true, Gap: .25, Took: 1, Problem: "x"}},
	}, g.err
}

func (g *gateway) PluginLogs(ctx context.Context, id string, follow bool, emit func(httpd.PluginLine) error) error {
	if err := emit(line); err != nil || !follow {
		return err
	}
	if g.feed != nil {
		return g.feed
	}
	<-ctx.Done()
	if g.gone != nil {
		close(g.gone)
	}
	return ctx.Err()
}

func (g *gateway) RollbackPlugin(id string) error   { return g.note("rollback %s", id) }
func (g *gateway) QuarantinePlugin(id string) error { return g.note("quarantine %s", id) }
func (g *gateway) ReleasePlugin(id string) error    { return g.note("release %s", id) }

func (g *gateway) ApprovePlugin(_ context.Context, r httpd.Approve) (httpd.Approved, error) {
	return httpd.Approved{ID: acme, Version: "1.0.0", Platform: "linux/amd64", Digest: digest, Replaced: digest, LockFile: "/e/plugins.lock",
		Warnings: []string{"w"}}, g.note("approve %v", r)
}

func (g *gateway) AttachPlugin(_ context.Context, reattach string) error {
	return g.note("attach %s", reattach)
}

func TestPluginAnswers(t *testing.T) {
	tests := []struct {
		method, path, body string
		code               int
		want               []string
		changed            string
	}{
		{"GET", "/v1/plugins", "", 200, []string{`"generation":2`, `"trust":"pinned"`, `"alarms":[{"path":"/p","message":"permission denied"`,
			`"file":"refused","file_reason":"not approved"`, `"instances":[]`}, ""},
		{"GET", "/v1/plugins/" + acme, "", 200, []string{`"gap_seconds":0.25`, `"log":["hello"]`, `{"name":"memory","on":false,"detail":"no cgroup"}`}, ""},
		{"GET", "/v1/plugins/%2Fp%2Fnew", "", 404, []string{`no plugin \"/p/new\"`}, ""},
		{"GET", "/v1/plugins/..%2F..%2Fetc%2Fpasswd", "", 404, []string{`"not_found"`}, ""},
		{"GET", "/v1/plugins/" + strings.Repeat("x", 1025), "", 400, nil, ""},
		{"GET", "/v1/plugins/%ff", "", 400, nil, ""},
		{"GET", "/v1/plugins/" + acme + "/logs", "", 200, []string{`{"at":"2026-11-22T10:00:00Z","level":"INFO","text":"connected\u001b[31m","generation":2,"pid":7}` + "\n"}, ""},
		{"GET", "/v1/plugins/" + acme + "/logs?follow=0", "", 200, []string{`"INFO"`}, ""},
		{"GET", "/v1/plugins/" + acme + "/logs?follow=yes", "", 400, []string{`follow \"yes\" is neither 0 nor 1`}, ""},
		{"GET", "/v1/plugins/" + acme + "/logs?tail=1", "", 400, nil, ""},
		{"GET", "/v1/plugins/other/logs?follow=1", "", 404, nil, ""},
		{"POST", "/v1/plugins/" + acme + "/rollback", "", 202, []string{"{}"}, "rollback " + acme},
		{"POST", "/v1/plugins/" + acme + "/quarantine", "", 202, []string{"{}"}, "quarantine " + acme},
		{"POST", "/v1/plugins/" + acme + "/release", "", 202, []string{"{}"}, "release " + acme},
		{"POST", "/v1/plugins/" + acme + "/release", "{}", 400, nil, ""},
		{"GET", "/v1/plugins/" + acme + "/release", "", 405, nil, ""},
		{"POST", "/v1/plugins/approve", `{"path":"/p/acme"}`, 200, []string{`"lock_file":"/e/plugins.lock"`}, "approve {/p/acme   }"},
		{"POST", "/v1/plugins/approve", `{"path":"/p/acme","digest":"` + digest + `","id":"a.b","version":"1"}`, 200, nil, "approve {/p/acme " + digest + " a.b 1}"},
		{"POST", "/v1/plugins/approve", `{"path":"acme"}`, 400, []string{`path must be`}, ""},
		{"POST", "/v1/plugins/approve", `{"path":"/` + strings.Repeat("x", 5000) + `"}`, 400, nil, ""},
		{"POST", "/v1/plugins/approve", `{"path":"/p/acme","digest":"0A"}`, 400, []string{`digest is not`}, ""},
		{"POST", "/v1/plugins/approve", `{"path":"/p/acme","id":"a.b"}`, 400, []string{`belong together`}, ""},
		{"POST", "/v1/plugins/approve", `{}`, 400, nil, ""},
		{"POST", "/v1/plugins/approve", "", 415, nil, ""},
		{"POST", "/v1/plugins/attach", `{"reattach":"{\"a\":1}"}`, 202, []string{"{}"}, `attach {"a":1}`},
		{"POST", "/v1/plugins/attach", `{"reattach":"GATEWAY"}`, 400, []string{`--debug`}, ""},
		{"POST", "/v1/plugins/attach", `{"reattach":"\"` + strings.Repeat("x", 17<<10) + `\""}`, 400, nil, ""},
	}
	check := schemas(t)
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s %.60s", tt.method, tt.path), func(t *testing.T) {
			g := &gateway{}
			got := startAdmin(t, g).do(t, tt.method, tt.path, tt.body)
			if got.StatusCode != tt.code {
				t.Fatalf("%d %s, want %d", got.StatusCode, got.body, tt.code)
			}
			for _, want := range tt.want {
				if !strings.Contains(got.body, want) {
					t.Errorf("body %s\nhas no %s", got.body, want)
				}
			}
			if changed := strings.Join(g.changed, "; "); changed != tt.changed {
				t.Errorf("changed %q, want %q", changed, tt.changed)
			}
			path, _, _ := strings.Cut(tt.path, "?")
			check(t, tt.method, path, got)
		})
	}
}

// TestNoPlugins: what there is not are empty lists, not null.
func TestNoPlugins(t *testing.T) {
	a := startAdmin(t, &gateway{panics: true})
	check := schemas(t)
	for _, path := range []string{"/v1/plugins", "/v1/plugins/" + acme} {
		got := a.do(t, "GET", path, "")
		if got.StatusCode != 200 || strings.Contains(got.body, "null") {
			t.Errorf("%s: %d %s", path, got.StatusCode, got.body)
		}
		check(t, "GET", path, got)
	}
}

// TestPluginErrors: what a plugin's operator reads is the error's sentence.
func TestPluginErrors(t *testing.T) {
	a := startAdmin(t, &gateway{err: core.Errorf(core.Conflict, "there is nothing to go back to")})
	got := a.do(t, "POST", "/v1/plugins/"+acme+"/rollback", "")
	if want := `{"error":{"code":"conflict","message":"there is nothing to go back to"}}`; got.StatusCode != 409 || strings.TrimSpace(got.body) != want {
		t.Errorf("%d %s, want 409 %s", got.StatusCode, got.body, want)
	}
}

// followed is a log that is being followed, over a unix socket.
type followed struct {
	lines *bufio.Reader
	close func() error
	stop  func() error // of the server
}

func follow(t *testing.T, g *gateway, beat time.Duration) *followed {
	t.Helper()
	path := filepath.Join(t.TempDir(), "admin.sock")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	reg := prometheus.NewRegistry()
	adm := httpd.NewAdmin(httpd.AdminOptions{Gateway: g, Gatherer: reg, Metrics: reg, Log: slog.New(slog.DiscardHandler),
		Limits: httpd.Limits{Write: 20 * time.Millisecond, Request: 20 * time.Millisecond}}) // which bind no stream
	adm.SetBeat(beat)
	stop := serve(t, ln, adm.ServeSocket)
	tr := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", path) }}
	t.Cleanup(tr.CloseIdleConnections)
	resp, err := (&http.Client{Transport: tr}).Get("http://gateway/v1/plugins/" + acme + "/logs?follow=1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	if kind := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || kind != "application/x-ndjson" {
		t.Fatalf("%d %s", resp.StatusCode, kind)
	}
	return &followed{lines: bufio.NewReader(resp.Body), close: resp.Body.Close, stop: stop}
}

func (f *followed) next(t *testing.T) string {
	t.Helper()
	s, err := f.lines.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestFollow: a line comes at once, an empty one when there is nothing new,
// and the stream ends with the gateway, in order.
func TestFollow(t *testing.T) {
	f := follow(t, &gateway{}, 10*time.Millisecond)
	var got httpd.PluginLine
	if err := json.Unmarshal([]byte(f.next(t)), &got); err != nil || got != line {
		t.Errorf("%+v, %v; want %+v", got, err, line)
	}
	for range 10 {
		if s := f.next(t); s != "\n" {
			t.Errorf("%q, want an empty line", s)
		}
	}
	stopped := make(chan error, 1)
	go func() { stopped <- f.stop() }()
	for {
		s, err := f.lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || s != "\n" {
			t.Fatalf("%q, %v; want the end", s, err)
		}
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// TestFollowUntilTheClientGoes: what feeds a stream ends when nobody reads it
// any more, although nothing new comes.
func TestFollowUntilTheClientGoes(t *testing.T) {
	g := &gateway{gone: make(chan struct{})}
	f := follow(t, g, 10*time.Millisecond)
	f.next(t)
	if err := f.close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-g.gone:
	case <-time.After(patience):
		t.Fatal("it goes on")
	}
}

// TestFollowEndsWithItsSource: trouble behind the first byte ends the stream,
// and its details stay in the log.
func TestFollowEndsWithItsSource(t *testing.T) {
	f := follow(t, &gateway{feed: errors.New("canary")}, time.Hour)
	f.next(t)
	if rest, err := io.ReadAll(f.lines); err != nil || len(rest) > 0 {
		t.Errorf("%q, %v; want the end", rest, err)
	}
}

// TestTooManyStreams: what has no end is bounded.
func TestTooManyStreams(t *testing.T) {
	g := &gateway{}
	a := startAdmin(t, g)
	for n := 0; ; n++ {
		resp, err := a.client.Do(request(t, "GET", a.url+"/v1/plugins/"+acme+"/logs?follow=1", "", "Authorization", "Bearer "+token))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		if resp.StatusCode == 200 && n < 64 {
			continue
		}
		if resp.StatusCode != 429 || n != 64 {
			t.Errorf("stream %d: %d, want 64 streams and then 429", n, resp.StatusCode)
		}
		return
	}
}
