package app

import (
	"context"
	"errors"
	"slices"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/host"
	"github.com/openccsp/gateway/core/httpd"
)

// Plugins implements httpd.Gateway.
func (g *gateway) Plugins() httpd.PluginList {
	out := httpd.PluginList{Trust: string(g.config.Plugins.Trust)}
	for _, p := range g.host.Plugins() {
		out.Items = append(out.Items, showPlugin(p))
	}
	for _, a := range g.host.Alarms() {
		out.Alarms = append(out.Alarms, httpd.PluginAlarm{Path: a.Dir, Message: a.Message, Since: a.Since})
	}
	return out
}

func showPlugin(p host.Plugin) httpd.Plugin {
	out := httpd.Plugin{
		ID: p.ID, Version: p.Version, SDK: p.SDK, Path: p.Path, Digest: p.Digest, File: p.File, FileReason: p.FileReason,
		Warnings: p.Warnings, Claim: showClaim(p.Claim), Drivers: p.Drivers, Clashes: p.Clashes, Handover: p.Handover,
		State: p.State, Since: p.Since, Problem: p.LastError, Generation: p.Generation, PID: p.PID, Memory: p.Memory,
		Restarts: p.Restarts, Crashes: p.Crashes, Rejected: p.Rejected, RejectedAt: p.RejectedAt,
		Quarantine: p.Quarantine, Operator: p.Operator, Probation: p.Probation,
	}
	if p.File == "attached" {
		out.Digest = "" // it has no file
	}
	for _, i := range p.Instances {
		out.Instances = append(out.Instances, httpd.PluginInstance{
			Name: i.Name, Driver: i.Driver, State: i.State, OK: i.State == host.Opened && i.Healthy, Problem: whyNot(i),
		})
	}
	return out
}

// Plugin implements httpd.Gateway.
func (g *gateway) Plugin(id string) (d httpd.PluginDetail, err error) {
	for _, p := range g.host.Plugins() {
		if !names(p, id) {
			continue
		}
		if len(d.Files) == 0 {
			d.Log = p.Log
			for _, r := range p.Sandbox {
				d.Sandbox = append(d.Sandbox, httpd.Restricted{Name: r.Name, On: r.On, Detail: r.Detail})
			}
		}
		d.Files = append(d.Files, showPlugin(p))
		for _, s := range p.Swaps {
			d.Swaps = append(d.Swaps, httpd.PluginSwap{
				At: s.At, From: s.From, To: s.To, FromDigest: s.FromDigest, ToDigest: s.ToDigest, Exclusive: s.Exclusive,
				Gap: s.Gap.Seconds(), Took: s.Took.Seconds(), Problem: s.Err,
			})
		}
	}
	if len(d.Files) == 0 {
		return d, noPlugin(id)
	}
	return d, nil
}

// names reports whether id means p: its plugin id, or the path of a file that
// has never said one.
func names(p host.Plugin, id string) bool {
	return p.ID == id && id != "" || p.ID == "" && p.Path == id
}

func noPlugin(id string) error { return core.Errorf(core.NotFound, "no plugin %q", clip(id)) }

// PluginLogs implements httpd.Gateway.
func (g *gateway) PluginLogs(ctx context.Context, id string, follow bool, emit func(httpd.PluginLine) error) error {
	return g.host.Logs(ctx, id, follow, func(l host.LogLine) error {
		return emit(httpd.PluginLine{At: l.At.UTC(), Level: l.Level.String(), Text: l.Text, Generation: l.Generation, PID: l.PID})
	})
}

// RollbackPlugin implements httpd.Gateway.
func (g *gateway) RollbackPlugin(id string) error { return g.host.Rollback(id) }

// QuarantinePlugin implements httpd.Gateway.
func (g *gateway) QuarantinePlugin(id string) error { return g.host.Quarantine(id) }

// ReleasePlugin implements httpd.Gateway.
func (g *gateway) ReleasePlugin(id string) error { return g.host.Release(id) }

// AttachPlugin implements httpd.Gateway.
func (g *gateway) AttachPlugin(ctx context.Context, reattach string) error {
	return g.host.Attach(ctx, reattach)
}

// ApprovePlugin implements httpd.Gateway. Only what lies in a plugin directory
// can be approved so: the program may be started to be asked what it is.
func (g *gateway) ApprovePlugin(ctx context.Context, r httpd.Approve) (httpd.Approved, error) {
	known := slices.ContainsFunc(g.host.Plugins(), func(p host.Plugin) bool { return p.Path == r.Path && p.File != "" })
	if !known {
		return httpd.Approved{}, core.Errorf(core.NotFound, "no plugin file %q in the plugin directories", clip(r.Path))
	}
	done, err := approve(ctx, g.config.Plugins.LockFile, g.config.DataDir, r)
	if _, ok := errors.AsType[*core.Error](err); err == nil || ok || ctx.Err() != nil {
		return done, err
	}
	return done, &core.Error{Code: core.Conflict, Message: err.Error()}
}
