package app

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/core/httpd"
)

// TestPluginNames: what people call plugins.
func TestPluginNames(t *testing.T) {
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	list := pluginList{Items: []httpd.Plugin{
		{ID: "org.openccsp.enghouse", Version: "1.0.0", Path: "/p/enghouse"}, {ID: "org.openccsp.enghouse", Version: "0.9.0", Path: "/p/old"},
		{ID: "org.a.sms", Path: "/p/sms"}, {ID: "org.b.sms", Path: filepath.Join(wd, "sms")},
		{Path: "/p/new"}, {Path: "/q/\x1b[31m"},
	}}
	tests := []struct{ name, want, err string }{
		{"org.openccsp.enghouse", "org.openccsp.enghouse", ""},
		{"openccsp.enghouse", "org.openccsp.enghouse", ""},
		{"enghouse", "org.openccsp.enghouse", ""},
		{"/p/old", "org.openccsp.enghouse", ""},
		{"house", "", `no plugin "house"; known: `},
		{"enghose", "", `no plugin "enghose"; did you mean "org.openccsp.enghouse"?`},
		{"openccsp.enghose", "", `did you mean "org.openccsp.enghouse"?`},
		{"./sms", "org.b.sms", ""},
		{"a.sms", "org.a.sms", ""},
		{"sms", "org.b.sms", ""}, // there is such a file here
		{"new", "/p/new", ""},
		{"/p/new", "/p/new", ""},
		{"neww", "", `did you mean "/p/new"?`},
		{"../p/new", "", `no plugin "../p/new"`},
		{"", "", "name is empty"},
		{strings.Repeat("x", 10_000), "", "xxx…"},
		{"zzz", "", `/q/\x1b[31m`},
	}
	for _, tt := range tests {
		p, err := list.find(tt.name)
		switch {
		case tt.err != "":
			if err == nil || !strings.Contains(err.Error(), tt.err) || len(err.Error()) > 500 || strings.ContainsRune(err.Error(), 0x1b) {
				t.Errorf("%.40q: error %v, want one with %q", tt.name, err, tt.err)
			}
		case err != nil || keyOf(p) != tt.want:
			t.Errorf("%q: %v, %v; want %s", tt.name, p, err, tt.want)
		}
	}
	two := pluginList{Items: []httpd.Plugin{{ID: "org.a.mms"}, {ID: "org.b.mms"}}}
	if _, err := two.find("mms"); err == nil || !strings.Contains(err.Error(), `"mms" is one of org.a.mms, org.b.mms; write more of it`) {
		t.Errorf("got %v, want both", err)
	}
	if _, err := (pluginList{}).find("x"); err == nil || err.Error() != `no plugin "x"` {
		t.Errorf("got %v, want no plugin", err)
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"Grüezi 漢\t!": "Grüezi 漢\t!", "\x1b]0;x\a": `\x1b]0;x\a`, "a\nb\r": `a\nb\r`, "\u202egnp": `\u202egnp`, "\xff": "\uFFFD",
	} {
		if got := printable(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// TestPluginPage: everything there may be to say has its line.
func TestPluginPage(t *testing.T) {
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.Local)
	var p page
	p.plugin(httpd.PluginDetail{
		Files: []httpd.Plugin{{
			ID: "org.a.sms", Version: "2.0.0", SDK: "openccsp-go 1.0.0", Path: "/p/sms", Digest: "0a", File: "refused", FileReason: "not approved",
			Warnings: []string{"odd"}, Claim: &httpd.PluginClaim{ID: "org.a.sms", Version: "2.0.0"}, Drivers: []string{"sms", "mms"},
			Clashes: []string{"rcs"}, Handover: "exclusive", State: "running", Since: at, Problem: "exit 1", Generation: 3, PID: 7, Memory: 3 << 20,
			Restarts: 2, Crashes: 4, Quarantine: at, Probation: at,
			Instances: []httpd.PluginInstance{{Name: "a", Driver: "sms", State: "open", OK: true}, {Name: "b", Driver: "mms", State: "failed", Problem: "wrong token"}},
		}, {ID: "org.a.sms", Version: "1.0.0", Path: "/p/old", Digest: "0b", File: "ready", State: "rejected", Rejected: "it crashed", RejectedAt: at}},
		Swaps: []httpd.PluginSwap{
			{At: at, From: "1.0.0", To: "2.0.0", Gap: 0.0000123, Took: 0.08},
			{At: at, From: "2.0.0", To: "2.0.0", FromDigest: "0a", ToDigest: "0c", Exclusive: true, Gap: 1.5, Took: 2},
			{At: at, From: "2.0.0", To: "3.0.0", Problem: "instance a: wrong"},
		},
		Sandbox: []httpd.Restricted{{Name: "no_new_privs", On: true}, {Name: "memory", Detail: "no cgroup"}},
		Log:     []string{"one", "two\x1b"},
	}, "pinned", at.Add(90*time.Second))
	want := `org.a.sms 2.0.0
  state       running since 2026-11-22 10:00:00 (1m30s)
  process     pid 7, generation 3, 3.0 MiB
  problem     exit 1
  drivers     sms, mms
  clashes     rcs
  handover    exclusive
  made with   openccsp-go 1.0.0
  instances   a (sms) open
              b (mms) failed: wrong token
  restarts    2; 4 crashes in the last 10 minutes
  quarantine  until 2026-11-22 10:00:00
  probation   until 2026-11-22 10:00:00
  file        /p/sms
              refused: not approved
  sha256      0a
  trust       pinned: org.a.sms 2.0.0
  warning     odd
other file: org.a.sms 1.0.0
  state       rejected
  file        /p/old
              ready
  sha256      0b
  trust       pinned
  rejected    2026-11-22 10:00:00: it crashed
  swaps       2026-11-22 10:00:00 1.0.0 -> 2.0.0 parallel, gap 12µs, took 80ms
              2026-11-22 10:00:00 2.0.0 -> 2.0.0 (0a -> 0c) exclusive, gap 1.5s, took 2s
              2026-11-22 10:00:00 2.0.0 -> 3.0.0 refused: instance a: wrong
  sandbox     on  no_new_privs
              off memory: no cgroup
  log         one
              two\x1b
`
	if p.b.String() != want {
		t.Errorf("got\n%swant\n%s", p.b.String(), want)
	}
}

// TestLogsOfAnOddGateway: what is no log line is an error, and a long line is
// not read without end.
func TestLogsOfAnOddGateway(t *testing.T) {
	dir := t.TempDir()
	ln, err := net.Listen("unix", filepath.Join(dir, socketFile))
	if err != nil {
		t.Fatal(err)
	}
	body := ""
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) })}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close(); <-served })
	a := &adminAPI{adminClient(dir), dir}
	t.Cleanup(a.close)
	for _, tt := range []struct {
		body, err string
		lines     int
	}{
		{"\n{\"level\":\"INFO\",\"text\":\"a\"}\n\n{\"text\":\"b\"}", "", 2},
		{"oops\n", "invalid character", 0},
		{"{\"text\":\"a\"}\n" + strings.Repeat("x", maxLogLine+1), "token too long", 1},
		{"", "", 0},
	} {
		body = tt.body
		n := 0
		err := a.logs(t.Context(), "org.a.sms", false, func(httpd.PluginLine) error { n++; return nil })
		if n != tt.lines || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%.20q: %d lines, %v; want %d, %q", tt.body, n, err, tt.lines, tt.err)
		}
	}
}
