package host

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

var (
	pluginIDForm   = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*(\.[a-z0-9][a-z0-9-]*)+$`)
	driverNameForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`)
)

// manifest is what a plugin said of itself, checked.
type manifest struct {
	*pluginv1.Manifest
	semver  semver
	schemas map[string]*jsonschema.Schema // by driver
	drivers map[string]*pluginv1.Driver
}

func (m *manifest) exclusive() bool { return m.Handover == pluginv1.Handover_EXCLUSIVE }

func checkManifest(m *pluginv1.Manifest) (*manifest, error) {
	if len(m.PluginId) > 128 || !pluginIDForm.MatchString(m.PluginId) {
		return nil, fmt.Errorf("plugin id %q is not a name such as \"org.example.acme\"", clip(m.PluginId, 128))
	}
	v, err := parseSemver(m.Version)
	if err != nil {
		return nil, err
	}
	out := &manifest{
		Manifest: m, semver: v,
		schemas: make(map[string]*jsonschema.Schema), drivers: make(map[string]*pluginv1.Driver),
	}
	for _, d := range m.Drivers {
		if !driverNameForm.MatchString(d.Name) {
			return nil, fmt.Errorf("driver name %q is not letters, digits, - and _", clip(d.Name, 64))
		}
		if out.drivers[d.Name] != nil {
			return nil, fmt.Errorf("driver %s is offered twice", d.Name)
		}
		if d.Kind != pluginv1.DriverKind_CHANNEL && d.Kind != pluginv1.DriverKind_CONNECTOR {
			return nil, fmt.Errorf("driver %s is neither a channel nor a connector", d.Name)
		}
		if out.schemas[d.Name], err = compileSchema(d); err != nil {
			return nil, err
		}
		out.drivers[d.Name] = d
	}
	if len(out.drivers) == 0 {
		return nil, errors.New("plugin offers no driver")
	}
	return out, nil
}
