package rules

import (
	"slices"
	"strings"

	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/core/split"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// What an action can reach is known when the rule is read: a rule that writes
// where nobody can be written to is told so before it fails.

// cannot reports what an action cannot reach. Rules that were in force once may name
// what is otherwise by now.
func (l *ruleLoader) cannot(pos diag.Pos, hint, format string, args ...any) {
	if !l.world.Past {
		l.src.problem(pos, hint, format, args...)
	}
}

// channel reads the name of a channel, of type typ if that is not "".
func (l *ruleLoader) channel(p pair, typ string) string {
	name := l.name(p, l.world.channelNames(), "channel")
	if c, ok := l.world.Channels[name]; ok && typ != "" && c.Type != typ {
		hint := "use send"
		if slices.Contains(actionNames, sendTo+c.Type) {
			hint += "_" + c.Type
		}
		l.cannot(l.src.pos(p.value), hint, "the channel %q has the type %q", name, c.Type)
	}
	return name
}

// goesTo returns the channels that an action may go to, and what to do if it
// does not suit one of them: the named one, the one of type typ that each
// service has, or those that the rule is about.
func (l *ruleLoader) goesTo(name, typ string, p pair) (channels []string, hint string) {
	switch {
	case name != "":
		if _, ok := l.world.Channels[name]; ok {
			channels = []string{name}
		}
		return channels, ""
	case typ != "":
		return l.ofType(typ, p), ""
	case l.ofFlow():
		return nil, ""
	}
	return l.concerned(), "limit the rule with channel or channel_type"
}

// ofFlow says whether the actions are steps of a flow: which customers it
// is about is known to the rules that start it.
func (l *ruleLoader) ofFlow() bool { return len(l.rule.on) == 0 }

// concerned are the channels on which the rule's customers can be. Nobody
// writes from where one is only called or notified.
func (l *ruleLoader) concerned() (channels []string) {
	r := l.rule
	for _, name := range l.world.channelNames() {
		c := l.world.Channels[name]
		silent := (c.Type == "voice" || c.Type == "push") && !l.onChannels()
		if !silent && among(name, r.channels) && among(c.Type, r.channelTypes) && l.aboutService(c.Service) {
			channels = append(channels, name)
		}
	}
	return channels
}

// onChannels says whether the rule is limited to channels or types of them.
func (l *ruleLoader) onChannels() bool { return len(l.rule.channels)+len(l.rule.channelTypes) > 0 }

// among says whether a limit lets a name through.
func among(name string, limit []string) bool { return len(limit) == 0 || slices.Contains(limit, name) }

// aboutService says whether the rule can be about a service.
func (l *ruleLoader) aboutService(name string) bool {
	served := l.world.ServedBy == nil || among(l.world.ServedBy[name], l.rule.integrations)
	return served && among(name, l.rule.services)
}

// services are those that the rule can be about.
func (l *ruleLoader) services() (names []string) {
	own := l.concerned()
	for _, name := range l.world.Services {
		has := func(channel string) bool { return l.world.Channels[channel].Service == name }
		if l.aboutService(name) && (!l.onChannels() || slices.ContainsFunc(own, has)) {
			names = append(names, name)
		}
	}
	return names
}

// ofType returns the channels of a type that the rule's services have. None,
// and several, are problems, unless the rule's customers are on that type
// themselves.
func (l *ruleLoader) ofType(typ string, p pair) []string {
	other := func(channel string) bool { return l.world.Channels[channel].Type != typ }
	if own := l.concerned(); l.onChannels() && len(own) > 0 && !slices.ContainsFunc(own, other) {
		return own
	}
	const hint = "channels are configured in gateway.hcl"
	named := len(l.rule.services)+len(l.rule.channels) > 0
	var all []string
	for _, service := range l.services() {
		found := l.channelsOf(service, typ)
		switch {
		case len(found) > 1:
			l.cannot(p.pos, "say which with channel", "the service %q has several channels of type %q: %s",
				service, typ, strings.Join(found, ", "))
		case len(found) == 0 && named:
			l.cannot(p.pos, hint, "the service %q has no channel of type %q", service, typ)
		}
		all = append(all, found...)
	}
	if len(all) == 0 && !named {
		l.cannot(p.pos, hint, "no service has a channel of type %q", typ)
	}
	return all
}

// channelsOf are the service's channels of a type.
func (l *ruleLoader) channelsOf(service, typ string) (names []string) {
	for _, name := range l.world.channelNames() {
		if c := l.world.Channels[name]; c.Service == service && c.Type == typ {
			names = append(names, name)
		}
	}
	return names
}

// parts is how many messages the part of a text that is known at load will be.
func (l *ruleLoader) parts(channel string, t *template) int {
	text := t.constant()
	if text == "" {
		return 0
	}
	return len(split.Text(text, l.world.Drivers[channel].GetCapabilities().GetToOutside()))
}

// vendorsCan reports an integration of the rule's whose driver is known to be
// without an ability.
func (l *ruleLoader) vendorsCan(ability string, pos diag.Pos, format string) {
	names := l.vendors()
	if l.ofFlow() {
		return
	}
	for _, name := range names {
		if l.can(name, ability) {
			continue
		}
		hint := ""
		if len(names) > 1 {
			hint = "limit the rule with service or integration"
		}
		l.cannot(pos, hint, format, name)
		return
	}
}

// channelsCan reports a channel of the rule's whose driver is known to be without an
// ability.
func (l *ruleLoader) channelsCan(ability string, p pair, format string) {
	names, hint := l.goesTo("", "", p)
	for _, name := range names {
		if !l.can(name, ability) {
			l.cannot(p.pos, hint, format, name)
			return
		}
	}
}

// vendors are the integrations whose chats the rule can be about.
func (l *ruleLoader) vendors() (names []string) {
	if len(l.rule.integrations) > 0 {
		return l.rule.integrations
	}
	for _, service := range l.services() {
		if name := l.world.ServedBy[service]; name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// canCall says whether a channel's driver, as far as it is known, places calls.
func (l *ruleLoader) canCall(channel string) bool { return l.can(channel, pluginv1.AbilityCall) }

// can says whether an instance's driver, as far as it is known, has an ability.
func (l *ruleLoader) can(instance, ability string) bool {
	d := l.world.Drivers[instance]
	return d.GetCapabilities() == nil || slices.Contains(d.GetAbilities(), ability)
}
