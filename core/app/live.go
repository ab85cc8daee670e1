package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/openccsp/gateway/core/config"
	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/core/host"
	"github.com/openccsp/gateway/core/notify"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// apply puts c in force, all of it that can be without a start, or none of it.
// It returns what a start would change. What is wrong is a diag.Problems.
func (g *gateway) apply(ctx context.Context, c *config.Config) (restart []config.Change, err error) {
	g.applying.Lock()
	defer g.applying.Unlock()
	restart = c.Hold(g.config)
	old := g.now()
	next := succeed(old.known(), c, time.Now())
	manifests := g.manifests()
	problems, err := g.moved(ctx, old.known(), c)
	if err != nil {
		return nil, err
	}
	problems = append(problems, endpointProblems(c)...)
	problems = append(problems, driverProblems(manifests, old.known(), c)...)
	for _, i := range c.Instances() {
		if d := driverOf(manifests, i); d != nil {
			problems = append(problems, settingsProblems(i, declaredSecrets(d), d)...)
		}
	}
	if len(problems) == 0 {
		problems = g.askDrivers(ctx, manifests, old.known(), c)
	}
	if len(problems) > 0 {
		return nil, problems.Err()
	}
	g.worlds.Lock()
	err = g.rules.ChangeWorld(rulesWorld(c, offered{manifests, g.host.Own()}), func() error {
		if err := g.keepKnown(ctx, next); err != nil {
			return err
		}
		if err := g.notify.SetEndpoints(endpointsOf(c)); err != nil {
			return err
		}
		g.current.Store(next)
		return nil
	})
	g.worlds.Unlock()
	if ps, ok := errors.AsType[diag.Problems](err); ok {
		return nil, append(ps, removedProblems(old.Config, c, ps)...).Err()
	}
	if err != nil {
		return nil, err
	}
	g.renewSecrets(ctx, old.known(), c)
	g.setInstances(manifests)
	return restart, nil
}

// moved returns problems of instances that have another driver now while chats
// are open with the old one, whose ids the new one does not know.
func (g *gateway) moved(ctx context.Context, all []*known, c *config.Config) (ps diag.Problems, err error) {
	for _, i := range c.Instances() {
		at := slices.IndexFunc(all, func(k *known) bool { return k.Name == i.Name })
		if at < 0 || all[at].Driver == i.Driver && all[at].Kind == i.Kind {
			continue
		}
		left, err := g.engine.Remains(ctx, i.Name)
		if err != nil {
			return nil, err
		}
		if n := left[i.Name].Chats; n > 0 {
			ps = append(ps, &diag.Problem{
				Pos: i.DriverAt, Summary: fmt.Sprintf("%s %q still has %s of %s %q", i.Kind, i.Name, count(n, "open chat"), all[at].Kind, all[at].Driver),
				Hint: "give the new one another name; the old one finishes its chats",
			})
		}
	}
	return ps, nil
}

// askDrivers has the live plugins look at settings that are not what they have,
// all at once. It returns what is wrong with a setting; what has no place among
// them, such as a far side that does not answer, is shown once they are in force.
func (g *gateway) askDrivers(ctx context.Context, manifests []*pluginv1.Manifest, before []*known, c *config.Config) (all diag.Problems) {
	had := map[string]host.Instance{}
	settings := map[string]config.Settings{}
	for _, k := range before {
		had[k.Name] = hostInstance(g.config, k.Instance, driverOf(manifests, k.Instance), nil)
		settings[k.Name] = k.Settings
	}
	found := make([][]host.Problem, len(c.Instances()))
	var wg sync.WaitGroup
	for n, i := range c.Instances() {
		d := driverOf(manifests, i)
		saved := g.savedSecretsOf(i.Name)
		if old, ok := settings[i.Name]; ok {
			for _, name := range setAnew(old, i.Settings, slices.Collect(maps.Keys(saved))) {
				delete(saved, name)
			}
		}
		next := hostInstance(g.config, i, d, saved)
		if d == nil || had[i.Name].Revision == next.Revision {
			continue
		}
		wg.Go(func() { found[n] = g.host.Validate(ctx, next) })
	}
	wg.Wait()
	for n, i := range c.Instances() {
		for _, p := range found[n] {
			if p.Pointer != "" {
				all = append(all, settingProblem(i, p))
			}
		}
	}
	return all
}

// removedProblems says for each thing that old has, c has not, and a problem of
// the rules names, that it is missed: so both places are told.
func removedProblems(old, c *config.Config, rules diag.Problems) (ps diag.Problems) {
	type thing struct{ kind, name string }
	list := func(c *config.Config) map[thing]diag.Pos {
		all := map[thing]diag.Pos{}
		for _, i := range c.Instances() {
			all[thing{string(i.Kind), i.Name}] = i.Pos
		}
		for _, s := range c.Services {
			all[thing{"service", s.Name}] = s.Pos
		}
		for _, e := range c.Endpoints {
			all[thing{"endpoint", e.Name}] = e.Pos
		}
		return all
	}
	now := list(c)
	for t, pos := range list(old) {
		if _, there := now[t]; there {
			continue
		}
		for _, p := range rules {
			if strings.Contains(p.Summary, strconv.Quote(t.name)) {
				ps = append(ps, &diag.Problem{
					Pos: diag.Pos{File: c.File}, Summary: fmt.Sprintf("%s %q, until now at line %d, is gone and a rule names it: %s", t.kind, t.name, pos.Line, p.Pos),
					Hint: "change the rule first, or save both",
				})
				break
			}
		}
	}
	if len(ps) == 0 {
		ps = diag.Problems{{Pos: diag.Pos{File: c.File}, Summary: "the rules do not fit it", Hint: "change the rules first, or save both"}}
	}
	return ps
}

// renewSecrets forgets what drivers saved where the operator has set the secret
// anew since.
func (g *gateway) renewSecrets(ctx context.Context, before []*known, c *config.Config) {
	for _, k := range before {
		for _, i := range c.Instances() {
			switch saved := g.savedSecrets(i.Name); {
			case i.Name != k.Name:
			case i.Driver != k.Driver: // they are another one's
				g.dropSaved(ctx, i.Name, saved...)
			default:
				g.dropSaved(ctx, i.Name, setAnew(k.Settings, i.Settings, saved)...)
			}
		}
	}
}

func endpointsOf(c *config.Config) map[string]notify.Endpoint {
	all := map[string]notify.Endpoint{}
	for _, e := range c.Endpoints {
		all[e.Name] = notify.Endpoint{
			URL: e.URL, Secret: e.Secret.Reveal(), Previous: e.Previous.Reveal(), Bearer: e.Bearer.Reveal(),
			Format: notify.Format(e.Format), Validate: e.Validate, Rate: float64(e.Rate), Timeout: e.Timeout, DisableAfter: e.DisableAfter,
			AllowPrivate: e.AllowPrivate,
		}
	}
	return all
}

// now returns what is set up.
func (g *gateway) now() *setup { return g.current.Load() }

// manifests are the plugins' as they are now.
func (g *gateway) manifests() []*pluginv1.Manifest {
	return []*pluginv1.Manifest{{Drivers: g.host.Drivers()}}
}
