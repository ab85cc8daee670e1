package config

import (
	"regexp"

	"github.com/hashicorp/hcl/v2"

	"github.com/openccsp/gateway/core/diag"
)

// Plugin is the block of what one plugin is held to, by its id, beside what all
// are (see Plugins). It can only narrow that:
//
//	plugin "org.openccsp.enghouse" {
//	  connect = [443]       # TCP ports that it may connect to; default all, [] none
//	  listen  = []          # TCP ports of its own that it may listen on, 0 is any free one; default all, [] none
//	  memory  = "256MiB"    # its ceiling, if that is lower
//	}
//
// Hooks and WebSockets come through the gateway and need no port of the plugin;
// neither do names, which are asked for over UDP. Ports need the sandbox, and
// Linux 6.7 or newer.
//
// A program says its id when it runs: one that has never run, and that nobody
// vouches for (see TrustPinned, TrustSigned), is started once without these
// limits, to say it, and then again with them.
type Plugin struct {
	ID              string
	Connect, Listen []uint16 // nil: all, empty: none
	Memory          int64    // bytes, 0: that of all
}

var pluginSchema = &hcl.BodySchema{Attributes: optional("connect", "listen", "memory")}

var pluginIDForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*(\.[a-z0-9][a-z0-9-]*)+$`)

// PluginAt returns the place of the id in a plugin block.
func (c *Config) PluginAt(id string) diag.Pos { return c.pluginAt[id] }

// readEach reads the plugin blocks in that of all.
func (c *Config) readEach(all *block) {
	c.pluginAt = map[string]diag.Pos{}
	for _, hb := range all.content.Blocks.OfType("plugin") {
		b := all.r.block(hb, pluginSchema)
		id := b.labels[0]
		if first, ok := c.pluginAt[id.value]; ok {
			all.r.problem(id.pos, "plugin %q is already at line %d", id.value, first.Line)
			continue
		}
		c.pluginAt[id.value] = id.pos
		if !pluginIDForm.MatchString(id.value) || len(id.value) > 128 {
			all.r.problem(id.pos, `%q is not the id of a plugin; write one such as "org.openccsp.rtm", as "gateway plugin list" shows it`, id.value)
		}
		c.Plugins.Each = append(c.Plugins.Each, readPlugin(b, c.Plugins))
	}
}

func readPlugin(b *block, all Plugins) Plugin {
	p := Plugin{ID: b.labels[0].value, Connect: b.ports("connect", 1), Listen: b.ports("listen", 0), Memory: b.size("memory", 0)}
	for _, name := range []string{"connect", "listen"} {
		if b.has(name) && !all.Sandbox {
			b.r.warn(b.at(name), "%s has no effect with sandbox = false; leave that out", name)
		}
	}
	if all.Memory > 0 && p.Memory > all.Memory {
		b.r.warn(b.at("memory"), "memory is more than the %d MiB of all plugins, which stay; it can only be less", all.Memory>>20)
	}
	return p
}
