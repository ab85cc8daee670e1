package config_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core/config"
	"github.com/openccsp/gateway/core/diag"
)

const full = `
listen      = "127.0.0.1:0"
public_url  = "https://gw.example.com/"
data_dir    = "/var/lib/gateway"
rules_dir   = "rules"
plugin_dirs = ["a", "/b"]
key_file    = "k"

plugins {
  trust     = "signed"
  lock_file = "/etc/plugins.lock"
  keys      = ["11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", file("vendor.pub")]
  sandbox   = true
  read      = ["certs", "/etc/pki"]
  memory    = "300MiB"
  plugin "org.example.acme" {
    connect = [443, "8443"]
    listen  = []
    memory  = "64MiB"
  }
  plugin "org.example.other" {
    listen = [0, 2775]
  }
}
admin { listen = "127.0.0.1:9" }
log {
  format = "json"
  level  = "debug"
}
limits {
  body         = "2MiB"
  connections  = 5
  read_timeout = "7s"
}
store "badger" {
  retention = "1d12h"
  watermark = "2GiB"
}
media {
  max_file      = "10MiB"
  max_total     = "1GiB"
  retention     = "7d"
  link_ttl      = "1h"
  allow_private = true
  types         = ["image/*", "Application/PDF"]
}
integration "enghouse" "tenant" {
  message_routing = true
  settings {
    base_url = "https://ccsp.example.com"
    priority = -1
    tls      = { ca = "ca.pem", key = env("TEST_KEY") }
    header   = "Bearer ${env("TEST_KEY")}"
  }
  dispatch {
    ambiguous = "dead"
    max_parts = 3
    lane_age  = "1h"
    text_limit = 1024
    text_unit  = "grapheme"
    overflow   = "refuse"
    rate       = 0.5
    burst      = 10
  }
}
integration "bot" "helper" {}
channel "rtm" "webshop" {
  settings { app_id = "webshop" }
  media {
    types    = []
    max_file = "1MiB"
  }
}
endpoint "ops" {
  url           = "https://ops.example.com/hook"
  secret        = file("ops.secret")
  format        = "cloudevents"
  validate      = true
  allow_private = true
}
service "retail" {
  integration      = "tenant"
  bot              = "helper"
  channels         = ["webshop"]
  forward          = "bot+ccsp"
  timezone         = "Europe/Zurich"
  locale           = "de-CH"
  idle_after       = "10m"
  unattended_after = ["30m", "15m", "30m"]
  close_after      = "2h"
  transcript       = 5
  reopen_within    = "30m"
}
`

func TestParse(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TEST_KEY", `k"1`)
	if err := os.WriteFile(filepath.Join(dir, "ops.secret"), []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "vendor.pub"), []byte("PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, ps := config.Parse([]byte(full), filepath.Join(dir, "gateway.hcl"))
	if err := ps.Err(); err != nil {
		t.Fatal(err)
	}
	if err := c.Warnings.Err(); err != nil {
		t.Errorf("warnings: %v", err)
	}

	if c.ServiceOf("webshop") != c.Services[0] || c.ServiceOf("tenant") != nil {
		t.Error("ServiceOf returns the wrong service")
	}
	tenant, retail, ops := c.Integrations[0], c.Services[0], c.Endpoints[0]
	got := []any{
		c.Listen, c.PublicURL, c.DataDir, c.RulesDir, c.PluginDirs, c.KeyFile,
		c.Plugins.Trust, c.Plugins.LockFile, len(c.Plugins.Keys), c.Plugins.Keys[1][0], c.Plugins.Sandbox, c.Plugins.Read, c.Plugins.Memory,
		c.Plugins.Each, c.PluginAt("org.example.other").Line,
		c.Admin.Listen, c.Log.Format, c.Log.Level.String(),
		c.Limits.Body, c.Limits.Connections, c.Limits.ReadTimeout, c.Limits.Header,
		c.Store.Retention, c.Store.Watermark, c.Store.Ballast,
		c.Media, c.Channels[0].Media, tenant.Media,
		tenant.Driver, tenant.Name, tenant.MessageRouting, tenant.Dispatch,
		string(tenant.Settings.JSON()), tenant.Settings.Hidden,
		string(c.Integrations[1].Settings.JSON()), c.Channels[0].Dispatch,
		ops.URL, ops.Secret.Reveal(), ops.Validate, ops.AllowPrivate,
		retail.Integration, retail.Bot, retail.Channels, retail.Forward, retail.Timezone.String(), retail.Locale,
		retail.IdleAfter, retail.UnattendedAfter, retail.CloseAfter, retail.Transcript, retail.ReopenWithin,
	}
	want := []any{
		"127.0.0.1:0", "https://gw.example.com", "/var/lib/gateway", filepath.Join(dir, "rules"),
		[]string{filepath.Join(dir, "a"), "/b"}, filepath.Join(dir, "k"),
		config.TrustSigned, "/etc/plugins.lock", 2, byte(0x3d), true, []string{filepath.Join(dir, "certs"), "/etc/pki"}, int64(300 << 20),
		[]config.Plugin{{ID: "org.example.acme", Connect: []uint16{443, 8443}, Listen: []uint16{}, Memory: 64 << 20},
			{ID: "org.example.other", Listen: []uint16{0, 2775}}}, 21,
		"127.0.0.1:9", "json", "DEBUG",
		int64(2 << 20), 5, 7 * time.Second, int64(16 << 10),
		36 * time.Hour, int64(2 << 30), int64(256 << 20),
		config.Media{MaxFile: 10 << 20, MaxTotal: 1 << 30, Retention: 7 * 24 * time.Hour, LinkTTL: time.Hour, AllowPrivate: true,
			Types: []string{"image/*", "application/pdf"}}, config.InstanceMedia{Types: []string{}, MaxFile: 1 << 20}, config.InstanceMedia{},
		"enghouse", "tenant", true, config.Dispatch{Ambiguous: config.Dead, MaxParts: 3, LaneAge: time.Hour, TextLimit: 1024, TextUnit: "grapheme", Overflow: config.RefuseTexts, Rate: 0.5, Burst: 10},
		`{"base_url":"https://ccsp.example.com","header":"Bearer k\"1","priority":-1,"tls":{"ca":"ca.pem","key":"k\"1"}}`,
		[]string{"header", "tls.key"},
		"{}", config.Dispatch{Ambiguous: config.Resend, MaxParts: 20, LaneAge: 24 * time.Hour},
		"https://ops.example.com/hook", "s3cret", true, true,
		"tenant", "helper", []string{"webshop"}, config.ForwardBoth, "Europe/Zurich", "de-CH",
		10 * time.Minute, []time.Duration{15 * time.Minute, 30 * time.Minute}, 2 * time.Hour, 5, 30 * time.Minute,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

func TestParseDefaults(t *testing.T) {
	c, ps := config.Parse(nil, "etc/gateway.hcl")
	if err := ps.Err(); err != nil {
		t.Fatal(err)
	}
	got := []any{c.Listen, c.Admin.Listen, c.DataDir, c.RulesDir, c.KeyFile, c.PluginDirs, c.Store, c.Log, c.Plugins}
	want := []any{":8080", "127.0.0.1:8081", "etc/data", "etc/rules.d", "etc/gateway.key", []string{"etc/plugins"},
		config.Store{Engine: "badger", Retention: 30 * 24 * time.Hour, Watermark: 1 << 30, Ballast: 256 << 20}, config.Log{},
		config.Plugins{Trust: config.TrustOpen, LockFile: "etc/plugins.lock", Sandbox: true}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

func TestTranscriptDefaults(t *testing.T) {
	c, ps := config.Parse([]byte(`
integration "enghouse" "tenant" {}
integration "bot" "helper" {}
service "a" { integration = "tenant" }
service "b" {
  integration   = "tenant"
  bot           = "helper"
  reopen_within = "0"
}
service "c" {
  bot        = "helper"
  transcript = 0
}
`), "gateway.hcl")
	if err := ps.Err(); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{0, 20, 0} {
		if s := c.Services[i]; s.Transcript != want || s.ReopenWithin != 0 {
			t.Errorf("service %s: %d lines, want %d; reopen within %v", s.Name, s.Transcript, want, s.ReopenWithin)
		}
	}
}

// TestDefaultFile keeps the gateway.hcl of the repository without problems.
func TestDefaultFile(t *testing.T) {
	c, err := config.Load("../../gateway.hcl")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Warnings.Err(); err != nil {
		t.Errorf("warnings: %v", err)
	}
	if len(c.Services) != 1 || c.Services[0].Name != "demo" {
		t.Errorf("services = %v, want demo alone", c.Services)
	}
}

func TestLoad(t *testing.T) {
	if _, err := config.Load(filepath.Join(t.TempDir(), "none.hcl")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("err = %v, want fs.ErrNotExist", err)
	}
	file := filepath.Join(t.TempDir(), "gateway.hcl")
	if err := os.WriteFile(file, []byte("listn = 1"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := config.Load(file)
	ps, ok := errors.AsType[diag.Problems](err)
	if !ok || len(ps) != 1 || ps[0].Line != 1 {
		t.Errorf("err = %v, want one problem", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(full)
	f.Add("channel \"a\" {}\nservice {}")
	f.Add("admin {}\nadmin {}\nstore \"nats\" {}")
	f.Add("listen = [for x in [1]: x]\nlimits { body = 1e400 }")
	f.Add("channel \"a\" \"b\" { settings { x = {y = [null, env(\"\")]} } }")
	f.Fuzz(func(t *testing.T, src string) {
		c, ps := config.Parse([]byte(src), "gateway.hcl")
		if c == nil {
			t.Fatal("no Config")
		}
		for _, p := range append(ps, c.Warnings...) {
			if p.File == "" || p.Line < 1 || p.Column < 1 || p.Summary == "" {
				t.Errorf("Parse(%q): %#v has no place or no text", src, p)
			}
		}
	})
}
