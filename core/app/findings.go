package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/agext/levenshtein"

	"github.com/openccsp/gateway/core/config"
	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/core/host"
	"github.com/openccsp/gateway/core/notify"
	"github.com/openccsp/gateway/core/outbound"
	"github.com/openccsp/gateway/core/rehearse"
	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// findings are what looking at the parts of a configuration brings, without
// starting anything.
type findings struct {
	problems, warnings diag.Problems
	unchecked          []string // what could not be looked at, and why
}

// look checks what c names: the settings of instances, against the manifests
// that plugins left when they last ran, the endpoints, and the rules.
func look(c *config.Config) findings {
	var f findings
	o, err := offeredBefore(c)
	manifests := o.manifests
	switch {
	case err != nil:
		f.unchecked = append(f.unchecked, fmt.Sprintf("settings of plugins: %v", err))
	case len(manifests) == 0 && len(c.Instances()) > 0:
		f.unchecked = append(f.unchecked, fmt.Sprintf("settings of plugins: none has run with data_dir %s yet", c.DataDir))
	}
	if len(manifests) > 0 {
		for _, i := range c.Instances() {
			f.settings(i, manifests)
		}
		f.warnings = append(f.warnings, limitWarnings(c, idsOf(manifests))...)
	}
	f.problems = append(f.problems, endpointProblems(c)...)
	set, ps := rules.Load(c.RulesDir, rulesWorld(c, o))
	f.problems = append(f.problems, ps...)
	if set != nil {
		f.warnings = append(f.warnings, set.Warnings()...)
	}
	return f
}

// settings checks those of one instance.
func (f *findings) settings(i *config.Instance, manifests []*pluginv1.Manifest) {
	if p := driverProblem(manifests, i); p != nil {
		f.problems = append(f.problems, p)
		return
	}
	d := driverOf(manifests, i)
	if d == nil {
		f.unchecked = append(f.unchecked, fmt.Sprintf("settings of %s %q: no plugin that has run offers driver %q", i.Kind, i.Name, i.Driver))
		return
	}
	declared := declaredSecrets(d)
	f.warnings = append(f.warnings, i.Settings.LiteralSecrets(declared)...)
	f.problems = append(f.problems, settingsProblems(i, declared, d)...)
}

// settingsProblems returns what the driver's schema says against the settings
// of i, each at its place in gateway.hcl.
func settingsProblems(i *config.Instance, declared []string, d *pluginv1.Driver) (ps diag.Problems) {
	public, secrets := i.Settings.Split(declared)
	for _, p := range host.ValidateSettings(d, public, secrets) {
		ps = append(ps, settingProblem(i, p))
	}
	return ps
}

// settingProblem gives a problem its place in gateway.hcl.
func settingProblem(i *config.Instance, p host.Problem) *diag.Problem {
	at := i.Settings.At(p.Pointer)
	if p.Key {
		at = i.Settings.KeyAt(p.Pointer)
	}
	return diag.Errorf(at, "settings of %s %q: %s", i.Kind, i.Name, p)
}

// endpointProblems returns what keeps endpoints from being used, each at its
// block in gateway.hcl.
func endpointProblems(c *config.Config) (ps diag.Problems) {
	for _, e := range c.Endpoints {
		err := outbound.CheckURL(e.URL)
		for _, secret := range []string{e.Secret.Reveal(), e.Previous.Reveal()} {
			if err == nil {
				_, err = notify.Key(secret)
			}
		}
		if err == nil && e.Validate && c.PublicURL == "" {
			err = errors.New("validate needs public_url: the endpoint allows notifications from its host")
		}
		if err != nil {
			ps = append(ps, diag.Errorf(e.Pos, "endpoint %q: %s", e.Name, err))
		}
	}
	return ps
}

// driverOf returns the driver that i names, or nil.
func driverOf(manifests []*pluginv1.Manifest, i *config.Instance) *pluginv1.Driver {
	for _, d := range driversFor(manifests, i.Kind) {
		if d.Name == i.Driver {
			return d
		}
	}
	return nil
}

// driversFor returns the drivers of one kind of instance.
func driversFor(manifests []*pluginv1.Manifest, of config.Kind) (all []*pluginv1.Driver) {
	kind := pluginv1.DriverKind_CONNECTOR
	if of == config.Channel {
		kind = pluginv1.DriverKind_CHANNEL
	}
	for _, m := range manifests {
		for _, d := range m.Drivers {
			if d.Kind == kind {
				all = append(all, d)
			}
		}
	}
	return all
}

// driverProblem says that no plugin offers the driver that i names, and that
// one offers a driver of nearly that name, which is probably meant. It is nil
// for a name that is near none, whose plugin may come later, and for one that
// differs in digits alone: "sms2" is another "sms".
func driverProblem(manifests []*pluginv1.Manifest, i *config.Instance) *diag.Problem {
	var names []string
	for _, d := range driversFor(manifests, i.Kind) {
		if d.Name == i.Driver {
			return nil
		}
		names = append(names, d.Name)
	}
	near := diag.Suggest(i.Driver, names)
	if near == "" || levenshtein.Distance(i.Driver, near, nil) > 2 || letters(i.Driver) == letters(near) {
		return nil
	}
	return &diag.Problem{
		Pos: i.DriverAt, Summary: fmt.Sprintf("no plugin offers driver %q of %s %q", i.Driver, i.Kind, i.Name),
		Hint: fmt.Sprintf("did you mean %q?", near),
	}
}

// driverProblems are those of instances that were not known with that driver:
// of one that was, the plugin is only gone.
func driverProblems(manifests []*pluginv1.Manifest, before []*known, c *config.Config) (ps diag.Problems) {
	for _, i := range c.Instances() {
		was := slices.ContainsFunc(before, func(k *known) bool {
			return k.Name == i.Name && k.Kind == i.Kind && k.Driver == i.Driver
		})
		if was {
			continue
		}
		if p := driverProblem(manifests, i); p != nil {
			ps = append(ps, p)
		}
	}
	return ps
}

// letters returns a name without its digits.
func letters(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return -1
		}
		return r
	}, name)
}

// declaredSecrets returns the names of the settings that the driver says are
// secret. A schema that cannot be read is found by ValidateSettings.
func declaredSecrets(d *pluginv1.Driver) (names []string) {
	var schema struct {
		Properties map[string]struct {
			Secret bool `json:"x-secret"`
		} `json:"properties"`
	}
	if json.Unmarshal([]byte(d.GetSettingsSchema()), &schema) != nil {
		return nil
	}
	for name, p := range schema.Properties {
		if p.Secret {
			names = append(names, name)
		}
	}
	return names
}

// rulesTest runs the tests of rule files in what c sets up; nil: they are not to be run.
func rulesTest(c *config.Config, o offered) func(*rules.Set) (problems, warnings diag.Problems) {
	if c.RulesTests == config.TestsOff {
		return nil
	}
	return func(set *rules.Set) (problems, warnings diag.Problems) {
		if len(set.Tests()) == 0 {
			return nil, nil
		}
		ps := rehearse.Problems(rehearse.Tests(stageSnap(&setup{Config: c}, o, set), set))
		if c.RulesTests == config.TestsWarn {
			return nil, ps
		}
		return ps, nil
	}
}

// rulesWorld is what rules may name. The type of a channel is its driver's; of
// a driver that nobody knows yet it is taken to be the driver's name.
func rulesWorld(c *config.Config, o offered) rules.World {
	w := rules.World{
		Channels: map[string]rules.Channel{}, Locales: map[string]string{}, ServedBy: map[string]string{},
		Drivers: map[string]*pluginv1.Driver{}, Timers: map[string]rules.Timers{}, Test: rulesTest(c, o),
	}
	for _, s := range c.Services {
		w.Services = append(w.Services, s.Name)
		w.Timers[s.Name] = rules.Timers{Idle: s.IdleAfter, Unattended: s.UnattendedAfter}
		if s.Locale != "" {
			w.Locales[s.Name] = s.Locale
		}
		if s.Integration != "" {
			w.ServedBy[s.Name] = s.Integration
		}
	}
	for _, i := range c.Integrations {
		w.Integrations = append(w.Integrations, i.Name)
		if d := o.inForce(i); d != nil {
			w.Drivers[i.Name] = d
		}
	}
	for _, e := range c.Endpoints {
		w.Endpoints = append(w.Endpoints, e.Name)
	}
	for _, i := range c.Channels {
		ch := rules.Channel{Type: i.Driver}
		d := o.inForce(i)
		if d != nil {
			w.Drivers[i.Name] = d
		}
		if t := d.GetCapabilities().GetChannelType(); t != "" {
			ch.Type = t
		}
		if s := c.ServiceOf(i.Name); s != nil {
			ch.Service = s.Name
		}
		w.Channels[i.Name] = ch
	}
	return w
}
