// Package config reads gateway.hcl into a checked Config. Every mistake is
// reported with its place, all of them in one go.
package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/openccsp/gateway/core/diag"
)

// MaxBytes is the largest gateway.hcl that Parse reads. It also bounds how
// deep the parser can recurse.
const MaxBytes = 256 << 10

// Config is a checked gateway.hcl:
//
//	listen      = ":8080"                    # hooks; default ":8080"
//	public_url  = "https://gw.example.com"   # what platforms call; default none
//	trusted_proxies = ["10.0.0.0/8"]         # whose X-Forwarded-For is believed; default none
//	data_dir    = "data"                     # default "data"
//	rules_dir   = "rules.d"                  # default "rules.d"
//	rules_tests = "required"                 # or "warn", "off"; default "required"
//	plugin_dirs = ["plugins"]                # default ["plugins"]
//	key_file    = "gateway.key"              # default "gateway.key"
//
//	plugins { … }                            # see Plugins
//	admin { … }                              # see Admin
//	log { … }                                # see Log
//	limits { … }                             # see Limits
//	store "badger" { … }                     # see Store
//	media { … }                              # see Media
//	integration "<driver>" "<name>" { … }    # see Instance
//	channel "<driver>" "<name>" { … }        # see Instance
//	endpoint "<name>" { … }                  # see Endpoint
//	service "<name>" { … }                   # see Service
//
// Relative paths are relative to the folder of gateway.hcl; here they are
// already joined with it. Any value may use env("NAME") and file("path"); what
// they give is secret where it ends up in a Secret or in Settings.
type Config struct {
	File string // as the user gave it
	Dir  string // its folder

	Listen     string
	PublicURL  string // without a trailing slash; "": not known
	Proxies    []netip.Prefix
	DataDir    string
	RulesDir   string
	RulesTests RulesTests
	PluginDirs []string
	KeyFile    string

	Plugins Plugins
	Admin   Admin
	Log     Log
	Limits  Limits
	Store   Store
	Media   Media

	Integrations []*Instance // in the order of the file, like all lists here
	Channels     []*Instance
	Endpoints    []*Endpoint
	Services     []*Service

	// Warnings do not keep the gateway from starting: literal secrets,
	// channels without a service.
	Warnings diag.Problems

	// Secrets are the files that file("path") names, sorted. They are known
	// also if something is wrong with the rest.
	Secrets []string

	// Fingerprint names all that was read: the text, and what env and file gave
	// or why they gave nothing. It is derived from secrets: do not show it.
	Fingerprint string

	listenAt, adminAt diag.Pos
	places            map[string]diag.Pos // of the outer keys and blocks
	pluginAt          map[string]diag.Pos // of the ids in plugin blocks
}

// ListenAt returns the place of listen, or the file if it is not written there.
func (c *Config) ListenAt() diag.Pos { return c.listenAt }

// AdminListenAt returns the place of listen in the admin block, or the file if
// it is not written there.
func (c *Config) AdminListenAt() diag.Pos { return c.adminAt }

// RulesTests says what becomes of rules whose tests fail.
type RulesTests string

// The values of rules_tests.
const (
	TestsRequired RulesTests = "required" // they do not go live
	TestsWarn     RulesTests = "warn"     // they do, with a warning
	TestsOff      RulesTests = "off"      // tests are not run when rules are loaded
)

// Instances returns the integrations, then the channels.
func (c *Config) Instances() []*Instance {
	all := make([]*Instance, 0, len(c.Integrations)+len(c.Channels))
	return append(append(all, c.Integrations...), c.Channels...)
}

// ServiceOf returns the service that a channel belongs to, or nil.
func (c *Config) ServiceOf(channel string) *Service {
	for _, s := range c.Services {
		if slices.Contains(s.Channels, channel) {
			return s
		}
	}
	return nil
}

// Load reads and checks file. Mistakes in it are an error that is a
// diag.Problems; any other error is about reading the file.
func Load(file string) (*Config, error) {
	src, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	c, ps := Parse(src, file)
	if err := ps.Err(); err != nil {
		return nil, err
	}
	return c, nil
}

// Parse checks src, the text of file, and returns every mistake found. The
// Config is never nil, but unless there are no problems it lacks what was
// wrong. Parse reads the environment, and the files that src names.
func Parse(src []byte, file string) (*Config, diag.Problems) {
	c := &Config{File: file, Dir: filepath.Dir(file)}
	r := &reader{dir: c.Dir, start: diag.Pos{File: file, Line: 1, Column: 1}}
	r.functions()
	c.Fingerprint = fingerprint(src, nil)
	if len(src) > MaxBytes {
		r.problems = append(r.problems, diag.Errorf(r.start, "the file has %d bytes, at most %d are read", len(src), MaxBytes))
		return c, r.problems
	}
	if !r.checkNumbers(src, file) {
		return c, r.problems
	}
	f, diags := hclsyntax.ParseConfig(src, file, hcl.InitialPos)
	r.report(diags)
	if diags.HasErrors() {
		return c, r.problems
	}
	c.read(r, f.Body)
	c.Warnings = r.warnings
	slices.Sort(r.files)
	c.Secrets = slices.Compact(r.files)
	c.Fingerprint = fingerprint(src, r.inputs)
	return c, r.problems
}

func fingerprint(src []byte, inputs []string) string {
	h := sha256.New()
	slices.Sort(inputs)
	for _, part := range append([]string{string(src)}, inputs...) {
		_, _ = fmt.Fprintf(h, "%d:%s", len(part), part) // a hash takes all
	}
	return hex.EncodeToString(h.Sum(nil))
}

var schema = &hcl.BodySchema{
	Attributes: optional("listen", "public_url", "trusted_proxies", "data_dir", "rules_dir", "rules_tests", "plugin_dirs", "key_file"),
	Blocks: []hcl.BlockHeaderSchema{
		{Type: "plugins"},
		{Type: "admin"},
		{Type: "log"},
		{Type: "limits"},
		{Type: "store", LabelNames: []string{"engine"}},
		{Type: "media"},
		{Type: "integration", LabelNames: []string{"driver", "name"}},
		{Type: "channel", LabelNames: []string{"driver", "name"}},
		{Type: "endpoint", LabelNames: []string{"name"}},
		{Type: "service", LabelNames: []string{"name"}},
	},
}

func (c *Config) read(r *reader, body hcl.Body) {
	b := r.body(body, schema)
	c.notePlaces(b)
	c.Listen, c.listenAt = b.address("listen", ":8080")
	c.PublicURL = strings.TrimRight(b.url("public_url"), "/")
	c.Proxies = b.prefixes("trusted_proxies")
	c.DataDir = r.path(b.text("data_dir", "data"))
	c.RulesDir = r.path(b.text("rules_dir", "rules.d"))
	c.RulesTests = RulesTests(b.oneOf("rules_tests", string(TestsRequired), string(TestsRequired), string(TestsWarn), string(TestsOff)))
	c.KeyFile = r.path(b.text("key_file", "gateway.key"))
	c.PluginDirs = c.readPluginDirs(b)

	plugins := b.one("plugins")
	c.Plugins = readPlugins(plugins)
	c.readEach(plugins)
	c.readAdmin(b.one("admin"))
	c.Log = readLog(b.one("log"))
	c.Limits = readLimits(b.one("limits"))
	c.Store = readStore(b.one("store"))
	c.Media = readMedia(b.only("media", mediaSchema))
	for _, block := range b.content.Blocks {
		switch block.Type {
		case "integration":
			c.Integrations = append(c.Integrations, readInstance(r, block, Integration))
		case "channel":
			c.Channels = append(c.Channels, readInstance(r, block, Channel))
		case "endpoint":
			c.Endpoints = append(c.Endpoints, readEndpoint(r, block))
		}
	}
	c.checkMedia(r)
	n := c.names(r)
	for _, block := range b.content.Blocks {
		if block.Type == "service" {
			c.Services = append(c.Services, readService(r, block, n))
		}
	}
	c.checkServices(r, n)
}

func (c *Config) readPluginDirs(b *block) []string {
	dirs := []string{"plugins"}
	if b.has("plugin_dirs") {
		dirs = nil
		for _, d := range b.texts("plugin_dirs") {
			dirs = append(dirs, d.value)
		}
	}
	for i, d := range dirs {
		dirs[i] = b.r.path(d)
	}
	return dirs
}
