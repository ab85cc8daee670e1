package sdk

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// Driver is one channel or connector type, made by [NewChannel] or
// [NewConnector].
type Driver struct {
	name      string
	channel   bool
	caps      Capabilities
	settings  settingsType
	abilities map[string]bool
	value     reflect.Type // what open returns by its signature
	open      func(ctx context.Context, settings any, h Host) (any, error)
}

// NewChannel makes a driver of a channel type. name is the first label of the
// channel's block in gateway.hcl. S is a struct: the settings, from which their
// JSON Schema is made (see the README for its tags). open makes the value of
// one instance; it is called again after each change of its settings, and must
// not receive yet.
//
// C is the type that open returns. The gateway asks it for abilities before
// anything is opened, so return your own type:
//
//	func open(ctx context.Context, s Settings, h sdk.Host) (*channel, error)
//
// With the plain interface [Channel] the driver has no abilities beyond it.
func NewChannel[S any, C Channel](name string, caps Capabilities,
	open func(ctx context.Context, s S, h Host) (C, error)) Driver {
	return newDriver(name, true, caps, open)
}

// NewConnector makes a driver of a connector type, as [NewChannel].
func NewConnector[S any, C Connector](name string, caps Capabilities,
	open func(ctx context.Context, s S, h Host) (C, error)) Driver {
	return newDriver(name, false, caps, open)
}

func newDriver[S, C any](name string, channel bool, caps Capabilities,
	open func(ctx context.Context, s S, h Host) (C, error)) Driver {
	d := Driver{
		name: name, channel: channel, caps: caps,
		settings: newSettingsType[S](), value: reflect.TypeFor[C](),
		open: func(ctx context.Context, s any, h Host) (any, error) {
			v, err := open(ctx, s.(S), h)
			return v, err
		},
	}
	d.abilities = abilitiesOf(d.value, channel)
	if d.settings.checked() {
		d.abilities[pluginv1.AbilityValidate] = true
	}
	return d
}

// capsWith returns the capabilities of an instance with these settings, nil if
// they are the driver's.
func (d *Driver) capsWith(settings any) *pluginv1.Capabilities {
	c, ok := settings.(Capable)
	if !ok {
		return nil
	}
	return c.Capabilities(d.caps).proto()
}

// abilityTypes are the optional interfaces by their name on the wire.
var abilityTypes = []struct {
	name               string
	typ                reflect.Type
	channel, connector bool
}{
	{pluginv1.AbilityWebhook, reflect.TypeFor[WebhookReceiver](), true, true},
	{pluginv1.AbilityPollChat, reflect.TypeFor[ChatPoller](), true, true},
	{pluginv1.AbilityPollAccount, reflect.TypeFor[AccountPoller](), true, true},
	{pluginv1.AbilityListen, reflect.TypeFor[Listener](), true, true},
	{pluginv1.AbilitySocket, reflect.TypeFor[SocketUpgrader](), true, true},
	{pluginv1.AbilityTypingToCustomer, reflect.TypeFor[CustomerTyper](), true, false},
	{pluginv1.AbilityReceipt, reflect.TypeFor[CustomerReceipter](), true, false},
	{pluginv1.AbilitySendEvent, reflect.TypeFor[CustomerEventSender](), true, false},
	{pluginv1.AbilityCall, reflect.TypeFor[Caller](), true, false},
	{pluginv1.AbilityRegister, reflect.TypeFor[TokenRegistrar](), true, false},
	{pluginv1.AbilityTypingToChat, reflect.TypeFor[ChatTyper](), false, true},
	{pluginv1.AbilityReceipt, reflect.TypeFor[Receipter](), false, true},
	{pluginv1.AbilityTransfer, reflect.TypeFor[Transferrer](), false, true},
	{pluginv1.AbilityHold, reflect.TypeFor[Holder](), false, true},
	{pluginv1.AbilityReopen, reflect.TypeFor[Reopener](), false, true},
	{pluginv1.AbilityUpdate, reflect.TypeFor[Updater](), false, true},
	{pluginv1.AbilitySendEvent, reflect.TypeFor[EventSender](), false, true},
}

func abilitiesOf(t reflect.Type, channel bool) map[string]bool {
	have := make(map[string]bool)
	for _, a := range abilityTypes {
		if (channel && a.channel || !channel && a.connector) && t.Implements(a.typ) {
			have[a.name] = true
		}
	}
	return have
}

// undeclared returns an ability of v that the type of open's result hides.
func (d *Driver) undeclared(v any) error {
	for _, name := range slices.Sorted(maps.Keys(abilitiesOf(reflect.TypeOf(v), d.channel))) {
		if !d.abilities[name] {
			return fmt.Errorf("driver %s: open returns %v, which hides the ability %q of %T: "+
				"let it return %T", d.name, d.value, name, v, v)
		}
	}
	return nil
}

var (
	driverName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)
	pluginID   = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*(\.[a-z0-9][a-z0-9-]*)+$`)
	// semver.org, 2.0.0.
	semanticVersion = regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)` +
		`(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?` +
		`(?:\+([0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?$`)
)

// check finds the mistakes of a plugin's author.
func (p Plugin) check() error {
	switch {
	case !pluginID.MatchString(p.ID):
		return fmt.Errorf("plugin id %q is not reverse DNS, such as org.example.acme", p.ID)
	case !semanticVersion.MatchString(p.Version):
		return fmt.Errorf("plugin %s: version %q is not semantic, such as 1.2.0", p.ID, p.Version)
	case len(p.Drivers) == 0:
		return fmt.Errorf("plugin %s: no drivers", p.ID)
	case p.StateSchema < 0, p.MinStateSchema < 0, p.MinStateSchema > max(p.StateSchema, 1):
		return fmt.Errorf("plugin %s: it cannot read state schema %d and write %d",
			p.ID, p.MinStateSchema, p.StateSchema)
	}
	seen := make(map[string]bool)
	for _, d := range p.Drivers {
		switch {
		case d.open == nil:
			return fmt.Errorf("plugin %s: a driver was not made by NewChannel or NewConnector", p.ID)
		case !driverName.MatchString(d.name):
			return fmt.Errorf("driver %q: a name is a lower-case word, such as acme_chat", d.name)
		case seen[d.name]:
			return fmt.Errorf("driver %s: two have this name", d.name)
		case d.settings.err != nil:
			return fmt.Errorf("driver %s: settings: %w", d.name, d.settings.err)
		}
		seen[d.name] = true
	}
	return nil
}
