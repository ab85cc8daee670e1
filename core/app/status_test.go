package app

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// TestStatus asks an admin API behind a unix socket.
func TestStatus(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "gateway.hcl")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("unix", filepath.Join(dir, "data", socketFile))
	if err != nil {
		t.Fatal(err)
	}
	answers := map[string]string{
		"/v1/version":       `{"version":"1.2.3"}`,
		"/readyz":           `{"ready":false,"reasons":["plugin sms: starting"]}`,
		"/v1/media":         `{"files":3,"lost":1,"bytes":13107200,"max_total":4294967296}`,
		"/v1/conversations": `{"items":[{"id":"a"},{"id":"b"}],"next":"c"}`,
		"/v1/plugins": `{"items":[{"id":"org.a","version":"1.0.0","state":"running"},{"id":"org.b","version":"2.0.0","state":"backoff","problem":"exit 1"},{"id":"","version":"","path":"/p/c","state":"failed","problem":"exit 2"},
			{"id":"org.d","version":"1.0.0","path":"/p/d","digest":"0123456789abcdef","state":"running"},{"id":"org.d","version":"1.0.0","path":"/q/d","state":"standby"},
			{"id":"org.d","version":"1.0.0","path":"/p/d","digest":"fedcba9876543210","state":"rejected","rejected":"no"}]}`,
		"/v1/channels": `{"items":[{"name":"webshop","driver":"rtm","state":"open","draining":{"counted":true,"chats":1,"commands":2}}]}`,
		"/v1/integrations": `{"items":[{"name":"desk","driver":"enghouse","state":"open"},
			{"name":"old","driver":"enghouse","state":"open","draining":{"counted":false,"forced":true}}]}`,
		"/v1/config": `{"file":"gateway.hcl","problems":[{"file":"gateway.hcl","line":3,"column":1,"summary":"bad","hint":"mend it"}],
			"restart_needed":[{"setting":"listen","at":{"file":"gateway.hcl","line":1,"column":1}}]}`,
		"/v1/endpoints": `{"items":[{"name":"ops","state":"ok"},{"name":"crm","state":"disabled","reason":"it said 410 Gone","since":"2026-01-02T03:04:05Z"},
			{"name":"erp","state":"failing","since":"2026-01-02T03:04:05Z"}]}`,
		"/v1/rules": `{"hash":"h","rules":[],"problems":[{"summary":"bad"}],"warnings":[{"summary":"hm"},{"summary":"so"}]}`,
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("a token was sent to the socket")
		}
		if r.URL.Path == "/readyz" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write([]byte(answers[r.URL.Path]))
	})}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close(); <-served })

	var out bytes.Buffer
	c := command{file: file, out: &out, errOut: &out}
	if err := c.status(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := `gateway 1.2.3: not ready: plugin sms: starting
more than 2 conversations open
3 files of messages kept, 12.5 MiB of 4.0 GiB
1 file of messages lost: not in the media folder any more, see the log
gateway.hcl: 1 problem, the configuration before stays
  gateway.hcl:3:1: bad; mend it
gateway.hcl:1:1: listen: restart needed
rules: 1 problem, the last good ones stay; see gateway check
rules: 2 warnings; see gateway check
channel webshop: removed: 1 open chat and 2 waiting commands left
integration old: removed by force: what it still has is being counted
endpoint crm: disabled, it said 410 Gone since 2026-01-02T03:04:05Z
endpoint erp: failing since 2026-01-02T03:04:05Z
plugin org.a 1.0.0: running
plugin org.b 2.0.0: backoff: exit 1
plugin /p/c: failed: exit 2
plugin org.d 1.0.0 (/p/d, 0123456789ab): running
plugin org.d 1.0.0 (/q/d): standby
plugin org.d 1.0.0 (/p/d, fedcba987654): rejected
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}
