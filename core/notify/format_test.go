package notify_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core/notify"
)

// request is what an endpoint got.
type request struct {
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

// requests posts body in each format and returns what came.
func requests(t *testing.T, body, source string) map[notify.Format]request {
	t.Helper()
	got := map[notify.Format]request{}
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		headers := map[string]string{}
		for name := range r.Header {
			headers[http.CanonicalHeaderKey(name)] = r.Header.Get(name)
		}
		got[notify.Format(r.URL.Path[1:])] = request{headers, string(b)}
	}))
	defer srv.Close()
	c := notify.Config{Source: source, Endpoints: map[string]notify.Endpoint{}}
	for _, f := range notify.Formats {
		c.Endpoints[f] = notify.Endpoint{
			URL: srv.URL + "/" + f, AllowPrivate: true, Secret: secret, Format: notify.Format(f), Bearer: "t0ken",
		}
	}
	n := newNotifier(t, c)
	for _, f := range notify.Formats {
		post(t, n, f, "0f.9a.7", body)
	}
	return got
}

func TestFormats(t *testing.T) {
	got := requests(t, body, "https://gw.example.com/Euro € 😀")
	for f, r := range got {
		if r.Headers["Authorization"] != "Bearer t0ken" || r.Headers["Webhook-Id"] != "0f-9a-7" || r.Headers["Webhook-Signature"] == "" {
			t.Errorf("%s: headers %v", f, r.Headers)
		}
	}
	if r := got[notify.Standard]; r.Body != body || r.Headers["Content-Type"] != "application/json" || r.Headers["Ce-Id"] != "" {
		t.Errorf("standard: %+v", r)
	}
	structured := got[notify.CloudEvents]
	var event map[string]any
	if err := json.Unmarshal([]byte(structured.Body), &event); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"specversion": "1.0", "id": "0f-9a-7", "source": "https://gw.example.com/Euro € 😀", "type": "org.openccsp.chat.closed",
		"time": "2023-11-14T22:13:20Z", "datacontenttype": "application/json", "data": map[string]any{"chatid": "CSR1"},
	}
	if diff := cmp.Diff(want, event); diff != "" || structured.Headers["Content-Type"] != "application/cloudevents+json" {
		t.Errorf("structured (-want +got):\n%s%v", diff, structured.Headers)
	}
	binary := got[notify.CloudEventsPlain]
	for name, want := range map[string]string{
		"Ce-Specversion": "1.0", "Ce-Id": "0f-9a-7", "Ce-Type": "org.openccsp.chat.closed", "Ce-Time": "2023-11-14T22:13:20Z",
		"Ce-Source": "https://gw.example.com/Euro%20%E2%82%AC%20%F0%9F%98%80", "Content-Type": "application/json",
	} {
		if binary.Headers[name] != want {
			t.Errorf("binary: %s = %q, want %q", name, binary.Headers[name], want)
		}
	}
	if binary.Body != `{"chatid":"CSR1"}` {
		t.Errorf("binary: body %s", binary.Body)
	}
}

// Libraries that others wrote take what is sent: standardwebhooks its signature,
// cloudevents its shape.
func TestPeers(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("not run: node is not installed (Debian: nodejs)")
	}
	modules, err := filepath.Abs("../../bin/.peers/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(modules); err != nil {
		t.Skip("not run: `make test` installs packages of npm first")
	}
	in, err := json.Marshal(requests(t, body, "https://gw.example.com/tenant/7"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "requests.json")
	if err := os.WriteFile(file, in, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), node, "testdata/peers.cjs", file, secret)
	cmd.Env = append(cmd.Environ(), "NODE_PATH="+modules)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const want = "standard chat.closed CSR1\ncloudevents org.openccsp.chat.closed CSR1\n" +
		"cloudevents_binary org.openccsp.chat.closed CSR1\nforged refused\n"
	if string(out) != want {
		t.Errorf("they say\n%swant\n%s", out, want)
	}
}
