package app

import (
	"fmt"

	"github.com/openccsp/gateway/core/config"
	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/core/host"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// limitsOfEach are the limits of single plugins, by id.
func limitsOfEach(c config.Plugins) map[string]host.PluginLimits {
	all := map[string]host.PluginLimits{}
	for _, p := range c.Each {
		all[p.ID] = host.PluginLimits{Connect: p.Connect, Listen: p.Listen, Memory: p.Memory}
	}
	return all
}

// limitWarnings are about limits of plugins that are not among those known: they
// bind nobody, and perhaps somebody relies on them.
func limitWarnings(c *config.Config, known []string) (ps diag.Problems) {
	ids := map[string]bool{}
	for _, id := range known {
		ids[id] = true
	}
	for _, p := range c.Plugins.Each {
		if ids[p.ID] {
			continue
		}
		hint := `"gateway plugin list" shows them`
		if near := diag.Suggest(p.ID, known); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		ps = append(ps, &diag.Problem{Pos: c.PluginAt(p.ID), Summary: fmt.Sprintf("limits of plugin %q: no plugin has that id", p.ID), Hint: hint})
	}
	return ps
}

func idsOf(manifests []*pluginv1.Manifest) (ids []string) {
	for _, m := range manifests {
		ids = append(ids, m.PluginId)
	}
	return ids
}

// warnOfLimits logs the limitWarnings of the plugins that are there.
func (g *gateway) warnOfLimits() {
	var ids []string
	for _, p := range g.host.Plugins() {
		ids = append(ids, p.ID)
	}
	g.logWarnings(limitWarnings(g.config, ids))
}
