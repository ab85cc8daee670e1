package host_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core/host"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

func TestCompareVersions(t *testing.T) {
	// In ascending order; the first five of the pre-releases are semver.org's.
	order := []string{"0.9.9", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta.2",
		"1.0.0-beta.11", "1.0.0", "1.2.0", "1.10.0", "v2.0.0"}
	for i, a := range order {
		for j, b := range order {
			got, err := host.CompareVersions(a, b)
			if want := cmpInt(i, j); err != nil || got != want {
				t.Errorf("compare %s with %s = %d, %v, want %d", a, b, got, err, want)
			}
		}
	}
	for _, bad := range []string{"", "1", "1.2", "1.2.3.4", "1.2.x", "1.2.3-", "latest"} {
		if _, err := host.CompareVersions(bad, "1.0.0"); err == nil {
			t.Errorf("version %q was taken", bad)
		}
	}
}

func cmpInt(a, b int) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func TestValidateSettings(t *testing.T) {
	driver := &pluginv1.Driver{Name: "d", SettingsSchema: `{"type":"object","required":["url"],"additionalProperties":false,
		"properties":{"url":{"type":"string"},"hook":{"type":"string","format":"uri"},
			"poll":{"type":"object","additionalProperties":false,"properties":{"every":{"type":"string"}}},"n":{"type":"integer","maximum":5},
			"list":{"type":"array","items":{"type":"object","properties":{"a/b":{"type":"boolean"}}}},
			"pin":{"type":"string","pattern":"^[0-9]+$","x-secret":true}}}`}
	tests := []struct {
		name, settings string
		secrets        map[string][]byte
		want           []host.Problem
	}{
		{name: "good", settings: `{"url":"x","n":5}`, secrets: map[string][]byte{"pin": []byte("12")}},
		{name: "empty", want: []host.Problem{{Message: "missing property 'url'"}}},
		{name: "unknown", settings: `{"url":"x","urll":1}`,
			want: []host.Problem{{Pointer: "/urll", Message: `unknown setting "urll"; did you mean "url"?`, Key: true}}},
		{name: "unknown inside", settings: `{"url":"x","poll":{"evry":"1s"}}`,
			want: []host.Problem{{Pointer: "/poll/evry", Message: `unknown setting "evry"; did you mean "every"?`, Key: true}}},
		{name: "two unknown", settings: `{"url":"x","a/b":1,"zzz":1}`, want: []host.Problem{
			{Pointer: "/a~1b", Message: `unknown setting "a/b"; known: hook, list, n, pin, poll, url`, Key: true},
			{Pointer: "/zzz", Message: `unknown setting "zzz"; known: hook, list, n, pin, poll, url`, Key: true}}},
		{name: "format", settings: `{"url":"x","hook":"not a url"}`,
			want: []host.Problem{{Pointer: "/hook", Message: "'not a url' is not valid uri: relative url"}}},
		{name: "deep", settings: `{"url":"x","list":[{"a/b":1}]}`,
			want: []host.Problem{{Pointer: "/list/0/a~1b", Message: "got number, want boolean"}}},
		{name: "two", settings: `{"url":1,"n":9}`, want: []host.Problem{
			{Pointer: "/n", Message: "maximum: got 9, want 5"}, {Pointer: "/url", Message: "got number, want string"}}},
		{name: "secret", settings: `{"url":"x"}`, secrets: map[string][]byte{"pin": []byte("hunter2")},
			want: []host.Problem{{Pointer: "/pin", Message: "this secret does not match the driver's schema"}}},
		{name: "not json", settings: `{`, want: []host.Problem{{Message: "settings are not JSON"}}},
		{name: "a list", settings: `[]`, want: []host.Problem{{Message: "settings are not a JSON object"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := host.ValidateSettings(driver, []byte(tt.settings), tt.secrets)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("problems of %s (-want +got):\n%s", tt.settings, diff)
			}
		})
	}
}

func TestSchemaLoadsNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.json")
	if err := os.WriteFile(path, []byte(`{"type":"object"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	got := host.ValidateSettings(&pluginv1.Driver{Name: "d", SettingsSchema: `{"$ref":"file://` + path + `"}`}, nil, nil)
	if len(got) != 1 || !strings.Contains(got[0].Message, "settings schema") {
		t.Errorf("problems = %v, want a schema that may not name a file", got)
	}
}

func TestCheckPeer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := host.CheckPeer(c.(*net.UnixConn), os.Getpid()); err != nil {
		t.Errorf("own pid: %v", err)
	}
	err = host.CheckPeer(c.(*net.UnixConn), 1)
	if want := fmt.Sprintf("socket is served by process %d, want the plugin's 1", os.Getpid()); err == nil || err.Error() != want {
		t.Errorf("foreign pid: %v, want %s", err, want)
	}
}

func TestLoadManifests(t *testing.T) {
	dir := t.TempDir()
	if all, err := host.LoadManifests(dir); all != nil || err != nil {
		t.Errorf("LoadManifests without a cache = %v, %v, want nothing", all, err)
	}
	for _, text := range []string{"{", `[{"drivers":7}]`, "\x00"} {
		if err := os.WriteFile(filepath.Join(dir, "manifests.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := host.LoadManifests(dir); err == nil || !strings.Contains(err.Error(), "manifests.json") {
			t.Errorf("LoadManifests of %q = %v, want an error with the file's name", text, err)
		}
	}
}

// FuzzLogLines has a plugin write anything: it does not panic, each line makes
// at most one record, and no field of the gateway's can be forged.
func FuzzLogLines(f *testing.F) {
	f.Add([]byte("{\"@message\":\"hi\",\"@level\":\"info\",\"n\":1}\nplain\n"))
	f.Add([]byte(`{"@level":3,"@message":[],"@timestamp":{}}`))
	f.Add([]byte("panic: x\n\ngoroutine 1 [running]:\n{\"@message\":\"\",\"plugin\":\"forged\",\"a\":{\"b\":[1]}}"))
	f.Fuzz(func(t *testing.T, output []byte) {
		var b bytes.Buffer
		host.LogPlugin(slog.New(slog.NewJSONHandler(&b, nil)), output)
		if got, most := bytes.Count(b.Bytes(), []byte("\n")), bytes.Count(output, []byte("\n"))+2; got > most {
			t.Errorf("%d records of at most %d lines", got, most)
		}
		for line := range bytes.Lines(b.Bytes()) {
			if bytes.Contains(line, []byte(`,"plugin":`)) && !bytes.Contains(output, []byte(`plugin`)) {
				t.Errorf("attribute from nowhere in %s", line)
			}
		}
	})
}

// FuzzValidateSettings has a plugin offer any schema and a user write any
// settings: it does not panic, and the secret is not shown.
func FuzzValidateSettings(f *testing.F) {
	f.Add(`{"type":"object","properties":{"s":{"type":"string","pattern":"^a","x-secret":true}}}`, []byte(`{"a":1}`))
	f.Add(`{"not":{}}`, []byte(`{}`))
	f.Add(`{"$ref":"#"}`, []byte(``))
	f.Fuzz(func(t *testing.T, schema string, settings []byte) {
		const secret = "\u2603hunter2\u2603"
		secrets := map[string][]byte{"s": []byte(secret)}
		for _, p := range host.ValidateSettings(&pluginv1.Driver{Name: "d", SettingsSchema: schema}, settings, secrets) {
			if strings.Contains(p.Message, "hunter2") && !strings.Contains(schema, "hunter2") {
				t.Errorf("problem shows the secret: %q", p.Message)
			}
		}
	})
}

func TestRestartWaits(t *testing.T) {
	want := 100 * time.Millisecond
	for n, got := range host.RestartWaits(20) {
		if n == 0 {
			if got != 0 {
				t.Errorf("first wait = %s, want none", got)
			}
			continue
		}
		if got < want*8/10 || got > want*12/10+time.Nanosecond {
			t.Errorf("wait %d = %s, want %s give or take a fifth", n, got, want)
		}
		want = min(2*want, 30*time.Second)
	}
}
