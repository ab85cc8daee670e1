package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core/config"
)

func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	c, ps := config.Parse([]byte(text), "gateway.hcl")
	if len(ps) > 0 {
		t.Fatal(ps)
	}
	return c
}

func TestHold(t *testing.T) {
	const base = `listen = ":8080"
data_dir = "data"
store "badger" {
  retention = "30d"
}
endpoint "ops" {
  url = "https://ops.example.com/"
}
`
	tests := []struct {
		name, text string
		want       []string
	}{
		{"nothing", base, nil},
		{"only what applies live", strings.ReplaceAll(base, "ops", "crm") + `service "s" {}`, nil},
		{"another port", strings.Replace(base, ":8080", ":9090", 1), []string{"listen gateway.hcl:1:1"}},
		{"in the order of the file", `admin {
  listen = "127.0.0.1:1"
}
` + strings.Replace(base, `"30d"`, `"31d"`, 1), []string{"admin gateway.hcl:1:1", "store gateway.hcl:6:1"}},
		{"the default written out", base + `rules_dir = "rules.d"` + "\n", nil},
		{"taken out", strings.Replace(base, `data_dir = "data"`, "", 1), nil}, // "data" is the default
		{"a plugin's limits", base + "plugins {\n  plugin \"a.b\" {\n    connect = []\n  }\n}\n", []string{"plugins gateway.hcl:9:1"}},
		{"each", `listen = ":1"
public_url = "https://gw.example.com"
trusted_proxies = ["10.0.0.0/8"]
data_dir = "d"
rules_dir = "r"
plugin_dirs = ["p"]
key_file = "k"
log {
  level = "debug"
}
limits {
  body = "2MiB"
}
plugins {
  trust = "pinned"
}
media {
  max_file = "1MiB"
}
`, []string{"store gateway.hcl", "listen gateway.hcl:1:1", "public_url gateway.hcl:2:1", "trusted_proxies gateway.hcl:3:1",
			"data_dir gateway.hcl:4:1", "rules_dir gateway.hcl:5:1", "plugin_dirs gateway.hcl:6:1", "key_file gateway.hcl:7:1",
			"log gateway.hcl:8:1", "limits gateway.hcl:11:1", "plugins gateway.hcl:14:1", "media gateway.hcl:17:1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			running := parse(t, strings.Replace(base, `"30d"`, `"29d"`, 1))
			if tt.name != "each" {
				running = parse(t, base)
			}
			c := parse(t, tt.text)
			var got []string
			for _, ch := range c.Hold(running) {
				got = append(got, ch.Key+" "+ch.At.String())
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("changes (-want +got):\n%s", d)
			}
			if c.Listen != running.Listen || c.DataDir != running.DataDir || c.Store != running.Store || c.Limits != running.Limits ||
				!cmp.Equal(c.PluginDirs, running.PluginDirs) {
				t.Errorf("%+v is not as it runs", c)
			}
			if again := c.Hold(running); again != nil {
				t.Errorf("held again: %v", again)
			}
		})
	}
}

// The files that hold secrets are known, so that they can be followed, also if
// one of them is missing.
func TestSecretFiles(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "b"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, ps := config.Parse([]byte(`channel "sms" "sms" {
  settings {
    b = file("b")
    a = file("a")
    again = "Bearer ${file("b")}"
  }
}
`), filepath.Join(dir, "gateway.hcl"))
	if len(ps) != 1 || !strings.Contains(ps[0].Error(), "no such file") {
		t.Errorf("problems %v, want one of the missing file", ps)
	}
	if d := cmp.Diff([]string{filepath.Join(dir, "a"), filepath.Join(dir, "b")}, c.Secrets); d != "" {
		t.Errorf("files (-want +got):\n%s", d)
	}
}

func TestNewSettings(t *testing.T) {
	s := config.NewSettings([]byte(`{"a":"x","token":"t"}`), []string{"token"})
	public, secrets := s.Split(nil)
	if string(public) != `{"a":"x"}` || string(secrets["token"]) != "t" {
		t.Errorf("%s, %q", public, secrets)
	}
	if string(config.NewSettings(nil, nil).JSON()) != "{}" {
		t.Error("no settings are not an empty object")
	}
}

// The fingerprint changes with all that is read, and with nothing else.
func TestFingerprint(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "s")
	const text = "channel \"sms\" \"sms\" {\n  settings {\n    token = file(\"s\")\n    other = env(\"FINGERPRINT\")\n  }\n}\n"
	read := func(text string) string {
		c, _ := config.Parse([]byte(text), filepath.Join(dir, "gateway.hcl"))
		return c.Fingerprint
	}
	t.Setenv("FINGERPRINT", "x")
	var seen []string
	for _, step := range []struct {
		name string
		do   func() error
		text string
	}{
		{"no file", func() error { return nil }, text},
		{"a file", func() error { return os.WriteFile(secret, []byte("one"), 0o600) }, text},
		{"another secret", func() error { return os.WriteFile(secret, []byte("two"), 0o600) }, text},
		{"another variable", func() error { t.Setenv("FINGERPRINT", "y"); return nil }, text},
		{"another text", func() error { return nil }, text + "\n"},
		{"a mistake", func() error { return nil }, text + "{"},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		got := read(step.text)
		for _, old := range seen {
			if got == old {
				t.Errorf("%s: the fingerprint is an earlier one", step.name)
			}
		}
		if seen = append(seen, got); read(step.text) != got {
			t.Errorf("%s: read again, it differs", step.name)
		}
	}
}
