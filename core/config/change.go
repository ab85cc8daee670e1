package config

import (
	"reflect"
	"slices"

	"github.com/openccsp/gateway/core/diag"
)

// Change is a setting that differs from the one in force and takes effect at
// the next start only.
type Change struct {
	Key string   `json:"key"` // such as "listen", or "store" for its block
	At  diag.Pos `json:"at"`  // where it stands; the file if it is not there any more
}

// atStart are the settings that are read once. All others apply live.
var atStart = []struct {
	key   string
	field func(*Config) any // a pointer to it
}{
	{"listen", func(c *Config) any { return &c.Listen }},
	{"public_url", func(c *Config) any { return &c.PublicURL }},
	{"trusted_proxies", func(c *Config) any { return &c.Proxies }},
	{"data_dir", func(c *Config) any { return &c.DataDir }},
	{"rules_dir", func(c *Config) any { return &c.RulesDir }},
	{"plugin_dirs", func(c *Config) any { return &c.PluginDirs }},
	{"key_file", func(c *Config) any { return &c.KeyFile }},
	{"plugins", func(c *Config) any { return &c.Plugins }},
	{"admin", func(c *Config) any { return &c.Admin }},
	{"log", func(c *Config) any { return &c.Log }},
	{"limits", func(c *Config) any { return &c.Limits }},
	{"store", func(c *Config) any { return &c.Store }},
	{"media", func(c *Config) any { return &c.Media }},
}

// Hold gives c the settings of running that only a start can change, and
// returns those that had been others, in the order of the file.
func (c *Config) Hold(running *Config) (changes []Change) {
	for _, s := range atStart {
		mine, theirs := reflect.ValueOf(s.field(c)).Elem(), reflect.ValueOf(s.field(running)).Elem()
		if reflect.DeepEqual(mine.Interface(), theirs.Interface()) {
			continue
		}
		mine.Set(theirs)
		at, ok := c.places[s.key]
		if !ok {
			at = diag.Pos{File: c.File}
		}
		changes = append(changes, Change{s.key, at})
	}
	slices.SortStableFunc(changes, func(a, b Change) int { return a.At.Compare(b.At) })
	return changes
}

// notePlaces notes where each setting of the file stands.
func (c *Config) notePlaces(b *block) {
	c.places = map[string]diag.Pos{}
	for name, a := range b.content.Attributes {
		c.places[name] = at(a.NameRange)
	}
	for _, hb := range b.content.Blocks {
		if _, ok := c.places[hb.Type]; !ok {
			c.places[hb.Type] = at(hb.DefRange)
		}
	}
}
